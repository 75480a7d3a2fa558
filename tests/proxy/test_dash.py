"""MPDs under rights and windows: what they list plays, as players expand it, and nothing else does."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urljoin
from xml.etree import ElementTree

import pytest
from aiohttp import web

from tests.proxy.playlists import Site, date, media_of

XML: Final = "{urn:mpeg:dash:schema:mpd:2011}"
STEP_S: Final = 4
EDGE_S: Final = 60
# Of `hls` no URL says a time, of the others those of these segments do not.
RULES: Final = {
    "plain": {"layout": "hls"},
    "live": {"layout": "hls", "timeline": "live"},
    "unified": {"layout": "unified"},
    "flussonic": {"layout": "flussonic"},
}
every = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
INIT: Final = 'initialization="init-$RepresentationID$.mp4"'
COUNTED: Final = (
    f'<SegmentTemplate timescale="1000" duration="{STEP_S}000" startNumber="7" '
    f'media="seg-$RepresentationID$-$Number%05d$.m4s" {INIT}/>'
)
DVR: Final[dict[str, Any]] = {"live": None, "dvr": True}
ALL: Final[dict[str, Any]] = {"live": True, "dvr": True, "copy": True}
SEAL: Final = re.compile(r"_gate\.([A-Za-z0-9_-]+)/")


def timed(count: int) -> str:
    """A template of that many segments, which are named by their time."""
    return (
        f'<SegmentTemplate timescale="90000" media="at-$Time$-$RepresentationID$.m4s" {INIT}>'
        f'<SegmentTimeline><S t="0" d="{STEP_S * 90000}" r="{count - 1}"/></SegmentTimeline></SegmentTemplate>'
    )


def mpd(template: str, begin_s: float, lasts_s: int | None = None, bases: str = "") -> str:
    """An MPD of two representations; it is dynamic, or `lasts_s` long."""
    kind = 'type="dynamic" minimumUpdatePeriod="PT2S" timeShiftBufferDepth="PT600S"'
    if lasts_s is not None:
        kind = f'type="static" mediaPresentationDuration="PT{lasts_s}S"'
    return (
        f'<?xml version="1.0"?>\n<MPD xmlns="{XML[1:-1]}" {kind} availabilityStartTime="{date(begin_s)}" '
        f'profiles="urn:mpeg:dash:profile:isoff-live:2011" minBufferTime="PT2S">\n{bases}'
        f'<Period id="p0" start="PT0S">\n <AdaptationSet mimeType="video/mp4">{template}\n'
        '  <Representation id="v1" bandwidth="1000"/>\n  <Representation id="v2" bandwidth="2000"/>\n'
        " </AdaptationSet>\n</Period>\n</MPD>\n"
    )


# A player.


@dataclass(frozen=True, slots=True)
class Piece:
    """What a player asks for: its target, and when it begins (Unix seconds), None for an initialisation."""

    representation: str
    start_s: float | None
    target: str


def expand(body: bytes, url: str) -> list[Piece]:
    """All that a player asks for of an MPD that it had from `url` (ISO/IEC 23009-1, section 5.3.9)."""
    root, pieces = ElementTree.fromstring(body), []
    epoch_s = datetime.fromisoformat(root.attrib["availabilityStartTime"]).timestamp()
    for period in root.iter(f"{XML}Period"):
        begin_s = epoch_s + seconds(period.get("start", "PT0S"))
        for adaptation in period.iter(f"{XML}AdaptationSet"):
            for one in adaptation.iter(f"{XML}Representation"):
                levels = (root, period, adaptation, one)
                name, base = one.attrib["id"], base_of(levels, url)
                templates = [
                    found for level in levels if (found := level.find(f"{XML}SegmentTemplate")) is not None
                ]
                said = {key: value for template in templates for key, value in template.items()}
                pieces.append(Piece(name, None, urljoin(base, fill(said["initialization"], name))))
                scale, offset = int(said.get("timescale", 1)), int(said.get("presentationTimeOffset", 0))
                lines = [line for template in templates for line in template.iter(f"{XML}S")]
                times = listed(lines) or counted(said, root, period, time.time() - begin_s)
                for number, at in enumerate(times, int(said.get("startNumber", 1))):
                    if at is not None:
                        target = urljoin(base, fill(said["media"], name, number, at))
                        pieces.append(Piece(name, round(begin_s + (at - offset) / scale, 3), target))
    return pieces


def base_of(levels: tuple[ElementTree.Element, ...], url: str) -> str:
    """What the URLs of the lowest level resolve against."""
    for level in levels:
        url = urljoin(url, level.findtext(f"{XML}BaseURL", "").strip())
    return url


def fill(template: str, name: str, number: int = 0, at: int = 0) -> str:
    text = re.sub(r"\$Number%0(\d)d\$", lambda width: f"{number:0{width[1]}}", template)
    for field, value in (("RepresentationID", name), ("Number", number), ("Time", at)):
        text = text.replace(f"${field}$", str(value))
    return text.replace("$$", "$")


def listed(lines: list[ElementTree.Element]) -> list[int | None]:
    """The times that a SegmentTimeline lists, in ticks."""
    times: list[int | None] = []
    at = 0
    for line in lines:
        at, lasts = int(line.get("t", at)), int(line.attrib["d"])
        times += (at + lasts * index for index in range(int(line.get("r", 0)) + 1))
        at += lasts * (int(line.get("r", 0)) + 1)
    return times


def counted(
    said: dict[str, str], root: ElementTree.Element, period: ElementTree.Element, now_s: float
) -> list[int | None]:
    """The times of segments that are only counted; None for one that has left the buffer."""
    scale, lasts = int(said.get("timescale", 1)), int(said["duration"])
    offset = int(said.get("presentationTimeOffset", 0))
    total = period.get("duration") or root.get("mediaPresentationDuration")
    count = int(now_s * scale) // lasts if total is None else -(-int(seconds(total) * scale) // lasts)
    # At the edge of the buffer it is a matter of moments.
    oldest_s = now_s + 1 - seconds(root.get("timeShiftBufferDepth", "P99D")) if total is None else 0
    return [offset + lasts * at if lasts * (at + 1) / scale > oldest_s else None for at in range(count)]


def seconds(text: str) -> float:
    """The seconds that an ISO 8601 duration says."""
    found = re.fullmatch(r"P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?", text)
    assert found is not None, text
    days, hours, minutes, rest = (float(piece or 0) for piece in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def starts(pieces: list[Piece]) -> list[float]:
    """When the segments of the first representation begin."""
    return [one.start_s for one in pieces if one.start_s is not None and one.representation == "v1"]


# The gate.


@dataclass
class House:
    """A gate in front of an origin, `site`, which has an MPD."""

    gate: Any
    site: Site
    ask: Callable[..., Awaitable[Any]]
    mpd: bytes = b""

    @property
    def asked(self) -> list[str]:
        """What the origin was asked for."""
        seen: list[Any] = self.site.seen
        return [one.target for one in seen]

    def put(self, text: str | bytes, kind: str = "application/dash+xml", **fields: str) -> None:
        """This is the origin's MPD from now on."""
        self.mpd = text.encode() if isinstance(text, str) else text
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        self.site.put(
            "/cam1/index.mpd", lambda _: web.Response(body=self.mpd, content_type=kind, headers=named)
        )

    async def open(self, claims: dict[str, Any] | None = None, agent: str = "player") -> str:
        """The link that a token for the stream is redirected to."""
        target = f"/cam1/index.mpd?token={self.gate.token('cam1', **(claims or {}))}"
        got = await self.get(target, 302, headers={"User-Agent": agent})
        return str(got.headers["Location"])

    async def get(self, target: str, status: int = 200, reason: str | None = None, **options: Any) -> Any:
        """The answer, which is of that status and reason."""
        got = await self.ask(self.gate, target, **options)
        assert (got.status, got.reason) == (status, reason), (target, got.status, got.body[:300])
        return got

    async def play(self, link: str, **options: Any) -> list[Piece]:
        """Plays all that the MPD lists: the origin is asked for it by its own name, byte for byte."""
        body = (await self.get(link, **options)).body
        plain = {(one.representation, one.start_s): one.target for one in expand(self.mpd, "/cam1/index.mpd")}
        pieces = expand(body, link)
        assert len({one.target for one in pieces}) == len(pieces)
        for one in pieces:
            asked = len(self.asked)
            got = await self.get(one.target, **options)
            assert len(self.asked) == asked + 1
            target = self.asked[-1]
            assert target == plain[one.representation, one.start_s]
            assert got.body == media_of(target.partition("?")[0])
        assert "_gate" not in str(self.asked)
        return pieces


