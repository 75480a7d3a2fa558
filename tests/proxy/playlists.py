"""An origin of playlists whose segments' names say no time, and what a player reads in them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urljoin

from aiohttp import web

HLS = "application/vnd.apple.mpegurl"
Answer = bytes | web.StreamResponse | Awaitable[web.StreamResponse]
_URI = re.compile(r'[:,](?:SERVER-)?URI="([^"]*)"')


@dataclass
class Site:
    """An origin: what it answers by path, and media for every other name. `url` is where, `seen` what it was
    asked.

    Media are a thousand bytes, of which ranges are sent.
    """

    answers: dict[str, Answer | Callable[[web.BaseRequest], Answer]] = field(default_factory=dict)
    url: str = ""
    seen: list[object] = field(default_factory=list)
    ranges: bool = True

    def put(self, path: str, answer: Answer | str | Callable[[web.BaseRequest], Answer]) -> None:
        """From now on this is answered at the path."""
        self.answers[path] = answer.encode() if isinstance(answer, str) else answer

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        answer = self.answers.get(path)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Awaitable):
            answer = await answer
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type=HLS)
        if answer is not None:
            return answer
        if path.endswith((".m3u8", ".mpd")):
            return web.Response(status=404, text="there is no such playlist")
        body = media_of(path)
        # As servers do it (RFC 9110, sections 13.1.5 and 14.2): an If-Range that does not hold means all of it.
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if not self.ranges or asked is None or "If-Range" in request.headers:
            return web.Response(body=body, content_type="video/mp2t")
        first, last = int(asked[1]), int(asked[2] or len(body) - 1)
        if last < first:
            return web.Response(body=body, content_type="video/mp2t")
        said = {"Content-Range": f"bytes {first}-{last}/{len(body)}"}
        return web.Response(status=206, body=body[first : last + 1], headers=said, content_type="video/mp2t")


def media_of(path: str) -> bytes:
    """The file at a path of the origin."""
    return (f"media of {path} ".encode() * 1000)[:1000]


def date(instant_s: float) -> str:
    """As EXT-X-PROGRAM-DATE-TIME writes it."""
    return datetime.fromtimestamp(instant_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def media(
    first: int,
    count: int,
    start_s: float | None,
    *,
    duration_s: float = 4,
    ended: bool = False,
    head: Iterable[str] = (),
    tail: Iterable[str] = (),
    name: Callable[[int], Sequence[str]] = lambda number: (f"seg{number}.ts",),
) -> str:
    """A playlist of segments from the `first` number on; the first is dated `start_s`, if that is one.

    `name` gives the lines of a segment after its EXTINF.
    """
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        f"#EXT-X-TARGETDURATION:{round(duration_s)}",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
        *head,
    ]
    if start_s is not None:
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{date(start_s)}")
    for number in range(first, first + count):
        lines += [f"#EXTINF:{duration_s:.3f},", *name(number)]
    return "\n".join([*lines, *tail, *(["#EXT-X-ENDLIST"] if ended else [])]) + "\n"


def entries(body: bytes) -> list[str]:
    """The URIs of a playlist's segments, or a master playlist's variants, as they stand."""
    return [line for line in body.decode().splitlines() if line and not line.startswith("#")]


def uris(body: bytes) -> list[str]:
    """Every URI of a playlist, as it stands."""
    found = []
    for line in body.decode().splitlines():
        found += _URI.findall(line) if line.startswith("#") else [line] if line else []
    return found


def at(playlist: str, uri: str) -> str:
    """The target that a player asks for at a URI of the playlist whose own target this is."""
    return urljoin(playlist, uri).partition("#")[0]


def numbers(body: bytes) -> list[int]:
    """The numbers in the names of the segments that a playlist lists."""
    return [int(re.search(r"seg(\d+)", uri)[1]) for uri in entries(body)]  # type: ignore[index]


def tag(body: bytes, name: str) -> str | None:
    """What the tag of that name says; None where it is not there."""
    for line in body.decode().splitlines():
        if line == name or line.startswith(name + ":"):
            return line[len(name) + 1 :]
    return None
