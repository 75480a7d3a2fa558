"""Fetching a set of keys from its URL. What answers there is trusted with its keys, and with nothing else.

No cookies, nothing from the environment, no redirect, no coding, no more than a set needs, and not for long.
What its Content-Type says does not matter: a set of keys is told from anything else by what it is.
"""

from __future__ import annotations

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_exceptions import ClientConnectorCertificateError, ClientConnectorDNSError, ClientSSLError
from yarl import URL

from gate.errors import KeysError

LONGEST_SET: Final = 262_144
PATIENCE_S: Final = 5.0
_RESOLVERS: Final = 4
_FIELDS: Final = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}


class JwksClient:
    """Fetches sets of keys. Each fetch has a connection of its own: they are minutes apart."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        """`patience_s`: how long a fetch takes at the most, from the first look at a name to the last byte."""
        self._patience_s = patience_s
        self._resolver = OwnResolver()
        self._session = ClientSession(
            connector=TCPConnector(limit=0, force_close=True, use_dns_cache=False, resolver=self._resolver),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers=_FIELDS,
            skip_auto_headers=("User-Agent",),
            timeout=ClientTimeout(total=patience_s),
        )

    async def fetch(self, url: str) -> bytes:
        """What the URL answers, whatever it is. Raises KeysError, with what its operator should know."""
        try:
            # The library's own limits begin anew here and there; this one does not.
            async with asyncio.timeout(self._patience_s):
                return await self._fetch(url)
        except TimeoutError:
            raise KeysError(f"no whole answer within {self._patience_s:g} s") from None
        except ClientConnectorDNSError:
            raise KeysError("its host name is not resolved") from None
        except ClientConnectorCertificateError as error:
            why = getattr(error.certificate_error, "verify_message", "")
            raise KeysError(f"its certificate is not accepted{f': {why}' if why else ''}") from None
        except ClientSSLError:
            raise KeysError("it does not speak TLS as it should") from None
        except ClientConnectorError as error:
            raise KeysError(f"no connection: {_say(error.os_error)}") from None
        except (ClientError, OSError, ValueError) as error:
            raise KeysError(f"its answer breaks off, or is none ({type(error).__name__})") from None

    async def close(self) -> None:
        await self._session.close()
        await self._resolver.close()

    async def _fetch(self, url: str) -> bytes:
        async with self._session.get(URL(url, encoded=True), allow_redirects=False) as response:
            try:
                _check_head(response)
                body = bytearray()
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > LONGEST_SET:
                        raise KeysError(f"its answer is larger than {LONGEST_SET // 1024} KiB")
                return bytes(body)
            finally:
                # Whatever is still to come is not read.
                response.close()


class OwnResolver(AbstractResolver):
    """Looks names up in threads of its own: a name server that is silent keeps nobody else's names waiting."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="jwks names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises OSError."""
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _say(error: OSError) -> str:
    known = error.errno is not None and error.errno > 0
    return os.strerror(error.errno).lower() if known and error.errno is not None else "it cannot be reached"


def _check_head(response: ClientResponse) -> None:
    """Raises KeysError for an answer that is none, or is encoded: a few bytes can stand for gigabytes."""
    if response.status in (301, 302, 303, 307, 308):
        raise KeysError(f"it redirects ({response.status}), which is not followed: name the other URL")
    if response.status != 200:
        raise KeysError(f"it answers {response.status}")
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise KeysError(f"its answer comes in a coding that was not asked for: {coding[:40]!r}")
