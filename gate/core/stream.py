"""A stream that was added at runtime: its values, how each is checked, and the text that is kept of it.

The text is JSON, one flat object without lists: scripts of the store change fields in it, and their JSON
knows no empty list. The store's clock sets the times. What cannot be read raises ValueError with one sentence;
whoever keeps streams then holds an `Unreadable` in the place of the stream, which is open to nobody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from gate.core.addresses import read_http_url, read_network
from gate.core.marks import SEAL_FRONT
from gate.core.policy import Access, Network

VERSION: Final = 1
MOST_NETWORKS: Final = 1000
LONGEST_URL: Final = 2048
# The layout whose URLs begin with one of two folders, and have the stream behind it.
AIPIX: Final = "aipix"
FOLDERS: Final = ("live", "dvr")
_ACCESSES: Final = {access.value: access for access in Access}
_MOST_DEPTH_S: Final = 36500 * 86400
_UID: Final = re.compile(r"[A-Za-z0-9._~:-]{1,255}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream by its `uid`, which is the resource that tokens name.

    `origin` is a base URL without a slash at its end. `whitelist` are the networks of access protected.
    `dvr_depth_s` is how far back its archive reaches (None: not known). Times are Unix seconds.
    """

    uid: str
    origin: str
    layout: str
    enabled: bool
    access: Access
    whitelist: tuple[Network, ...]
    dvr_depth_s: int | None
    application: str
    made_at: float = 0.0
    changed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands in the place of a stream whose text cannot be read: it may have been anything."""

    problem: str


Entry = Stream | Unreadable


def check_uid(value: object) -> str:
    """The uid: 1 to 255 characters that have one spelling in a URL, and no dot segment."""
    if not isinstance(value, str) or _UID.fullmatch(value) is None:
        raise ValueError("a uid is 1 to 255 of the characters A-Z a-z 0-9 . _ ~ : -")
    if value in {".", ".."} or value.startswith(SEAL_FRONT):
        raise ValueError(f"a uid is not . or .. and does not begin with {SEAL_FRONT}")
    return value


def check_origin(value: object) -> str:
    """The base URL, its scheme and host in lower case and without a slash at its end."""
    if isinstance(value, str) and len(value) > LONGEST_URL:
        raise ValueError(f"an origin's URL has at most {LONGEST_URL} characters")
    return read_http_url(value)


def check_layout(value: object, known: Container[str] | None = None) -> str:
    """The name of a layout, one of the `known` where they are given."""
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise ValueError("a layout is named by 1 to 64 letters, digits, dots, dashes and underscores")
    if known is not None and value not in known:
        raise ValueError("there is no such layout for a stream")
    return value


def check_enabled(value: object) -> bool:
    """Whether the stream is served at all."""
    if not isinstance(value, bool):
        raise ValueError("enabled is true or false")
    return value


def check_access(value: object) -> Access:
    """Who may watch."""
    if isinstance(value, Access):
        return value
    access = _ACCESSES.get(value) if isinstance(value, str) else None
    if access is None:
        raise ValueError(f"access is one of {', '.join(_ACCESSES)}")
    return access


def check_whitelist(value: object) -> tuple[Network, ...]:
    """The networks, in their order and each once."""
    if not isinstance(value, list | tuple):
        raise ValueError("a whitelist is a list of networks")
    if len(value) > MOST_NETWORKS:
        raise ValueError(f"a whitelist has at most {MOST_NETWORKS} networks")
    return tuple(dict.fromkeys(map(read_network, value)))


def check_dvr_depth(value: object) -> int | None:
    """Seconds, 0 where there is no archive, None where it is not known how deep it is."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_DEPTH_S:
        raise ValueError(f"the depth of an archive is a whole number of seconds, at most {_MOST_DEPTH_S}")
    return value


def check_application(value: object) -> str:
    """The name of an application; whether there is one of this name, its policy knows."""
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise ValueError("an application is named by 1 to 64 letters, digits, dots, dashes and underscores")
    return value


def check_place(uid: str, layout: str) -> None:
    """The stream's paths are not those of others. Raises ValueError."""
    if uid in FOLDERS and layout != AIPIX:
        raise ValueError(f"{' and '.join(FOLDERS)} name folders of the layout {AIPIX}: no other stream's uid")


# What of a stream may be changed, and how each is checked.
CHANGEABLE: Final[Mapping[str, Callable[[object], object]]] = {
    "origin": check_origin,
    "layout": check_layout,
    "enabled": check_enabled,
    "access": check_access,
    "whitelist": check_whitelist,
    "dvr_depth_s": check_dvr_depth,
    "application": check_application,
}
_FIELDS: Final = frozenset({"v", "made_ms", "changed_ms", "uid", *CHANGEABLE})


def dump_stream(stream: Stream) -> str:
    """The text that `load_stream` reads. Raises ValueError for a stream that it would refuse."""
    fields: dict[str, object] = {
        "v": VERSION,
        "made_ms": round(stream.made_at * 1000),
        "changed_ms": round(stream.changed_at * 1000),
        "uid": check_uid(stream.uid),
    }
    values = {name: getattr(stream, name) for name in CHANGEABLE}
    return _write({**fields, **_plain(stream.uid, values)})


def dump_changes(uid: str, changes: Mapping[str, object]) -> str:
    """What `changes` put in the place of fields of the stream's text.

    Raises ValueError for a field that is none or cannot be changed, and for a value that it cannot have.
    """
    return _write(_plain(check_uid(uid), changes))


def load_stream(text: str | bytes) -> Stream:
    """The stream that `dump_stream` wrote. Raises ValueError for anything else, and of any other version."""
    try:
        fields: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(fields, dict) or fields.get("v") != VERSION or fields.keys() != _FIELDS:
        raise ValueError("it is no stream of this version")
    uid = check_uid(fields["uid"])
    whitelist = fields["whitelist"]
    if not isinstance(whitelist, str):
        raise ValueError("its whitelist is no text")
    layout = check_layout(fields["layout"])
    check_place(uid, layout)
    return Stream(
        uid=uid,
        origin=check_origin(fields["origin"]),
        layout=layout,
        enabled=check_enabled(fields["enabled"]),
        access=check_access(fields["access"]),
        whitelist=check_whitelist(whitelist.split()),
        dvr_depth_s=check_dvr_depth(fields["dvr_depth_s"]),
        application=check_application(fields["application"]),
        made_at=_seconds(fields["made_ms"]),
        changed_at=_seconds(fields["changed_ms"]),
    )


def _plain(uid: str, values: Mapping[str, object]) -> dict[str, object]:
    plain: dict[str, object] = {}
    for name, value in values.items():
        check = CHANGEABLE.get(name)
        if check is None:
            raise ValueError("a stream has no such field, or none that can be changed")
        match check(value):
            case Access() as access:
                plain[name] = access.value
            case tuple() as networks:
                plain[name] = " ".join(map(_network, networks))
            case checked:
                plain[name] = checked
    if isinstance(layout := plain.get("layout"), str):
        check_place(uid, layout)
    return plain


def _network(network: IPv4Network | IPv6Network) -> str:
    """A single address without its prefix: whitelists are mostly made of these."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _write(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _seconds(ms: object) -> float:
    if not isinstance(ms, int) or isinstance(ms, bool) or ms < 0:
        raise ValueError("a time of it is no number of milliseconds")
    return ms / 1000
