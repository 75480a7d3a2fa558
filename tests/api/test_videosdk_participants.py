"""Coming in, waiting, leaving and acting over REST."""

from __future__ import annotations

import asyncio
import time

import pytest

from gate.core.room import Permission, RoomRules
from tests.api.rooms import ASK, JOIN, MEDIA, MOD, OTHER, RoomGate, until


@pytest.fixture
async def room(meet: RoomGate) -> str:
    return await meet.make_room()


class TestJoining:
    async def test_at_once(self, meet: RoomGate, room: str) -> None:
        got = await meet.join(room, meet.token(uses=MEDIA, participant="ann"), name="Ann")
        link = got["link"]
        person = {
            "participantId": "ann",
            "name": "Ann",
            "mic": "enabled",
            "webcam": "enabled",
            "hosts": True,
            "moderates": True,
            "joinedAt": got["participants"][0]["joinedAt"],
        }
        assert (got.status, got.reason) == (200, "")
        assert got.document == {
            "status": "joined",
            "participantId": "ann",
            "roomId": room,
            "link": link,
            "events": f"{link}/v2/rooms/{room}/events",
            "socket": f"{link}/v2/rooms/{room}/socket",
            "sessionId": (await meet.room(room)).meeting,
            "participants": [person],
            "waiting": [],
        }
        (session,) = await meet.sessions()
        assert (session.application, session.resource, session.subject) == ("meet", room, "ann")
        assert session.committed

    async def test_again_under_the_link_is_the_same(self, meet: RoomGate, room: str) -> None:
        first = await meet.join(room)
        for path in ("join", "requestEntry"):
            again = await meet.ask("POST", f"{first['link']}/v2/rooms/{room}/{path}", None, {"name": "Other"})
            assert await meet.open(again["link"]) == await meet.open(first["link"])
            links = ("link", "events", "socket")
            assert all(again[name] == first[name] for name in first.document if name not in links)
        assert len(await meet.sessions()) == 1
        meeting = await meet.rooms.meeting("meet", first["sessionId"])
        assert meeting is not None
        assert [len(person.times) for person in meeting.people] == [1]

    async def test_the_same_one_by_a_token_takes_the_place_of_the_earlier(
        self, meet: RoomGate, room: str
    ) -> None:
        token = meet.token(participant="ann")
        first, second = await meet.join(room, token), await meet.join(room, token)
        assert first["link"] != second["link"]
        got = await meet.ask("GET", f"{first['link']}/v2/rooms/{room}/participants")
        assert (got.status, got["code"], got["name"]) == (403, "4005", "DUPLICATE_PARTICIPANT")
        got = await meet.ask("GET", f"{second['link']}/v2/rooms/{room}/participants")
        assert len(got["participants"]) == 1

    async def test_who_is_not_named_is_another_each_time(self, meet: RoomGate, room: str) -> None:
        token = meet.token()
        names = {(await meet.join(room, token))["participantId"] for _ in range(3)}
        assert len(names) == 3

    @pytest.mark.parametrize(
        ("own", "named", "status"), [("ann", "ann", 200), ("ann", "bob", 403), (None, "bob", 403)]
    )
    async def test_nobody_is_somebody_by_naming_them(
        self, meet: RoomGate, room: str, own: str | None, named: str, status: int
    ) -> None:
        got = await meet.join(room, meet.token(participant=own), participantId=named)
        assert (got.status, got.document.get("code")) == (status, "4023" if status == 403 else None)
        assert len(await meet.sessions()) == (status == 200)

    async def test_under_the_link_the_own_name_is_known(self, meet: RoomGate, room: str) -> None:
        first = await meet.join(room)
        path = f"{first['link']}/v2/rooms/{room}/join"
        body = {"participantId": first["participantId"]}
        assert (await meet.ask("POST", path, None, body)).status == 200
        assert (await meet.ask("POST", path, None, {"participantId": "bob"}))["code"] == "4023"

    @pytest.mark.parametrize(
        ("permissions", "code"), [(MOD, "4025"), (ASK, None), (JOIN, None), (JOIN | MOD, None)]
    )
    async def test_what_it_takes(
        self, meet: RoomGate, room: str, permissions: frozenset[Permission], code: str | None
    ) -> None:
        got = await meet.join(room, meet.token(permissions=permissions))
        status = 403 if code else 202 if permissions == ASK else 200
        assert (got.status, got.document.get("code")) == (status, code)

    async def test_other_rooms(self, meet: RoomGate, room: str) -> None:
        token = meet.token(room=room)
        assert (await meet.join(await meet.make_room(), token))["code"] == "4022"
        assert (await meet.join("none-such", token))["code"] == "4022"
        assert (await meet.join(room, token)).status == 200
        got = await meet.join("none-such")
        assert (got.status, got["code"]) == (404, "4003")
        got = await meet.join(room, meet.token(OTHER))
        assert (got.status, got["code"]) == (404, "4003")

    async def test_a_full_room(self, meet: RoomGate, room: str) -> None:
        meet.rules = RoomRules(most_people=1)
        await meet.join(room)
        got = await meet.join(room)
        assert (got.status, got["code"]) == (503, "4009")
        assert len(await meet.sessions()) == 1

    @pytest.mark.parametrize(
        "body",
        [{"name": 1}, {"name": "a" * 129}, {"name": "a\n"}, {"participantId": 1}, {"participantId": "a b"}],
    )
    async def test_bad_ones(self, meet: RoomGate, room: str, body: dict[str, object]) -> None:
        got = await meet.join(room, **body)
        assert (got.status, got.reason) == (400, "malformed_request")
        assert not await meet.sessions()

    @pytest.mark.parametrize("wait", ["61", "x", "-1", "1&wait=2"])
    async def test_bad_waits(self, meet: RoomGate, room: str, wait: str) -> None:
        got = await meet.join(room, query=f"?wait={wait}")
        assert (got.status, got.reason) == (400, "malformed_request")


