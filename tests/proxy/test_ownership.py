"""Whose an object is: an upload creates, its session may read, update and destroy it, and no other may."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis.asyncio
from aiohttp import web

OWN = {"session_owned": True}
EVERYTHING_OWN = {"read": OWN, "create": OWN, "update": OWN, "destroy": OWN}
FULL = {"live": True, "dvr": True, "copy": True}


async def test_a_session_owns_what_it_has_put(
    start_writable: Any, objects: Any, ask: Any, open_session: Any
) -> None:
    gates = [await start_writable(objects.url) for _ in range(2)]
    token = gates[0].token(grants=EVERYTHING_OWN, **FULL)
    mine, theirs = [await open_session(gates[0], token, **{"User-Agent": name}) for name in ("a", "b")]
    assert mine != theirs
    path = "/files/clip/video.mp4"
    assert (await ask(gates[0], mine + path)).reason == "resource_not_granted"
    assert (await ask(gates[0], mine + path, "PUT", data=b"one")).status == 201
    assert [(await ask(gate, mine + path)).body for gate in gates] == [b"one", b"one"]
    for gate in gates:
        for method in ("GET", "HEAD", "PATCH", "DELETE"):
            got = await ask(gate, theirs + path, method, data=b"x" if method == "PATCH" else None)
            assert (got.status, got.headers["Gate-Reason"]) == (403, "resource_not_granted"), method
        assert (await ask(gate, mine + path, "PUT", data=b"two")).status == 204
        assert (await ask(gate, mine + path, "PATCH", data=b"!")).status == 204
        assert objects.kept == {path: b"two!"}
    # Nobody takes it over by overwriting it.
    assert (await ask(gates[1], theirs + path, "PUT", data=b"mine now")).status == 412
    assert (await ask(gates[1], theirs + path)).reason == "resource_not_granted"
    assert objects.kept == {path: b"two!"}
    # Its name is free again once it is gone, and no gate remembers whose it was.
    assert (await ask(gates[1], mine + path, "DELETE")).status == 204
    assert (await ask(gates[1], theirs + path, "PUT", data=b"b's")).status == 201
    assert (await ask(gates[1], theirs + path)).body == b"b's"
    assert (await ask(gates[0], mine + path)).reason == "resource_not_granted"
    assert (await ask(gates[0], mine + path, "DELETE")).reason == "resource_not_granted"


async def test_a_session_owns_what_it_has_posted(
    start_writable: Any, objects: Any, ask: Any, open_session: Any
) -> None:
    gates = [await start_writable(objects.url) for _ in range(2)]
    token = gates[0].token(grants=EVERYTHING_OWN, **FULL)
    mine, theirs = [await open_session(gates[0], token, **{"User-Agent": name}) for name in ("a", "b")]
    got = await ask(gates[0], f"{mine}/files/inbox/in", "POST", data=b"one")
    assert got.status == 201
    location = got.headers["Location"]
    assert location.startswith(f"{mine}/files/inbox/in/made")
    assert (await ask(gates[1], location)).body == b"one"
    assert (await ask(gates[1], location.replace(mine, theirs))).reason == "resource_not_granted"
    assert (await ask(gates[1], f"{mine}/files/inbox/other")).reason == "resource_not_granted"
    assert (await ask(gates[1], location, "DELETE")).status == 204


async def test_a_session_owns_the_id_that_an_answer_names(
    start_writable: Any, objects: Any, ask: Any, open_session: Any
) -> None:
    gates = [await start_writable(objects.url) for _ in range(2)]
    token = gates[0].token(grants=EVERYTHING_OWN, **FULL)
    mine, theirs = [await open_session(gates[0], token, **{"User-Agent": name}) for name in ("a", "b")]
    got = await ask(gates[0], f"{mine}/json/new/video", "POST", data=b"12345")
    assert got.status == 201
    answer = json.loads(got.body)
    assert answer["size"] == 5
    path = f"/json/{answer['token']}/video"
    assert (await ask(gates[1], mine + path)).body == b"12345"
    assert (await ask(gates[1], theirs + path)).reason == "resource_not_granted"
    # It is a resource, with all that is in it; but not the file or the camera of that name.
    assert (await ask(gates[1], f"{mine}/json/{answer['token']}/thumbnail")).status == 404
    assert (await ask(gates[1], f"{mine}/files/{answer['token']}/video")).status in (403, 404)
    assert (await ask(gates[1], f"{mine}/{answer['token']}/index.m3u8")).reason == "resource_not_granted"


async def test_what_was_there_is_not_owned_by_who_writes_to_it(
    start_writable: Any, start_origin: Any, ask: Any, open_session: Any
) -> None:
    """An origin that takes a POST to an object for a change of it answers with its name as well."""

    async def origin(request: web.BaseRequest) -> web.Response:
        return web.json_response({"token": request.path.split("/")[2]})

    url, _ = await start_origin(origin)
    gate = await start_writable(url)
    mine = await open_session(gate, gate.token(grants=EVERYTHING_OWN, **FULL))
    assert (await ask(gate, f"{mine}/json/old/video", "POST", data=b"x")).status == 200
    for method in ("GET", "DELETE"):
        got = await ask(gate, f"{mine}/json/old/video", method)
        assert (got.status, got.reason) == (403, "resource_not_granted"), method


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_name_that_is_chosen_to_collide_gains_nothing(
    start_writable: Any, objects: Any, ask: Any, open_session: Any, method: str
) -> None:
    gate = await start_writable(objects.url)
    there = ["/files/movie/video.mp4", "/files/ch1/x", "/ch1/index.m3u8", "/ch1/hls/segment1.ts", "/flat/a/b"]
    objects.kept |= dict.fromkeys(there, b"secret")
    mine = await open_session(gate, gate.token(grants=EVERYTHING_OWN, **FULL))
    # Within a resource that is there, by the name of a camera, by the name of what stands for both.
    for path in ("/files/movie/note", "/files/ch1/note", "/ch1/note", "/flat/a", "/flat/ch1", "/flat/a/b/c"):
        assert (await ask(gate, mine + path, method, data=b"x")).status == 201, path
    for path in there:
        for verb in ("GET", "PATCH", "DELETE"):
            got = await ask(gate, mine + path, verb, data=b"x" if verb == "PATCH" else None)
            assert (got.status, got.reason) == (403, "resource_not_granted"), (verb, path)
        assert (await ask(gate, mine + path, "PUT", data=b"x")).status == 412
    assert [objects.kept[path] for path in there] == [b"secret"] * len(there)


async def test_what_the_answer_says_is_believed_only_of_this_origin(
    start_writable: Any, start_origin: Any, ask: Any, open_session: Any
) -> None:
    locations = ["http://evil.example/files/a/b", "//evil.example/files/a/b", "../a/b", "files/a/b"]
    locations += ["/ch1/hls/x"]
    locations += ["/files/a/../b/c", "/files//b", "", "\\files\\a", "http://[", "/files/%2e%2e/x"]
    locations += ["/files/fresh/x"]

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            return web.Response(body=b"secret")
        return web.Response(status=201, headers={"Location": locations[int(request.raw_path[-2:])]})

    gate = await start_writable((await start_origin(serve))[0])
    mine = await open_session(gate, gate.token(grants=EVERYTHING_OWN, **FULL))
    for at in range(len(locations)):
        assert (await ask(gate, f"{mine}/files/in/{at:02d}", "POST", data=b"x")).status == 201
    for path in ("/files/a/b", "/files/b/c", "/ch1/hls/x", "/files/in/00"):
        assert (await ask(gate, mine + path)).reason == "resource_not_granted", path
    # A resource that the origin has named is the creator's with all that is in it.
    assert [(await ask(gate, f"{mine}/files/fresh/{name}")).status for name in "xyz"] == [200] * 3


async def test_who_may_only_create_overwrites_nothing_and_who_may_only_update_creates_nothing(
    start_writable: Any, objects: Any, ask: Any, open_session: Any
) -> None:
    gate = await start_writable(objects.url)
    objects.kept["/files/a/old"] = b"old"
    clip = {"resources": ["a"]}
    creates = await open_session(gate, gate.token(grants={"create": clip}, jti="c"))
    updates = await open_session(gate, gate.token(grants={"update": clip}, jti="u"))
    both = await open_session(gate, gate.token(grants={"update": clip, "create": clip}, jti="b"))
    # What the client itself asks to be the condition does not stand against the gate's.
    liar = {"If-Match": "*", "If-None-Match": '"other"'}
    for headers in ({}, liar):
        assert (await ask(gate, f"{creates}/files/a/old", "PUT", data=b"x", headers=headers)).status == 412
    assert (await ask(gate, f"{creates}/files/a/new", "PUT", data=b"x")).status == 201
    for headers in ({}, {"If-None-Match": "*"}):
        assert (await ask(gate, f"{updates}/files/a/none", "PUT", data=b"x", headers=headers)).status == 412
    assert (await ask(gate, f"{updates}/files/a/old", "PUT", data=b"y")).status == 204
    assert (await ask(gate, f"{both}/files/a/old", "PUT", data=b"z")).status == 204
    assert (await ask(gate, f"{both}/files/a/third", "PUT", data=b"z")).status == 201
    assert (await ask(gate, f"{both}/files/b/third", "PUT", data=b"z")).reason == "resource_not_granted"
    assert (await ask(gate, f"{both}/files/a/old", "DELETE")).reason == "action_not_granted"
    assert (await ask(gate, f"{updates}/files/a/old", "POST", data=b"")).reason == "action_not_granted"
    assert objects.kept == {"/files/a/old": b"z", "/files/a/new": b"x", "/files/a/third": b"z"}


async def test_an_upload_that_created_nothing_owns_nothing(
    start_writable: Any, objects: Any, ask: Any, open_session: Any
) -> None:
    gate = await start_writable(objects.url)
    objects.kept["/files/a/old"] = b"old"
    grants = {**EVERYTHING_OWN, "update": {"all": True}}
    mine = await open_session(gate, gate.token(grants=grants))
    assert (await ask(gate, f"{mine}/files/a/old", "PUT", data=b"new")).status == 204
    assert (await ask(gate, f"{mine}/files/a/old")).reason == "resource_not_granted"
    assert (await ask(gate, f"{mine}/files/a/old", "DELETE")).reason == "resource_not_granted"


async def test_the_note_is_in_the_store_before_the_head_of_the_answer_arrives(
    start_writable: Any, objects: Any, ask: Any, open_session: Any, store_url: str
) -> None:
    gate = await start_writable(objects.url)
    mine = await open_session(gate, gate.token(grants=EVERYTHING_OWN, **FULL))
    client = redis.asyncio.from_url(store_url)
    for at in range(20):
        assert (await ask(gate, f"{mine}/files/a/{at}", "PUT", data=b"x")).status == 201
        assert len([key async for key in client.scan_iter("gate:*:o:*")]) == at + 1
    session = gate.node.gatekeeper.tickets.open(mine.split("/")[2]).session
    async for key in client.scan_iter("gate:*:o:*"):
        assert (await client.get(key)).decode() == session
        assert await client.pttl(key) > 0
    await client.aclose()


async def test_a_method_in_a_header_is_not_passed_on(
    start_writable: Any, objects: Any, ask: Any, open_session: Any
) -> None:
    gate = await start_writable(objects.url)
    mine = await open_session(gate, gate.token(grants={"create": OWN}))
    names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
    assert (await ask(gate, f"{mine}/files/a/b", "POST", headers=dict.fromkeys(names, "DELETE"))).status == 201
    assert not {name.lower() for name in objects.seen[-1].headers} & {name.lower() for name in names}
