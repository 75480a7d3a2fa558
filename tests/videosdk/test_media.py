"""Media of a room: asking for it is joining, and what runs ends when the room says otherwise."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientPayloadError

from gate.store.client import Client


async def read(meet: Any, gate: Any, path: str, text: str, **headers: str) -> Any:
    """A player's first request and, where it is answered with a link, the one after that."""
    got = await meet.ask(gate, f"{path}?token={text}", headers=headers)
    if got.status == 302:
        return await meet.ask(gate, got.headers["Location"], headers=headers)
    return got


def track(meet: Any, whose: str, kind: str = "webcam", name: str = "index.m3u8") -> str:
    return f"/rooms/{meet.room}/{whose}/{kind}/{name}"


@pytest.mark.parametrize(
    "signed", [{"participantId": "anna", "roomId": None}, {"version": None}, {"jti": "t1"}]
)
async def test_the_first_request_for_media_is_the_join(meet: Any, signed: dict[str, Any]) -> None:
    got = await read(meet, meet.gates[0], track(meet, "bert"), meet.token("allow_join", **signed))
    assert got.status == 200
    people = await meet.people(at=1)
    assert len(people) == 1
    assert signed.get("participantId") in {None, people[0]}


async def test_one_participant_watches_many_tracks(meet: Any) -> None:
    text = meet.token("allow_join")
    for whose in ("anna", "bert", "carl"):
        assert (await read(meet, meet.gates[0], track(meet, whose), text)).status == 200
    assert len(await meet.people()) == 1


@pytest.mark.parametrize("carry", ["raw", "bearer", "token", "secret"])
async def test_where_a_token_may_be(meet: Any, carry: str) -> None:
    text = meet.token("allow_join", participantId="anna")
    path = track(meet, "anna", name="one.ts")
    headers = {"raw": {"Authorization": text}, "bearer": {"Authorization": f"Bearer {text}"}}.get(carry, {})
    query = f"?{carry}={text}" if carry in {"token", "secret"} else ""
    got = await meet.ask(meet.gates[0], path + query, "PUT", data=b"x", headers=headers)
    assert got.status == 201
    assert list(meet.tracks.kept) == [path]


async def test_who_must_ask_waits_for_an_answer(meet: Any) -> None:
    one, two = meet.gates
    host = await meet.join(one, "allow_join", participantId="host")
    text = meet.token("ask_join", participantId="guest")
    async with host.listening() as heard:
        first = await meet.ask(two, f"{track(meet, 'host')}?token={text}")
        link = first.headers["Location"]
        got = await meet.ask(two, link)
        assert (got.status, got.reason) == (503, "waiting_for_admission")
        assert int(got.headers["Retry-After"]) > 0
        await heard.wait("entryRequested", id="guest", name="guest")
        # Asked again, it is one knock.
        assert (await meet.ask(two, link)).reason == "waiting_for_admission"
        assert len(heard.named("entryRequested")) == 1
        assert (await host.command("respondEntry", id="guest", decision="allowed")).status == 200
        await heard.wait("newPeer", id="guest")
        await until(lambda: meet.ask(two, link), 200)


async def test_a_denied_guest_may_ask_again_after_a_pause(start_meet: Any) -> None:
    meet = await start_meet(entry_pause="1s")
    one, two = meet.gates
    host = await meet.join(one, "allow_join", participantId="host")
    guest = await meet.join(two, "ask_join", participantId="guest")
    async with guest.listening() as told:
        assert (await host.command("respondEntry", id="guest", decision="denied")).status == 200
        assert (await told.wait("entryResponded"))["decision"] == "denied"
    got = await guest.read("host")
    assert (got.status, got.reason, got.code) == (403, "entry_denied", "4025")
    await asyncio.sleep(1.1)
    got = await guest.read("host")
    assert (got.status, got.reason) == (503, "waiting_for_admission")


async def test_nobody_answers(start_meet: Any) -> None:
    # A gate that has just begun lets a part of the idle time pass before it says that anybody's time is over.
    meet = await start_meet(entry_timeout="1s", more={"sessions": {"idle": "3s"}})
    host = await meet.join(meet.gates[0], "allow_join", participantId="host")
    guest = await meet.join(meet.gates[1], "ask_join", participantId="guest")
    async with host.listening() as heard, guest.listening() as told:
        answer = await told.wait("entryResponded", 4)
        assert (answer["decision"], answer["reason"]) == ("denied", "timed_out")
        await heard.wait("entryResponded", id="guest", decision="denied")
        await told.wait_end()
    assert (await guest.read("host")).reason == "entry_timed_out"


