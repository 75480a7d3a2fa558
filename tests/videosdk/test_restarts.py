"""What a gate's end changes: nothing for those who are in, waiting, muted or removed. Who vanishes is gone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest


async def test_a_restart_loses_no_room_participant_mute_or_request(start_meet: Any, start_gate: Any) -> None:
    meet = await start_meet(gates=1)
    (one,) = meet.gates
    host = await meet.join(one, "allow_join", "allow_mod", participantId="host")
    guest = await meet.join(one, "ask_join", participantId="guest")
    await meet.join(one, "allow_join", participantId="muted")
    await meet.join(one, "allow_join", participantId="removed")
    assert (await host.command("disablePeerMic", peerId="muted")).status == 200
    assert (await host.command("removePeer", peerId="removed")).status == 200
    await one.node.stop()
    again = await start_gate(meet.origin, **meet.policy)
    meet = replace(meet, gates=[again])
    host, guest = replace(host, meet=meet, gate=again), replace(guest, meet=meet, gate=again)
    assert await meet.people() == ["host", "muted"]
    assert (await host.read("muted", "mic")).reason == "muted"
    assert (await guest.read("host")).reason == "waiting_for_admission"
    assert (await meet.ask_in(again, meet.token("allow_join", participantId="removed"))).status == 403
    async with host.listening() as heard:
        state = heard.named("roomState")[0]
        assert [each["id"] for each in state["waiting"]] == ["guest"]
        assert {each["id"]: each["mic"] for each in state["participants"]}["muted"] == "disabled"
        assert (await host.command("respondEntry", id="guest", decision="allowed")).status == 200
    assert (await guest.read("host")).status == 200


@pytest.mark.timed
async def test_who_vanishes_is_gone_after_the_lease(start_meet: Any) -> None:
    meet = await start_meet(more={"sessions": {"idle": "2s"}})
    one, two = meet.gates
    host = await meet.join(one, "allow_join", participantId="host")
    await meet.join(two, "allow_join", participantId="anna")
    await meet.join(two, "ask_join", participantId="guest")
    async with host.listening() as heard:
        await heard.wait("peerClosed", 6, peerId="anna", reason="lapsed")
        await heard.wait("entryWithdrawn", 6, id="guest", reason="lapsed")
        # Who listens is there.
        await asyncio.sleep(2)
        assert await meet.people() == ["host"]
    sessions = (await meet.call(f"/v2/sessions?roomId={meet.room}")).json["data"]
    assert [session["status"] for session in sessions] == ["ongoing"]


async def test_a_key_that_is_disabled_lets_nobody_in_and_turns_nobody_out(start_meet: Any) -> None:
    meet = await start_meet(key_secrets=["a secret for keys at rest"])
    one, two = meet.gates
    made = await meet.admin(one, "/applications/meet/keys", "POST")
    key, secret = made["key"], made["secret"]
    text = meet.token("allow_join", apikey=key, secret=secret, participantId="anna")

    async def join() -> Any:
        return await meet.ask_in(two, text)

    got = await meet.until(join, None)
    link = got.json["link"]
    await meet.admin(one, f"/applications/meet/keys/{key}", "PATCH", json={"enabled": False})
    refused = await meet.until(join, "key_disabled")
    assert (refused.status, refused.code) == (401, "4053")
    watched = await meet.ask(two, f"{link}/rooms/{meet.room}/anna/mic/index.m3u8")
    assert watched.status == 200
    await meet.admin(one, f"/applications/meet/keys/{key}", "DELETE")
    gone = await meet.until(join, "unknown_key")
    assert (gone.status, gone.code) == (401, "4001")
