"""Rooms as servers make, find and deactivate them."""

from __future__ import annotations

import re

import pytest

from gate.api.videosdk_rooms import make_room_id
from tests.api.rooms import ASK, SERVER, RoomGate

ID = re.compile(r"[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4}")


def test_ids_have_the_vendors_form() -> None:
    every = {make_room_id() for _ in range(1000)}
    assert len(every) == 1000
    assert all(map(ID.fullmatch, every))


class TestMaking:
    async def test_a_plain_one(self, meet: RoomGate) -> None:
        got = await meet.ask("POST", "/v2/rooms", meet.server, {})
        room = got["roomId"]
        assert ID.fullmatch(room)
        assert (got["id"], got["customRoomId"], got["disabled"]) == (room, None, False)
        assert got["links"]["get_room"] == f"https://meet.example/v2/rooms/{room}"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", got["createdAt"])
        assert (await meet.ask("POST", "/v2/rooms", meet.server)).document["roomId"] != room
        assert (await meet.ask("POST", "/v2/rooms", meet.server, host=""))["links"]["get_room"].startswith(
            "/v2/"
        )

    async def test_what_it_is_to_be_is_given_back_as_it_was_sent(self, meet: RoomGate) -> None:
        options = {
            "customRoomId": "course 7",
            "geoFence": "us002",
            "webhook": {"endPoint": "https://a.example/", "events": ["session*"]},
            "autoCloseConfig": {"type": "session-ends", "duration": 600},
            "autoStartConfig": {"hls": {"config": {"theme": "DARK"}}},
            "multiComposition": {"rtmp": False},
            "allowedParticipantIds": ["a", "b"],
        }
        got = await meet.ask("POST", "/v2/rooms", meet.server, {**options, "id": "mine", "unheardOf": {"a": 1}})
        assert {name: got[name] for name in options} == options
        assert got["id"] != "mine"
        assert "unheardOf" not in got.document
        assert (await meet.ask("GET", f"/v2/rooms/{got['roomId']}", meet.server)).document == got.document
        refused = await meet.join(got["roomId"], meet.token(participant="c"))
        assert (refused.status, refused["code"]) == (403, "4023")
        assert (await meet.join(got["roomId"], meet.token(participant="b"))).status == 200

    async def test_one_custom_id_is_one_room(self, meet: RoomGate) -> None:
        first = await meet.ask("POST", "/v2/rooms", meet.server, {"customRoomId": "a", "geoFence": "us002"})
        again = await meet.ask("POST", "/v2/rooms", meet.server, {"customRoomId": "a", "geoFence": "eu001"})
        assert again.document == first.document
        assert len(await meet.all_rooms()) == 1

    async def test_no_room_takes_anothers_id(self, meet: RoomGate) -> None:
        room = await meet.make_room()
        got = await meet.ask("POST", "/v2/rooms", meet.server, {"customRoomId": room})
        assert (got.status, got.reason) == (400, "malformed_request")

    async def test_a_token_for_a_room_makes_no_other(self, meet: RoomGate) -> None:
        room = await meet.make_room(customRoomId="a")
        token = meet.token(uses=SERVER, room=room)
        for body in ({}, {"customRoomId": "b"}):
            got = await meet.ask("POST", "/v2/rooms", token, body)
            assert (got.status, got["code"]) == (403, "4022")
        assert (await meet.ask("POST", "/v2/rooms", token, {"customRoomId": "a"}))["roomId"] == room

    @pytest.mark.parametrize(
        "body",
        [
            {"customRoomId": 1},
            {"customRoomId": "a" * 129},
            {"allowedParticipantIds": ["a b"]},
            {"webhook": "x"},
            {"geoFence": []},
        ],
    )
    async def test_bad_ones(self, meet: RoomGate, body: object) -> None:
        got = await meet.ask("POST", "/v2/rooms", meet.server, body)
        assert (got.status, got.reason) == (400, "malformed_request")
        assert not await meet.all_rooms()