async def test_a_mute_cuts_what_runs_and_holds_for_what_comes(meet: Any) -> None:
    one, two = meet.gates
    host = await meet.join(one, "allow_join", "allow_mod", participantId="host")
    guest = await meet.join(two, "allow_join", participantId="guest")
    path = f"{two.url}{guest.link}{track(meet, 'guest', name='long.ts')}"

    async def pieces() -> Any:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0.02)

    upload = asyncio.create_task(send(meet, path, pieces()))
    await until_true(lambda: meet.tracks.receiving == 1)
    async with guest.listening() as told:
        began = time.monotonic()
        assert (await host.command("disablePeerWebcam", peerId="guest")).status == 200
        with pytest.raises((ClientConnectionError, ClientPayloadError)):
            await asyncio.wait_for(upload, 2)
        assert time.monotonic() - began < 1.5
        await until_true(lambda: meet.tracks.cut == 1)
        await told.wait("disableWebcam", peerId="host")
        got = await guest.publish("guest")
        assert (got.status, got.reason) == (403, "track_disabled")
        assert (await guest.publish("guest", "mic")).status == 201
        for at in (one, two):
            muted = await host.read("guest", at=at)
            assert (muted.status, muted.reason) == (503, "muted")
            assert int(muted.headers["Retry-After"]) > 0
        assert (await host.read("guest", "mic")).status == 200
        # Back only with the consent of whose it is.
        assert (await host.command("enablePeerWebcam", peerId="guest")).status == 200
        await told.wait("webcamRequested", peerId="host")
        assert (await guest.publish("guest")).reason == "track_disabled"
        assert (await guest.command("acceptWebcam")).status == 200
        await told.wait("participantMediaStateChanged", kind="webcam", newState="enabled")
    assert (await guest.publish("guest")).status == 201
    await until(lambda: host.read("guest"), 200)


async def test_without_consent_a_track_is_given_back_at_once(start_meet: Any) -> None:
    meet = await start_meet(consent="none")
    host = await meet.join(meet.gates[0], "allow_join", "allow_mod", participantId="host")
    guest = await meet.join(meet.gates[1], "allow_join", participantId="guest")
    await host.command("disablePeerMic", peerId="guest")
    await until(lambda: guest.publish("guest", "mic"), 403)
    await host.command("enablePeerMic", peerId="guest")
    await until(lambda: guest.publish("guest", "mic"), 201)


async def test_a_removal_cuts_who_reads_and_keeps_them_out(meet: Any) -> None:
    one, two = meet.gates
    host = await meet.join(one, "allow_join", "allow_mod", participantId="host")
    guest = await meet.join(two, "allow_join", participantId="guest")
    url = f"{two.url}{guest.link}{track(meet, 'host', name='endless.ts')}"
    async with guest.listening() as told, meet.http.get(url) as running:
        assert running.status == 200
        await running.content.readany()
        assert (await host.command("removePeer", peerId="guest")).status == 200
        with pytest.raises((ClientConnectionError, ClientPayloadError)):
            await asyncio.wait_for(drain(running), 2)
        error = await told.wait("error")
        assert error["reason"] == "removed_from_room"
        await told.wait_end()
    got = await guest.read("host")
    assert (got.status, got.reason, got.code) == (403, "removed_from_room", "4025")
    again = await meet.ask_in(one, guest.token)
    assert (again.status, again.reason) == (403, "removed_from_room")


async def test_the_younger_session_of_a_signed_participant_takes_the_place(meet: Any) -> None:
    one, two = meet.gates
    old = await meet.join(one, "allow_join", participantId="anna")
    async with old.listening() as told:
        new = await meet.join(two, "allow_join", participantId="anna")
        error = await told.wait("error")
        assert (error["code"], error["name"]) == (4005, "DUPLICATE_PARTICIPANT")
        await told.wait_end()
    got = await old.read("anna")
    assert (got.status, got.reason, got.code) == (403, "duplicate_participant", "4005")
    assert (await new.read("anna")).status == 200
    assert await meet.people() == ["anna"]


async def test_an_encoder_beside_a_browser_is_no_second_participant(meet: Any) -> None:
    one, two = meet.gates
    anna = await meet.join(one, "allow_join", participantId="anna")
    async with anna.listening() as told:
        for gate in (one, two, one):
            path = track(meet, "anna", name="one.ts")
            headers = {"Authorization": anna.token, "User-Agent": "Lavf/60"}
            got = await meet.ask(gate, path, "PUT", data=b"x", headers=headers)
            assert got.status == 201, got.body
        assert told.named("error") == []
    assert (await anna.read("anna")).status == 200


