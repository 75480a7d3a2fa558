from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from gate.config.compile import load_config
from gate.core.decision import decide, locate
from gate.core.reasons import Deny
from gate.core.revocation import Revocations
from gate.core.token import Token
from gate.core.verdicts import Admit, Ask
from gate.demo.origin import Running
from gate.demo.stage import SECRET
from gate.demo.videos import NAME, OWN, Videos, seed
from gate.errors import GateError
from gate.formats import read_token

REPOSITORY = Path(__file__).resolve().parents[2]
NOW = 1_800_000_000
KEY = "for the demo's tests, 32 bytes or more"
POLICY = load_config(REPOSITORY / "config" / "demo.yaml", {SECRET: KEY}).policy
APPLICATION = POLICY.applications[NAME]
SEEDED = "5" * 32


class NoHeaders:
    def getall(self, key: str, default: Any, /) -> Any:
        return default


@pytest.fixture
def videos() -> Videos:
    assert APPLICATION.ziggeo is not None
    return Videos(APPLICATION.ziggeo, KEY, SEEDED)


def read(text: str) -> Token:
    token = read_token(text, APPLICATION)
    assert isinstance(token, Token)
    return token


def test_what_it_signs_the_policy_takes(videos: Videos) -> None:
    one, other = [read(videos.sign(OWN, NOW, session_limit=3)) for _ in range(2)]
    assert one.id != other.id
    assert (one.session_limit, one.expires_at) == (3, NOW + 12 * 3600)
    assert all(grant.session_owned and not grant.all for grant in one.warrant.grants.by_action.values())
    assert len(one.warrant.grants.by_action) == 4


def test_the_link_is_admitted_where_the_policy_has_the_videos(videos: Videos) -> None:
    (link,) = videos.links(NOW)
    ask = Ask("GET", link.path, NoHeaders(), "127.0.0.1")
    place = locate(ask, POLICY)
    assert not isinstance(place, Deny)
    assert (place.rule.origin.name, place.facts.resource) == (link.origin, SEEDED) == (NAME, SEEDED)
    assert place.token is not None
    verdict = decide(ask, place, read(place.token), None, None, Revocations(), NOW)
    assert isinstance(verdict, Admit)
    assert verdict.opening.token.session_limit == 1


def test_the_page_is_told_no_secret(videos: Videos) -> None:
    told = videos.describe(NOW)
    assert KEY not in json.dumps(told)
    assert KEY not in repr(videos)
    assert told["videos"] == "/v1/applications/gate-demo/videos"
    assert told["session"] == "/v1/applications/gate-demo/session"
    assert told["parameter"].endswith("gate-demo")
    assert read(told["token"]).session_limit is None


async def test_it_is_seeded_once(
    videos: Videos, origin: Running, client: ClientSession, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"moving pictures")
    made = [await seed(origin.url, videos.credentials, clip) for _ in range(2)]
    assert made[0] == made[1]
    async with client.get(videos.media(made[0])) as answer:
        assert await answer.read() == b"moving pictures"


async def test_an_origin_that_takes_no_video_is_told(videos: Videos, origin: Running, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(bytes(600_000))
    with pytest.raises(GateError, match="the origin of videos does not take one: 413"):
        await seed(origin.url, videos.credentials, clip)
    await origin.stop()
    with pytest.raises(GateError, match="the origin of videos does not take one"):
        await seed(origin.url, videos.credentials, clip)
