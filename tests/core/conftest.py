"""A small policy with one rule of each kind, and a judge that takes a request all the way to its verdict."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import ClassVar

import pytest
from multidict import CIMultiDict

from gate.core.decision import decide, locate, vouched
from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Algorithm, Key, Keyring
from gate.core.media import Facts, Kind, Role
from gate.core.policy import Access, Application, Origin, Pattern, Policy, StreamRule
from gate.core.revocation import Revocations
from gate.core.target import Target
from gate.core.ticket import Ticket
from gate.core.token import Format, Rights, Token, Warrant, subject_owner, token_id
from gate.core.verdicts import Ask, Place
from gate.core.windows import Moving, Span

NOW = 1_800_000_000.0


class Grammar:
    """A closed grammar in little: the last segment says what it is, with its bounds in Unix seconds.

    ``endless-F`` goes on from F at the speed of the clock, ``late-N`` so many seconds behind it; ``since-F``
    and ``back-N`` end now.
    """

    name = "grammar"
    plain: ClassVar = {
        "index.m3u8": (Role.MANIFEST, Kind.LIVE),
        "preview.jpg": (Role.IMAGE, Kind.LIVE),
        "mpegts": (Role.STREAM, Kind.LIVE),
        "segment.ts": (Role.SEGMENT, None),
        "file.mp4": (Role.OBJECT, Kind.OBJECT),
    }
    dated: ClassVar = {
        "dvr": (Role.MANIFEST, Kind.DVR),
        "segment": (Role.SEGMENT, None),
        "copy": (Role.DOWNLOAD, Kind.COPY),
    }

    def read(self, target: Target, parts: dict[str, str]) -> Facts:
        resource, last = parts.get("resource", ""), target.segments[-1]
        if last in self.plain:
            return Facts(resource, *self.plain[last])
        if found := re.fullmatch(r"(dvr|segment|copy)-(\d+)-(\d+)", last):
            start, end = int(found[2]), int(found[3])
            return Facts(resource, *self.dated[found[1]], Span(start * 1000, end * 1000))
        if found := re.fullmatch(r"(endless|late|since|back)-(\d+)", last):
            at_ms, ago = int(found[2]) * 1000, found[1] in ("late", "back")
            if found[1] in ("endless", "late"):
                lag_ms = at_ms - 1 if ago else 0
                return Facts(resource, Role.STREAM, Kind.DVR, Moving(at_ms, ago, lag_ms, paced=True))
            return Facts(resource, Role.MANIFEST, Kind.DVR, Moving(at_ms, ago))
        return Facts(resource, Role.OTHER)

    def write(self, target: Target, span: Span) -> Target | None:
        """In whole seconds."""
        *front, last = target.path.split("/")
        found = re.fullmatch(r"(dvr|segment|copy)-\d+-\d+", last)
        if found is None or span.start_ms % 1000 or span.end_ms % 1000:
            return None
        path = "/".join([*front, f"{found[1]}-{span.start_ms // 1000}-{span.end_ms // 1000}"])
        return Target(path, target.query, tuple(path[1:].split("/")))


def _application(name: str) -> Application:
    return Application(name, Keyring([Key("k", Algorithm.HS256, b"k" * 32)]), max_ttl_s=86400.0)


DEMO, OTHER = _application("demo"), _application("other")
_ORIGIN = Origin("archive", "http://127.0.0.1:9000")


def _rule(number: int, pattern: str, access: Access, application: Application | None = None) -> StreamRule:
    networks = (ip_network("192.0.2.0/24"),) if access is Access.PROTECTED else ()
    return StreamRule(
        f"streams[{number}]", Pattern(pattern), access, _ORIGIN, Grammar(), application, networks=networks
    )


POLICY = Policy(
    (
        _rule(0, "/public/**", Access.PUBLIC),
        _rule(1, "/office/**", Access.PROTECTED),
        _rule(2, "/closed/**", Access.NONE),
        _rule(3, "/other/{resource}/**", Access.PRIVATE, OTHER),
        _rule(4, "/homeless/**", Access.PRIVATE),
        _rule(5, "/{resource}/**", Access.PRIVATE, DEMO),
    ),
    {"demo": DEMO, "other": OTHER},
)
READ = Grants({Action.READ: Grant(resources=frozenset({"cam1"}))})


@pytest.fixture
def policy() -> Policy:
    return POLICY


@pytest.fixture
def warrant() -> Warrant:
    """Reads cam1, without any bound of time."""
    return Warrant(READ, Rights(True, True, True))


@pytest.fixture
def token(warrant: Warrant) -> Token:
    """Uncounted, good for an hour."""
    return Token(
        application="demo",
        format=Format.JWT,
        id=token_id("demo", "one"),
        owner=subject_owner("demo", "viewer"),
        subject="viewer",
        warrant=warrant,
        issued_at=int(NOW) - 60,
        expires_at=int(NOW) + 3600,
    )


@pytest.fixture
def ticket(token: Token) -> Ticket:
    """Of a session that `token` opened ten seconds ago."""
    return Ticket(
        session="00session",
        application=token.application,
        token=token.id,
        owner=token.owner,
        subject=token.subject,
        opened_at=int(NOW) - 10,
        ends_at=NOW + 3600,
        token_expires_at=token.expires_at,
        issued_at=token.issued_at,
        session_limit=None,
        max_concurrent=None,
        warrant=token.warrant,
    )


Judge = Callable[..., object]


@pytest.fixture
def judge() -> Judge:
    """`judge(url, method, token=, ticket=, ...)` is the verdict on a request that carries these, verified.

    The ticket is in the path, unless `link` is False: then it came in some other way. `key` is that of the
    marks of its session.
    """

    def judge(
        url: str,
        method: str = "GET",
        *,
        token: object = None,
        ticket: object = None,
        known: object = None,
        fields: list[tuple[str, str]] | None = None,
        address: str = "192.0.2.1",
        revoked: tuple[str, ...] = (),
        now: float = NOW,
        policy: Policy = POLICY,
        trace: list[str] | None = None,
        owned: bool = False,
        link: bool = True,
        key: bytes | None = None,
    ) -> object:
        revocations = Revocations()
        for entry in revoked:
            revocations.add(entry, now + 3600)
        ask = Ask(method, f"/_s/TICKET{url}" if ticket and link else url, CIMultiDict(fields or []), address)
        place = locate(ask, policy, trace)
        if isinstance(place, Place) and key is not None:
            place = vouched(place, key)
        if not isinstance(place, Place):
            return place
        return decide(ask, place, token, ticket, known, revocations, now, trace, owned=owned)

    return judge


@pytest.fixture
def located() -> Callable[..., object]:
    """`located(url, method, *fields)` is what `locate` makes of a request under the policy."""

    def located(url: str, method: str = "GET", *fields: tuple[str, str], prefix: str = "/_s/") -> object:
        policy = replace(POLICY, sessions=replace(POLICY.sessions, prefix=prefix))
        return locate(Ask(method, url, CIMultiDict(fields), "192.0.2.1"), policy)

    return located
