"""Who asks, as far as the gate believes it: address, scheme and host.

What a client writes about itself is worth nothing. Only a proxy that the policy trusts is believed, and only
what it wrote itself. Each proxy appends the address that it was asked from, so the list is read from its
right end, beginning with the peer of the connection: while the writer is trusted, the next entry to the left
is true. The first that is not a trusted proxy is the client; whatever stands left of it the client may have
made up, and it is neither believed nor passed on. Where the whole list is trusted, its left end is the client.

Junk ends the walk, and the last good address is the client: an empty entry too, although lists may hold some
(RFC 9110, section 5.6.1), because a proxy that knows no address may have appended it to what a client wrote.

Of two headers that say the same the policy names the one that is read; a client could write the other one
past a proxy that does not know it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from gate.core.checks import address_in
from gate.core.policy import ForwardedHeader, Proxies

RawFields = Iterable[tuple[bytes, bytes]]

# An address, its port cut off; IPv6 in brackets where it has one, or bare.
_HOP: Final = re.compile(
    r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::[0-9]{1,5})?|\[([0-9A-Fa-f]*:[0-9A-Fa-f:.]*)\](?::[0-9]{1,5})?"
)
_BARE_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}")
# RFC 9110, section 7.2: uri-host [":" port].
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~!$&'()*+,;=%]+)(?::[0-9]{1,5})?")
# RFC 7239, section 4: the pairs of one element.
_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PAIR: Final = rf'{_TOKEN}=(?:{_TOKEN}|"(?:[^"\\]|\\.)*")'
_ELEMENT: Final = re.compile(rf"[ \t]*{_PAIR}(?:[ \t]*;[ \t]*{_PAIR})*[ \t]*;?[ \t]*")
_PAIRS: Final = re.compile(rf'({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")')
# So many commas may stand in the quoted texts of one element.
_COMMAS: Final = 8


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks. `address` is empty where it is not known, and so is `host`.

    `chain` is what the origin is told as X-Forwarded-For: the client and the proxies between it and the gate.
    """

    address: str
    scheme: str
    host: str
    chain: str


def believe(remote: str, raw: RawFields, proxies: Proxies, *, over_unix: bool, scheme: str, host: str) -> Peer:
    """The client as it is believed to be. `remote`, `scheme` and `host` are those of the connection itself.

    Without trust in the peer nothing of `raw` matters. `over_unix` tells that the connection came over a Unix
    socket, whose peer has no address.
    """
    remote = _plain(remote)
    if not (proxies.unix if over_unix else proxies.networks and address_in(remote, proxies.networks)):
        return Peer(remote, scheme, host, remote)
    if proxies.header is ForwardedHeader.FORWARDED:
        hops, said_scheme, said_host = _walk_forwarded(_joined(raw, b"forwarded"), proxies)
    else:
        raw = tuple(raw)
        hops = _walk(reversed(_joined(raw, b"x-forwarded-for").split(",")), proxies)
        said_scheme = _last(_joined(raw, b"x-forwarded-proto"))
        said_host = _last(_joined(raw, b"x-forwarded-host"))
    chain = [*reversed(hops), remote] if remote else hops[::-1]
    return Peer(
        address=hops[-1] if hops else remote,
        scheme=said_scheme.lower() if said_scheme.lower() in ("http", "https") else scheme,
        host=said_host if _HOST.fullmatch(said_host) else host,
        chain=", ".join(chain),
    )


def _walk(texts: Iterator[str], proxies: Proxies) -> list[str]:
    """The believed hops, the nearest first."""
    hops: list[str] = []
    for text in texts:
        hop = _read_hop(text.strip(" \t"))
        if hop is None:
            break
        hops.append(hop)
        if not address_in(hop, proxies.networks):
            break
    return hops


def _walk_forwarded(text: str, proxies: Proxies) -> tuple[list[str], str, str]:
    """The believed hops, the nearest first, and scheme and host as the last believed writer saw them."""
    said: dict[str, str] = {}

    def texts() -> Iterator[str]:
        nonlocal said
        for element in _elements(text):
            said = element
            yield element.get("for", "")

    hops = _walk(texts(), proxies)
    return hops, said.get("proto", ""), said.get("host", "")


def _elements(text: str) -> Iterator[dict[str, str]]:
    """The elements of a Forwarded field from the right, up to the first that is malformed.

    They are cut off from the right, each at the nearest comma that leaves a whole element: a quote that a
    client leaves open must not swallow what a proxy wrote behind it.
    """
    while text:
        end = len(text)
        for _ in range(_COMMAS):
            comma = text.rfind(",", 0, end)
            if _ELEMENT.fullmatch(text, comma + 1):
                break
            if comma < 0:
                return
            end = comma
        else:
            return
        pairs = [
            (name.lower(), plain or re.sub(r"\\(.)", r"\1", quoted))
            for name, plain, quoted in _PAIRS.findall(text, comma + 1)
        ]
        element = dict(pairs)
        if len(element) < len(pairs):
            return
        yield element
        text = text[: max(comma, 0)]


def _joined(raw: RawFields, wanted: bytes) -> str:
    """The values of all fields of this very name, in order (RFC 9110, section 5.3)."""
    return ",".join(value.decode("latin-1") for name, value in raw if name.lower() == wanted)


def _last(text: str) -> str:
    """What the nearest proxy said: a client's own word may stand left of it."""
    return text.rpartition(",")[2].strip(" \t")


def _read_hop(text: str) -> str | None:
    """The address, as it is written in short; None where the text is none."""
    if found := _HOP.fullmatch(text):
        text = found[1] or found[2]
    elif not _BARE_IPV6.fullmatch(text):
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return _plain(str(address))


def _plain(address: str) -> str:
    """An IPv4-mapped IPv6 address as the IPv4 address that it is; any other text as it is."""
    if not address.lower().startswith("::ffff:"):
        return address
    try:
        mapped = IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return address if mapped is None else str(mapped)
