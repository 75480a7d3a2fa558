"""The examples of Ziggeo's documentation, each with the outcome that it states, on a running gate.

https://ziggeo.com/docs/api/authorization-tokens/examples, and a page's way from a token to its video.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest

OWN = {"session_owned": True}
ALL = {"all": True}
both = pytest.mark.parametrize("kind", ["server", "client"])


@both
@pytest.mark.timed
async def test_one_video_over_one_session_which_ends(shop: Any, kind: str) -> None:
    """Read access to one resource, over only one session link, which will expire after that time."""
    video, other = await shop.add(), await shop.add()
    grants = {"read": {"resources": [video]}}
    token = await shop.make(kind, grants=grants, session_limit=1, usage_expiration_time=1)
    page, refreshed = await shop.page(), await shop.page()
    began = time.monotonic()
    for name in ("the visitor", "who got the link", "another"):
        got = await shop.ask_as(name, shop.file(video, token, page))
        assert (got.status, got.body) == (200, shop.clip)
    assert (await shop.ask(shop.file(video, token, refreshed))).said == (403, "session_limit")
    assert (await shop.ask(shop.file(video, token))).said == (403, "session_limit")
    assert (await shop.ask(shop.file(other, token, page))).said == (403, "resource_not_granted")
    assert (await shop.ask(shop.at(f"/{video}", token, page), "DELETE")).said == (403, "action_not_granted")
    assert (await shop.ask(shop.at("", token, page), "POST")).said == (403, "action_not_granted")
    assert (await shop.ask(shop.file(video, token, page))).status == 200
    await asyncio.sleep(began + 1.3 - time.monotonic())
    assert (await shop.ask(shop.file(video, token, page))).said == (401, "session_expired")
    assert (await shop.ask(shop.file(video, token, refreshed))).said == (403, "session_limit")


@both
@pytest.mark.timed
async def test_the_same_without_a_page(shop: Any, kind: str) -> None:
    """Who embeds no player gives out the URL with the token: it leads to the one session link."""
    video = await shop.add()
    grants = {"read": {"resources": [video]}}
    token = await shop.make(kind, grants=grants, session_limit=1, usage_expiration_time=1)
    began = time.monotonic()
    link = await shop.link(shop.file(video, token))
    for name in ("browser", "who got the link", "another"):
        got = await shop.ask_as(name, link)
        assert (got.status, got.body) == (200, shop.clip)
    assert (await shop.ask_as("later", shop.file(video, token))).said == (403, "session_limit")
    await asyncio.sleep(began + 1.3 - time.monotonic())
    assert (await shop.ask_as("browser", link)).said == (401, "session_expired")
    assert (await shop.ask_as("browser", shop.file(video, token))).said == (403, "session_limit")


@both
async def test_who_creates_destroys_in_that_session_only(shop: Any, kind: str) -> None:
    """Create, and destroy within one session: whoever created the video may remove it then, and not later."""
    arguments = {"grants": {"create": OWN, "destroy": OWN}, "session_limit": 1}
    token = await shop.make(kind, **arguments)
    page, later = await shop.page(), await shop.page()
    got = await shop.ask(shop.at("", token, page), "POST", data=shop.clip)
    assert got.status == 201, got.body
    video, kept = got.json["token"], await shop.add()
    path = f"/{video}"
    assert (await shop.ask(shop.at("", token, later), "POST")).said == (403, "session_limit")
    # The session is the page's, not the token's: another token is as good there, and none is elsewhere.
    fresh = await shop.make(kind, **arguments)
    for whose in (token, fresh):
        refused = await shop.ask(shop.at(path, whose, later), "DELETE")
        assert refused.said == (403, "resource_not_granted")
    assert (await shop.ask(shop.at(path, fresh), "DELETE")).status == 403
    assert (await shop.ask(shop.at(f"/{kept}", token, page), "DELETE")).said == (403, "resource_not_granted")
    assert (await shop.ask(shop.file(video, token, page))).said == (403, "action_not_granted")
    another = await shop.ask(shop.at("", token, page), "POST", data=shop.clip)
    assert another.status == 201, "one session creates as often as it likes"
    assert (await shop.ask(shop.at(path, token, page), "DELETE")).status == 200
    last = await shop.make(kind, **arguments)
    assert (await shop.ask(shop.at(f"/{another.json['token']}", last, page), "DELETE")).status == 200
    # What is gone is nobody's.
    assert (await shop.ask(shop.at(path, token, page), "DELETE")).said == (403, "resource_not_granted")


@both
async def test_one_video_any_number_of_times(shop: Any, kind: str) -> None:
    """Read, update and destroy one video, any time and any number of times."""
    video, other = await shop.add(), await shop.add()
    mine = {"resources": [video]}
    token = await shop.make(kind, grants={"read": mine, "update": mine, "destroy": mine})
    for turn in range(5):
        page = await shop.page() if turn % 2 else ""
        again = shop.clip + bytes([turn])
        assert (await shop.ask(shop.at(f"/{video}", token, page), "POST", data=again)).status == 200
        target = shop.file(video, token, page)
        if not page:
            target = await shop.link(target, f"browser {turn}")
        assert (await shop.ask_as(f"browser {turn}", target)).body == again
        for method in ("POST", "DELETE"):
            got = await shop.ask(shop.at(f"/{other}", token, page), method)
            assert got.said == (403, "resource_not_granted")
        assert (await shop.ask(shop.at("", token, page), "POST")).said == (403, "action_not_granted")
    assert (await shop.ask(shop.at(f"/{video}", token, await shop.page()), "DELETE")).status == 200
    assert (await shop.ask(shop.at(f"/{video}", token), "DELETE")).said == (404, None)


async def test_from_a_server_side_token_to_its_video(shop: Any) -> None:
    """The whole way, as the pieces of it come from an SDK for Python and a player."""
    video, now = await shop.add(), int(time.time())
    grants = json.dumps({"read": {"resources": [video]}})
    sent = {"expiration_date": now + 60, "usage_expiration_time": 60, "grants": grants, "volatile": False}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    got = await shop.call("POST", body=urlencode(sent), **form)
    assert (got.status, got.body.isascii()) == (200, True)
    token = got.json["token"]
    assert got.json == {
        "token": token,
        "nonce": None,
        "volatile": False,
        "hidden": False,
        "session_limit": None,
        "expiration_date": now + 60,
        "usage_expiration_time": 60,
        "grants": {"read": {"resources": [video]}},
    }
    query = f"?&noauth=false&_wrapstatus=true&_nocache={now}000"
    got = await shop.ask(f"/v1/applications/{shop.app}/session{query}", "POST", headers={"Origin": "http://a"})
    assert (got.status, got.headers["Access-Control-Allow-Origin"]) == (200, "*")
    # Clients of it allow for a number and for its digits.
    assert int(got.json["status"]) == 200
    page = got.json["responseText"]["token"]
    told = await shop.ask(shop.at(f"/{video}", token, page, _wrapstatus="true", _nocache=f"{now}000"))
    assert (told.status, told.json["status"]) == (200, 200)
    assert (told.json["responseText"]["token"], told.json["responseText"]["state"]) == (video, "READY")
    probe = await shop.ask(shop.file(video, token, page), headers={"Range": "bytes=0-1"})
    assert (probe.status, probe.body) == (206, shop.clip[:2])
    assert (await shop.ask(shop.file(video, token, page))).body == shop.clip
    assert (await shop.call("GET", token)).json["grants"] == {"read": {"resources": [video]}}
    assert (await shop.call("POST", f"{token}?_method=DELETE")).status == 200
    assert (await shop.call("GET", token)).said == (404, "not_found")


@both
async def test_who_uploads_confirms_what_was_uploaded(shop: Any, kind: str) -> None:
    """Everything may be read and created, and what the session has created may be updated."""
    grants = {"read": ALL, "create": ALL, "update": OWN}
    token, page, other = await shop.make(kind, grants=grants), await shop.page(), await shop.page()
    body = urlencode({"title": "mine", "tags[]": "a"})
    text = {"Content-Type": "text/plain;charset=UTF-8"}
    made = await shop.ask(shop.at("", token, page), "POST", data=body, headers=text)
    assert (made.status, made.json["title"], made.json["tags"]) == (201, "mine", ["a"])
    path = f"/{made.json['token']}"
    # The origin knows no such call; that it is asked at all is the point.
    assert (await shop.ask(shop.at(f"{path}/confirm-video", token, page), "POST")).said == (404, None)
    assert (await shop.ask(shop.at(path, token, page), "POST", data=shop.clip)).status == 200
    for target in (path, f"{path}/streams", f"{path}/confirm-video"):
        got = await shop.ask(shop.at(target, token, other), "POST", data=shop.clip)
        assert got.said == (403, "resource_not_granted")
    assert (await shop.ask(shop.file(path[1:], token, other))).body == shop.clip
