"""What a URL and a method do to a real origin of videos, and what never reaches it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

OWN = {"session_owned": True}
ALL = {"all": True}
READ = {"read": ALL}
OWN_ALL = {"create": OWN, "read": OWN, "update": OWN, "destroy": OWN}
EVERYTHING = dict.fromkeys(("create", "read", "update", "destroy"), ALL)
both = pytest.mark.parametrize("kind", ["server", "client"])


@both
async def test_each_method_does_what_its_path_says(shop: Any, kind: str, seen: Any) -> None:
    page, only = await shop.page(), {}
    for action in ("create", "read", "update", "destroy"):
        only[action] = await shop.make(kind, grants={action: ALL})
    video, stream = await shop.add(), "0" * 32
    asked = [
        ("create", "POST", ""),
        ("create", "POST", "/videos-upload-url"),
        ("read", "GET", ""),
        *(("read", "GET", f"/{video}{path}") for path in ("", "/video.mp4", f"/streams/{stream}/image")),
        ("read", "HEAD", f"/{video}/video.mp4"),
        ("update", "POST", f"/{video}"),
        *(
            ("update", "POST", f"/{video}/{path}")
            for path in ("streams", "confirm-video", "streams-upload-url")
        ),
        ("update", "POST", f"/{video}/streams/{stream}"),
        ("destroy", "DELETE", f"/{video}/streams/{stream}/file"),
        ("destroy", "DELETE", f"/{video}/streams/{stream}"),
        ("destroy", "DELETE", f"/{video}"),
    ]
    for action, method, path in asked:
        for other, token in only.items():
            before = len(seen)
            if other != action:
                got = await shop.ask(shop.at(path, token, page), method)
                # A HEAD has no body, and the reason in its head.
                assert got.said == (403, "action_not_granted"), (other, method, path)
                assert len(seen) == before
        got = await shop.ask(shop.at(path, only[action], page), method)
        assert got.reason is None, (method, path)
        assert len(seen) == before + 1
        assert seen[-1].method == method
    for method in ("PUT", "PATCH"):
        got = await shop.ask(shop.at(f"/{video}", await shop.make(kind, grants=EVERYTHING), page), method)
        assert got.said == (405, None), "the origin knows no such method"


@both
async def test_what_a_session_has_made_is_its_own_with_all_that_is_in_it(shop: Any, kind: str) -> None:
    arguments: dict[str, Any] = {"grants": OWN_ALL, "session_limit": 2}
    token, page, other = await shop.make(kind, **arguments), await shop.page(), await shop.page()
    made = await shop.ask(shop.at("", token, page), "POST", data=shop.clip)
    path = f"/{made.json['token']}"
    added = await shop.ask(shop.at(f"{path}/streams", token, page), "POST", data=shop.clip * 2)
    assert added.status == 201
    stream = f"{path}/streams/{added.json['token']}"
    for target, method, body in (
        *((each, "GET", None) for each in (path, f"{path}/video.mp4", f"{stream}/video.mp4")),
        *((each, "POST", shop.clip) for each in (path, stream)),
        *((each, "DELETE", None) for each in (stream, path)),
    ):
        got = await shop.ask(shop.at(target, token, other), method, data=body)
        assert got.said == (403, "resource_not_granted"), (method, target)
        got = await shop.ask(shop.at(target, token, page), method, data=body)
        assert got.status == 200, (method, target)
    # The other page's session has been counted by nothing of this.
    assert (await shop.ask(shop.at("", token, other), "POST")).status == 201
    assert (await shop.ask(shop.at("", token, await shop.page()), "POST")).said == (403, "session_limit")


async def test_a_token_without_a_page_creates_in_its_link_s_session(shop: Any) -> None:
    """Who has no page opens a session at the gate's own path, and its link owns what it creates."""
    token = await shop.create(grants=OWN_ALL, session_limit=1)
    assert (await shop.ask(shop.at("", token), "POST")).said == (403, "session_required")
    got = await shop.ask("/_s", "POST", headers={"Authorization": f"Bearer {token}"})
    assert got.status == 201, got.body
    link = got.json["link"]
    made = (await shop.ask(f"{link}{shop.videos}", "POST", data=shop.clip)).json["token"]
    target = f"{link}{shop.videos}/{made}"
    assert (await shop.ask(f"{target}/video.mp4")).body == shop.clip
    assert (await shop.ask(target, "DELETE")).status == 200


@both
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_method_in_the_query_is_none(shop: Any, seen: Any, kind: str, method: str) -> None:
    video, token, page = await shop.add(), await shop.make(kind, grants=EVERYTHING), await shop.page()
    before = len(seen)
    for query in ("_method=DELETE", "_method=delete", "%5fmethod=DELETE", "_METHOD=DELETE", "_method=GET"):
        for target in (shop.at(f"/{video}", token, page), shop.at(f"/{video}", token)):
            got = await shop.ask(f"{target}&{query}", method)
            if method == "POST":
                assert got.status in (400, 405), query
                assert got.reason
    assert {each.method for each in list(seen)[before:]} <= {"GET"}
    assert (await shop.ask(shop.file(video, token, page))).body == shop.clip


@both
async def test_a_download_takes_the_right_to_copy(start_shop: Any, kind: str) -> None:
    for rights, status in ((["live", "dvr"], 403), (["live", "dvr", "copy"], 200)):
        shop = await start_shop(application={"rights": rights})
        video, token, page = await shop.add(), await shop.make(kind, grants=READ), await shop.page()
        for more in ({"download": "true"}, {"download": "tru%65"}, {"Download": "true"}):
            for where in (page, ""):
                target = shop.file(video, token, where, **more)
                got = await shop.ask(target)
                if got.status == 302:
                    got = await shop.ask(got.headers["Location"])
                assert got.status in {status, 403}
                if more == {"download": "true"}:
                    assert got.said == ((200, None) if status == 200 else (403, "copy_not_granted"))
        got = await shop.ask(shop.file(video, token, page, stream_width="640", refresh="1"))
        assert (got.status, got.headers["Content-Disposition"][:6]) == (200, "inline")


