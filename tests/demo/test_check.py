from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from gate.core.reasons import Reason
from gate.demo.check import PACKET, Finding, is_transport_stream, walk
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
        stage.origin_url,
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
        findings = await walk([links["live"], links["file"], links["public"]], stage.url, origin)
    assert [finding.got[-1].outcome.fault for finding in findings] == [
        "the playlist is not the origin's",
        "the part is not the origin's",
        "the part is not the origin's",
    ]
    assert not any(finding.agrees for finding in findings)


async def test_a_gate_that_is_gone_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "s")
    async with stage:
        links = stage.links()
        gate, origin = stage.url, stage.origin_url
    findings = await walk(links, gate, origin)
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
