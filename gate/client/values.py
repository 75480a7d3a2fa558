"""What the API speaks of, as frozen values, and how each is read from an answer's JSON.

Names are those of the documentation. What an answer has beyond them is left aside, so that a newer gate can be
asked; what it lacks of them, or has otherwise, is a ValueError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar, cast, get_args

Allow = Literal["public", "private", "protected", "none"]
_ALLOWS: Final = get_args(Allow)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may watch a stream.

    `allow`: everybody (``public``), who has a token (``private``), addresses in the `whitelist`
    (``protected``), or nobody (``none``). The `whitelist` has addresses and networks, such as ``10.0.0.0/8``.
    """

    allow: Allow = "private"
    whitelist: tuple[str, ...] = ()

    def plain(self) -> dict[str, object]:
        """As it is sent."""
        return {"allow": self.allow, "whitelist": list(self.whitelist)}


@dataclass(frozen=True, slots=True)
class Dvr:
    """A stream's archive. `depth_s` is how many seconds it reaches back; None where that is not known."""

    depth_s: int | None = None

    def plain(self) -> dict[str, object]:
        """As it is sent."""
        return {} if self.depth_s is None else {"depth": self.depth_s}


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream that was added.

    `url` is where the origin has it, `layout` the grammar of its URLs. Without `enable` it is served to nobody.
    `application` is whose tokens open it. `made_at` and `changed_at` are Unix seconds by the store's clock.
    `shadowed_by` names the rules of the policy file that decide in this stream's place.

    `unreadable` says why the gate cannot read what is kept of it, None where it can: all else but the `uid` is
    then as good as nothing, and the stream is served to nobody.
    """

    uid: str
    url: str
    layout: str
    enable: bool
    access: Access
    dvr: Dvr
    application: str | None
    made_at: float
    changed_at: float
    shadowed_by: tuple[str, ...] = ()
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class MediaUrls:
    """Where one stream is watched, by whoever has the URL: each carries a token, which the repr leaves out.

    None is what there is not for this stream.
    """

    live: str | None = None
    dvr: str | None = None
    download: str | None = None
    preview: str | None = None

    def __repr__(self) -> str:
        urls = ((name, getattr(self, name)) for name in self.__slots__)
        shown = ", ".join(f"{name}={_uncover(url)!r}" for name, url in urls)
        return f"MediaUrls({shown})"


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What the gate says of a token.

    `kind` is ``access`` or ``api``, None for what is no token of this gate's. `in_force`: it opens what it
    grants, now; where not, `reason` is the word that refusals have for it. Times are Unix seconds; without
    `ends_at` it has no end. `claims` are those of an access token.
    """

    kind: str | None
    in_force: bool
    reason: str | None
    id: str | None = None
    application: str | None = None
    issued_at: float | None = None
    ends_at: float | None = None
    claims: Mapping[str, Any] | None = field(default=None, hash=False)


def _uncover(url: str | None) -> str | None:
    """The URL without its query, where the token is."""
    return None if url is None else url.partition("?")[0]


def read_text(value: object) -> str:
    """The text."""
    return _be(str, value)


def read_flag(value: object) -> bool:
    """True or false."""
    return _be(bool, value)


def read_nothing(value: object) -> None:
    """None: of an answer that says no more than that it was done."""


def read_stream(value: object) -> StreamInfo:
    """The stream."""
    document = _object(value)
    if (problem := _maybe(str, document.get("unreadable"))) is not None:
        uid = _be(str, document.get("uid"))
        return StreamInfo(uid, "", "", False, Access("none"), Dvr(), None, 0.0, 0.0, unreadable=problem)
    access = _object(document.get("access"))
    allow, whitelist = access.get("allow"), access.get("whitelist", [])
    if allow not in _ALLOWS:
        raise ValueError("access.allow")
    depth_s = _object(document.get("dvr") or {}).get("depth")
    return StreamInfo(
        uid=_be(str, document.get("uid")),
        url=_be(str, document.get("url")),
        layout=_be(str, document.get("layout")),
        enable=_be(bool, document.get("enable")),
        access=Access(cast(Allow, allow), _texts(whitelist)),
        dvr=Dvr(None if depth_s is None else _be(int, depth_s)),
        application=_maybe(str, document.get("application")),
        made_at=_seconds(document.get("made_at")),
        changed_at=_seconds(document.get("changed_at")),
        shadowed_by=_texts(document.get("shadowed_by") or []),
    )


def read_page(value: object) -> tuple[list[StreamInfo], str]:
    """A page of streams, and the cursor of the next one; empty where this is the last."""
    document = _object(value)
    streams = [read_stream(each) for each in _be(list, document.get("streams"))]
    return streams, _maybe(str, document.get("cursor")) or ""


def read_flags(value: object) -> dict[str, bool]:
    """Names, and whether."""
    return {name: _be(bool, each) for name, each in _object(value).items()}


def read_media_urls(value: object) -> dict[str, MediaUrls | None]:
    """Streams, and where each is watched; None for one that is not served."""
    return {
        name: None if each is False else _media_urls(_object(each)) for name, each in _object(value).items()
    }


def _media_urls(document: Mapping[str, object]) -> MediaUrls:
    return MediaUrls(**{name: _maybe(str, document.get(name)) for name in MediaUrls.__slots__})


def read_token_info(value: object) -> TokenInfo:
    """What the gate says of a token."""
    document = _object(value)
    return TokenInfo(
        kind=_maybe(str, document.get("kind")),
        in_force=_be(bool, document.get("in_force")),
        reason=_maybe(str, document.get("reason")),
        id=_maybe(str, document.get("id")),
        application=_maybe(str, document.get("application")),
        issued_at=_maybe_seconds(document.get("issued_at")),
        ends_at=_maybe_seconds(document.get("ends_at")),
        claims=_maybe(dict, document.get("claims")),
    )


def _object(value: object) -> dict[str, Any]:
    return _be(dict, value)


def _be(kind: type[V], value: object) -> V:
    """The value, which is of this kind: true is no number."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"expected {kind.__name__}")
    return value


def _maybe(kind: type[V], value: object) -> V | None:
    return None if value is None else _be(kind, value)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_be(str, each) for each in _be(list, value))


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("expected seconds")
    return float(value)


def _maybe_seconds(value: object) -> float | None:
    return None if value is None else _seconds(value)
