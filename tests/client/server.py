"""An API to be asked: the gate's own listener, guard and codec on a real socket, over dictionaries."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from gate.api.answers import to_answer
from gate.api.guard import guard
from gate.api.rpc import Rpc, read_call
from gate.api.rpc_methods import Code, FaultKind, Method, RpcFault
from gate.core.keys import Algorithm, Key, Keyring
from gate.core.stream import check_origin, check_uid, check_whitelist
from gate.core.token import Token
from gate.errors import StoreUnavailable, UsageError
from gate.formats import jwt
from gate.formats.aipix import STREAM, access_parameters, asked_claims, check_bounds, lifetime
from gate.formats.parameters import FLAG, Parameter, choice, listed, record, text, whole
from gate.proxy.relay import respond
from gate.server.bodies import read_body
from gate.server.listener import Listener

KEY = Key("k1", Algorithm.HS256, b"a secret of more than thirty-two bytes, for tests")
TOKEN = "the-api-token-of-these-tests"
TAKEN = FaultKind(-32010, "stream_exists", "There is such a stream already.")
MISSING = FaultKind(-32011, "no_stream", "There is no such stream.")
URL = text(2048)
ACCESS = record(
    Parameter("allow", choice("public", "private", "protected", "none"), "Who.", default="private"),
    Parameter("whitelist", listed(text(64), 10), "Which addresses.", default=()),
)
DVR = record(Parameter("depth", whole("whole seconds", 2**31), "How far back."))
UID = Parameter("stream", STREAM, "The unique id of the stream.", required=True)
UIDS = Parameter("streams", listed(STREAM, 100), "The unique ids of streams.", required=True)
FIELDS = (
    Parameter("layout", text(64), "Its layout."),
    Parameter("enable", FLAG, "Whether it is served."),
    Parameter("access", ACCESS, "Who may watch it."),
    Parameter("dvr", DVR, "Its archive."),
    Parameter("application", text(64), "Whose it is."),
)


@dataclass
class Api:
    """The methods, over dictionaries; `asked` are the names and parameters of all calls that were made."""

    streams: dict[str, dict[str, Any]] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)
    token: str | None = TOKEN
    longest: int = 65536
    bare: bool = False
    delay_s: float = 0.0
    store_away: bool = False
    url: str = ""

    def __post_init__(self) -> None:
        page = (
            Parameter("limit", whole("a number", 100, 1), "How many.", default=100),
            Parameter("cursor", text(300), "Where to go on.", default=""),
        )
        ttl = Parameter("ttl", lifetime(), "Seconds.", default=3600)
        known = Parameter("token", text(8192), "The token.", required=True)
        methods = [
            ("Auth.CreateAccessToken", self._mint, access_parameters(86400, unlimited=False)),
            ("Auth.CreateApiToken", self._api_token, [Parameter("ttl", lifetime(), "Seconds.", required=True)]),
            ("Auth.RevokeToken", self._revoke_token, [known]),
            ("Auth.InspectToken", self._inspect, [known]),
            ("Stream.Add", self._add, [UID, Parameter("url", URL, "Its origin.", required=True), *FIELDS]),
            ("Stream.Update", self._update, [UID, Parameter("url", URL, "Its origin."), *FIELDS]),
            ("Stream.Get", self._get, [UID]),
            ("Stream.List", self._list, page),
            ("Stream.Remove", self._remove, [UID]),
            ("Stream.Revoke", self._revoke, [UIDS]),
            ("Stream.GetMediaUrls", self._urls, [UIDS, ttl]),
        ]
        self.rpc: Rpc[str] = Rpc(
            [
                Method(
                    name,
                    f"What {name} is told as.",
                    self._noting(name, run),
                    parameters,
                    check=check_bounds if name == "Auth.CreateAccessToken" else None,
                )
                for name, run, parameters in methods
            ],
            title="gate",
            version="1",
        )

    def _noting(self, name: str, run: Any) -> Any:
        async def noting(asked: Mapping[str, Any], caller: str) -> object:
            self.asked.append((name, asked))
            if self.store_away:
                raise StoreUnavailable("the store at 127.0.0.1:6379 does not answer")
            return run(asked)

        return noting

    def _mint(self, asked: Mapping[str, Any]) -> object:
        return jwt.sign(asked_claims(asked, now=time.time(), jti=f"t{len(self.asked)}"), KEY)

    def _api_token(self, asked: Mapping[str, Any]) -> object:
        return f"api_{asked['ttl']}"

    def _inspect(self, asked: Mapping[str, Any]) -> object:
        token = jwt.verify(asked["token"], "demo", Keyring([KEY]))
        if not isinstance(token, Token):
            # It quotes what was sent, as a worse server would.
            raise RpcFault(Code.INVALID_PARAMS, f"token: {asked['token']} is\nnone")
        return {
            "kind": "access",
            "in_force": asked["token"] not in self.revoked,
            "reason": "revoked" if asked["token"] in self.revoked else None,
            "id": token.id,
            "issued_at": token.issued_at,
            "ends_at": token.expires_at,
            "application": token.application,
            "claims": {"live": token.warrant.rights.live},
            "beyond": 1,
        }

    def _revoke_token(self, asked: Mapping[str, Any]) -> object:
        self.revoked.add(asked["token"])
        return True

    def _add(self, asked: Mapping[str, Any]) -> object:
        uid = asked["stream"]
        if uid in self.streams:
            raise TAKEN.fault()
        plain = {
            "uid": uid,
            "layout": "aipix",
            "enable": True,
            "access": {"allow": "private", "whitelist": []},
            "dvr": {},
            "application": "demo",
            "made_at": 1_795_255_200.5,
            **({"shadowed_by": ["rule 1: /closed/**"]} if uid == "closed" else {}),
        }
        return self._put(plain, asked)

    def _update(self, asked: Mapping[str, Any]) -> object:
        return self._put(self._get(asked), asked)

    def _put(self, stream: dict[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in asked.items() if value is not None and name != "stream"}
        try:
            check_uid(asked["stream"])
            check_origin(given.get("url", "http://127.0.0.1"))
            check_whitelist(list(given.get("access", {}).get("whitelist", ())))
        except ValueError as error:
            raise UsageError(str(error)) from None
        stream = self.streams[asked["stream"]] = {**stream, **given, "changed_at": 1_795_255_300}
        return stream

    def _get(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked["stream"] not in self.streams:
            raise MISSING.fault(stream=asked["stream"])
        return self.streams[asked["stream"]]

    def _list(self, asked: Mapping[str, Any]) -> object:
        names = sorted(name for name in self.streams if name >= asked["cursor"])
        page, rest = names[: asked["limit"]], names[asked["limit"] :]
        # The last of a page stands on the next one too, as where something has changed meanwhile.
        cursor = page[-1] if rest and len(page) > 1 else rest[0] if rest else ""
        return {"streams": [self.streams[name] for name in page], "cursor": cursor}

    def _remove(self, asked: Mapping[str, Any]) -> object:
        return self.streams.pop(asked["stream"], None) is not None

    def _revoke(self, asked: Mapping[str, Any]) -> object:
        return {uid: uid in self.streams for uid in asked["streams"]}

    def _urls(self, asked: Mapping[str, Any]) -> object:
        def urls(uid: str) -> object:
            if uid not in self.streams:
                return False
            query = f"?token=secret-of-{uid}"
            return {
                "live": f"https://gate.example/live/{uid}/playlist_ios.m3u8{query}",
                "dvr": f"https://gate.example/dvr/{uid}/playlist_ios.m3u8{query}",
                "download": f"https://gate.example/dvr/{uid}/record.mp4{query}",
                "preview": None,
            }

        return {uid: urls(uid) for uid in asked["streams"]}

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        self.connections.add(request.transport)
        await asyncio.sleep(self.delay_s)
        unix = isinstance(request.transport and request.transport.get_extra_info("sockname"), str | bytes)
        if (fault := guard(request.method, request.headers, self.token, unix=unix)) is not None:
            return respond(to_answer(fault))
        if (request.method, request.raw_path) not in (("POST", "/api/"), ("POST", "/base/api/")):
            return web.Response(status=404, text="<h1>Not Found</h1>", content_type="text/html")
        body = await read_body(request, self.longest)
        if body is None:
            return web.json_response({"error": {"code": -32600, "message": "The body is too long"}}, status=413)
        self.bodies.append(body)
        accept = () if self.bare else request.headers.getall("accept", ())
        return respond(await self.rpc.answer(read_call(body), "caller", accept=accept))


@contextmanager
def serving(api: Api, path: Path | None = None) -> Iterator[str]:
    """The API is served, in a thread, on a free port or the Unix socket at `path`; its base URL."""
    listening, over = threading.Event(), threading.Event()
    urls: list[str] = []

    async def serve() -> None:
        listener = Listener(api.handle)
        await listener.start(path if path is not None else ("127.0.0.1", 0))
        urls.append(f"unix://{path}" if path is not None else f"http://127.0.0.1:{listener.port}")
        listening.set()
        await asyncio.to_thread(over.wait)
        await listener.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert listening.wait(10)
    try:
        api.url = urls[0]
        yield urls[0]
    finally:
        over.set()
        thread.join()
