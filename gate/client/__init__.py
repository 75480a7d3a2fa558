"""A client of the gate's JSON-RPC API: access tokens, and streams.

    from gate.client import Client

    with Client("https://gate.example", api_token) as client:
        token = client.create_access_token("cam1", ttl=3600, live=True)

`Client` stands on the standard library, `AsyncClient` on aiohttp, which is loaded when it is first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.client import calls
from gate.client.blocking import Client
from gate.client.calls import Call
from gate.client.errors import RpcError, TokenRefused, Unavailable, UnexpectedAnswer, Unreachable
from gate.client.values import Access, Dvr, MediaUrls, StreamInfo, TokenInfo

if TYPE_CHECKING:
    from gate.client.asynchronous import AsyncClient

__all__ = [
    "Access",
    "AsyncClient",
    "Call",
    "Client",
    "Dvr",
    "MediaUrls",
    "RpcError",
    "StreamInfo",
    "TokenInfo",
    "TokenRefused",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "calls",
]


def __getattr__(name: str) -> object:
    if name != "AsyncClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gate.client.asynchronous import AsyncClient

    globals()[name] = AsyncClient
    return AsyncClient
