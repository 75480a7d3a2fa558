"""Networks and URLs as people write them, read strictly: one spelling of each, and nothing to resolve.

What cannot be read raises ValueError with one sentence that never repeats the text: it may hold a secret.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

URL_PATTERN: Final = r"([Hh][Tt][Tt][Pp][Ss]?)://(\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@]+)(?::([0-9]{1,5}))?(/[^?#]*)?"
NETWORK_EXPECTED: Final = "expected a network such as 10.0.0.0/8 or fd00::/8, or a single IP address"
# The path of a base URL: RFC 3986 pchar. A percent sign must begin an escape.
_URL_PATH: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
# RFC 1123 labels, and the underscore that container networks use in their service names.
_HOST_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_URL_EXPECTED: Final = "expected a URL such as http://127.0.0.1:9000 or https://origin.example/base"


def read_network(value: object) -> IPv4Network | IPv6Network:
    """The network of a CIDR or of a single address. Host bits set are an error, never cut off."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise ValueError(NETWORK_EXPECTED)
    text, slash, length = value.partition("/")
    address = read_ip(text)
    # A zone (fe80::1%eth0) names an interface of one machine: it says nothing about a peer.
    if address is None or "%" in text or (slash and not re.fullmatch(r"0|[1-9][0-9]{0,2}", length)):
        raise ValueError(NETWORK_EXPECTED)
    prefix = int(length) if slash else address.max_prefixlen
    if prefix > address.max_prefixlen:
        raise ValueError(f"the prefix of an IPv{address.version} network is at most /{address.max_prefixlen}")
    kind = IPv4Network if isinstance(address, IPv4Address) else IPv6Network
    network = kind((int(address), prefix), strict=False)
    if network.network_address != address:
        raise ValueError("the address has bits set beyond its prefix: write the first address of the network")
    return network


def read_http_url(value: object) -> str:
    """The URL with scheme and host in lower case and without a slash at its end.

    Stricter than RFC 3986: no userinfo, query or fragment, no empty or dot segment in the path. A base
    URL is joined with paths that were checked byte for byte, and must add nothing that needs resolving.
    """
    match = re.fullmatch(URL_PATTERN, value) if isinstance(value, str) else None
    if not isinstance(value, str) or match is None:
        raise ValueError(_explain_url(value))
    scheme, host, port, path = match.groups()
    path = (path or "").removesuffix("/")
    host = read_host(host).lower()
    if not _URL_PATH.fullmatch(path) or any(segment in ("", ".", "..") for segment in path.split("/")[1:]):
        raise ValueError("the path of a URL holds plain segments only: no //, . or .., the rest escaped")
    place = f"[{host}]" if ":" in host else host
    return f"{scheme.lower()}://{place}{'' if port is None else f':{read_port(port, lowest=1)}'}{path}"


def read_ip(text: str) -> IPv4Address | IPv6Address | None:
    """The address, or None for what is none."""
    try:
        return IPv6Address(text) if ":" in text else IPv4Address(text)
    except ValueError:
        return None


def read_host(text: str) -> str:
    """The host without brackets: an IP address, or a name of at most 253 characters."""
    if text.startswith("["):
        address = read_ip(text[1:-1])
        if not isinstance(address, IPv6Address):
            raise ValueError("expected an IPv6 address between the brackets, such as [::1]")
        return text[1:-1]
    if read_ip(text) is not None:
        return text
    labels = text.removesuffix(".").split(".")
    # RFC 3696, section 2: a name never ends in a number. Resolvers read 127.1 and 0x7f.1 as addresses.
    numeric = re.fullmatch(r"[0-9]+|0[xX][0-9A-Fa-f]*", labels[-1]) is not None
    if numeric or len(text) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise ValueError("expected a host name or an IP address (IPv6 in brackets, other scripts as xn--...)")
    return text


def read_port(text: str, *, lowest: int) -> int:
    """The port, of a text of digits."""
    port = int(text)
    if not lowest <= port <= 65535 or text != str(port):
        raise ValueError(f"a port is a number from {lowest} to 65535")
    return port


def _explain_url(value: object) -> str:
    """The sentence that fits what is wrong with a URL, from the most telling sign on."""
    if not isinstance(value, str) or not re.match(r"https?://.", value, re.IGNORECASE):
        return _URL_EXPECTED
    if "@" in value.split("://", 1)[1].split("/", 1)[0]:
        return "a URL here cannot hold a user name or password"
    if "?" in value or "#" in value:
        return "a URL here cannot hold a query or a fragment"
    return _URL_EXPECTED
