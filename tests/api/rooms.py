"""A gate's API for rooms, asked in plain values: desk, door and store are those of a gate that runs."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Self

from multidict import CIMultiDict

from gate.api.claimed import Told
from gate.api.videosdk import VideoSdkApi
from gate.api.videosdk_caller import Caller
from gate.api.videosdk_live import VideoSdkLive
from gate.api.videosdk_routes import Route
from gate.core.keys import Algorithm, Key, Keyring
from gate.core.policy import ApiKey, Application, Policy, VideoSdk
from gate.core.room import Permission, Room, RoomRules, Use
from gate.core.ticket import Ticket, TicketKeys
from gate.core.token import Format, Token
from gate.formats import jwt
from gate.proxy.credentials import Credentials
from gate.proxy.door import GateDoor
from gate.proxy.known import Playbacks
from gate.proxy.ledger import Ledger
from gate.proxy.published import PublishedKeys
from gate.proxy.references import References
from gate.rooms.desk import Desk
from gate.store.authtokens import AuthTokens
from gate.store.client import Client
from gate.store.control import Control
from gate.store.listing import Listing, Mark, Session
from gate.store.rooms import Rooms
from gate.store.sessions import Sessions
from gate.wire.failures import Failures
from gate.wire.metrics import Metrics
from gate.wire.peers import Peer


def _application(name: str) -> Application:
    key = ApiKey(f"AK-{name}", f"the secret of {name}: {'x' * 32}".encode())
    section = VideoSdk({key.id: key})
    return Application(name, Keyring([]), formats=frozenset({Format.VIDEOSDK}), videosdk=section)


PLAIN, MEET, OTHER = Application("plain", Keyring([])), _application("meet"), _application("other")
POLICY = Policy((), {each.name: each for each in (PLAIN, MEET, OTHER)})
CORS = [("Access-Control-Allow-Origin", "*"), ("Vary", "Origin")]
SERVER, MEDIA, ANY = frozenset({Use.API}), frozenset({Use.MEDIA}), frozenset(Use)
ASK, JOIN, MOD = (
    frozenset({permission}) for permission in (Permission.ASK_JOIN, Permission.ALLOW_JOIN, Permission.ALLOW_MOD)
)
ADDRESS = "192.0.2.1"


class RoomGot:
    """An answer as a client reads it."""

    def __init__(self, told: Told) -> None:
        answer = told.answer
        self.told, self.status, self.reason = told, answer.status, told.reason
        self.fields = CIMultiDict(answer.fields)
        self.document: dict[str, Any] = json.loads(answer.body.decode("ascii"))

    def __getitem__(self, name: str) -> Any:
        return self.document[name]


class RoomGate:
    """One gate's API for rooms, and the policy of two applications that have it.

    Its parts are made and started as those of a gate (`gate.server.node`) are.
    """

    def __init__(self, store_url: str, *, timeout_s: float = 5, idle_s: float = 60) -> None:
        self.policy, self.rules = POLICY, RoomRules()
        self.tokens: list[str] = []
        self.client = Client(store_url, timeout_s=timeout_s)
        self.rooms = Rooms(self.client)
        self.desk = Desk(self.rooms, idle_s, rules=lambda application: self.rules)
        self.control = Control(
            self.client, store_url, lambda: None, on_room=self.desk.hear, on_missed=self.desk.miss
        )
        metrics = Metrics()
        sessions = Sessions(self.client, idle_s=idle_s, provisional_s=30)
        playbacks = Playbacks(sessions, idle_s, lambda session, client: None)
        authtokens = AuthTokens(self.client, self.control.tell_authtokens)
        self._ledger = Ledger(lambda: self.policy, sessions, authtokens, self.control, playbacks, metrics)
        self._published = PublishedKeys(metrics, lambda application, keyring: None)
        credentials = Credentials(
            TicketKeys([secrets.token_bytes(32)]),
            self._published,
            References(authtokens, 100),
            Failures(),
            metrics,
            100,
        )
        self.door = GateDoor(credentials, self._ledger, self.control)
        self.api = VideoSdkApi(self.rooms, self.desk, self.door, Failures(), lambda application: self.rules)
        self.live = VideoSdkLive(self.door, self.desk)
        self.server = self.token(uses=SERVER)

    async def __aenter__(self) -> Self:
        await self.control.start()
        self._ledger.start()
        await self.desk.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.desk.stop()
        await self._published.stop()
        await self._ledger.stop()
        await self.control.stop()
        await self.client.close()

    @property
    def listening(self) -> bool:
        """Whether anybody listens at the desk."""
        return any(True for _ in self.desk._listening())

    def token(
        self,
        application: Application = MEET,
        uses: frozenset[Use] = ANY,
        permissions: frozenset[Permission] = JOIN | MOD,
        room: str | None = None,
        participant: str | None = None,
        **claims: Any,
    ) -> str:
        """A token as the application's server signs it; `claims` go over those that the others say."""
        assert application.videosdk is not None
        (key,) = application.videosdk.keys.values()
        now = int(time.time())
        said = {
            "apikey": key.id,
            "permissions": [each.value for each in permissions],
            "roles": None if uses == ANY else [each.value for each in uses],
            "roomId": room,
            "participantId": participant,
            "jti": secrets.token_hex(8),
            "iat": now,
            "exp": now + 3600,
            **claims,
        }
        signed = {name: value for name, value in said.items() if value is not None}
        self.tokens.append(jwt.sign(signed, Key("k", Algorithm.HS256, key.secret)))
        return self.tokens[-1]

    def read(self, text: str) -> tuple[Application, Token]:
        """What a token is at the door."""
        read = self.door.read(text, self.policy, ADDRESS, time.time())
        assert isinstance(read, tuple), read
        return read

    def bearer(self, text: str) -> Caller:
        """Whoever comes with a token."""
        application, token = self.read(text)
        assert token.warrant.room is not None
        return Caller(application, token.warrant.room, token=token)

    async def open(self, link: str) -> tuple[Application, Ticket]:
        """What a session link says."""
        opened = await self.door.open(link.rpartition("/")[2], self.policy, time.time())
        assert isinstance(opened, tuple), opened
        return opened

    def find(self, method: str, target: str) -> Route | None:
        return self.api.find(method, target, self.policy)

    async def ask(
        self,
        method: str,
        target: str,
        token: str | None = None,
        body: Any = None,
        *,
        address: str = ADDRESS,
        host: str = "meet.example",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> RoomGot:
        """The answer; `body` is JSON or bytes. Without a token it is a link's, or nobody's."""
        route = self.find(method, target)
        assert route is not None
        fields = CIMultiDict(headers)
        if token is not None:
            fields.add("Authorization", token)
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        peer = Peer(address, "https", host, "")
        told = await self.api.answer(route, fields, peer, raw, self.policy, "r1", CORS, time.time())
        self.check_form(told)
        return RoomGot(told)

    def check_form(self, told: Told) -> None:
        """What holds of every answer."""
        answer, fields = told.answer, CIMultiDict(told.answer.fields)
        document = json.loads(answer.body.decode("ascii"))
        assert fields["Content-Type"] == "application/json"
        assert (fields["Server"], fields["X-Request-Id"], fields["Cache-Control"]) == ("gate", "r1", "no-store")
        assert set(CORS) <= set(answer.fields)
        assert fields.get("Gate-Reason", "") == told.reason
        assert (answer.status in (202, 429, 503)) == ("Retry-After" in fields)
        assert (answer.status == 401) == ("WWW-Authenticate" in fields)
        assert answer.status != 500
        text = f"{answer.fields} {answer.body!r}"
        assert not any(token in text for token in self.tokens)
        if answer.status >= 400:
            assert told.reason
            assert document["error"] == document["message"] != ""
            assert (document["statusCode"], document["requestId"]) == (answer.status, "r1")
            assert document["reason"] == told.reason
            assert ("code" in document) == ("name" in document)
            assert str(document.get("code", "4000")).isdigit()

    async def make_room(self, **options: Any) -> str:
        got = await self.ask("POST", "/v2/rooms", self.server, options)
        assert got.status == 200, got.document
        # Rooms and meetings are listed by their milliseconds.
        await asyncio.sleep(0.002)
        return str(got["roomId"])

    async def room(self, room: str) -> Room:
        """The room as the store has it."""
        found, _ = await self.rooms.read("meet", room)
        assert found is not None
        return found

    async def all_rooms(self) -> list[Room]:
        """All rooms of the application, whoever is in them."""
        found, total = await self.rooms.page("meet", 0, 100)
        assert len(found) == total
        return found

    async def sessions(self) -> list[Session]:
        """All sessions that are open."""
        listing, mark, found = Listing(self.client, idle_s=60), Mark(), list[Session]()
        while mark is not None:
            page, mark = await listing.page(mark, 100)
            found += [session for _, session in page]
        return found

    async def join(self, room: str, token: str | None = None, **options: Any) -> RoomGot:
        """Joins by a token, or by a new one that allows it."""
        query = options.pop("query", "")
        token = token or self.token()
        return await self.ask("POST", f"/v2/rooms/{room}/join{query}", token, options.pop("body", options))

    async def caller(self, room: str, /, **claims: Any) -> Caller:
        """Somebody who has joined, or asked to."""
        got = await self.join(room, self.token(**claims))
        assert got.status in (200, 202), got.document
        application, ticket = await self.open(got["link"])
        assert ticket.warrant is not None
        assert ticket.warrant.room is not None
        return Caller(application, ticket.warrant.room, ticket=ticket)


async def until(holds: Callable[[], bool], for_s: float = 5.0) -> None:
    """It holds."""
    ends_at = time.monotonic() + for_s
    while not holds():
        assert time.monotonic() < ends_at, "it never came to that"
        await asyncio.sleep(0.005)
