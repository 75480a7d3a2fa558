"""Sessions and revocations over the admin API: seen, and ended on every gate at once."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

from gate.api.answers import Done, Fault, Outcome
from gate.api.call import Call, read_limit, read_second, read_text
from gate.core.policy import Application
from gate.core.session import SHARDS, shard_of, shard_of_session
from gate.core.token import subject_owner, token_id
from gate.errors import UsageError
from gate.store.control import Control
from gate.store.listing import AT_ONCE, Listing, Mark, Session
from gate.store.sessions import LEEWAY_S, Sessions

PAGE: Final = 100
LONGEST_PAGE: Final = 1000
# What one page may cost, in calls of the store: each shard once, and as many more.
_CALLS: Final = 2 * SHARDS
_CURSOR: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,16})\.([0-9a-z]{0,24})", re.ASCII)
_TOKEN_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_KINDS: Final = {"t": "token", "s": "session", "u": "subject", "a": "not_before"}
_NAMES: Final = ("token", "jti", "subject", "session", "not_before")
_log: Final = logging.getLogger("gate.api")


class SessionsApi:
    """Lists, shows and ends sessions. Every method raises UsageError, StoreUnavailable or StoreError."""

    def __init__(
        self,
        listing: Listing,
        sessions: Sessions,
        control: Control,
        applications: Callable[[], Mapping[str, Application]],
    ) -> None:
        self._listing = listing
        self._sessions = sessions
        self._control = control
        self._applications = applications

    async def list(self, call: Call) -> Outcome:
        """A page of sessions; those that do not match are left out, so that a page may hold few, or none."""
        asked = call.parameters("application", "subject", "token", "resource", "limit", "cursor")
        limit = read_limit(asked, PAGE, LONGEST_PAGE)
        owners = self._owners(asked)
        shards = range(SHARDS) if owners is None else sorted({shard_of(owner) for owner in owners})
        at = _enter(_read_cursor(asked.get("cursor")), shards)
        filtered = not asked.keys() <= {"limit", "cursor"}
        found: list[Session] = []
        for _ in range(_CALLS):
            if at is None:
                break
            count = AT_ONCE if filtered else min(AT_ONCE, limit - len(found))
            entries, after = await self._listing.page(at, count)
            for mark, session in entries:
                if _matches(session, asked, owners):
                    found.append(session)
                    if len(found) == limit:
                        after = mark
                        break
            at = None if after is None else _enter(after, shards)
            if len(found) == limit:
                break
        cursor = None if at is None else f"{at.shard}.{at.at_ms}.{at.session}"
        return Done({"sessions": [self._plain(session) for session in found], "cursor": cursor})

    async def show(self, call: Call) -> Outcome:
        """One session."""
        call.parameters()
        session = await self._find(call.name)
        return session if isinstance(session, Fault) else Done(self._plain(session))

    async def end(self, call: Call) -> Outcome:
        """The session is over on every gate within a second, and what runs of it is cut.

        Where the store knows no such session any more its link may still be about: it is revoked all the same.
        """
        call.parameters()
        call.fields()
        try:
            shard_of_session(call.name)
        except ValueError:
            return _unknown(call.name)
        return Done(await self._end(call.name))

    async def revoke(self, call: Call) -> Outcome:
        """A token, a subject, a session, or all tokens of an application issued before a time are revoked."""
        call.parameters()
        asked = call.fields(*_NAMES, "application", "until")
        named = [name for name in _NAMES if name in asked]
        if len(named) != 1:
            raise UsageError(f"name one of {', '.join(_NAMES)}, and only one")
        if named == ["session"]:
            if "until" in asked:
                raise UsageError("until: a session is revoked until it would have ended")
            session = read_text(asked, "session") or ""
            try:
                shard_of_session(session)
            except ValueError:
                raise UsageError("session: expected a session id, 24 characters") from None
            return Done(await self._end(session), HTTPStatus.CREATED)
        until = read_second(asked, "until")
        if until is not None and until <= time.time():
            raise UsageError("until: that time is past")
        entry = self._entry(named[0], asked)
        # Nobody here knows how long the token lives. What is forgotten too early would be good again.
        await self._control.revoke(entry, until)
        _log.warning("revoked: %s", entry)
        return Done(self._shown(entry), HTTPStatus.CREATED)

    async def revocations(self, call: Call) -> Outcome:
        """A page of what is revoked, in the order of its entries."""
        asked = call.parameters("limit", "cursor")
        limit = read_limit(asked, PAGE, LONGEST_PAGE)
        after = asked.get("cursor", "")
        entries = sorted(entry for entry in self._control.revoked.until_s if entry > after)
        page = [self._shown(entry) for entry in entries[:limit]]
        return Done({"revocations": page, "cursor": entries[limit - 1] if len(entries) > limit else None})

    async def _end(self, name: str) -> dict[str, object]:
        session = await self._listing.find(name)
        await self._revoke_session(name, session)
        playbacks = 0
        if session is not None:
            # Another gate may have renewed it before it heard.
            renewed = await self._listing.find(name)
            if renewed is not None and renewed.ends_at != session.ends_at:
                await self._revoke_session(name, renewed)
            playbacks = await self._sessions.close(name, session.owner)
        _log.warning("session %s ended: %d playbacks", name, playbacks)
        return {
            **self._shown(f"s:{name}"),
            "found": session is not None,
            "playbacks": playbacks,
        }

    async def _revoke_session(self, name: str, session: Session | None) -> None:
        """Revoked for as long as its link could open it: for ever, where that is not known."""
        ends_at = None if session is None else session.ends_at
        await self._control.revoke(f"s:{name}", None if ends_at is None else ends_at + LEEWAY_S)

    async def _find(self, name: str) -> Session | Fault:
        try:
            session = await self._listing.find(name)
        except ValueError:
            session = None
        return _unknown(name) if session is None else session

    def _entry(self, kind: str, asked: Mapping[str, Any]) -> str:
        """The entry (`gate.core.revocation`) of a token, a subject or an application."""
        if kind == "token":
            if "application" in asked:
                raise UsageError("application: a token's id names one token of one application already")
            identity = read_text(asked, "token") or ""
            if _TOKEN_ID.fullmatch(identity) is None:
                raise UsageError("token: expected the token's id, 22 characters; its jti is named by jti")
            return f"t:{identity}"
        application = self._application(read_text(asked, "application"))
        if kind == "jti":
            return f"t:{token_id(application.name, read_text(asked, 'jti') or '')}"
        if kind == "subject":
            return f"u:{subject_owner(application.name, read_text(asked, 'subject') or '')}"
        at = read_second(asked, "not_before") or 0
        if at > time.time() + application.leeway_s:
            # It could not be taken back, and nobody would be let in until then.
            raise UsageError("not_before: that time is still to come; tokens issued until now can be revoked")
        return f"a:{application.name}:{at}"

    def _application(self, name: str | None) -> Application:
        applications = self._applications()
        if name is None and len(applications) == 1:
            return next(iter(applications.values()))
        if name is None:
            raise UsageError(f"application: there are several: name one of {', '.join(applications)}")
        if name not in applications:
            raise UsageError(f"application: there is none of this name; known are: {', '.join(applications)}")
        return applications[name]

    def _owners(self, asked: Mapping[str, str]) -> set[str] | None:
        """Under which owners the sessions of a subject are; None where no subject is asked for."""
        if (subject := asked.get("subject")) is None:
            return None
        names = [asked["application"]] if "application" in asked else list(self._applications())
        return {subject_owner(name, subject) for name in names}

    def _shown(self, entry: str) -> dict[str, object]:
        """An entry in force; `until` is when it may be forgotten, None for never."""
        mark, _, name = entry.partition(":")
        until = self._control.revoked.until_s[entry]
        shown: dict[str, object] = {"kind": _KINDS[mark], "until": None if until == float("inf") else until}
        if mark == "a":
            application, _, at = name.rpartition(":")
            return {**shown, "application": application, "not_before": int(at)}
        # A subject is kept as a digest: what it was cannot be told.
        return {**shown, "owner" if mark == "u" else "id": name}

    def _plain(self, session: Session) -> dict[str, object]:
        shown = asdict(session)
        for name in ("owner", "issued_at"):
            del shown[name]
        return {**shown, "revoked": session.is_revoked(self._control.revoked)}


def _matches(session: Session, asked: Mapping[str, str], owners: set[str] | None) -> bool:
    resources = {playing.resource for playing in session.playbacks} or {session.resource}
    return (
        asked.get("application", session.application) == session.application
        and asked.get("token", session.token) in (session.token, session.renewed_by)
        and (owners is None or session.owner in owners)
        and ("resource" not in asked or asked["resource"] in resources)
    )


def _enter(mark: Mark, shards: range | list[int]) -> Mark | None:
    """The mark, or the beginning of the next of the shards; None behind the last."""
    following = next((shard for shard in shards if shard >= mark.shard), None)
    if following is None:
        return None
    return mark if following == mark.shard else Mark(following)


def _read_cursor(text: str | None) -> Mark:
    if text is None:
        return Mark()
    found = _CURSOR.fullmatch(text)
    if found is None or int(found[1]) >= SHARDS:
        raise UsageError("cursor: expected what the page before gave")
    return Mark(int(found[1]), int(found[2]), found[3])


def _unknown(name: str) -> Fault:
    return Fault(HTTPStatus.NOT_FOUND, "not_found", f"there is no session {name[:64]}")
