"""Content codings of what is read on its way: an origin that was asked for plain bytes may still encode them.

A manifest that passed encoded would keep its URIs as they are, and lead the player out of its session without
a word. So it is decoded where the standard library can, and is a fault of the origin where it cannot.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable
from typing import Final

from gate.errors import OriginError

_PLAIN: Final = frozenset({"", "identity"})
# RFC 9110, section 8.4.1: x-gzip is gzip; deflate is the zlib format.
_INFLATED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
# What one step of decoding may give: a few bytes can stand for gigabytes.
_STEP: Final = 65536


def coding_of(fields: Iterable[tuple[bytes, bytes]]) -> str:
    """The one coding of a body, empty for none. Raises OriginError for one that is not read here."""
    named = ",".join(value.decode("latin-1") for name, value in fields if name.lower() == b"content-encoding")
    codings = [coding for piece in named.split(",") if (coding := piece.strip().lower()) not in _PLAIN]
    if not codings:
        return ""
    if len(codings) > 1 or codings[0] not in _INFLATED:
        told = f"the origin's playlist comes in a coding that was not asked for: {named[:40]!r}"
        raise OriginError(told, invalid=True)
    return codings[0]


async def decoded(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body without its gzip or zlib coding. Raises OriginError where it is damaged or incomplete."""
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    empty = True
    try:
        async for chunk in body:
            empty = False
            rest = chunk
            while rest:
                if inflater.eof:
                    raise OriginError("the origin's playlist goes on behind its encoded end", invalid=True)
                yield inflater.decompress(rest, _STEP)
                rest = inflater.unconsumed_tail or inflater.unused_data
        yield inflater.flush()
    except zlib.error:
        raise OriginError("the origin's playlist is not encoded as it says", invalid=True) from None
    if not inflater.eof and not empty:
        raise OriginError("the origin's playlist breaks off", invalid=True)