StartHouse = Callable[..., Awaitable[House]]


@pytest.fixture
def start_house(start_gate: Any, start_origin: Any, ask: Any) -> StartHouse:
    async def start(rule: dict[str, str] | None = None, **policy: Any) -> House:
        site = Site()
        site.url, site.seen = await start_origin(site.serve)
        rule = {"match": "/{resource}/**", "live_edge": f"{EDGE_S}s", **(rule or RULES["live"])}
        return House(await start_gate(site.url, streams=[rule], **policy), site, ask)

    return start


def link_of(url: str) -> str:
    """The session link that a URL begins with."""
    found = re.match(r"/_s/[^/]+", url)
    assert found is not None, url
    return found[0]


live = pytest.mark.parametrize("template", [COUNTED, timed(200)], ids=["number", "time"])


@every
@live
async def test_live_alone_plays_the_edge(start_house: StartHouse, rule: dict[str, str], template: str) -> None:
    house = await start_house(rule)
    begin = int(time.time()) - 200 * STEP_S
    house.put(mpd(template, begin))
    link = await house.open()
    said = ElementTree.fromstring((await house.get(link)).body)
    assert said.findtext(f"{XML}BaseURL") == f"{link_of(link)}/cam1/"
    assert said.findtext(f"{XML}Location") == link == f"{link_of(link)}/cam1/index.mpd"
    pieces = await house.play(link)
    found = starts(pieces)
    assert EDGE_S // STEP_S <= len(found) <= EDGE_S // STEP_S + 2
    # All up to the newest one: between two requests one more may have come.
    assert begin + 199 * STEP_S <= found[-1] <= time.time() - STEP_S
    assert found == [found[0] + STEP_S * at for at in range(len(found))]
    assert sum(one.start_s is None for one in pieces) == 2
    assert all(SEAL.search(one.target) for one in pieces)


