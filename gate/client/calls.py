"""The calls of the API as values: what each sends, and how its answer is read.

`gate.client.Client` and `gate.client.AsyncClient` make them of their methods' arguments; whoever wants many
things in one request makes them here and hands them to ``batch``:

    client.batch([calls.create_access_token(uid, live=True) for uid in uids])

Arguments, units and errors are told at the methods of the same name of `gate.client.Client`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from gate.client.values import (
    Access,
    Dvr,
    MediaUrls,
    StreamInfo,
    TokenInfo,
    read_flag,
    read_flags,
    read_media_urls,
    read_nothing,
    read_page,
    read_stream,
    read_text,
    read_token_info,
)

T_co = TypeVar("T_co", covariant=True)
AccessLike = Access | Mapping[str, object]
DvrLike = Dvr | Mapping[str, object]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One call. `read` makes the result of an answer's JSON, and raises ValueError where that is no such.

    Its parameters may hold a credential, and are not in its repr.
    """

    method: str
    params: Mapping[str, object] = field(repr=False)
    read: Callable[[object], T_co] = field(repr=False)


def call(method: str, /, **params: object) -> Call[Any]:
    """A call of any method, whose result is plain JSON.

    One underscore at the end of a name is not sent, so that Python's words can be written: ``from_``. Raises
    ValueError where two names are the same without it.
    """
    sent = {name.removesuffix("_"): value for name, value in params.items()}
    if len(sent) < len(params):
        raise ValueError("a parameter is there twice, with an underscore and without")
    return Call(method, sent, _read_anything)


def create_access_token(
    stream: str,
    *,
    ttl: int | None = None,
    live: bool = False,
    dvr: bool = False,
    copy: bool = False,
    from_: int | datetime = 0,
    to: int | datetime = 0,
) -> Call[str]:
    """``Auth.CreateAccessToken``; raises ValueError for a date that is no Unix second."""
    params = {
        "stream": stream,
        "ttl": ttl,
        "live": live,
        "dvr": dvr,
        "copy": copy,
        "from": _unix_second("from_", from_),
        "to": _unix_second("to", to),
    }
    return Call("Auth.CreateAccessToken", _given(params), read_text)


def create_api_token(ttl: int) -> Call[str]:
    """``Auth.CreateApiToken``."""
    return Call("Auth.CreateApiToken", {"ttl": ttl}, read_text)


def revoke_token(token: str) -> Call[None]:
    """``Auth.RevokeToken``."""
    return Call("Auth.RevokeToken", {"token": token}, read_nothing)


def inspect_token(token: str) -> Call[TokenInfo]:
    """``Auth.InspectToken``."""
    return Call("Auth.InspectToken", {"token": token}, read_token_info)


def add_stream(
    stream: str,
    url: str,
    *,
    layout: str = "aipix",
    enable: bool = True,
    access: AccessLike | None = None,
    dvr: DvrLike | None = None,
    application: str | None = None,
) -> Call[StreamInfo]:
    """``Stream.Add``."""
    params = {
        "stream": stream,
        "url": url,
        "layout": layout,
        "enable": enable,
        "access": _plain(access),
        "dvr": _plain(dvr),
        "application": application,
    }
    return Call("Stream.Add", _given(params), read_stream)


def update_stream(
    stream: str,
    *,
    url: str | None = None,
    layout: str | None = None,
    enable: bool | None = None,
    access: AccessLike | None = None,
    dvr: DvrLike | None = None,
    application: str | None = None,
) -> Call[StreamInfo]:
    """``Stream.Update``."""
    params = {
        "stream": stream,
        "url": url,
        "layout": layout,
        "enable": enable,
        "access": _plain(access),
        "dvr": _plain(dvr),
        "application": application,
    }
    return Call("Stream.Update", _given(params), read_stream)


def get_stream(stream: str) -> Call[StreamInfo]:
    """``Stream.Get``."""
    return Call("Stream.Get", {"stream": stream}, read_stream)


def list_streams(*, limit: int | None = None, cursor: str = "") -> Call[tuple[list[StreamInfo], str]]:
    """``Stream.List``: a page, and the cursor of the next one, which is empty where this is the last."""
    return Call("Stream.List", _given({"limit": limit, "cursor": cursor or None}), read_page)


def remove_stream(stream: str) -> Call[bool]:
    """``Stream.Remove``."""
    return Call("Stream.Remove", {"stream": stream}, read_flag)


def revoke_streams(streams: Iterable[str]) -> Call[dict[str, bool]]:
    """``Stream.Revoke``."""
    return Call("Stream.Revoke", {"streams": _names(streams)}, read_flags)


def get_media_urls(streams: Iterable[str], *, ttl: int | None = None) -> Call[dict[str, MediaUrls | None]]:
    """``Stream.GetMediaUrls``."""
    return Call("Stream.GetMediaUrls", _given({"streams": _names(streams), "ttl": ttl}), read_media_urls)


def _read_anything(value: object) -> Any:
    return value


def _given(params: Mapping[str, object]) -> dict[str, object]:
    """What is None is left out: the gate's own default holds."""
    return {name: value for name, value in params.items() if value is not None}


def _names(streams: Iterable[str]) -> list[str]:
    if isinstance(streams, str):
        raise TypeError("streams is a list of names; one name is written [name]")
    return list(streams)


def _plain(value: Access | Dvr | Mapping[str, object] | None) -> object:
    return value.plain() if isinstance(value, Access | Dvr) else value


def _unix_second(name: str, moment: int | datetime) -> int:
    """The Unix second; fractions of one are cut off.

    Dates before 1970-01-01T00:00:01Z are refused: 0 means that there is no bound, and none were meant so.
    """
    if not isinstance(moment, datetime):
        return moment
    if moment.utcoffset() is None:
        raise ValueError(f"{name}: a date without a time zone is no point in time")
    second = (moment - _EPOCH) // timedelta(seconds=1)
    if second <= 0:
        raise ValueError(f"{name}: a date that is not after 1970 has no Unix second; 0 is no bound")
    return second