class TestFinding:
    @pytest.mark.parametrize("path", ["/v2/rooms/", "/v2/rooms/validate/"])
    async def test_by_either_id(self, meet: RoomGate, path: str) -> None:
        room = await meet.make_room(customRoomId="course:7 a")
        for name in (room, "course%3A7%20a", "course:7%20a"):
            got = await meet.ask("GET", path + name, meet.server)
            assert (got.status, got["roomId"], got["customRoomId"]) == (200, room, "course:7 a")

    @pytest.mark.parametrize("path", ["/v2/rooms/", "/v2/rooms/validate/"])
    @pytest.mark.parametrize("name", ["none-such-room", "a" * 129, "a" * 4000, "%C3%A9", "*"])
    async def test_unknown_ones(self, meet: RoomGate, path: str, name: str) -> None:
        await meet.make_room()
        got = await meet.ask("GET", path + name, meet.server)
        assert (got.status, got.reason) == (404, "room_unknown")
        assert (got["code"], got["name"]) == ("4003", "INVALID_MEETING_ID")

    async def test_pages(self, meet: RoomGate) -> None:
        rooms = [await meet.make_room() for _ in range(5)][::-1]
        seen = []
        for page in (1, 2, 3, 4):
            got = await meet.ask("GET", f"/v2/rooms?page={page}&perPage=2", meet.server)
            assert got["pageInfo"] == {"currentPage": page, "perPage": 2, "lastPage": 3, "total": 5}
            seen += [room["roomId"] for room in got["data"]]
        assert seen == rooms
        assert len((await meet.ask("GET", "/v2/rooms", meet.server))["data"]) == 5

    @pytest.mark.parametrize(
        "query", ["perPage=101", "perPage=0", "page=0", "page=x", "page=1&page=1", "page=1e3"]
    )
    async def test_bad_pages(self, meet: RoomGate, query: str) -> None:
        assert (await meet.ask("GET", f"/v2/rooms?{query}", meet.server)).status == 400

    async def test_one_by_name(self, meet: RoomGate) -> None:
        room = await meet.make_room(customRoomId="a")
        await meet.make_room()
        for name in (room, "a"):
            got = await meet.ask("GET", f"/v2/rooms?query={name}", meet.server)
            assert ([each["roomId"] for each in got["data"]], got["pageInfo"]["total"]) == ([room], 1)
        assert (await meet.ask("GET", "/v2/rooms?query=a&page=2", meet.server))["data"] == []
        assert (await meet.ask("GET", "/v2/rooms?query=b", meet.server))["pageInfo"]["total"] == 0
        theirs = meet.token(uses=SERVER, room=room)
        assert [each["roomId"] for each in (await meet.ask("GET", "/v2/rooms", theirs))["data"]] == [room]
        assert (await meet.ask("GET", "/v2/rooms?query=other", theirs))["code"] == "4022"


class TestDeactivating:
    async def test_it_is_for_ever(self, meet: RoomGate) -> None:
        room = await meet.make_room(customRoomId="a")
        joined = await meet.join(room)
        waits = await meet.join(room, meet.token(permissions=ASK))
        got = await meet.ask("POST", "/v2/rooms/deactivate", meet.server, {"roomId": room})
        assert (got.status, got["roomId"], got["disabled"]) == (200, room, True)
        assert not (await meet.room(room)).people
        held = await meet.ask("GET", f"/v2/sessions/{joined['sessionId']}", meet.server)
        assert held["status"] == "ended"
        for link in (joined["link"], waits["link"]):
            again = await meet.ask("POST", f"{link}/v2/rooms/{room}/join")
            assert (again.status, again["code"], again["name"]) == (403, "4052", "MEETING_ID_DISABLED")
        assert (await meet.join(room))["code"] == "4052"
        assert len(await meet.sessions()) == 2
        assert (await meet.ask("GET", f"/v2/rooms/validate/{room}", meet.server))["disabled"] is True
        again = await meet.ask("POST", "/v2/rooms", meet.server, {"customRoomId": "a"})
        assert again["disabled"] is True
        changed = again["updatedAt"]
        again = await meet.ask("POST", "/v2/rooms/deactivate", meet.server, {"roomId": room})
        assert (again.status, again["updatedAt"]) == (200, changed)

    async def test_a_custom_id_is_rejected(self, meet: RoomGate) -> None:
        room = await meet.make_room(customRoomId="a b")
        got = await meet.ask("POST", "/v2/rooms/deactivate", meet.server, {"roomId": "a b"})
        assert (got.status, got["statusCode"], got.reason) == (402, 402, "room_unknown")
        assert not (await meet.room(room)).disabled

    @pytest.mark.parametrize("body", [{}, {"roomId": ""}, {"roomId": 1}, {"roomId": None}, {"roomId": ["a"]}])
    async def test_bad_ones(self, meet: RoomGate, body: object) -> None:
        got = await meet.ask("POST", "/v2/rooms/deactivate", meet.server, body)
        assert (got.status, got.reason) == (400, "malformed_request")

    async def test_unknown_ones(self, meet: RoomGate) -> None:
        got = await meet.ask("POST", "/v2/rooms/deactivate", meet.server, {"roomId": "none-such"})
        assert (got.status, got.reason) == (404, "room_unknown")