@every
@live
async def test_a_seal_tells_of_nothing_older(
    start_house: StartHouse, rule: dict[str, str], template: str
) -> None:
    house = await start_house(rule)
    begin = int(time.time()) - 200 * STEP_S
    house.put(mpd(template, begin))
    link, other = await house.open(), await house.open(agent="another player")
    newest = (await house.play(link))[-1].target
    plain = house.asked[-1]
    sealed = newest.removesuffix(plain.removeprefix("/cam1/"))
    asked = len(house.asked)
    names = {one.start_s: one.target.removeprefix("/cam1/") for one in expand(house.mpd, "/cam1/index.mpd")}
    # Still in the origin's buffer, and not listed to this viewer.
    old = names[begin + 120 * STEP_S]
    await house.get(f"{link_of(link)}/cam1/{old}", 403, "time_unknown")
    # A seal of numbers that go on tells the time of any of them, one of a timeline that of what was listed.
    reason = "dvr_not_granted" if template == COUNTED else "mark_invalid"
    await house.get(sealed + old, 403, reason)
    await house.get(sealed + "other.m4s", 403, "mark_invalid")
    await house.get(sealed.replace("_gate.", "../cam1/_gate.") + old, 400, "malformed_target")
    # What is sealed is sealed for its own representation, in its own directory and session.
    await house.get(sealed + plain.removeprefix("/cam1/").replace("v2", "v1"), 403, "mark_invalid")
    await house.get(newest.replace("/cam1/", "/cam1/sub/"), 403, "mark_invalid")
    await house.get(newest.replace(link_of(link), link_of(other)), 403, "mark_invalid")
    await house.get(newest.replace(link_of(link), ""), 401, "token_missing")
    found = SEAL.search(newest)
    assert found is not None
    text = found[1]
    flipped = "B" if text[0] == "A" else "A"
    for seal in (
        text[:-1],
        text + "A",
        flipped + text[1:],
        text[:9] + text[10:],
        "",
        "A",
        text[:-1] + "=",
        "%00",
    ):
        changed = newest.replace(text, seal)
        status, reason = (400, "malformed_target") if seal == "%00" else (403, "mark_invalid")
        await house.get(changed, status, reason)
    await house.get(newest.replace(found[0], found[0] * 2), 403, "mark_invalid")
    assert len(house.asked) == asked, "the origin heard of none of it"
    await house.get(newest)
    # Where in the path it stands is of no matter, nor what players add.
    await house.get(newest.replace(f"/cam1/{found[0]}", f"/{found[0]}cam1/") + "?CMCD=bl%3D1")
    assert house.asked[-1] == f"{plain}?CMCD=bl%3D1"


