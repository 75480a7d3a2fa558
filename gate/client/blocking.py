"""The client for threads and scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from gate.client import calls
from gate.client.calls import AccessLike, Call, DvrLike
from gate.client.connections import Connections
from gate.client.errors import RpcError
from gate.client.exchange import Exchange, read_endpoint
from gate.client.values import MediaUrls, StreamInfo, TokenInfo

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")


class Client:
    """The JSON-RPC API of a gate.

        with Client("https://gate.example", api_token) as client:
            token = client.create_access_token("cam1", ttl=3600, live=True)

    Threads may share one; it keeps connections open between calls until it is closed. Nothing is tried twice.

    Every method raises `RpcError` where the gate refuses the call (`code`, `message`, `data`), and of its
    kinds `TokenRefused` for the API token, `Unavailable` where the gate cannot answer now, `Unreachable` where
    nobody answers, and `UnexpectedAnswer` where it is no gate that does. What JSON cannot say is a ValueError
    or TypeError, and nothing is sent.
    """

    def __init__(
        self, url: str, token: str | None = None, *, timeout_s: float = 10.0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Nothing is connected yet.

        `url` is the base URL of the listener that has the API: ``https://gate.example``, to which ``/api/`` is
        joined, or ``unix:///run/gate/admin.sock``. `token` is an API token, or the admin listener's; None
        where none is asked for, as on a Unix socket. `timeout_s` is how many seconds a call may take in all,
        but for looking up the host's name. `tls` is for certificates of one's own. Neither proxies nor anything
        else of the environment has a say. Raises ValueError for a URL or a token that can be none.
        """
        self._exchange = Exchange(read_endpoint(url), token)
        self._connections = Connections(self._exchange, timeout_s, tls)

    def __repr__(self) -> str:
        return f"Client({self._exchange.endpoint.url!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Its idle connections are closed."""
        self._connections.close()

    def create_access_token(
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
        """A token that opens one stream, and of it what is asked for here: by itself nothing.

        `stream` is its unique id; it need not exist, unless the gate's policy says so. `ttl` is how many
        seconds the token lives, 0 for no end; None is 3600, or the policy's cap where that is less. `live`,
        `dvr` and `copy`: the live edge, the archive, and downloads of it. `from_` and `to` bound dvr and copy:
        nothing before `from_`, nothing from `to` on; Unix seconds, 0 for no bound, or a datetime with a time
        zone, whose fractions of a second are cut off.

        Raises RpcError (-32602) for what is out of range or beyond the policy, such as a `ttl` over its cap.
        Source: aipix Mediaserver, "Auth.CreateAccessToken".
        """
        asked = calls.create_access_token(stream, ttl=ttl, live=live, dvr=dvr, copy=copy, from_=from_, to=to)
        return self._ask(asked)

    def create_api_token(self, ttl: int) -> str:
        """An API token: whoever has it may make the calls of this client.

        `ttl` is how many seconds it lives, 0 for no end. Only over the Unix socket or the admin listener;
        RpcError elsewhere. Source: aipix Mediaserver, "Auth.CreateApiToken".
        """
        return self._ask(calls.create_api_token(ttl))

    def revoke_token(self, token: str) -> None:
        """The token opens nothing any more: on every gate within a second, and what runs is cut.

        `token` is an access or API token, or the name (``jti``) of an access token. It cannot be taken back.
        Raises RpcError (-32602) for what is none of these.
        """
        self._ask(calls.revoke_token(token))

    def inspect_token(self, token: str) -> TokenInfo:
        """What the gate says of an access or API token, of which nothing is changed or used up."""
        return self._ask(calls.inspect_token(token))

    def add_stream(
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
        """The stream is served, by every gate of the store within a second.

        `stream` is its unique id, `url` the http(s) base URL of its origin, `layout` the grammar of its URLs;
        without `enable` it is kept and not served. `access` says who may watch, as `Access` or as
        documented, ``{"allow": "protected", "whitelist": ["10.0.0.0/8"]}``; None: who has a token. `dvr` is
        the depth of its archive, as `Dvr` or ``{"depth": seconds}``. `application` is whose tokens open it;
        None where the policy has only one.

        Where the policy file speaks of the stream's paths it decides, which `StreamInfo.shadowed_by` tells.
        Raises RpcError, also where there is such a stream already.
        """
        return self._ask(
            calls.add_stream(
                stream, url, layout=layout, enable=enable, access=access, dvr=dvr, application=application
            )
        )

    def update_stream(
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
        """The stream is as told, on every gate of the store within a second, and for running sessions too.

        What is None stays as it is; the rest is as for `add_stream`. An `Access` takes the place of the whole
        one that was, its whitelist too; ``{"allow": "none"}`` changes what it names. ``Dvr()`` is an archive of
        which the depth is not known. Raises RpcError, also where there is no such stream.
        """
        return self._ask(
            calls.update_stream(
                stream, url=url, layout=layout, enable=enable, access=access, dvr=dvr, application=application
            )
        )

    def get_stream(self, stream: str) -> StreamInfo:
        """The stream. Raises RpcError where there is none."""
        return self._ask(calls.get_stream(stream))

    def list_streams(self, *, limit: int | None = None) -> Iterator[StreamInfo]:
        """All streams that were added, each once and in no order, asked for page by page as they are read.

        `limit` is about how many a page holds. A stream that is added or removed meanwhile may be there or not.
        """
        seen: set[str] = set()
        cursor = ""
        while True:
            page, cursor = self._ask(calls.list_streams(limit=limit, cursor=cursor))
            for stream in page:
                if stream.uid not in seen:
                    seen.add(stream.uid)
                    yield stream
            if not cursor:
                return

    def remove_stream(self, stream: str) -> bool:
        """The stream is gone, on every gate of the store within a second; whether there was one."""
        return self._ask(calls.remove_stream(stream))

    def revoke_streams(self, streams: Iterable[str]) -> dict[str, bool]:
        """The streams are served no more, and kept: for each whether there is one.

        Source: aipix Mediaserver, "Stream.Revoke".
        """
        return self._ask(calls.revoke_streams(streams))

    def get_media_urls(self, streams: Iterable[str], *, ttl: int | None = None) -> dict[str, MediaUrls | None]:
        """Where each stream is watched, with tokens of their own in the URLs; None for one that is not served.

        `ttl` is how many seconds the URLs open it, 0 for no end; None is 3600, or the policy's cap where that
        is less. Source: aipix Mediaserver, "Stream.GetMediaUrls".
        """
        return self._ask(calls.get_media_urls(streams, ttl=ttl))

    def call(self, method: str, /, **params: object) -> Any:
        """The result of any method as plain JSON: ``client.call("Rpc.Describe")``.

        One underscore at the end of a name is not sent, so that Python's words can be written: ``from_=0``.
        """
        return self._ask(calls.call(method, **params))

    def batch(self, asked: Iterable[Call[T]]) -> list[T | RpcError]:
        """The result of each call, made in one request and in this order, or the RpcError that it came to.

        Calls are made by `gate.client.calls`; a gate takes up to 100 at once. Raises RpcError where the
        request as a whole has failed.
        """
        listed: Sequence[Call[T]] = list(asked)
        if not listed:
            return []
        status, answer = self._connections.ask(self._exchange.write_batch(listed))
        return self._exchange.read_batch(listed, status, answer)

    def _ask(self, call: Call[T]) -> T:
        status, answer = self._connections.ask(self._exchange.write(call))
        return self._exchange.read(call, status, answer)
