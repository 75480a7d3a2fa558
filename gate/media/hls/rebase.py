"""Which URIs of a playlist lead to the origin, and where they lead under the session link."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

# A reference with an authority (RFC 3986, sections 3 and 4.2): scheme or none, authority, all that follows.
_WITH_AUTHORITY: Final = re.compile(rb"(?:([A-Za-z][A-Za-z0-9+.-]*):)?//([^/?#]*)(.*)", re.DOTALL)
# A path that would be read as an authority if it stood alone; browsers drop tabs and line breaks, and take a
# backslash for a slash (WHATWG URL, section 4.4).
_LIKE_AUTHORITY: Final = re.compile(rb"/[\t\r\n]*[/\\]")
_PORTS: Final = {b"http": b":80", b"https": b":443"}

Rebase = Callable[[bytes], bytes]


def rebase_under(prefix: bytes, authorities: frozenset[bytes], base_path: bytes) -> Rebase:
    """A mapping that brings same-origin URIs under `prefix` (``/_s/<ticket>``, no trailing slash).

    With an empty prefix they become the gate's own paths, unless another host could be read in one.
    `authorities` are ``scheme://host[:port]`` that mean this origin or the gate itself. `base_path` is the
    path that the origin's URL has in front, which the gate's own paths have not: a path below it is the
    origin's and loses it, any other is the gate's.
    Case of scheme and host, a scheme's default port and a user name make no other origin.
    """

    def rebase(uri: bytes) -> bytes:
        if uri.startswith(b"/") and not uri.startswith(b"//"):
            path = uri
        elif b"//" not in uri:
            return uri
        else:
            found = _WITH_AUTHORITY.match(uri)
            if found is None or not _same(found[1] or b"", found[2], authorities):
                return uri
            path = found[3] if found[3].startswith(b"/") else b"/" + found[3]
        if prefix and path.startswith(prefix + b"/"):
            return path
        if path.startswith(base_path + b"/"):
            path = path[len(base_path) :]
        return uri if not prefix and _LIKE_AUTHORITY.match(path) else prefix + path

    return rebase


@lru_cache(maxsize=256)
def _same(scheme: bytes, authority: bytes, authorities: frozenset[bytes]) -> bool:
    """Whether a reference's scheme (empty where it has none) and authority mean one of `authorities`."""
    known = {_origin(*name.partition(b"://")[::2]) for name in authorities}
    # A reference without a scheme takes the gate's, whichever that is.
    known |= {(b"", host + port) for scheme, host in known for port in (b"", _PORTS.get(scheme, b""))}
    return _origin(scheme, authority) in known


def _origin(scheme: bytes, authority: bytes) -> tuple[bytes, bytes]:
    """Scheme and ``host[:port]`` in the one spelling that is compared (RFC 6454, section 4)."""
    scheme = scheme.lower()
    host = authority.rpartition(b"@")[2].lower().removesuffix(b":")
    return scheme, host.removesuffix(_PORTS.get(scheme, b""))
