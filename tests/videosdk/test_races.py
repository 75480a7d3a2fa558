"""Two things at once, on two gates: which of them holds is decided once, and everybody is told the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

SIDES = range(8)


@pytest.mark.parametrize("_again", SIDES)
async def test_two_moderators_answer_one_knock(meet: Any, _again: int) -> None:
    one, two = meet.gates
    first = await meet.join(one, "allow_join", participantId="first")
    second = await meet.join(two, "allow_join", participantId="second")
    guest = await meet.join(one, "ask_join", participantId="guest")
    async with first.listening() as heard, second.listening() as too, guest.listening() as told:
        answers = await asyncio.gather(
            first.command("respondEntry", id="guest", decision="allowed"),
            second.command("respondEntry", id="guest", decision="denied"),
        )
        assert sorted(got.status for got in answers) == [200, 409]
        refused = next(got for got in answers if got.status == 409)
        assert (refused.reason, refused.code) == ("not_waiting", "4059")
        decision = "allowed" if answers[0].status == 200 else "denied"
        for listener in (heard, too, told):
            assert (await listener.wait("entryResponded", id="guest"))["decision"] == decision
        await asyncio.sleep(0.2)
        for listener in (heard, too, told):
            assert len(listener.named("entryResponded")) == 1
    assert ("guest" in await meet.people()) is (decision == "allowed")


@pytest.mark.parametrize("_again", SIDES)
async def test_a_guest_leaves_while_being_admitted(meet: Any, _again: int) -> None:
    one, two = meet.gates
    host = await meet.join(one, "allow_join", participantId="host")
    guest = await meet.join(two, "ask_join", participantId="guest")
    async with host.listening() as heard:
        left, admitted = await asyncio.gather(
            guest.command("leave"), host.command("respondEntry", id="guest", decision="allowed")
        )
        assert left.status == 200
        if admitted.status == 200:
            # They were in, and have left.
            await heard.wait("newPeer", id="guest")
            await heard.wait("peerClosed", peerId="guest", reason="left")
        else:
            assert (admitted.reason, admitted.code) == ("not_waiting", "4059")
            await heard.wait("entryWithdrawn", id="guest")
    assert await meet.people() == ["host"]


async def test_fifty_guests_knock_at_once_and_each_gets_exactly_one_answer(meet: Any) -> None:
    one, two = meet.gates
    hosts = [
        await meet.join(gate, "allow_join", participantId=f"host{at}") for at, gate in enumerate(meet.gates)
    ]
    async with hosts[0].listening() as heard, hosts[1].listening() as too:
        guests = await asyncio.gather(
            *(meet.join((one, two)[at % 2], "ask_join", participantId=f"guest{at}") for at in range(50))
        )
        for at in range(50):
            await heard.wait("entryRequested", 5, id=f"guest{at}")
            await too.wait("entryRequested", 5, id=f"guest{at}")
        waits = [
            asyncio.create_task(guest.get(f"/v2/rooms/{meet.room}/join?wait=10", method="POST", json={}))
            for guest in guests
        ]
        # Both hosts answer all of them, in other orders and by other decisions.
        answers = await asyncio.gather(
            *(hosts[0].command("respondEntry", id=f"guest{at}", decision="allowed") for at in range(50)),
            *(
                hosts[1].command("respondEntry", id=f"guest{at}", decision="denied")
                for at in reversed(range(50))
            ),
        )
        assert Counter(got.status for got in answers) == {200: 50, 409: 50}
        told = await asyncio.gather(*waits)
        decided = {}
        for at, got in enumerate(told):
            assert got.status in {200, 403}, got.body
            decided[f"guest{at}"] = "allowed" if got.status == 200 else "denied"
        await asyncio.sleep(0.3)
        for listener in (heard, too):
            said = [(data["id"], data["decision"]) for data in listener.named("entryResponded")]
            assert sorted(said) == sorted(decided.items())
    let_in = [name for name, decision in decided.items() if decision == "allowed"]
    assert await meet.people(at=1) == sorted([*let_in, "host0", "host1"])


@pytest.mark.parametrize("_again", SIDES)
async def test_two_joins_of_one_signed_participant_at_once(meet: Any, _again: int) -> None:
    text = meet.token("allow_join", participantId="anna")
    answers = await asyncio.gather(*(meet.ask_in(gate, text) for gate in meet.gates))
    assert {got.status for got in answers} <= {200, 403}
    reads = [
        await meet.ask(gate, f"{got.json['link']}/rooms/{meet.room}/anna/mic/index.m3u8")
        for gate, got in zip(meet.gates, answers, strict=True)
        if got.status == 200
    ]
    await asyncio.sleep(0.2)
    reads = [
        await meet.ask(gate, f"{got.json['link']}/rooms/{meet.room}/anna/mic/index.m3u8")
        for gate, got in zip(meet.gates, answers, strict=True)
        if got.status == 200
    ]
    assert Counter(got.status for got in reads)[200] == 1
    assert {got.reason for got in reads if got.status != 200} <= {"duplicate_participant"}
    assert await meet.people() == ["anna"]
