"""A walk along the demo's links over real HTTP, as players do it: what was expected, and what came.

Redirects are followed by hand. What plays is compared with what the origin has, byte for byte.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import aiohttp
from yarl import URL

from gate.demo.link import Act, Link, Media, Outcome, Step

PACKET: Final = 188  # bytes of an MPEG transport packet (ISO/IEC 13818-1); each begins with SYNC
SYNC: Final = 0x47
_JPEG: Final = b"\xff\xd8\xff"
_RANGE: Final = (1000, 1999)
_PATIENCE_S: Final = 10.0
# How much earlier or later than its session a running response may end.
_SLACK_S: Final = 1.5
_NETWORK_TROUBLE: Final = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one link did, up to the first step that differed from the link's own."""

    link: Link
    got: tuple[Step, ...]

    @property
    def agrees(self) -> bool:
        return self.got == self.link.steps


@dataclass(frozen=True, slots=True)
class Entry:
    """What a playlist says of a segment: its name, and when it begins and ends (Unix seconds)."""

    name: str
    start_s: float
    end_s: float

    def overlaps(self, start_s: float, end_s: float) -> bool:
        return self.start_s < end_s and self.end_s > start_s


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        return self.headers.get("gate-reason", "")


async def walk(links: Sequence[Link], gate_url: str, origin_urls: Mapping[str, str]) -> list[Finding]:
    """A finding for each link, in their order; the links are walked side by side."""
    walks = (_walk_one(link, gate_url, origin_urls[link.origin]) for link in links)
    return list(await asyncio.gather(*walks))


async def _walk_one(link: Link, gate_url: str, origin_url: str) -> Finding:
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        requote_redirect_url=False,
        timeout=aiohttp.ClientTimeout(total=_PATIENCE_S),
    ) as http:
        viewer = _Viewer(http, link, gate_url, origin_url)
        got: list[Step] = []
        for step in link.steps:
            for done in range(step.times):
                outcome = await viewer.act(step)
                if outcome != step.outcome:
                    got += [replace(step, times=done)] if done else []
                    return Finding(link, (*got, Step(step.act, outcome)))
            got.append(step)
        return Finding(link, tuple(got))


