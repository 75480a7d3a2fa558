"""The client for asyncio, on aiohttp."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientPayloadError,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
    UnixConnector,
)
from yarl import URL

from gate.client import calls
from gate.client.calls import AccessLike, Call, DvrLike
from gate.client.errors import RpcError
from gate.client.exchange import LONGEST_ANSWER, Exchange, read_endpoint, say
from gate.client.values import MediaUrls, StreamInfo, TokenInfo

if TYPE_CHECKING:
    import ssl

_MOST_CONNECTIONS: Final = 64
T = TypeVar("T")


class AsyncClient:
    """The JSON-RPC API of a gate, for asyncio: `gate.client.Client` with ``await``.

        async with AsyncClient("https://gate.example", api_token) as client:
            token = await client.create_access_token("cam1", ttl=3600, live=True)

    Tasks may share one. It belongs to the event loop of its first call, and is closed there. Arguments, units,
    results and errors are those of `gate.client.Client`, where they are told.
    """

    def __init__(
        self, url: str, token: str | None = None, *, timeout_s: float = 10.0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Nothing is connected yet.

        `timeout_s` is how many seconds a call may take in all, with looking up the host's name; the rest is as
        with `gate.client.Client`. Raises ValueError for a URL or a token that can be none.
        """
        self._exchange = Exchange(read_endpoint(url), token)
        self._timeout_s = timeout_s
        self._tls = tls
        self._session: ClientSession | None = None

    def __repr__(self) -> str:
        return f"AsyncClient({self._exchange.endpoint.url!r})"

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Its connections are closed. Whoever asks again opens others."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def create_access_token(
        self,
        stream: str,
        *,
        ttl: int | None = None,
        live: bool = False,
        dvr: bool = False,
        copy: bool = False,
        from_: int | datetime = 0,
        to: int | datetime = 0,
    ) -> str:
        """A token that opens one stream, for `ttl` seconds (0 for no end), within `from_` and `to` (Unix
        seconds, 0 for no bound, or datetimes with a time zone)."""
        asked = calls.create_access_token(stream, ttl=ttl, live=live, dvr=dvr, copy=copy, from_=from_, to=to)
        return await self._ask(asked)

    async def create_api_token(self, ttl: int) -> str:
        """An API token that lives `ttl` seconds, 0 for no end. Over the Unix socket or the admin listener."""
        return await self._ask(calls.create_api_token(ttl))

    async def revoke_token(self, token: str) -> None:
        """The token opens nothing any more, on every gate within a second."""
        await self._ask(calls.revoke_token(token))

    async def inspect_token(self, token: str) -> TokenInfo:
        """What the gate says of a token."""
        return await self._ask(calls.inspect_token(token))

    async def add_stream(
        self,
        stream: str,
        url: str,
        *,
        layout: str = "aipix",
        enable: bool = True,
        access: AccessLike | None = None,
        dvr: DvrLike | None = None,
        application: str | None = None,
    ) -> StreamInfo:
        """The stream is served, by every gate of the store within a second."""
        return await self._ask(
            calls.add_stream(
                stream, url, layout=layout, enable=enable, access=access, dvr=dvr, application=application
            )
        )

    async def update_stream(
        self,
        stream: str,
        *,
        url: str | None = None,
        layout: str | None = None,
        enable: bool | None = None,
        access: AccessLike | None = None,
        dvr: DvrLike | None = None,
        application: str | None = None,
    ) -> StreamInfo:
        """The stream is as told, on every gate within a second; what is None stays as it is."""
        return await self._ask(
            calls.update_stream(
                stream, url=url, layout=layout, enable=enable, access=access, dvr=dvr, application=application
            )
        )

    async def get_stream(self, stream: str) -> StreamInfo:
        """The stream. Raises RpcError where there is none."""
        return await self._ask(calls.get_stream(stream))

    async def list_streams(self, *, limit: int | None = None) -> AsyncIterator[StreamInfo]:
        """All streams that were added, each once: ``async for stream in client.list_streams()``."""
        seen: set[str] = set()
        cursor = ""
        while True:
            page, cursor = await self._ask(calls.list_streams(limit=limit, cursor=cursor))
            for stream in page:
                if stream.uid not in seen:
                    seen.add(stream.uid)
                    yield stream
            if not cursor:
                return

    async def remove_stream(self, stream: str) -> bool:
        """The stream is gone, on every gate within a second; whether there was one."""
        return await self._ask(calls.remove_stream(stream))

    async def revoke_streams(self, streams: Iterable[str]) -> dict[str, bool]:
        """The streams are served no more, and kept: for each whether there is one."""
        return await self._ask(calls.revoke_streams(streams))

    async def get_media_urls(
        self, streams: Iterable[str], *, ttl: int | None = None
    ) -> dict[str, MediaUrls | None]:
        """Where each stream is watched, for `ttl` seconds; None for one that is not served."""
        return await self._ask(calls.get_media_urls(streams, ttl=ttl))

    async def call(self, method: str, /, **params: object) -> Any:
        """The result of any method as plain JSON: ``await client.call("Rpc.Describe")``."""
        return await self._ask(calls.call(method, **params))

    async def batch(self, asked: Iterable[Call[T]]) -> list[T | RpcError]:
        """The result of each call, made in one request and in this order, or the RpcError that it came to."""
        listed: Sequence[Call[T]] = list(asked)
        if not listed:
            return []
        status, answer = await self._send(self._exchange.write_batch(listed))
        return self._exchange.read_batch(listed, status, answer)

    async def _ask(self, call: Call[T]) -> T:
        status, answer = await self._send(self._exchange.write(call))
        return self._exchange.read(call, status, answer)

    async def _send(self, body: bytes) -> tuple[int, bytes]:
        exchange = self._exchange
        url = URL(exchange.endpoint.address, encoded=True)
        try:
            # A redirect would take the token elsewhere.
            async with self._open().post(
                url, data=body, headers=exchange.headers, allow_redirects=False
            ) as answer:
                got = bytearray()
                async for piece in answer.content.iter_any():
                    got += piece
                    if len(got) > LONGEST_ANSWER:
                        answer.close()
                        raise exchange.unexpected(f"its answer is longer than {LONGEST_ANSWER} bytes")
                return answer.status, bytes(got)
        except TimeoutError:
            raise exchange.unreachable(f"no answer within {self._timeout_s:g} s") from None
        except ServerDisconnectedError:
            raise exchange.unreachable("it closed the connection") from None
        except OSError as error:
            cause = error.os_error if isinstance(error, ClientConnectorError) else error
            raise exchange.unreachable(say(cause)) from None
        except ClientPayloadError:
            raise exchange.unreachable("its answer broke off") from None
        except ClientResponseError as error:
            raise exchange.unexpected(f"its answer is no HTTP ({type(error).__name__})") from None
        except ClientError as error:
            raise exchange.unreachable(type(error).__name__) from None

    def _open(self) -> ClientSession:
        if self._session is None:
            path, tls = self._exchange.endpoint.socket, self._tls
            self._session = ClientSession(
                connector=UnixConnector(path, limit=_MOST_CONNECTIONS)
                if path is not None
                else TCPConnector(limit=_MOST_CONNECTIONS, ssl=True if tls is None else tls),
                timeout=ClientTimeout(total=self._timeout_s),
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session