@live
async def test_a_segment_plays_on_when_it_has_left(start_house: StartHouse, template: str) -> None:
    """By the MPD of before: a player may be on its way to it."""
    house = await start_house()
    begin = int(time.time()) - 200 * STEP_S
    house.put(mpd(template, begin))
    link = await house.open()
    before = await house.play(link)
    # A minute later, as if the stream had begun a minute earlier.
    house.put(mpd(template.replace('r="199"', 'r="214"'), begin - EDGE_S))
    assert len(await house.play(link)) == len(before)
    for one in before:
        await house.get(one.target)


@every
@pytest.mark.parametrize("template", [COUNTED, timed(1800)], ids=["number", "time"])
async def test_a_window_of_a_recording(start_house: StartHouse, rule: dict[str, str], template: str) -> None:
    house = await start_house(rule)
    begin = int(time.time()) - 9000
    house.put(mpd(template, begin, 7200))
    window = {"from": begin + 3602, "to": begin + 4202}
    link = await house.open({**DVR, **window})
    body = (await house.get(link)).body
    assert b"<Location>" not in body, "it is never fetched again"
    pieces = await house.play(link)
    found = starts(pieces)
    # Players need whole segments: the first and the last one overlap the window by half.
    assert found == [begin + 3600 + STEP_S * at for at in range(151)]
    names = {one.start_s: one.target.removeprefix("/cam1/") for one in expand(house.mpd, "/cam1/index.mpd")}
    sealed = pieces[-1].target.removesuffix(names[found[-1]])
    await house.get(sealed + names[found[0]])
    for outside in (begin, found[0] - STEP_S, found[-1] + STEP_S, begin + 7200 - STEP_S):
        await house.get(sealed + names[outside], 403, "mark_invalid")
        # The rule may say that what has no time of its own is live.
        reason = "live_not_granted" if rule == RULES["live"] else "time_unknown"
        await house.get(f"{link_of(link)}/cam1/{names[outside]}", 403, reason)
    # In a session of another window, the seal of this one opens nothing, though it lists the same.
    other = await house.open({**DVR, **window, "to": begin + 4000}, agent="another player")
    await house.get(pieces[-1].target.replace(link_of(link), link_of(other)), 403, "mark_invalid")
    theirs = expand((await house.get(other)).body, other)
    assert starts(theirs)[-1] == begin + 3996
    await house.get(theirs[-1].target)


@every
async def test_wholly_outside_is_refused(start_house: StartHouse, rule: dict[str, str]) -> None:
    house = await start_house(rule)
    begin = int(time.time()) - 9000
    house.put(mpd(COUNTED, begin, 3600))
    link = await house.open({**DVR, "from": begin + 4000, "to": begin + 4600})
    await house.get(link, 403, "outside_window")


@live
async def test_without_a_restriction_nothing_is_sealed(start_house: StartHouse, template: str) -> None:
    house = await start_house()
    for lasts_s in (None, 400):
        house.put(mpd(template.replace('r="199"', 'r="99"'), int(time.time()) - 100 * STEP_S, lasts_s))
        link = await house.open(ALL)
        got = await house.get(link)
        added = f"<BaseURL>{link_of(link)}/cam1/</BaseURL>".encode()
        if lasts_s is None:
            added += f"<Location>{link}</Location>".encode()
        assert got.body.replace(added, b"", 1) == house.mpd
        assert int(got.headers["Content-Length"]) == len(got.body)
        assert len(await house.play(link)) >= 202


BASES = [
    ("<BaseURL>media/</BaseURL>", "$RepresentationID$/$Number$.m4s"),
    ("<BaseURL>/cam1/a%20b/</BaseURL>", "x$$y-$Number$-$RepresentationID$.m4s"),
    ("<BaseURL>{origin}/cam1/</BaseURL>", "/cam1/$RepresentationID$/$Number$.m4s?a=1&amp;b"),
    ("", "{origin}/cam1/$RepresentationID$/$Number$.m4s"),
    ("<BaseURL>v/w/</BaseURL>", "../$RepresentationID$/$Number$.m4s"),
]


@pytest.mark.parametrize("claims", [{}, ALL], ids=["live", "unrestricted"])
@pytest.mark.parametrize(("bases", "media"), BASES)
async def test_wherever_the_segments_are(
    start_house: StartHouse, bases: str, media: str, claims: dict[str, Any]
) -> None:
    house = await start_house()
    template = COUNTED.replace("seg-$RepresentationID$-$Number%05d$.m4s", media)
    text = mpd(template, int(time.time()) - 200 * STEP_S, None, bases)
    house.put(text.replace("{origin}", house.site.url))
    link = await house.open(claims)
    body = (await house.get(link)).body
    assert house.site.url.encode() not in body
    for one in expand(body, link):
        assert one.target.startswith(link_of(link) + "/")
    # By its plain names the origin is at its own address.
    house.mpd = house.mpd.replace(house.site.url.encode(), b"")
    assert len(await house.play(link)) >= 30


