"""The demo's pages: static files, and as JSON the links, a token for videos and one for the room, signed anew
whenever a page is loaded.

It is an origin like any other and reached through the gate, under a public rule: so it is on the streams'
own address, and its script may read every status and header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any, Final

from aiohttp import web

from gate.demo.link import Act, Link, Outcome, written

PATH: Final = "/demo/"
ROOM: Final = f"{PATH}room.html"
_FILES: Final = {
    "": ("page.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
    "videos.js": ("videos.js", "text/javascript"),
    "room.html": ("room.html", "text/html"),
    "room.css": ("room.css", "text/css"),
    "room.js": ("room.js", "text/javascript"),
    "tile.js": ("tile.js", "text/javascript"),
}
# Nothing from elsewhere, and nothing inline.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self' blob:; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_page(
    make_links: Callable[[], Sequence[Link]],
    describe_videos: Callable[[], Mapping[str, Any]],
    describe_room: Callable[[str], Mapping[str, Any] | None],
) -> web.Application:
    """The pages' origin. `make_links` is asked for a fresh set whenever the page is loaded, `describe_videos`
    for what the script needs to make a video and do everything with it, and `describe_room` for what it needs
    to play that part in the room; None: there is no such part."""
    app = web.Application()
    folder = resources.files("gate.demo") / "web"

    for name, (file, kind) in _FILES.items():
        text = (folder / file).read_text("utf-8")
        app.router.add_get(PATH + name, _static(text, kind))

    async def answer_links(request: web.Request) -> web.Response:
        return web.json_response([describe(link) for link in make_links()], headers=_HEADERS)

    async def answer_videos(request: web.Request) -> web.Response:
        return web.json_response(describe_videos(), headers=_HEADERS)

    async def answer_room(request: web.Request) -> web.Response:
        described = describe_room(request.query.get("as", ""))
        if described is None:
            raise web.HTTPNotFound(headers=_HEADERS)
        return web.json_response(described, headers=_HEADERS)

    app.router.add_get(PATH + "links.json", answer_links)
    app.router.add_get(PATH + "videos.json", answer_videos)
    app.router.add_get(PATH + "room.json", answer_room)
    return app


def describe(link: Link) -> dict[str, Any]:
    """The link as the page's script reads it."""
    return {
        "name": link.name,
        "group": link.group,
        "title": link.title,
        "path": link.path,
        "media": link.media.value,
        "words": link.words,
        "expected": written(link.steps),
        "openings": [_describe(outcome) for outcome in link.openings],
        "reused": next((_describe(step.outcome) for step in link.steps if step.act is Act.REUSE), None),
        "outlived": next((_describe(step.outcome) for step in link.steps if step.act is Act.OUTLIVE), None),
        "session_s": link.session_s,
    }


def _describe(outcome: Outcome) -> dict[str, Any]:
    return {"statuses": outcome.statuses, "reason": outcome.reason, "plays": outcome.plays}


def _static(text: str, kind: str) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=text, content_type=kind, charset="utf-8", headers=_HEADERS)

    return answer