async def test_nobody_takes_an_id_by_naming_it(meet: Any) -> None:
    one, two = meet.gates
    await meet.join(one, "allow_join", participantId="anna")
    text = meet.token("allow_join")
    path = f"/v2/rooms/{meet.room}/join"
    got = await meet.ask(two, path, "POST", json={"participantId": "anna"}, headers={"Authorization": text})
    assert (got.status, got.reason, got.code) == (403, "participant_not_granted", "4023")
    got = await meet.ask(
        two, track(meet, "anna", name="one.ts"), "PUT", data=b"x", headers={"Authorization": text}
    )
    assert (got.status, got.reason, got.code) == (403, "track_not_yours", "4025")
    assert "anna" in await meet.people()


async def test_a_closed_room_is_opened_by_joining_anew(meet: Any) -> None:
    one, two = meet.gates
    host = await meet.join(one, "allow_join", "allow_mod", participantId="host")
    text = meet.token("allow_join", participantId="guest")
    first = await meet.ask(two, f"{track(meet, 'host')}?token={text}")
    link = first.headers["Location"]
    assert (await meet.ask(two, link)).status == 200
    assert (await host.command("closeRoom")).status == 200
    await until(lambda: meet.ask(two, link), 403)
    got = await meet.ask(two, link)
    assert (got.reason, got.code) == ("room_closed", None)
    assert await meet.people() == []
    assert (await read(meet, two, track(meet, "host"), text)).status == 200
    assert await meet.people() == ["guest"]


async def test_a_deactivated_room_is_closed_for_ever(meet: Any) -> None:
    one, two = meet.gates
    host = await meet.join(one, "allow_join", "allow_mod", participantId="host")
    assert (await meet.call("/v2/rooms/deactivate", "POST", json={"roomId": meet.room})).status == 200
    await until(lambda: host.read("host", at=two), 403)
    assert (await host.read("host", at=two)).code == "4052"
    again = await meet.ask_in(two, meet.token("allow_join"))
    assert (again.status, again.code) == (403, "4052")


async def test_a_single_use_token_joins_once(start_meet: Any) -> None:
    meet = await start_meet(single_use_jti=True)
    text = meet.token("allow_join", jti="once")
    assert (await meet.ask_in(meet.gates[0], text)).status == 200
    again = await meet.ask_in(meet.gates[1], text)
    assert (again.status, again.reason) == (403, "session_limit")


async def test_the_token_may_end_and_the_session_goes_on(meet: Any) -> None:
    now = int(time.time())
    anna = await meet.join(meet.gates[0], "allow_join", participantId="anna", iat=now - 10, exp=now + 1)
    await asyncio.sleep(1.2)
    assert (await anna.read("anna")).status == 200
    late = await meet.ask_in(meet.gates[0], anna.token)
    assert (late.status, late.reason, late.code) == (401, "token_expired", "4002")


@pytest.mark.parametrize(
    ("claims", "status", "reason", "code"),
    [
        ({"exp": None}, 401, "expiry_required", "4002"),
        ({"roomId": "another-room"}, 403, "room_not_granted", "4022"),
        ({"apikey": "unknown"}, 401, "unknown_key", "4001"),
        ({"participantId": "a b"}, 401, "participant_invalid", "4004"),
        ({"permissions": ["allow_join", "ask_join"]}, 401, "permissions_invalid", "4008"),
        ({"secret": "6" * 64}, 401, "token_signature", "4002"),
    ],
)
async def test_what_media_is_refused_for_has_the_vendors_number(
    meet: Any, claims: dict[str, Any], status: int, reason: str, code: str
) -> None:
    text = meet.token("allow_join", **claims)
    for path in (track(meet, "anna"), f"/v2/rooms/{meet.room}/events"):
        got = await meet.ask(meet.gates[0], f"{path}?token={text}")
        assert (got.status, got.reason, got.code) == (status, reason, code), path
        assert text not in got.body.decode()


async def test_a_room_that_is_not_there(meet: Any) -> None:
    got = await read(meet, meet.gates[0], "/rooms/none-such-room/a/mic/index.m3u8", meet.token("allow_join"))
    assert (got.status, got.reason, got.code) == (403, "room_unknown", "4003")


async def send(meet: Any, url: str, data: Any) -> None:
    async with meet.http.put(url, data=data) as answer:
        await answer.read()


async def drain(answer: Any) -> None:
    async for _ in answer.content.iter_any():
        pass


async def until(ask: Any, status: int, within_s: float = 2.0) -> Any:
    """The first answer with this status; fails if it does not come in time."""
    end = time.monotonic() + within_s
    while (got := await ask()).status != status:
        assert time.monotonic() < end, (got.status, got.body)
        await asyncio.sleep(0.05)
    return got


