from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from yarl import URL

from gate.core.reasons import Reason
from gate.demo.check import PACKET, Entry, Finding, entries_of, is_transport_stream, walk
from gate.demo.link import Act, Link, Outcome, Step, refusal
from gate.demo.stage import Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage(tmp_path / "s") as stage:
        yield stage


def quick(stage: Stage) -> dict[str, Link]:
    """The links that take no time, by name."""
    return {link.name: link for link in stage.links() if link.session_s is None}


@pytest.mark.timed
async def test_right_expectations_agree_and_wrong_ones_do_not(stage: Stage) -> None:
    links = quick(stage)
    limit = Reason.SESSION_LIMIT
    wrong = {
        "live": (Step(Act.OPEN, refusal(Reason.TOKEN_EXPIRED)),),
        "forged": (Step(Act.OPEN, refusal(Reason.TOKEN_MALFORMED)),),
        "limit": (Step(Act.OPEN, Outcome((302, 200, 200)), 5), Step(Act.OPEN, refusal(limit))),
        "copied": (links["copied"].steps[0], Step(Act.REUSE, refusal(limit), 3)),
        "no-token": (Step(Act.REUSE, Outcome((200, 200))),),
    }
    findings = await walk(
        [replace(link, steps=wrong.get(name, link.steps)) for name, link in links.items()],
        stage.url,
        stage.origin_urls,
    )
    got = {finding.link.name: finding.got for finding in findings}
    assert {finding.link.name for finding in findings if not finding.agrees} == set(wrong)
    assert got["live"] == (Step(Act.OPEN, Outcome((302, 200, 200))),)
    assert got["forged"] == (Step(Act.OPEN, refusal(Reason.TOKEN_SIGNATURE)),)
    assert got["limit"] == (Step(Act.OPEN, Outcome((302, 200, 200)), 3), Step(Act.OPEN, refusal(limit)))
    assert got["copied"] == (links["copied"].steps[0], Step(Act.REUSE, Outcome((200, 200))))
    assert got["no-token"] == (Step(Act.REUSE, Outcome((), fault="no session link was given")),)


async def test_other_bytes_than_the_origins_are_told(stage: Stage) -> None:
    async def other(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"other")

    links = quick(stage)
    async with RawTestServer(other) as server:
        await server.start_server()
        origin = f"http://127.0.0.1:{server.port}"
        findings = await walk([links["live"], links["file"], links["public"]], stage.url, {"cameras": origin})
    assert [finding.got[-1].outcome.fault for finding in findings] == [
        "the playlist is not the origin's",
        "the part is not the origin's",
        "the part is not the origin's",
    ]
    assert not any(finding.agrees for finding in findings)


async def test_a_playlist_that_is_clipped_otherwise_is_told(stage: Stage) -> None:
    links = quick(stage)
    across, inside, live = links["across"], links["inside"], links["live"]
    assert across.clipped_to is not None
    start, end = across.clipped_to
    until_now = links["rewind"].path.replace("rewind-3600", f"index-{start}-now")
    findings = await walk(
        [
            across,
            replace(across, clipped_to=(start, end - 2)),
            replace(across, clipped_to=(start, end + 2)),
            replace(inside, clipped_to=(start, end)),
            replace(live, clipped_to=(int(time.time()) - 4, int(time.time()) + 60)),
            replace(across, path=until_now),
        ],
        stage.url,
        stage.origin_urls,
    )
    other = "the playlist is not what the origin has of the window"
    faults = [finding.got[-1].outcome.fault for finding in findings]
    # Where nothing was cut, nothing is proven.
    assert faults == ["", other, other, other, other, ""]


def open_again(answer: web.Response) -> web.Response:
    assert isinstance(answer.body, bytes)
    answer.body = answer.body.replace(b"#EXT-X-ENDLIST\n", b"")
    return answer


def let_out(answer: web.Response) -> web.Response:
    return web.Response() if answer.status == 403 else answer


async def test_a_gate_that_clips_half_is_told(stage: Stage) -> None:
    faults = []
    for change in (open_again, let_out):
        async with forwarding(stage.url, change) as url:
            found = await walk([quick(stage)["across"]], url, stage.origin_urls)
            faults.append(found[0].got[-1].outcome.fault)
    assert faults == ["the playlist does not end with the window", "a segment beyond the window answers 200"]


@asynccontextmanager
async def forwarding(url: str, change: Callable[[web.Response], web.Response]) -> AsyncIterator[str]:
    """Where a gate answers, but for a change of its answers."""

    async def forward(request: web.BaseRequest) -> web.StreamResponse:
        asked = URL(f"{url}{request.raw_path}", encoded=True)
        async with http.get(asked, allow_redirects=False) as answer:
            body = await answer.read()
            fields = {
                name: value for name, value in answer.headers.items() if name in ("Location", "Gate-Reason")
            }
            return change(web.Response(status=answer.status, body=body, headers=fields))

    async with aiohttp.ClientSession() as http, RawTestServer(forward) as server:
        await server.start_server()
        yield f"http://127.0.0.1:{server.port}"


def test_the_entries_of_a_playlist() -> None:
    dated = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:{:02}.000Z\n#EXTINF:2.000,\n{}.ts\n"
    found = entries_of(f"#EXTM3U\n{dated.format(10, 'a')}{dated.format(12, 'b')}#EXT-X-ENDLIST\n".encode())
    assert found == [Entry("a.ts", 1767225610, 1767225612), Entry("b.ts", 1767225612, 1767225614)]
    assert [entry.overlaps(1767225600, 1767225612) for entry in found] == [True, False]
    assert [entry.overlaps(1767225612, 1767225613) for entry in found] == [False, True]


async def test_a_gate_that_is_gone_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "s")
    async with stage:
        links = stage.links()
        gate, origins = stage.url, stage.origin_urls
    findings = await walk(links, gate, origins)
    assert not any(finding.agrees for finding in findings)
    assert findings[0].got[-1].outcome.fault.startswith("no answer: ")


def test_a_finding_that_ends_early_does_not_agree() -> None:
    plays = Step(Act.OPEN, Outcome((200,)))
    link = replace(some_link(), steps=(plays, plays))
    assert Finding(link, (plays, plays)).agrees
    assert not Finding(link, (plays,)).agrees
    assert not Finding(link, ()).agrees


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        (b"G" + bytes(PACKET - 1), True),
        ((b"G" + bytes(PACKET - 1)) * 3, True),
        (b"", False),
        (b"G", False),
        (b"G" + bytes(PACKET), False),
        (bytes(PACKET), False),
    ],
)
def test_transport_streams(body: bytes, is_one: bool) -> None:
    assert is_transport_stream(body) is is_one


def some_link() -> Link:
    from gate.demo.links import links

    return links(lambda claims: "a.b.c", 0)[0]