class TestWaiting:
    async def test_told_at_once_without_a_wish_to_wait(self, meet: RoomGate, room: str) -> None:
        host = await meet.join(room)
        got = await meet.join(room, meet.token(permissions=ASK), name="Bob")
        assert (got.status, got.reason, got.fields["Retry-After"]) == (202, "waiting_for_admission", "2")
        assert set(got.document) == {
            *("status", "participantId", "roomId", "link", "events", "socket", "retryAfter")
        }
        assert (got["status"], got["retryAfter"]) == ("waiting_for_admission", 2)
        people = await meet.ask("GET", f"{host['link']}/v2/rooms/{room}/participants")
        assert people["waiting"] == [{"id": got["participantId"], "name": "Bob"}]
        refused = await meet.ask("GET", f"{got['link']}/v2/rooms/{room}/participants")
        assert (refused.status, refused.reason) == (503, "waiting_for_admission")

    @pytest.mark.parametrize(
        ("decision", "status", "reason"), [("allowed", 200, ""), ("denied", 403, "entry_denied")]
    )
    @pytest.mark.parametrize("preferred", [False, True])
    async def test_until_somebody_answers(
        self, meet: RoomGate, room: str, decision: str, status: int, reason: str, preferred: bool
    ) -> None:
        host = await meet.join(room)
        guest = meet.token(permissions=ASK, participant="bob")
        path = f"/v2/rooms/{room}/requestEntry{'' if preferred else '?wait=20'}"
        headers = {"Prefer": "wait=20"} if preferred else {}
        asked = asyncio.create_task(meet.ask("POST", path, guest, {"name": "Bob"}, headers=headers))
        await until(lambda: meet.listening)
        assert not asked.done()
        body = {"id": "bob", "decision": decision}
        told = await meet.ask("POST", f"{host['link']}/v2/rooms/{room}/respondEntry", None, body)
        assert (told.status, told.document) == (200, body)
        got = await asked
        assert (got.status, got.reason) == (status, reason)
        assert got["link"].startswith("/_s/")
        assert not meet.listening
        # Under the link the answer stays.
        again = await meet.ask("POST", f"{got['link']}/v2/rooms/{room}/join", None, {})
        assert (again.status, again.reason) == (status, reason)

    async def test_no_longer_than_wished(self, meet: RoomGate, room: str) -> None:
        began = time.monotonic()
        got = await meet.join(room, meet.token(permissions=ASK), query="?wait=1")
        assert got.status == 202
        assert 0.9 < time.monotonic() - began < 5
        assert not meet.listening

    async def test_a_room_that_is_closed_meanwhile(self, meet: RoomGate, room: str) -> None:
        host = await meet.join(room)
        asked = asyncio.create_task(meet.join(room, meet.token(permissions=ASK), query="?wait=20"))
        await until(lambda: meet.listening)
        assert (await meet.ask("POST", f"{host['link']}/v2/rooms/{room}/closeRoom", None, {})).status == 200
        got = await asked
        assert (got.status, got.reason) == (403, "room_closed")

    async def test_who_was_denied_opens_no_session_until_they_may_ask_again(
        self, meet: RoomGate, room: str
    ) -> None:
        meet.rules = RoomRules(entry_pause_s=0.2)
        host = await meet.join(room)
        guest = meet.token(permissions=ASK)
        waits = await meet.join(room, guest)
        body = {"id": waits["participantId"], "decision": "denied"}
        await meet.ask("POST", f"{host['link']}/v2/rooms/{room}/respondEntry", None, body)
        for _ in range(2):
            got = await meet.join(room, guest)
            assert (got.status, got.reason) == (403, "entry_denied")
        assert len(await meet.sessions()) == 2
        await asyncio.sleep(0.25)
        got = await meet.ask("POST", f"{waits['link']}/v2/rooms/{room}/join", None, {})
        assert (got.status, got["participantId"]) == (202, waits["participantId"])


