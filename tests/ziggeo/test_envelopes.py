"""Origins that answer as Ziggeo does under `_wrapstatus=true`: with 200, and what was done in the body."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from aiohttp import web

OWN = {"session_owned": True}
ALL = {"all": True}
OWN_ALL = {"create": OWN, "read": OWN, "update": OWN, "destroy": OWN}
both = pytest.mark.parametrize("kind", ["server", "client"])


class Wrapping:
    """An origin that answers as Ziggeo does where it is asked to: 200, with the status in the body."""

    def __init__(self, *, text: bool) -> None:
        self.text = text
        self.kept: dict[str, bytes] = {}
        self.numbers: dict[str, int] = defaultdict(int)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        status, told = await self.do(request)
        if request.rel_url.query.get("_wrapstatus") != "true":
            return web.json_response(told, status=status)
        inner = json.dumps(told) if self.text else told
        shown = str(status) if self.text else status
        return web.json_response({"status": shown, "statusText": "", "responseText": inner})

    async def do(self, request: web.BaseRequest) -> tuple[int, dict[str, Any]]:
        video = request.path.rpartition("/videos")[2].strip("/").partition("/")[0]
        if request.method == "POST" and not video:
            self.numbers["made"] += 1
            video = f"made{self.numbers['made']}"
            self.kept[video] = await request.content.read()
            return 201, {"token": video, "title": None}
        if video not in self.kept:
            return 404, {"error": "there is no such video"}
        if request.method == "DELETE" and b"fixed" in self.kept[video]:
            return 403, {"error": "it is fixed"}
        if request.method == "DELETE":
            del self.kept[video]
        return 200, {"token": video}


@both
@pytest.mark.parametrize("text", [False, True], ids=["object", "text"])
async def test_what_an_envelope_says_was_done_was_done(
    start_shop: Any, start_origin: Any, kind: str, text: bool
) -> None:
    wrapping = Wrapping(text=text)
    shop = await start_shop((await start_origin(wrapping.serve))[0])
    page, other, wrapped = await shop.page(), await shop.page(), {"_wrapstatus": "true"}
    token = await shop.make(kind, grants=OWN_ALL)
    made = []
    for body in ("fixed", "free"):
        got = await shop.ask(shop.at("", token, page, **wrapped), "POST", data=body)
        assert (got.status, int(got.json["status"])) == (200, 201)
        inner = got.json["responseText"]
        made.append((json.loads(inner) if text else inner)["token"])
    for video in made:
        assert (await shop.ask(shop.at(f"/{video}", token, page, **wrapped))).status == 200
        assert (await shop.ask(shop.at(f"/{video}", token, other, **wrapped))).said == (
            403,
            "resource_not_granted",
        )
    for video, status in zip(made, (403, 200), strict=True):
        got = await shop.ask(shop.at(f"/{video}", token, page, **wrapped), "DELETE")
        assert (got.status, int(got.json["status"])) == (200, status)
    # What was not destroyed is the page's still, and what was is nobody's.
    assert (await shop.ask(shop.at(f"/{made[0]}", token, page))).status == 200
    assert (await shop.ask(shop.at(f"/{made[1]}", token, page))).said == (403, "resource_not_granted")
    # A refusal in an envelope creates nothing: what it names stays whose it is.
    named = await shop.create(volatile=True, grants={"read": {"resources": ["gone"]}})
    destroys = await shop.make(kind, grants={"destroy": ALL})
    got = await shop.ask(shop.at("/gone", destroys, page, **wrapped), "DELETE")
    assert (got.status, int(got.json["status"])) == (200, 404)
    assert (await shop.call("GET", named)).json["grants"] == {"read": {"resources": ["gone"]}}
