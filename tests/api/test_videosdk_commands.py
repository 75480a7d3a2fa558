"""The table of commands: who may do what to whom, and what bad data are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from gate.api.videosdk_caller import Caller
from gate.api.videosdk_commands import COMMANDS, failure_of, perform
from gate.core.reasons import Deny, Reason
from gate.core.room import RoomRules, State, TrackKind
from tests.api.rooms import ASK, JOIN, MEDIA, SERVER, RoomGate

RULES = RoomRules()
ON = {"mic": "enabled", "webcam": "enabled"}


@pytest.fixture
async def room(meet: RoomGate) -> str:
    return await meet.make_room()


async def does(meet: RoomGate, caller: Caller, room: str, command: str, **data: Any) -> Any:
    """What the caller is told, or why it is not done."""
    got = await perform(meet.desk, caller, room, command, data, meet.rules, "c")
    return got.reason.value if isinstance(got, Deny) else got


async def state(meet: RoomGate, room: str, name: str) -> State | None:
    person = (await meet.room(room)).people.get(name)
    return None if person is None else person.state


class TestWhatIsDone:
    @pytest.mark.parametrize(("decision", "then"), [("allowed", State.JOINED), ("denied", State.DENIED)])
    async def test_a_host_answers(self, meet: RoomGate, room: str, decision: str, then: State) -> None:
        host = await meet.caller(room, permissions=JOIN)
        await meet.caller(room, permissions=ASK, participant="bob")
        data = {"id": "bob", "decision": decision}
        assert await does(meet, host, room, "respondEntry", **data) == data
        assert await state(meet, room, "bob") is then
        assert await does(meet, host, room, "respondEntry", **data) == "not_waiting"

    @pytest.mark.parametrize(("kind", "word"), [("mic", "Mic"), ("webcam", "Webcam")])
    async def test_tracks_are_taken_at_once_and_given_back_with_consent(
        self, meet: RoomGate, room: str, kind: str, word: str
    ) -> None:
        ann, bob = await meet.caller(room), await meet.caller(room, permissions=JOIN, participant="bob")
        told = await does(meet, ann, room, f"disablePeer{word}", peerId="bob")
        assert told == {"peerId": "bob", **ON, kind: "disabled"}
        assert await does(meet, bob, room, f"accept{word}") == "not_asked"
        told = await does(meet, ann, room, f"enablePeer{word}", peerId="bob")
        assert told == {"peerId": "bob", **ON, kind: "requested"}
        told = await does(meet, bob, room, f"reject{word}")
        assert told == {"peerId": "bob", **ON, kind: "disabled"}
        await does(meet, ann, room, f"enablePeer{word}", peerId="bob")
        assert await does(meet, bob, room, f"accept{word}") == {"peerId": "bob", **ON}

    async def test_without_consent_they_are_given_back_at_once(self, meet: RoomGate, room: str) -> None:
        meet.rules = RoomRules(consent=False)
        ann = await meet.caller(room)
        await meet.caller(room, participant="bob")
        await does(meet, ann, room, "disablePeerMic", peerId="bob")
        assert await does(meet, ann, room, "enablePeerMic", peerId="bob") == {"peerId": "bob", **ON}

    async def test_all_at_once(self, meet: RoomGate, room: str) -> None:
        ann = await meet.caller(room, participant="ann")
        for name in ("bob", "cat"):
            await meet.caller(room, participant=name)
        assert await does(meet, ann, room, "muteAll", kind="webcam") == {}
        people = (await meet.room(room)).people
        muted = {name: set(person.disabled) for name, person in people.items()}
        assert muted == {"ann": set(), "bob": {TrackKind.WEBCAM}, "cat": {TrackKind.WEBCAM}}

    async def test_out(self, meet: RoomGate, room: str) -> None:
        ann = await meet.caller(room)
        bob = await meet.caller(room, participant="bob")
        told = await does(meet, ann, room, "removePeer", peerId="bob")
        assert told["peerId"] == "bob"
        assert await state(meet, room, "bob") is State.REMOVED
        assert await does(meet, bob, room, "muteAll", kind="mic") == "removed_from_room"
        assert await does(meet, ann, room, "closeRoom") == {}
        assert not (await meet.room(room)).people
        assert await does(meet, ann, room, "muteAll", kind="mic") == "room_closed"

    async def test_entry(self, meet: RoomGate, room: str) -> None:
        guest = await meet.caller(room, permissions=ASK, participant="bob")
        told = {"status": "waiting_for_admission", "participantId": "bob"}
        assert await does(meet, guest, room, "requestEntry", name="Bob") == told
        host = await meet.caller(room)
        await does(meet, host, room, "respondEntry", id="bob", decision="allowed")
        assert await does(meet, guest, room, "requestEntry") == {**told, "status": "joined"}

    async def test_whoever_acts_is_there(self, store_url: str) -> None:
        async with RoomGate(store_url, idle_s=1.5) as meet:
            room = await meet.make_room()
            ann = await meet.caller(room, permissions=JOIN, participant="ann")
            await meet.caller(room, permissions=JOIN, participant="bob")
            since = time.monotonic()
            while set((await meet.room(room)).people) != {"ann"}:
                assert await does(meet, ann, room, "closeRoom") == "command_not_granted"
                assert time.monotonic() - since < 10
                await asyncio.sleep(0.1)
            assert await state(meet, room, "ann") is State.JOINED

    async def test_by_a_token_that_names_somebody(self, meet: RoomGate, room: str) -> None:
        text = meet.token(participant="ann")
        caller = meet.bearer(text)
        assert await does(meet, caller, room, "muteAll", kind="mic") == "not_joined"
        await meet.join(room, text)
        assert await does(meet, caller, room, "muteAll", kind="mic") == {}
        assert await does(meet, caller, room, "requestEntry") == "session_required"


MODERATES: Mapping[str, dict[str, str]] = {
    "removePeer": {"peerId": "bob"},
    "enablePeerMic": {"peerId": "bob"},
    "disablePeerMic": {"peerId": "bob"},
    "enablePeerWebcam": {"peerId": "bob"},
    "disablePeerWebcam": {"peerId": "bob"},
    "closeRoom": {},
    "muteAll": {"kind": "mic"},
}
ANSWERS: Mapping[str, dict[str, str]] = {
    name: {} for name in ("acceptMic", "rejectMic", "acceptWebcam", "rejectWebcam")
}
RESPONDS: Mapping[str, dict[str, str]] = {"respondEntry": {"id": "bob", "decision": "allowed"}}
ALL = {**MODERATES, **ANSWERS, **RESPONDS}


def test_the_table_is_whole() -> None:
    assert set(ALL) == set(COMMANDS)


class TestWhatIsRefused:
    @pytest.mark.parametrize("command", MODERATES)
    async def test_without_allow_mod(self, meet: RoomGate, room: str, command: str) -> None:
        ann = await meet.caller(room, permissions=JOIN)
        await meet.caller(room, participant="bob")
        assert await does(meet, ann, room, command, **ALL[command]) == "command_not_granted"

    async def test_without_allow_join(self, meet: RoomGate, room: str) -> None:
        host, guest = await meet.caller(room), await meet.caller(room, permissions=ASK, participant="cat")
        await meet.caller(room, permissions=ASK, participant="bob")
        await does(meet, host, room, "respondEntry", id="cat", decision="allowed")
        assert (
            await does(meet, guest, room, "respondEntry", **RESPONDS["respondEntry"]) == "command_not_granted"
        )

    @pytest.mark.parametrize("command", ALL)
    async def test_of_those_who_wait_or_are_not_there(self, meet: RoomGate, room: str, command: str) -> None:
        guest = await meet.caller(room, permissions=ASK)
        assert await does(meet, guest, room, command, **ALL[command]) == "waiting_for_admission"
        other = await meet.make_room()
        assert await does(meet, guest, other, command, **ALL[command]) == "not_joined"
        assert await does(meet, guest, "none-such", command, **ALL[command]) == "room_unknown"

    @pytest.mark.parametrize("command", [*ALL, "requestEntry"])
    async def test_by_tokens_for_something_else(self, meet: RoomGate, room: str, command: str) -> None:
        caller = await meet.caller(room, uses=MEDIA, room=room)
        data = ALL.get(command, {})
        assert await does(meet, caller, "other", command, **data) == "room_not_granted"
        server = meet.bearer(meet.token(uses=SERVER))
        assert await does(meet, server, room, command, **data) == "role_not_granted"

    @pytest.mark.parametrize(
        ("command", "data"),
        [
            ("requestEntry", {"name": 1}),
            ("requestEntry", {"name": "\n"}),
            ("respondEntry", {}),
            ("respondEntry", {"id": "bob"}),
            ("respondEntry", {"id": "bob", "decision": True}),
            ("respondEntry", {"id": "bob", "decision": "yes"}),
            ("respondEntry", {"id": 1, "decision": "allowed"}),
            ("removePeer", {}),
            ("removePeer", {"peerId": None}),
            ("removePeer", {"peerId": ""}),
            ("removePeer", {"peerId": ["bob"]}),
            ("enablePeerMic", {"peerId": {"id": "bob"}}),
            ("disablePeerMic", {"peerId": "a" * 129}),
            ("enablePeerWebcam", {"peerId": 1.5}),
            ("disablePeerWebcam", {"peerid": "bob"}),
            ("muteAll", {}),
            ("muteAll", {"kind": "screen"}),
            ("muteAll", {"kind": ["mic"]}),
        ],
    )
    async def test_bad_data(self, meet: RoomGate, room: str, command: str, data: dict[str, Any]) -> None:
        caller = await meet.caller(room)
        before = await meet.room(room)
        assert await does(meet, caller, room, command, **data) == "malformed_request"
        assert await meet.room(room) == before

    @pytest.mark.parametrize(
        "command", ["", "join", "leave", "ENABLEPEERMIC", "__class__", "enableMic", "x" * 5000]
    )
    async def test_unknown_ones(self, meet: RoomGate, room: str, command: str) -> None:
        assert await does(meet, await meet.caller(room), room, command) == "command_unknown"

    async def test_nobody_acts_as_another_by_naming_them(self, meet: RoomGate, room: str) -> None:
        await meet.caller(room, participant="ann")
        bob = await meet.caller(room, permissions=JOIN, participant="bob")
        for name in ("id", "participantId", "actor", "from"):
            assert await does(meet, bob, room, "muteAll", kind="mic", **{name: "ann"}) == "command_not_granted"


@pytest.mark.parametrize("command", ["", "requestEntry", "closeRoom", "acceptMic", "none"])
def test_failures_without_a_number(command: str) -> None:
    assert failure_of(command, Reason.PARTICIPANT_UNKNOWN) is None


@pytest.mark.parametrize("reason", [Reason.COMMAND_NOT_GRANTED, Reason.NOT_JOINED, Reason.MALFORMED_REQUEST])
def test_other_refusals_keep_their_number(reason: Reason) -> None:
    assert failure_of("removePeer", reason) is None
    assert failure_of("removePeer", Reason.PARTICIPANT_UNKNOWN) == (4066, "REMOVE_PARTICIPANT_FAILED")