class TestLeaving:
    @pytest.mark.parametrize("by", ["link", "token"])
    async def test_they_are_out(self, meet: RoomGate, room: str, by: str) -> None:
        token = meet.token(participant="ann")
        joined = await meet.join(room, token)
        asked = (f"{joined['link']}/v2/rooms/{room}/leave", None)
        if by == "token":
            asked = (f"/v2/rooms/{room}/leave", token)
        got = await meet.ask("POST", *asked)
        assert (got.status, got.document) == (
            200,
            {"status": "left", "participantId": "ann", "roomId": room},
        )
        assert not (await meet.room(room)).people
        got = await meet.ask("POST", *asked)
        assert (got.status, got.reason) == (403, "not_joined")

    async def test_others_do_not_leave_for_them(self, meet: RoomGate, room: str) -> None:
        joined = await meet.join(room)
        for token in (meet.token(), meet.token(participant="bob")):
            got = await meet.ask("POST", f"/v2/rooms/{room}/leave", token)
            assert (got.status, got.reason) == (403, "not_joined")
        got = await meet.ask("POST", "/v2/rooms/none-such/leave", meet.token())
        assert got.reason == "room_unknown"
        other = await meet.make_room()
        got = await meet.ask("POST", f"{joined['link']}/v2/rooms/{other}/leave")
        assert got.reason == "not_joined"
        assert len((await meet.room(room)).present) == 1


class TestSeeingAndActing:
    async def test_only_those_who_are_in_see_who_is(self, meet: RoomGate, room: str) -> None:
        token = meet.token(permissions=JOIN, participant="ann")
        path = f"/v2/rooms/{room}/participants"
        assert (await meet.ask("GET", path, token)).reason == "not_joined"
        await meet.join(room, token)
        got = await meet.ask("GET", path, token)
        assert [person["participantId"] for person in got["participants"]] == ["ann"]
        assert (await meet.ask("GET", path, meet.token())).reason == "not_joined"
        assert (await meet.ask("GET", "/v2/rooms/none-such/participants", token)).reason == "room_unknown"

    async def test_failed_commands_have_the_vendors_number(self, meet: RoomGate, room: str) -> None:
        joined = await meet.join(room)
        for command, body, code, status in (
            ("respondEntry", {"id": "x", "decision": "allowed"}, "4059", 409),
            ("removePeer", {"peerId": "x"}, "4066", 404),
            ("enablePeerMic", {"peerId": "x"}, "4067", 404),
            ("disablePeerMic", {"peerId": "x"}, "4068", 404),
            ("enablePeerWebcam", {"peerId": "x"}, "4069", 404),
            ("disablePeerWebcam", {"peerId": "x"}, "4070", 404),
            ("acceptMic", {}, None, 409),
        ):
            got = await meet.ask("POST", f"{joined['link']}/v2/rooms/{room}/{command}", None, body)
            assert (got.status, got.document.get("code")) == (status, code)

    async def test_what_is_not_granted_has_another(self, meet: RoomGate, room: str) -> None:
        joined = await meet.join(room, meet.token(permissions=JOIN))
        got = await meet.ask("POST", f"{joined['link']}/v2/rooms/{room}/removePeer", None, {"peerId": "x"})
        assert (got.status, got["code"], got["name"]) == (403, "4025", "UNAUTHORIZED_REQUEST")

    @pytest.mark.parametrize("name", ["whatever", "JOIN", "enablepeermic", "participants", "%C3%A9"])
    async def test_unknown_commands(self, meet: RoomGate, room: str, name: str) -> None:
        got = await meet.ask("POST", f"/v2/rooms/{room}/{name}", meet.token(), {})
        assert (got.status, got.reason) == (404, "command_unknown")
