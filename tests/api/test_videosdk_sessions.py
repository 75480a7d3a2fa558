"""Sessions of rooms, as servers read and end them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gate.api.videosdk_documents import MOST_LISTED
from tests.api.rooms import ASK, SERVER, RoomGate


async def ended(meet: RoomGate, room: str) -> str:
    """A session of the room that was, and is no more."""
    got = await meet.join(room)
    assert (await meet.ask("POST", "/v2/sessions/end", meet.server, {"roomId": room})).status == 200
    # Who comes in the same millisecond comes too early.
    await asyncio.sleep(0.002)
    return str(got["sessionId"])


def ids(got: Any) -> list[str]:
    assert got.status == 200, got.document
    return [each["id"] for each in got["data"]]


class TestListing:
    async def test_by_room_and_state(self, meet: RoomGate) -> None:
        room, other = await meet.make_room(customRoomId="a b"), await meet.make_room()
        old, theirs = await ended(meet, room), await ended(meet, other)
        now = (await meet.join(room, name="Ann"))["sessionId"]
        for query, expected in {
            "": [now, theirs, old],
            f"?roomId={room}": [now, old],
            "?customRoomId=a+b": [now, old],
            "?query=a%20b": [now, old],
            f"?query={other}": [theirs],
            f"?roomId={room}&customRoomId=a+b": [now, old],
            f"?roomId={other}&customRoomId=a+b": [],
            "?roomId=none-such": [],
            "?status=ongoing": [now],
            "?status=ended": [theirs, old],
            f"?status=ended&roomId={room}": [old],
            "?perPage=1&page=2": [theirs],
            "?perPage=2&page=2": [old],
            "?page=2": [],
        }.items():
            assert ids(await meet.ask("GET", f"/v2/sessions{query}", meet.server)) == expected, query
        got = await meet.ask("GET", f"/v2/sessions?roomId={room}&status=ongoing&perPage=1", meet.server)
        assert got["pageInfo"] == {"currentPage": 1, "perPage": 1, "lastPage": 1, "total": 1}
        (session,) = got["data"]
        assert (session["roomId"], session["customRoomId"], session["status"]) == (room, "a b", "ongoing")
        assert session["end"] is None
        assert [person["name"] for person in session["participants"]] == ["Ann"]

    async def test_by_a_token_for_a_room(self, meet: RoomGate) -> None:
        room, other = await meet.make_room(), await meet.make_room()
        one, _ = await ended(meet, room), await ended(meet, other)
        token = meet.token(uses=SERVER, room=room)
        assert ids(await meet.ask("GET", "/v2/sessions", token)) == [one]
        assert (await meet.ask("GET", f"/v2/sessions?roomId={other}", token))["code"] == "4022"

    @pytest.mark.parametrize("count", [1, 2, 9])
    async def test_by_time(self, meet: RoomGate, count: int) -> None:
        """However many there are, and wherever the bounds lie."""
        room = await meet.make_room()
        names = [await ended(meet, room) for _ in range(count)]
        held = [await meet.rooms.meeting("meet", name) for name in names]
        times_ms = [meeting.began_ms for meeting in held if meeting is not None]
        bounds_ms = [0, *times_ms, times_ms[-1] + 1]
        for begin in range(-1, count + 1):
            for end in range(-1, count + 1):
                inside = [names[at] for at in reversed(range(count)) if begin <= at <= end]
                query = f"?startDate={bounds_ms[begin + 1]}&endDate={bounds_ms[end + 1]}"
                got = await meet.ask("GET", f"/v2/sessions{query}&perPage=2", meet.server)
                assert (ids(got), got["pageInfo"]["total"]) == (inside[:2], len(inside)), query
                got = await meet.ask("GET", f"/v2/sessions{query}&perPage=2&page=2", meet.server)
                assert ids(got) == inside[2:4]
        got = await meet.ask("GET", f"/v2/sessions?startDate={times_ms[0] + 1}", meet.server)
        assert len(ids(got)) == count - 1

    @pytest.mark.parametrize(
        "query", ["status=over", "startDate=x", "endDate=-1", "perPage=1000", "status=ended&status=ended"]
    )
    async def test_bad_ones(self, meet: RoomGate, query: str) -> None:
        got = await meet.ask("GET", f"/v2/sessions?{query}", meet.server)
        assert (got.status, got.reason) == (400, "malformed_request")

    async def test_of_a_large_one_the_first_are_listed(self, meet: RoomGate) -> None:
        room = await meet.make_room()
        joined = await asyncio.gather(*(meet.join(room) for _ in range(MOST_LISTED + 5)))
        (session,) = (await meet.ask("GET", "/v2/sessions", meet.server))["data"]
        assert len(session["participants"]) == MOST_LISTED
        whole = await meet.ask("GET", f"/v2/sessions/{joined[0]['sessionId']}", meet.server)
        assert len(whole["participants"]) == MOST_LISTED + 5


class TestPeople:
    async def test_all_and_those_who_are_in(self, meet: RoomGate) -> None:
        room = await meet.make_room()
        tokens = {name: meet.token(participant=name) for name in ("ann", "bob", "cat")}
        joined = [await meet.join(room, token, name=name.title()) for name, token in tokens.items()]
        assert (await meet.ask("POST", f"{joined[1]['link']}/v2/rooms/{room}/leave")).status == 200
        session = joined[0]["sessionId"]
        got = await meet.ask("GET", f"/v2/sessions/{session}/participants?perPage=2", meet.server)
        assert got["pageInfo"] == {"currentPage": 1, "perPage": 2, "lastPage": 2, "total": 3}
        data = got["data"]
        assert (data["id"], data["roomId"], data["status"]) == (session, room, "ongoing")
        assert [person["participantId"] for person in data["participants"]] == ["ann", "bob"]
        assert [person["timelog"][0]["end"] is None for person in data["participants"]] == [True, False]
        got = await meet.ask("GET", f"/v2/sessions/{session}/participants?perPage=2&page=2", meet.server)
        assert [person["participantId"] for person in got["data"]["participants"]] == ["cat"]
        got = await meet.ask("GET", f"/v2/sessions/{session}/participants/active", meet.server)
        assert [person["participantId"] for person in got["data"]["participants"]] == ["ann", "cat"]
        got = await meet.ask("GET", f"/v2/sessions/{session}/participants/bob", meet.server)
        assert (got["participantId"], got["name"], len(got["timelog"])) == ("bob", "Bob", 1)
        got = await meet.ask("GET", f"/v2/sessions/{session}/participants/dan", meet.server)
        assert (got.status, got.reason) == (404, "participant_unknown")

    @pytest.mark.parametrize("below", ["", "/participants", "/participants/active", "/participants/ann"])
    @pytest.mark.parametrize("name", ["none-such", "a" * 100, "%C3%A9"])
    async def test_unknown_sessions(self, meet: RoomGate, below: str, name: str) -> None:
        got = await meet.ask("GET", f"/v2/sessions/{name}{below}", meet.server)
        assert (got.status, got.reason) == (404, "meeting_unknown")


class TestRemoving:
    @pytest.mark.parametrize("by", ["roomId", "customRoomId", "sessionId", "both"])
    async def test_they_are_out_and_stay_out(self, meet: RoomGate, by: str) -> None:
        room = await meet.make_room(customRoomId="a b")
        ann, bob = meet.token(participant="ann"), meet.token(participant="bob")
        await meet.join(room, ann)
        joined = await meet.join(room, bob)
        session = joined["sessionId"]
        where = {
            "roomId": {"roomId": room},
            "customRoomId": {"roomId": "a b"},
            "sessionId": {"sessionId": session},
            "both": {"roomId": room, "sessionId": session},
        }[by]
        body = {**where, "participantId": "bob"}
        got = await meet.ask("POST", "/v2/sessions/participants/remove", meet.server, body)
        assert got.status == 200
        assert isinstance(got["message"], str)
        got = await meet.ask("POST", "/v2/sessions/participants/remove", meet.server, body)
        assert (got.status, got["code"], got["name"]) == (404, "4066", "REMOVE_PARTICIPANT_FAILED")
        for again in (
            await meet.join(room, bob),
            await meet.ask("POST", f"{joined['link']}/v2/rooms/{room}/join"),
        ):
            assert (again.status, again.reason) == (403, "removed_from_room")

    async def test_who_waits_can_be_removed(self, meet: RoomGate) -> None:
        room = await meet.make_room()
        waits = await meet.join(room, meet.token(permissions=ASK))
        body = {"roomId": room, "participantId": waits["participantId"]}
        assert (await meet.ask("POST", "/v2/sessions/participants/remove", meet.server, body)).status == 200

    async def test_of_another_session_nobody_is_removed(self, meet: RoomGate) -> None:
        room, other = await meet.make_room(), await meet.make_room()
        old, foreign = await ended(meet, room), await ended(meet, other)
        await meet.join(room, meet.token(participant="ann"))
        for where in ({"sessionId": old}, {"roomId": room, "sessionId": foreign}):
            body = {**where, "participantId": "ann"}
            got = await meet.ask("POST", "/v2/sessions/participants/remove", meet.server, body)
            assert (got.status, got.reason) == (404, "participant_unknown")
        body = {"sessionId": "none", "participantId": "ann"}
        got = await meet.ask("POST", "/v2/sessions/participants/remove", meet.server, body)
        assert got.reason == "meeting_unknown"
        assert [person.id for person in (await meet.room(room)).present] == ["ann"]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"participantId": "a"},
            {"roomId": "r"},
            {"roomId": "r", "participantId": ""},
            {"roomId": "r", "participantId": 7},
            {"roomId": ["r"], "participantId": "a"},
            {"sessionId": 1, "participantId": "a"},
        ],
    )
    async def test_bad_ones(self, meet: RoomGate, body: object) -> None:
        got = await meet.ask("POST", "/v2/sessions/participants/remove", meet.server, body)
        assert (got.status, got.reason) == (400, "malformed_request")


class TestEnding:
    @pytest.mark.parametrize("name", ["roomId", "meetingId"])
    async def test_all_are_out(self, meet: RoomGate, name: str) -> None:
        room = await meet.make_room()
        joined = await meet.join(room)
        body = {name: room, "sessionId": joined["sessionId"], "vsdkForceKill": True}
        got = await meet.ask("POST", "/v2/sessions/end", meet.server, body)
        assert (got.status, got["id"], got["status"]) == (200, joined["sessionId"], "ended")
        assert got["end"] is not None
        assert got["participants"][0]["timelog"][0]["end"] is not None
        again = await meet.ask("POST", f"{joined['link']}/v2/rooms/{room}/join")
        assert (again.status, again.reason) == (403, "room_closed")
        assert (await meet.join(room))["sessionId"] != joined["sessionId"]

    async def test_one_that_has_ended(self, meet: RoomGate) -> None:
        room, other = await meet.make_room(), await meet.make_room()
        for body in ({"roomId": room}, {"roomId": room, "sessionId": "none"}):
            got = await meet.ask("POST", "/v2/sessions/end", meet.server, body)
            assert (got.status, got.reason) == (404, "meeting_unknown")
        got = await meet.ask("POST", "/v2/sessions/end", meet.server, {"roomId": room, "ignoreClosed": True})
        assert got.document == {"roomId": room, "status": "ended", "participants": []}
        old = await ended(meet, room)
        for session in ({}, {"sessionId": old}):
            body = {"roomId": room, "ignoreClosed": True, **session}
            assert (await meet.ask("POST", "/v2/sessions/end", meet.server, body))["id"] == old
        foreign = {"roomId": room, "ignoreClosed": True, "sessionId": await ended(meet, other)}
        assert "id" not in (await meet.ask("POST", "/v2/sessions/end", meet.server, foreign)).document

    async def test_another_one_goes_on(self, meet: RoomGate) -> None:
        room = await meet.make_room()
        old = await ended(meet, room)
        joined = await meet.join(room)
        for more in ({}, {"ignoreClosed": True}):
            await meet.ask("POST", "/v2/sessions/end", meet.server, {"roomId": room, "sessionId": old, **more})
        assert (await meet.room(room)).meeting == joined["sessionId"]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"roomId": ""},
            {"roomId": 1},
            {"roomId": "r", "ignoreClosed": "yes"},
            {"roomId": "r", "vsdkForceKill": 1},
            {"roomId": "r", "sessionId": {}},
        ],
    )
    async def test_bad_ones(self, meet: RoomGate, body: object) -> None:
        got = await meet.ask("POST", "/v2/sessions/end", meet.server, body)
        assert (got.status, got.reason) == (400, "malformed_request")

    async def test_unknown_ones(self, meet: RoomGate) -> None:
        got = await meet.ask("POST", "/v2/sessions/end", meet.server, {"roomId": "none-such"})
        assert (got.status, got.reason) == (404, "room_unknown")

    async def test_two_end_it_and_it_has_ended_once(self, meet: RoomGate) -> None:
        room = await meet.make_room()
        await meet.join(room)
        both = await asyncio.gather(
            *(meet.ask("POST", "/v2/sessions/end", meet.server, {"roomId": room}) for _ in range(2))
        )
        assert sorted(got.status for got in both) == [200, 404]
