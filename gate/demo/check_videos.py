"""A walk through the lives of video objects, over real HTTP, as pages do it: what was expected, and what came.

A page is what shows a page session with every request. What it watches is compared with what the origin has,
byte for byte.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

import aiohttp

from gate.core.policy import AUTHTOKENS
from gate.core.reasons import Reason
from gate.demo.link import Outcome, refusal
from gate.demo.story import Answer, Deed, Story, ask, hear
from gate.demo.videos import OWN, RETAKE, SAMPLE, Videos

_PATIENCE_S: Final = 10.0
# How long a deleted token may go on to open something.
_REFUSED_WITHIN_S: Final = 1.0
_NOT_OWNED: Final = refusal(Reason.RESOURCE_NOT_GRANTED)
_PART: Final = (1000, 1999)
_COPIES: Final = 20


async def walk_videos(videos: Videos, gate_url: str, origin_url: str) -> list[Story]:
    """The stories of a video of a page's own, of a token for one session, and of a server-side token, side by
    side. `origin_url` is that of the videos."""
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=_PATIENCE_S)
    ) as http:
        walker = _Walker(http, videos, gate_url, origin_url)
        told = (
            hear("A page's own video", walker.own_video()),
            hear("A video, for one page", walker.one_page()),
            hear("A server-side token", walker.server_side()),
        )
        return list(await asyncio.gather(*told))


class _Walker:
    """Does what pages do, and what their application's server does."""

    def __init__(self, http: aiohttp.ClientSession, videos: Videos, gate_url: str, origin_url: str) -> None:
        self._http = http
        self._videos = videos
        self._gate_url = gate_url
        self._origin_url = origin_url

    async def own_video(self) -> AsyncGenerator[Deed]:
        """All four actions in one page session, and none of them in another."""
        videos = self._videos
        sample, retake = [
            (await ask(self._http, "GET", self._gate_url + path)).body for path in (SAMPLE, RETAKE)
        ]
        token = {"client_auth": videos.sign(OWN, int(time.time()))}
        page, another = {**token, **await self._open_page()}, {**token, **await self._open_page()}
        unknown = {**page, videos.credentials.visit_parameter: "nobody-gave-this"}
        made = await self._at_gate("POST", videos.path, page, sample)
        yield Deed("creates it", Outcome((201,)), made.outcome)
        video = str(json.loads(made.body)["token"])
        path, media = f"{videos.path}/{video}", videos.media(video)
        yield Deed("plays it", Outcome((206,)), await self._play(media, page, sample))
        yield Deed("replaces it", Outcome((200,)), (await self._at_gate("POST", path, page, retake)).outcome)
        yield Deed("plays it again", Outcome((206,)), await self._play(media, page, retake))
        yield Deed("another page plays it", _NOT_OWNED, await self._play(media, another, b""))
        for words, method, body in (("replaces", "POST", sample), ("destroys", "DELETE", None)):
            refused = await self._at_gate(method, path, another, body)
            yield Deed(f"another page {words} it", _NOT_OWNED, refused.outcome)
        yield Deed("without a page", _NOT_OWNED, await self._play(media, token, b""))
        made_up = refusal(Reason.VISIT_INVALID)
        yield Deed("in a made-up page", made_up, await self._play(media, unknown, b""))
        yield Deed("without a token", refusal(Reason.TOKEN_MISSING), await self._play(media, {}, b""))
        yield Deed("destroys it", Outcome((200,)), (await self._at_gate("DELETE", path, page)).outcome)
        yield Deed("plays it after that", _NOT_OWNED, await self._play(media, page, b""))
        left = await ask(self._http, "GET", self._origin_url + path)
        yield Deed("at the origin", Outcome((404,)), left.outcome)

    async def one_page(self) -> AsyncGenerator[Deed]:
        """A limit of one session, and two pages that show the same token."""
        videos = self._videos
        token = {"client_auth": videos.sign(videos.reads_seeded(), int(time.time()), session_limit=1)}
        page, another = {**token, **await self._open_page()}, {**token, **await self._open_page()}
        media = videos.media(videos.seeded)
        whole = (await ask(self._http, "GET", self._origin_url + media)).body
        yield Deed("a page plays it", Outcome((206,)), await self._play(media, page, whole))
        for number in range(1, _COPIES + 1):
            got = await self._play(media, page, whole, agent=f"gate-demo-check/copy-{number}")
            if not got.plays or number == _COPIES:
                yield Deed(f"its URL, copied {number} times", Outcome((206,)), got)
        yield Deed("another page", refusal(Reason.SESSION_LIMIT), await self._play(media, another, b""))
        yield Deed("the first page again", Outcome((206,)), await self._play(media, page, whole))

    async def server_side(self) -> AsyncGenerator[Deed]:
        """A token that the gate keeps, from its creation to its end."""
        videos, tokens = self._videos, self._gate_url + AUTHTOKENS
        form = {"grants": json.dumps(videos.reads_seeded()), "expiration_date": str(int(time.time()) + 600)}
        wrong, right = [self._basic(password) for password in ("wrong", videos.credentials.private_key)]
        refused = await ask(self._http, "POST", tokens, form, wrong)
        yield Deed("created, wrong key", Outcome((401,), "credentials_wrong"), refused.outcome)
        made = await ask(self._http, "POST", tokens, form, right)
        yield Deed("created", Outcome((200,)), made.outcome)
        name = str(json.loads(made.body)["token"])
        page, media = {"server_auth": name, **await self._open_page()}, videos.media(videos.seeded)
        whole = (await ask(self._http, "GET", self._origin_url + media)).body
        yield Deed("used", Outcome((206,)), await self._play(media, page, whole))
        deleted = await ask(self._http, "DELETE", tokens + name, headers=right)
        yield Deed("deleted", Outcome((200,)), deleted.outcome)
        gone = refusal(Reason.TOKEN_MALFORMED)
        yield Deed("refused within a second", gone, await self._play_until(gone, media, page, whole))

    async def _play_until(self, last: Outcome, media: str, page: Mapping[str, str], whole: bytes) -> Outcome:
        """The last outcome of playing on; `last` itself only where it came soon enough."""
        got, began = last, time.monotonic()
        for _ in range(10):
            got = await self._play(media, page, whole)
            if got == last:
                break
            await asyncio.sleep(_REFUSED_WITHIN_S / 10)
        took_s = time.monotonic() - began
        return got if took_s < _REFUSED_WITHIN_S else replace(got, fault=f"it took {took_s:.1f} s")

    async def _open_page(self) -> dict[str, str]:
        """The query parameter of a page that was opened now."""
        answer = await ask(self._http, "POST", self._gate_url + self._videos.session_path)
        said = json.loads(answer.body) if answer.status == 200 else {}
        return {self._videos.credentials.visit_parameter: str(said.get("token", ""))}

    async def _play(
        self, media: str, query: Mapping[str, str], whole: bytes, *, agent: str = "gate-demo-check"
    ) -> Outcome:
        """A part of what is there, which is to be that part of `whole`."""
        first, last = _PART
        fields = {"Range": f"bytes={first}-{last}", "User-Agent": agent}
        answer = await self._at_gate("GET", media, query, headers=fields)
        if answer.status == 206 and answer.body != whole[first : last + 1]:
            return Outcome((206,), fault="the part is not the video's")
        return answer.outcome

    async def _at_gate(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        url = f"{self._gate_url}{path}?{urlencode(query)}" if query else self._gate_url + path
        typed = {} if body is None else {"Content-Type": "video/mp4"}
        return await ask(self._http, method, url, body, {**typed, **(headers or {})})

    def _basic(self, password: str) -> dict[str, str]:
        user = self._videos.credentials.application_token
        return {"Authorization": aiohttp.encode_basic_auth(user, password)}