@both
async def test_who_may_watch_may_be_counted(shop: Any, kind: str, seen: Any) -> None:
    video, other, page = await shop.add(), await shop.add(), await shop.page()
    viewer = await shop.make(kind, grants={"read": {"resources": [video]}}, session_limit=1)
    editor = await shop.make(kind, grants={"update": ALL})
    for path in (f"/{video}/playback", f"/{video}/streams/playback"):
        # This origin counts nothing.
        assert (await shop.ask(shop.at(path, viewer, page), "POST", data="a=b")).said in {
            (404, None),
            (405, None),
        }
        assert seen[-1].method == "POST"
        assert (await shop.ask(shop.at(path, editor, page), "POST")).said == (403, "action_not_granted")
    refused = await shop.ask(shop.at(f"/{other}/playback", viewer, page), "POST")
    assert refused.said == (403, "resource_not_granted")


@pytest.mark.parametrize("needed", [["read"], ["create", "update", "destroy"], ["destroy"], []])
async def test_only_what_needs_a_token_needs_one(start_shop: Any, needed: list[str]) -> None:
    shop = await start_shop(application={"auth_required_for": needed})
    page, destroys = await shop.page(), await shop.create(grants={"destroy": OWN, "read": ALL})
    video = await shop.add()
    for action, method, target in (
        ("create", "POST", shop.at("")),
        ("create", "POST", shop.at("", page=page)),
        *(("read", "GET", shop.file(video, page=each)) for each in ("", page)),
        ("update", "POST", shop.at(f"/{video}", page=page)),
    ):
        got = await shop.ask(target, method, data=shop.clip if method == "POST" else None)
        expected = (401, "token_missing") if action in needed else (201 if action == "create" else 200, None)
        assert got.said == expected, (method, target)
        if got.status == 201 and shop.parameter in target and "destroy" in needed:
            # What nobody asked a token of is still the page's, where there is one.
            mine = f"/{got.json['token']}"
            assert (await shop.ask(shop.at(mine, page=page), "DELETE")).said == (401, "token_missing")
            refused = await shop.ask(shop.at(mine, destroys, await shop.page()), "DELETE")
            assert refused.said == (403, "resource_not_granted")
            assert (await shop.ask(shop.at(mine, destroys, page), "DELETE")).status == 200
    got = await shop.ask(shop.at(f"/{video}"), "DELETE")
    assert got.said == ((401, "token_missing") if "destroy" in needed else (200, None))
    # A token that is none is no harm where none is needed, and a page that is none is refused.
    if "read" not in needed:
        assert (await shop.ask(shop.file(await shop.add(), "0" * 32))).status == 200


async def test_an_application_is_served_its_own_paths_only(shop: Any, seen: Any) -> None:
    ours, theirs = await shop.add(), await shop.add(app=shop.other_app)
    token, page = await shop.create(grants=EVERYTHING), await shop.page()
    before = len(seen)
    path = f"/v1/applications/{shop.other_app}/videos"
    for method, target in (
        ("GET", f"{path}/{theirs}/video.mp4"),
        ("POST", path),
        ("DELETE", f"{path}/{theirs}"),
    ):
        got = await shop.ask(shop.at(target, token, page), method)
        # The rule of the other application reads its own tokens.
        assert got.status == 401, got.said
    for app in ("unknown", shop.app.upper(), f"{shop.app}x", "%30" + shop.app[1:]):
        got = await shop.ask(shop.at(f"/v1/applications/{app}/videos/{ours}/video.mp4", token, page))
        assert got.status in (400, 403), app
        assert got.reason in ("not_served", "malformed_target")
    assert len(seen) == before
    client = shop.write(grants=READ)
    got = await shop.ask(f"{path}/{theirs}/video.mp4?client_auth={client}")
    assert got.said == (401, "token_malformed")


@both
async def test_no_credential_reaches_the_origin_or_the_log(
    start_shop: Any, seen: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shop = await start_shop(log={"access": True})
    token, page = await shop.make(kind, grants=EVERYTHING), await shop.page()
    video = (await shop.ask(shop.at("", token, page, title="t"), "POST", data=shop.clip)).json["token"]
    link = await shop.link(shop.file(video, token))
    refresh = f"/v1/applications/{shop.app}/session?{shop.parameter}={page}"
    before = len(seen)
    for target in (
        *(shop.file(video, token, page), shop.file(video, token, page, width="9"), link, refresh),
        *(
            shop.file("0" * 32, token, page),
            shop.at(f"/{video}", token, f"x{page}"),
            shop.file(video, page=page),
        ),
    ):
        method = "POST" if target == refresh else "GET"
        await shop.ask(target, method, headers={"Referer": f"http://page{shop.file(video, token, page)}"})
    await shop.call("GET", token)
    secrets = [
        token,
        page,
        link.split("/")[2],
        shop.private,
        shop.encryption,
        shop.credentials["Authorization"],
    ]
    assert len(seen) > before
    for each in seen:
        shown = f"{each.raw_path} {each.headers}"
        assert not [secret for secret in (*secrets, shop.parameter) if secret in shown], shown
    assert len(caplog.records) > 8
    for record in caplog.records:
        if record.name.startswith("gate"):
            shown = f"{record.getMessage()} {vars(record)}"
            assert not [secret for secret in secrets if secret in shown], shown