async def until_true(holds: Any, within_s: float = 2.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("bare", [False, True])
async def test_whoever_is_in_asks_nothing_more_of_the_store(meet: Any, store_url: str, bare: bool) -> None:
    gate = meet.gates[0]
    anna = await meet.join(gate, "allow_join", participantId="anna")
    assert (await anna.publish("anna")).status == 201

    async def ask() -> Any:
        path = track(meet, "anna", name="one.ts")
        if bare:
            return await meet.ask(gate, path, headers={"Authorization": anna.token})
        return await anna.get(path)

    client = Client(store_url, timeout_s=5)
    try:
        assert (await ask()).status == 200
        before = await count(client)
        for _ in range(200):
            assert (await ask()).status == 200
        # What is asked in the background, of leases and news, goes by time and not by requests.
        assert await count(client) - before < 60
    finally:
        await client.close()


async def count(client: Any) -> int:
    """Commands that the store has been given."""
    stats = await client.call("INFO", "commandstats")
    return sum(int(each["calls"]) for each in stats.values())


@pytest.mark.parametrize("signed", [{"participantId": "anna"}, {}])
async def test_media_with_the_bare_token_belong_to_whom_has_joined_from_there(
    meet: Any, signed: dict[str, str]
) -> None:
    one, two = meet.gates
    anna = await meet.join(one, "allow_join", **signed)
    async with anna.listening() as told:
        for gate in (one, two, one):
            assert (await read(meet, gate, track(meet, "bert"), anna.token)).status == 200
        path = track(meet, anna.id, name="one.ts")
        got = await meet.ask(two, path, "PUT", data=b"x", headers={"Authorization": anna.token})
        assert got.status == 201, got.body
        assert await meet.people() == [anna.id]
        assert not {"error", "newPeer"} & {name for name, _ in told.events}


@pytest.mark.parametrize("bare", [False, True])
async def test_ingest_as_whip_does_it(meet: Any, bare: bool) -> None:
    one, two = meet.gates
    host = await meet.join(one, "allow_join", "allow_mod", participantId="host")
    anna = await meet.join(one, "allow_join", participantId="anna")
    guest = await meet.join(two, "allow_join", participantId="guest")

    async def ask(gate: Any, path: str, method: str, data: bytes = b"") -> Any:
        headers = {"Content-Type": "application/sdp"}
        if bare:
            headers["Authorization"] = f"Bearer {anna.token}"
            return await meet.ask(gate, path, method, data=data or None, headers=headers)
        return await anna.get(path, gate, method=method, data=data or None, headers=headers)

    endpoint = track(meet, "anna", "mic", "whip")
    made = await ask(one, endpoint, "POST", b"v=0\r\n")
    assert (made.status, made.body) == (201, b"v=0\r\n")
    where = made.headers["Location"].removeprefix("" if bare else anna.link)
    assert where == f"{endpoint}/1"
    # Nobody else ends it, or begins one there.
    assert (await guest.get(where, method="DELETE")).reason == "track_not_yours"
    assert (await guest.get(endpoint, method="POST", data=b"v=0")).reason == "track_not_yours"
    assert (await ask(two, where, "DELETE")).status == 200
    assert (await host.command("disablePeerMic", peerId="anna")).status == 200
    assert (await ask(one, endpoint, "POST", b"v=0\r\n")).reason == "track_disabled"


async def test_a_mute_cuts_who_reads_the_track_and_nobody_else(meet: Any) -> None:
    one, two = meet.gates
    host = await meet.join(one, "allow_join", "allow_mod", participantId="host")
    guest = await meet.join(two, "allow_join", participantId="guest")
    urls = [f"{two.url}{guest.link}{track(meet, 'host', kind, 'endless.ts')}" for kind in ("mic", "webcam")]
    async with meet.http.get(urls[0]) as muted, meet.http.get(urls[1]) as other:
        assert (await muted.content.readany(), await other.content.readany()) != (b"", b"")
        assert (await host.command("disablePeerMic", peerId="host")).status == 200
        with pytest.raises((ClientConnectionError, ClientPayloadError)):
            await asyncio.wait_for(drain(muted), 2)
        assert await asyncio.wait_for(other.content.readany(), 2)


@pytest.mark.timed
async def test_where_the_policy_says_so_the_session_ends_with_its_token(start_meet: Any) -> None:
    section = {"keys": [{"key": "f0a1b2c3-key", "secret": "5" * 64}]}
    application = {"formats": ["videosdk"], "videosdk": section, "session_end": "token"}
    meet = await start_meet(more={"applications": {"meet": application}})
    now = int(time.time())
    anna = await meet.join(meet.gates[0], "allow_join", participantId="anna", iat=now, exp=now + 3)
    async with anna.listening() as told:
        assert (await anna.read("anna")).status == 200
        assert (await told.wait("error", 6))["reason"] == "session_expired"
        await told.wait_end()
    assert (await anna.read("anna")).reason == "session_expired"