both = pytest.mark.parametrize("claims", [{}, ALL], ids=["live", "unrestricted"])


@both
@pytest.mark.parametrize(
    "front",
    [
        '<!DOCTYPE MPD SYSTEM "mpd.dtd">',
        '<!DOCTYPE MPD [<!ENTITY a "v1">]>',
        '<!DOCTYPE MPD [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
    ],
)
async def test_document_types_are_refused(start_house: StartHouse, front: str, claims: dict[str, Any]) -> None:
    house = await start_house()
    text = mpd(COUNTED, int(time.time()) - 800).replace("<MPD", f"{front}<MPD", 1).replace('"v1"', '"&a;"')
    house.put(text)
    await house.get(await house.open(claims), 502, "manifest_invalid")


@both
async def test_a_page_is_left_as_it_is(start_house: StartHouse, claims: dict[str, Any]) -> None:
    house = await start_house()
    page = b"<!DOCTYPE html>\n<html><a href='/cam1/index.mpd'>Log in</a>&nbsp;</html>"
    house.put(page, "text/html")
    got = await house.get(await house.open(claims))
    assert got.body == page
    assert got.headers["Content-Type"].startswith("text/html")


@both
async def test_a_compressed_mpd_plays(start_house: StartHouse, claims: dict[str, Any]) -> None:
    house = await start_house()
    text = mpd(COUNTED, int(time.time()) - 800).encode()
    house.put(gzip.compress(text), Content_Encoding="gzip")
    link = await house.open(claims)
    got = await house.get(link, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in got.headers
    assert int(got.headers["Content-Length"]) == len(got.body)
    house.mpd = text
    pieces = expand(got.body, link)
    assert len(pieces) >= 32
    await house.get(pieces[-1].target)


@both
async def test_one_that_is_too_large_is_refused(start_house: StartHouse, claims: dict[str, Any]) -> None:
    text = mpd(COUNTED, int(time.time()) - 800).encode()
    house = await start_house(limits={"manifest": len(text)})
    house.put(text)
    link = await house.open(claims)
    await house.get(link)
    house.put(text + b"\n")
    await house.get(link, 502, "manifest_too_large")
    house.put(gzip.compress(text + bytes(10**6).replace(b"\0", b" ")), Content_Encoding="gzip")
    await house.get(link, 502, "manifest_too_large")


# Other carriers.


@both
@live
async def test_the_query_carries_the_session(
    start_house: StartHouse, template: str, claims: dict[str, Any]
) -> None:
    house = await start_house(sessions={"carrier": "query"})
    begin = int(time.time()) - 200 * STEP_S
    house.put(mpd(template, begin))
    link = await house.open(claims)
    ticket = link.partition("?")[2]
    assert re.fullmatch(r"/cam1/index\.mpd\?_gate_session=[\w-]+", link)
    said = ElementTree.fromstring((await house.get(link)).body)
    assert said.findtext(f"{XML}Location") == link
    pieces = await house.play(link)
    assert all(one.target.endswith(f"?{ticket}") for one in pieces)
    assert all(bool(SEAL.search(one.target)) is (not claims) for one in pieces)
    await house.get(pieces[-1].target.partition("?")[0], 401, "token_missing")
    if not claims:
        old = expand(house.mpd, "/cam1/index.mpd")[10].target
        await house.get(f"{old}?{ticket}", 403, "time_unknown")


@both
@live
async def test_a_cookie_carries_the_session(
    start_house: StartHouse, template: str, claims: dict[str, Any]
) -> None:
    house = await start_house(sessions={"carrier": "cookie"})
    house.put(mpd(template, int(time.time()) - 200 * STEP_S))
    got = await house.get(f"/cam1/index.mpd?token={house.gate.token('cam1', **claims)}", 302)
    assert got.headers["Location"] == "/cam1/index.mpd"
    kept = {"Cookie": got.headers["Set-Cookie"].partition(";")[0]}
    pieces = await house.play("/cam1/index.mpd", headers=kept)
    assert all(bool(SEAL.search(one.target)) is (not claims) for one in pieces)
    await house.get(pieces[-1].target, 401, "token_missing")
    if not claims:
        old = expand(house.mpd, "/cam1/index.mpd")[10].target
        await house.get(old, 403, "time_unknown", headers=kept)