class _Viewer:
    """One who uses a link, and remembers what it redirected to."""

    def __init__(self, http: aiohttp.ClientSession, link: Link, gate_url: str, origin_url: str) -> None:
        self._http = http
        self._link = link
        self._gate_url = gate_url
        self._origin_url = origin_url
        self._session_links: list[str] = []
        self._opened_at = 0.0
        self._others = 0

    async def act(self, step: Step) -> Outcome:
        try:
            if step.act is Act.OPEN:
                return await self._open()
            if not self._session_links:
                return Outcome((), fault="no session link was given")
            if step.act is Act.REUSE:
                self._others += 1
                return await self._play(self._session_links[0], ())
            return await self._outlive()
        except _NETWORK_TROUBLE as error:
            return Outcome((), fault=f"no answer: {type(error).__name__}")

    async def _open(self) -> Outcome:
        self._opened_at = time.monotonic()
        media = self._link.media
        if media is Media.PLAYLIST or (self._link.has_token and media is not Media.IMAGE):
            answer = await self._ask(self._gate_url + self._link.path)
            if answer.status != 302:
                return Outcome((answer.status,), answer.reason)
            location = answer.headers.get("location", "")
            if not location.startswith("/") or location.startswith("//"):
                return Outcome((302,), fault="the redirect leads elsewhere")
            self._session_links.append(location)
            return await self._play(location, (302,))
        return await self._play(self._link.path, ())

    async def _outlive(self) -> Outcome:
        """The session link's answer half a second after the session's end."""
        ends_at = self._opened_at + (self._link.session_s or 0) + 0.5
        await asyncio.sleep(max(0.0, ends_at - time.monotonic()))
        answer = await self._ask(self._gate_url + self._session_links[-1])
        return Outcome((answer.status,), answer.reason)

    async def _play(self, path: str, statuses: tuple[int, ...]) -> Outcome:
        if self._link.media is Media.PLAYLIST:
            return await self._play_playlist(path, statuses)
        if self._link.media is Media.FILE:
            return await self._play_file(path, statuses)
        if self._link.media is Media.IMAGE:
            return await self._show_image(path)
        return await self._play_endless(path, statuses)

    async def _play_playlist(self, path: str, statuses: tuple[int, ...]) -> Outcome:
        """The playlist and its newest segment, both as the origin has them. Of a playlist that is clipped,
        what lies in the window: all of that, and nothing else."""
        at_origin = self._origin_url + self._link.path.partition("?")[0]
        before = await self._ask(at_origin)
        playlist = await self._ask(self._gate_url + path)
        statuses = (*statuses, playlist.status)
        if playlist.status != 200:
            return Outcome(statuses, playlist.reason)
        listed = entries_of(playlist.body)
        if not listed or any(":" in entry.name or entry.name.startswith("/") for entry in listed):
            return Outcome(statuses, fault="the playlist's entries do not stay under its link")
        folders = f"{self._gate_url}{path.partition('?')[0].rpartition('/')[0]}", at_origin.rpartition("/")[0]
        if self._link.clipped_to is None:
            if playlist.body != before.body and playlist.body != (await self._ask(at_origin)).body:
                return Outcome(statuses, fault="the playlist is not the origin's")
            return await self._play_segment(*folders, listed[-1].name, statuses)
        cut = [entry for entry in entries_of(before.body) if not entry.overlaps(*self._link.clipped_to)]
        if [one for one in entries_of(before.body) if one not in cut] != listed or not cut:
            return Outcome(statuses, fault="the playlist is not what the origin has of the window")
        if not playlist.body.endswith(b"#EXT-X-ENDLIST\n"):
            return Outcome(statuses, fault="the playlist does not end with the window")
        outcomes = [await self._play_segment(*folders, entry.name, statuses) for entry in listed]
        if (beyond := await self._ask(f"{folders[0]}/{cut[-1].name}")).status != 403:
            return Outcome(statuses, fault=f"a segment beyond the window answers {beyond.status}")
        return next((outcome for outcome in outcomes if not outcome.plays), outcomes[-1])

    async def _play_segment(
        self, gate_folder: str, origin_folder: str, name: str, statuses: tuple[int, ...]
    ) -> Outcome:
        segment = await self._ask(f"{gate_folder}/{name}")
        statuses = (*statuses, segment.status)
        if segment.status != 200:
            return Outcome(statuses, segment.reason)
        if not is_transport_stream(segment.body) or len(segment.body) % PACKET:
            return Outcome(statuses, fault="the segment is not MPEG-TS")
        if segment.body != (await self._ask(f"{origin_folder}/{name}")).body:
            return Outcome(statuses, fault="the segment is not the origin's")
        return Outcome(statuses)

    async def _play_file(self, path: str, statuses: tuple[int, ...]) -> Outcome:
        """A part from the middle of the file, as the origin has it."""
        first, last = _RANGE
        asked = {"Range": f"bytes={first}-{last}"}
        part = await self._ask(self._gate_url + path, asked)
        statuses = (*statuses, part.status)
        if part.status != 206:
            return Outcome(statuses, part.reason)
        original = await self._ask(self._origin_url + self._link.path.partition("?")[0], asked)
        if part.body != original.body or len(part.body) != last - first + 1:
            return Outcome(statuses, fault="the part is not the origin's")
        if part.headers.get("content-range") != original.headers.get("content-range"):
            return Outcome(statuses, fault="the part's place is not the origin's")
        return Outcome(statuses)

    async def _show_image(self, path: str) -> Outcome:
        """A JPEG, as the origin has it."""
        image = await self._ask(self._gate_url + path)
        if image.status != 200:
            return Outcome((image.status,), image.reason)
        if image.body != (await self._ask(self._origin_url + path.partition("?")[0])).body:
            return Outcome((200,), fault="the image is not the origin's")
        return Outcome((200,)) if image.body.startswith(_JPEG) else Outcome((200,), fault="it is not a JPEG")

    async def _play_endless(self, path: str, statuses: tuple[int, ...]) -> Outcome:
        """The response runs until the session's end and is cut then, or until the token's window ends."""
        lasts_s = self._link.session_s or self._link.runs_s or 0
        body = b""
        timeout = aiohttp.ClientTimeout(total=lasts_s + _PATIENCE_S)
        async with self._http.get(URL(self._gate_url + path, encoded=True), timeout=timeout) as response:
            statuses = (*statuses, response.status)
            if response.status != 200:
                return Outcome(statuses, response.headers.get("Gate-Reason", ""))
            try:
                while piece := await response.content.readany():
                    body += piece
                if self._link.runs_s is None:
                    return Outcome(statuses, fault="the response ended as if it were whole")
            except (aiohttp.ClientError, ConnectionError):
                pass  # cut
            lasted_s = time.monotonic() - self._opened_at
        if abs(lasted_s - lasts_s) > _SLACK_S:
            return Outcome(statuses, fault=f"it was cut after {lasted_s:.1f} s, not {lasts_s}")
        return Outcome(statuses) if is_transport_stream(body) else Outcome(statuses, fault="it is not MPEG-TS")

    async def _ask(self, url: str, headers: dict[str, str] | None = None) -> _Answer:
        """One GET of exactly these bytes. Each who reuses a session link is another client to the gate."""
        agent = f"gate-demo-check/{self._link.name}-{self._others}"
        async with self._http.get(
            URL(url, encoded=True), headers={"User-Agent": agent, **(headers or {})}, allow_redirects=False
        ) as response:
            fields = {name.lower(): value for name, value in response.headers.items()}
            return _Answer(response.status, fields, await response.read())


def entries_of(playlist: bytes) -> list[Entry]:
    """The entries that a media playlist of the demo lists, each of which has its date."""
    entries, start_s, lasts_s = [], 0.0, 0.0
    for line in playlist.decode("utf-8", "replace").splitlines():
        tag, _, value = line.partition(":")
        if tag == "#EXT-X-PROGRAM-DATE-TIME":
            start_s = datetime.fromisoformat(value).timestamp()
        elif tag == "#EXTINF":
            lasts_s = float(value.partition(",")[0])
        elif line and not line.startswith("#"):
            entries.append(Entry(line, start_s, start_s + lasts_s))
    return entries


def is_transport_stream(body: bytes) -> bool:
    """Whether there is at least one transport packet, and every one begins as it must."""
    return len(body) >= PACKET and all(byte == SYNC for byte in body[::PACKET])
