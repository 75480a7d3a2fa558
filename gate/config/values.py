"""What a policy file writes as text and the gate uses as a number, an address or a secret.

Every type here is an annotation for a strict pydantic model. It takes the text of the policy file (or,
where a bare number is unambiguous, that number), gives a ready value, and carries a JSON Schema with a
pattern and a description, so that an editor finds the same faults as the gate does. What a type gives, it
also takes: a model can be built in Python from ready values. What it cannot read raises ValueError with
one sentence that never repeats the text: it may have come from a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, SecretStr, WithJsonSchema
from pydantic_core import SchemaSerializer, core_schema

from gate.core.addresses import (
    NETWORK_EXPECTED,
    URL_PATTERN,
    read_host,
    read_http_url,
    read_network,
    read_port,
)

_DURATION_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE_UNITS: Final = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_DURATION_PATTERN: Final = r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)"
_SIZE_PATTERN: Final = r"([0-9]{1,15})(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)"
_LISTEN_PATTERN: Final = r"(?:(\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]|[^\[\]:/]*):([0-9]{1,5})|unix:(/.+))"
# RFC 3986, section 3.4, without what browsers would escape.
_URL_QUERY: Final = re.compile(r"(?:[A-Za-z0-9._~!$&()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")

_MAX_DURATION_S: Final = 36500 * 86400.0
_MAX_SIZE_BYTES: Final = 2**63 - 1
# sun_path holds 108 bytes on Linux, 104 on BSD and macOS, a closing NUL among them.
_MAX_UNIX_PATH_BYTES: Final = 103

_DURATION_EXPECTED: Final = "expected a duration such as 90s, 15m or 2h, or a number of seconds"
_SIZE_EXPECTED: Final = "expected a size such as 512B, 64KiB or 10MB, or a number of bytes"
_LISTEN_EXPECTED: Final = "expected an address such as 127.0.0.1:8080, [::1]:8080, :8080 or unix:/run/gate.sock"
_SECRET_EXPECTED: Final = "expected a secret as a string that is not empty"


class _Address:
    """An address that pydantic writes as a policy file has it, also as a default in a JSON Schema."""

    __slots__ = ()
    __pydantic_serializer__: ClassVar = SchemaSerializer(
        core_schema.any_schema(serialization=core_schema.to_string_ser_schema())
    )


@dataclass(frozen=True, slots=True)
class TcpAddress(_Address):
    """Where to listen for TCP. An empty `host` means all interfaces; `port` 0 means any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress(_Address):
    """Where to listen on a Unix socket. `path` is absolute."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


def read_duration(value: object) -> float:
    """The duration in seconds, between 0 and 36,500 days. A bare number already counts seconds."""
    if isinstance(value, str):
        match = re.fullmatch(_DURATION_PATTERN, value)
        if match is None:
            raise ValueError(_DURATION_EXPECTED)
        seconds = float(match[1]) * _DURATION_UNITS_MS[match[2]] / 1000
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value != value:  # not a number
            raise ValueError(_DURATION_EXPECTED)
        if value < 0:
            raise ValueError("a duration cannot be negative")
        seconds = min(value, _MAX_DURATION_S + 1) + 0.0
    else:
        raise ValueError(_DURATION_EXPECTED)
    if seconds > _MAX_DURATION_S:
        raise ValueError("a duration cannot be longer than 36500d")
    return seconds


def read_size(value: object) -> int:
    """The size in bytes, between 0 and 2**63 - 1. KB, MB, GB, TB count in thousands, KiB... in 1024s."""
    if isinstance(value, str):
        match = re.fullmatch(_SIZE_PATTERN, value)
        if match is None:
            raise ValueError(_SIZE_EXPECTED)
        size = int(match[1]) * _SIZE_UNITS[match[2]]
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    else:
        raise ValueError(_SIZE_EXPECTED)
    if size < 0:
        raise ValueError("a size cannot be negative")
    if size > _MAX_SIZE_BYTES:
        raise ValueError("a size cannot be larger than 8388607TiB")
    return size


def read_listen(value: object) -> TcpAddress | UnixAddress:
    """The address to listen on. The host is an IP address or a host name, without its brackets."""
    if isinstance(value, TcpAddress | UnixAddress):
        return value
    match = re.fullmatch(_LISTEN_PATTERN, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_LISTEN_EXPECTED)
    host, port, path = match.groups()
    if path is not None:
        if len(path.encode("utf-8", "replace")) > _MAX_UNIX_PATH_BYTES or not path.isprintable():
            raise ValueError(f"the path of a Unix socket is at most {_MAX_UNIX_PATH_BYTES} plain bytes")
        return UnixAddress(path)
    return TcpAddress(read_host(host) if host else "", read_port(port, lowest=0))


def read_proxy(value: object) -> IPv4Network | IPv6Network | Literal["unix"]:
    """The network of proxies that are trusted, or ``unix`` for whoever connects to a Unix socket.

    Not a network of everybody: whose word is taken must be somebody in particular.
    """
    if value == "unix":
        return "unix"
    try:
        network = read_network(value)
    except ValueError as error:
        raise ValueError(f"{error}, or unix" if str(error) == NETWORK_EXPECTED else str(error)) from None
    if network.prefixlen == 0:
        raise ValueError("this is everybody, and anybody could write any address: name the proxies")
    return network


def read_keys_url(value: object) -> str:
    """The URL of a set of keys, as it is asked for: with its query and the slash at its end, if any.

    https, since whoever can write on the way could put in a key of his own; http to this very machine.
    """
    base, mark, query = value.partition("?") if isinstance(value, str) else (value, "", "")
    url = read_http_url(base)
    found = re.fullmatch(URL_PATTERN, url)
    if url.startswith("http:") and found is not None and not is_loopback(found[2].strip("[]")):
        raise ValueError("keys come over https: only from this very machine, such as 127.0.0.1, http will do")
    if not _URL_QUERY.fullmatch(query):
        raise ValueError("the query of a URL holds plain characters only, the rest escaped, and no fragment")
    return f"{url}{'/' if str(base).endswith('/') else ''}{mark}{query}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`. A name that begins like one of its own need not lead here."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def read_secret(value: object) -> str | SecretStr:
    """The secret as it is, when it is text and not empty."""
    if not isinstance(value, str | SecretStr) or not len(value):
        raise ValueError(_SECRET_EXPECTED)
    return value


def _schema(pattern: str, description: str, *, number: str = "") -> WithJsonSchema:
    """A JSON Schema of text that matches `pattern` in full, or of a `number` (a JSON type) from 0 on."""
    text: dict[str, object] = {"type": "string", "pattern": f"^{pattern}$"}
    if not number:
        return WithJsonSchema({**text, "description": description})
    return WithJsonSchema({"anyOf": [{"type": number, "minimum": 0}, text], "description": description})


Duration = Annotated[
    float,
    PlainValidator(read_duration),
    _schema(
        _DURATION_PATTERN,
        "A duration: 250ms, 90s, 15m, 2h or 7d. A bare number counts seconds.",
        number="number",
    ),
]
"""Seconds."""

Size = Annotated[
    int,
    PlainValidator(read_size),
    _schema(
        _SIZE_PATTERN,
        "A size: 512B, 64KiB, 8MiB, 1GiB (1024s) or 10MB (1000s). A bare number counts bytes.",
        number="integer",
    ),
]
"""Bytes."""

Listen = Annotated[
    TcpAddress | UnixAddress,
    PlainValidator(read_listen),
    PlainSerializer(str, return_type=str, when_used="json"),
    _schema(
        _LISTEN_PATTERN,
        "Where to listen: 127.0.0.1:8080, '[::1]:8080', :8080 (all interfaces) or unix:/run/gate.sock.",
    ),
]

Network = Annotated[
    IPv4Network | IPv6Network,
    PlainValidator(read_network),
    PlainSerializer(str, return_type=str, when_used="json"),
    _schema(
        r"[0-9A-Fa-f.:]+(/[0-9]{1,3})?",
        "A network in CIDR form, 10.0.0.0/8 or fd00::/8, or a single IP address.",
    ),
]

Proxy = Annotated[
    IPv4Network | IPv6Network | Literal["unix"],
    PlainValidator(read_proxy),
    PlainSerializer(str, return_type=str, when_used="json"),
    _schema(
        r"(?:unix|[0-9A-Fa-f.:]+(?:/[1-9][0-9]{0,2})?)",
        "A network in CIDR form, 10.0.0.0/8 or fd00::/8, a single IP address, or unix.",
    ),
]

HttpUrl = Annotated[
    str,
    PlainValidator(read_http_url),
    _schema(
        URL_PATTERN,
        "An http or https URL: host, optional port, optional base path. No user name, query or fragment.",
    ),
]
"""No slash at its end: a path that begins with one can be appended as it is."""

KeysUrl = Annotated[
    str,
    PlainValidator(read_keys_url),
    _schema(
        rf"{URL_PATTERN}(\?[^#]*)?",
        "An https URL, or an http one of this very machine. No user name, no fragment.",
    ),
]

Secret = Annotated[
    SecretStr,
    BeforeValidator(read_secret),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "writeOnly": True,
            "description": "A secret. Bring it in with !env NAME or !file path rather than writing it here.",
        }
    ),
]
"""Shown nowhere but by `get_secret_value()`."""
