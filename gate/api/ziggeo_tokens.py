"""The four calls on server-side tokens, as Ziggeo's SDKs mean them: what was sent in, a resource out.

An SDK asks again at once, four times, whenever the answer is a 5xx, and so does whoever lost it on the way.
What a call that was not answered has done nobody knows: it is remembered for a while by what it asked for and
who did, and the next call that asks for the same is taken for the same wish. It is known by its arguments, not
its bytes: a multipart body is parted differently each time. Whatever was answered is forgotten, so that two
equal calls on a good day are two wishes.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from gate.core.grants import Grants
from gate.core.token import token_id
from gate.formats.ziggeo_values import Fault, read_arguments
from gate.store.authtokens import AuthToken, AuthTokens
from gate.store.control import Control
from gate.wire.forms import FormFault, read_form

# How long a wish without an answer is known again, and how many of them are.
REMEMBERED_S: Final = 30.0
MOST_REMEMBERED: Final = 4096
# For how long what a deleted token has opened stays shut.
REVOKED_S: Final = 86400.0
_READ_ONLY: Final = ("token", "nonce")
_FORM_REASONS: Final = {413: "body_too_large", 415: "unsupported_media_type"}

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused. `phrase` is one sentence in printable ASCII, of at most 200 characters, and
    holds nothing that was sent: it becomes the reason phrase, and is all that some clients show."""

    status: int
    reason: str
    phrase: str
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an application that has shown its private key, and from where.

    An empty volatile token of it is kept for `grace_s`.
    """

    application: str
    grace_s: float
    address: str


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body, and all that was said of its type."""

    types: Sequence[str] = ()
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants, by a name of its own. `again` where an earlier call for it was not answered."""

    name: str
    again: bool


class Unanswered:
    """The wishes of calls that were not answered, by what they asked for; the oldest go first."""

    def __init__(self, keep_s: float = REMEMBERED_S, most: int = MOST_REMEMBERED) -> None:
        self._keep_s = keep_s
        self._most = most
        self._count = 0
        self._kept: OrderedDict[str, list[tuple[float, str]]] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    @contextmanager
    def wish(self, asked: str, now: float) -> Iterator[Wish]:
        """The wish behind a call for `asked`: remembered where the body is left by an exception."""
        name = self._take(asked, now)
        wish = Wish(name or secrets.token_hex(16), name is not None)
        answered = False
        try:
            yield wish
            answered = True
        finally:
            if not answered:
                self._keep(asked, wish.name, now + self._keep_s)

    def _take(self, asked: str, now: float) -> str | None:
        kept = self._kept.pop(asked, [])
        left = [each for each in kept if each[0] > now]
        name = left.pop(0)[1] if left else None
        self._count += len(left) - len(kept)
        if left:
            self._kept[asked] = left
        return name

    def _keep(self, asked: str, name: str, until: float) -> None:
        self._kept.setdefault(asked, []).append((until, name))
        self._kept.move_to_end(asked)
        self._count += 1
        while self._count > self._most:
            _, gone = self._kept.popitem(last=False)
            self._count -= len(gone)


class TokenCalls:
    """Creates, shows, changes and deletes. Each gives a document or a Refusal, and raises StoreError."""

    def __init__(self, tokens: AuthTokens, control: Control) -> None:
        self._tokens = tokens
        self._control = control
        self._unanswered = Unanswered()

    async def create(self, caller: Caller, body: Body, now: float) -> Document | Refusal:
        """A new token, as it was made."""
        said = _read(body, None)
        if isinstance(said, Refusal):
            return said
        said = {name: value for name, value in said.items() if value is not None}
        with self._unanswered.wish(_describe("create", caller, "", said), now) as wish:
            made = await self._tokens.create(caller.application, said, wish.name, grace_s=caller.grace_s)
        return _show(made)

    async def get(self, caller: Caller, name: str) -> Document | Refusal:
        """The token as it is."""
        held = await self._tokens.get(caller.application, name)
        return _UNKNOWN if held is None else _show(held)

    async def update(self, caller: Caller, name: str, body: Body, now: float) -> Document | Refusal:
        """The token as it is now: what was not sent is as it was, and a limit that is null there no more."""
        said = _read(body, name)
        if isinstance(said, Refusal):
            return said
        with self._unanswered.wish(_describe("update", caller, name, said), now) as wish:
            held = await self._tokens.get(caller.application, name)
            if held is not None:
                held = await self._tokens.update(
                    caller.application, name, said, wish.name, grace_s=caller.grace_s
                )
        return _UNKNOWN if held is None else _show(held)

    async def delete(self, caller: Caller, name: str, now: float) -> Document | Refusal:
        """The token is gone, and every gate cuts what it has opened.

        It is revoked first. Were that tried second, and failed, whoever asks again at another gate would find
        no token, and what it had opened would run on with nobody left to end it.
        """
        with self._unanswered.wish(_describe("delete", caller, name, {}), now) as wish:
            held = await self._tokens.get(caller.application, name)
            if held is None and not wish.again:
                return _UNKNOWN
            await self._control.revoke(f"u:{token_id(caller.application, name)}", now + REVOKED_S)
            gone = await self._tokens.delete(caller.application, name, wish.name)
        return {"deleted": True, "token": name} if gone else _UNKNOWN


_UNKNOWN: Final = Refusal(404, "not_found", "There is no such token")


def _read(body: Body, token: str | None) -> dict[str, Any] | Refusal:
    """What the body says, in the one spelling that is kept; of nothing else than of what it says.

    `token` is the name that it may repeat: SDKs' users send back what they got.
    """
    if len(body.types) > 1:
        return Refusal(415, "unsupported_media_type", "The content type is there more than once")
    form = read_form(body.types[0] if body.types else None, body.content)
    if isinstance(form, FormFault):
        return Refusal(form.status, _FORM_REASONS.get(form.status, "malformed_request"), form.text)
    for field in _READ_ONLY:
        given = form.pop(field, None)
        if given is not None and given != "" and (field != "token" or given != token):
            return Refusal(400, "malformed_request", f"{field} is read-only")
    arguments = read_arguments(form)
    if isinstance(arguments, Fault):
        return Refusal(400, "malformed_request", str(arguments))
    values = {field: getattr(arguments, field) for field in form}
    return {**values, "grants": _spell(arguments.grants)} if "grants" in values else values


def _spell(grants: Grants) -> dict[str, dict[str, Any]]:
    """The grants with only what is said: a flag that is false, or an empty list, says nothing."""
    spelled = {}
    for action, grant in grants.by_action.items():
        rule = {"all": grant.all, "resources": sorted(grant.resources), "session_owned": grant.session_owned}
        spelled[action.value] = {word: value for word, value in rule.items() if value}
    return spelled


def _describe(kind: str, caller: Caller, name: str, said: Mapping[str, Any]) -> str:
    """What is asked for, and by whom: the same for the same, and as short however much is said."""
    text = json.dumps([kind, caller.application, caller.address, name, said], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _show(token: AuthToken) -> Document:
    """The resource with the fields of Ziggeo's documentation, all of them: null is no limit."""
    held = token.arguments
    return {
        "volatile": bool(held.get("volatile")),
        "token": token.id,
        "nonce": None,
        "hidden": bool(held.get("hidden")),
        "expiration_date": held.get("expiration_date"),
        "usage_expiration_time": held.get("usage_expiration_time"),
        "session_limit": held.get("session_limit"),
        "grants": held.get("grants") or {},
    }
