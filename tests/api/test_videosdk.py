"""VideoSDK's API for rooms in plain values: who may ask for what, and how it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from gate.core.reasons import Reason
from gate.store.embedded import EmbeddedValkey
from gate.wire.failures import BURST
from tests.api.rooms import ANY, JOIN, MEDIA, MOD, OTHER, SERVER, RoomGate

OLD = 1_600_000_000

# All that servers ask for, with a body that is good enough to get so far; R, M and P are filled in.
READS = [
    ("GET", "/v2/rooms", None),
    ("GET", "/v2/rooms/R", None),
    ("GET", "/v2/rooms/validate/R", None),
    ("GET", "/v2/sessions", None),
    ("GET", "/v2/sessions/M", None),
    ("GET", "/v2/sessions/M/participants", None),
    ("GET", "/v2/sessions/M/participants/active", None),
    ("GET", "/v2/sessions/M/participants/P", None),
]
MODERATES = [
    ("POST", "/v2/sessions/participants/remove", {"roomId": "R", "participantId": "P"}),
    ("POST", "/v2/sessions/end", {"roomId": "R"}),
    ("POST", "/v2/rooms/deactivate", {"roomId": "R"}),
]
SERVERS = [*READS, ("POST", "/v2/rooms", {"customRoomId": "mine"}), *MODERATES]


async def live(meet: RoomGate) -> dict[str, str]:
    """A room in which somebody is."""
    room = await meet.make_room(customRoomId="mine")
    got = await meet.join(room)
    return {"R": room, "M": got["sessionId"], "P": got["participantId"], "link": got["link"]}


def filled(names: dict[str, str], text: str) -> str:
    return "/".join(names.get(part, part) for part in text.split("/"))


async def does(
    meet: RoomGate, names: dict[str, str], token: str, asked: tuple[str, str, Any], **more: Any
) -> Any:
    method, path, body = asked
    body = body and {name: names.get(value, value) for name, value in body.items()}
    return await meet.ask(method, more.pop("above", "") + filled(names, path), token, body)


class TestAuthority:
    @pytest.mark.parametrize("asked", SERVERS)
    async def test_a_servers_token_does_everything(self, meet: RoomGate, asked: tuple[str, str, Any]) -> None:
        assert (await does(meet, await live(meet), meet.server, asked)).status == 200

    @pytest.mark.parametrize("asked", SERVERS)
    async def test_a_token_for_media_does_nothing_of_it(
        self, meet: RoomGate, asked: tuple[str, str, Any]
    ) -> None:
        got = await does(meet, await live(meet), meet.token(uses=MEDIA), asked)
        assert (got.status, got["code"], got.reason) == (403, "4024", "role_not_granted")

    @pytest.mark.parametrize("asked", SERVERS)
    async def test_a_token_without_roles_moderates_if_it_says_so(
        self, meet: RoomGate, asked: tuple[str, str, Any]
    ) -> None:
        names = await live(meet)
        got = await does(meet, names, meet.token(permissions=JOIN), asked)
        if asked in MODERATES:
            assert (got.status, got["code"], got.reason) == (403, "4025", "command_not_granted")
        else:
            assert got.status == 200
        assert (await does(meet, names, meet.token(permissions=MOD), asked)).status == 200

    @pytest.mark.parametrize("uses", [SERVER, ANY])
    @pytest.mark.parametrize("asked", SERVERS)
    async def test_a_token_for_a_room_touches_no_other(
        self, meet: RoomGate, asked: tuple[str, str, Any], uses: Any
    ) -> None:
        names = await live(meet)
        theirs = meet.token(uses=uses, room=names["R"])
        other = meet.token(uses=uses, room=await meet.make_room())
        got = await does(meet, names, other, asked)
        if asked[1] in ("/v2/rooms", "/v2/sessions") and asked[0] == "GET":
            assert names["R"] not in str(got.document)
        else:
            assert (got.status, got["code"]) == (403, "4022")
        assert (await does(meet, names, theirs, asked)).status == 200

    @pytest.mark.parametrize("asked", SERVERS)
    async def test_rooms_of_another_application_are_unknown(
        self, meet: RoomGate, asked: tuple[str, str, Any]
    ) -> None:
        names = await live(meet)
        got = await does(meet, names, meet.token(OTHER, SERVER), asked)
        if asked[1] in ("/v2/rooms", "/v2/sessions"):
            assert got.status == 200
            assert names["R"] not in str(got.document)
        else:
            assert got.status == 404

    @pytest.mark.parametrize("asked", SERVERS)
    async def test_a_session_link_is_no_servers(self, meet: RoomGate, asked: tuple[str, str, Any]) -> None:
        names = await live(meet)
        got = await does(meet, names, meet.server, asked, above=names["link"])
        assert (got.status, got["code"]) == (403, "4024")

    async def test_a_servers_token_joins_nothing(self, meet: RoomGate) -> None:
        names = await live(meet)
        for path in ("join", "requestEntry", "leave", "closeRoom", "respondEntry"):
            got = await meet.ask("POST", f"/v2/rooms/{names['R']}/{path}", meet.server, {})
            assert (got.status, got["code"]) == (403, "4024")
        got = await meet.ask("GET", f"/v2/rooms/{names['R']}/participants", meet.server)
        assert (got.status, got["code"]) == (403, "4024")


class TestCredentials:
    @pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer "])
    async def test_raw_or_as_bearer(self, meet: RoomGate, scheme: str) -> None:
        assert (await meet.ask("GET", "/v2/rooms", scheme + meet.server)).status == 200

    @pytest.mark.parametrize("name", ["token", "secret"])
    async def test_in_the_query(self, meet: RoomGate, name: str) -> None:
        assert (await meet.ask("GET", f"/v2/rooms?{name}={meet.server}")).status == 200

    async def test_none_and_two(self, meet: RoomGate) -> None:
        got = await meet.ask("GET", "/v2/rooms")
        assert (got.status, got.reason, got["code"]) == (401, "token_missing", "4002")
        got = await meet.ask("GET", f"/v2/rooms?token={meet.token()}", meet.server)
        assert (got.status, got.reason) == (400, "ambiguous_credentials")

    @pytest.mark.parametrize("reason", [Reason.TOKEN_EXPIRED, Reason.REVOKED, Reason.TOKEN_SIGNATURE])
    async def test_bad_ones(self, meet: RoomGate, reason: Reason) -> None:
        bad = {
            Reason.TOKEN_EXPIRED: meet.token(iat=OLD, exp=OLD + 1),
            Reason.REVOKED: meet.token(),
            Reason.TOKEN_SIGNATURE: meet.token(OTHER, apikey="AK-meet"),
        }[reason]
        if reason is Reason.REVOKED:
            await meet.control.revoke(f"t:{meet.read(bad)[1].id}", None)
        got = await meet.ask("GET", "/v2/rooms", bad)
        assert (got.status, got["code"], got["name"]) == (401, "4002", "INVALID_TOKEN")
        assert got["message"] == "Token is invalid or expired"
        assert (got.reason, got.told.application) == (reason.value, None)

    async def test_a_link_that_is_none(self, meet: RoomGate) -> None:
        got = await meet.ask("GET", "/_s/abc/v2/rooms/r/participants", meet.server)
        assert (got.status, got.reason) == (401, "ticket_invalid")

    async def test_who_guesses_has_to_wait(self, meet: RoomGate) -> None:
        room = await meet.make_room()
        link = (await meet.join(room))["link"]
        old = meet.token(iat=OLD, exp=OLD + 1)
        for _ in range(2 * BURST):
            assert (await meet.ask("GET", "/v2/rooms", old)).status == 401
        for _ in range(BURST):
            assert (await meet.ask("GET", "/v2/rooms", "guess")).status == 401
        got = await meet.ask("GET", "/v2/rooms", meet.server)
        assert (got.status, got.reason) == (429, "too_many_failures")
        assert 1 <= int(got.fields["Retry-After"]) <= 3
        # Others are not held up, nor is who has joined.
        assert (await meet.ask("GET", "/v2/rooms", meet.server, address="198.51.100.7")).status == 200
        assert (await meet.ask("GET", f"{link}/v2/rooms/{room}/participants")).status == 200


class TestRefusals:
    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "get", "BREW"])
    async def test_other_methods(self, meet: RoomGate, method: str) -> None:
        got = await meet.ask(method, "/v2/rooms", meet.server)
        assert (got.status, got.fields["Allow"]) == (405, "GET, POST")

    @pytest.mark.parametrize("path", ["/v2/rooms/", "/v2/sessions/s/stats", "/v2/rooms/a/b/c"])
    async def test_other_paths(self, meet: RoomGate, path: str) -> None:
        got = await meet.ask("GET", path, meet.server)
        assert (got.status, got.reason) == (404, "not_served")

    @pytest.mark.parametrize("path", ["/v2/rooms/..", "/v2/rooms/%2e%2e", "/v2/rooms/a%2fb", "/v2/rooms//"])
    async def test_paths_that_are_none(self, meet: RoomGate, path: str) -> None:
        got = await meet.ask("GET", path, meet.server)
        assert (got.status, got.reason) == (400, "malformed_target")

    async def test_no_body_with_get(self, meet: RoomGate) -> None:
        got = await meet.ask("GET", "/v2/rooms", meet.server, {})
        assert (got.status, got.reason) == (400, "body_not_allowed")

    @pytest.mark.parametrize(
        "path", ["/v2/rooms", "/v2/rooms/R/join", "/v2/rooms/R/closeRoom", "/v2/sessions/end"]
    )
    @pytest.mark.parametrize("body", [b"[]", b'{"a":1,"a":2}', b"{", b"name=x", b'{"a":NaN}', b"\xff"])
    async def test_bodies_that_are_none(self, meet: RoomGate, path: str, body: bytes) -> None:
        names = await live(meet)
        before = await meet.room(names["R"])
        got = await meet.ask("POST", filled(names, path), meet.token(), body)
        assert (got.status, got.reason) == (400, "malformed_request")
        assert await meet.room(names["R"]) == before
        assert len(await meet.all_rooms()) == 1

    def test_what_was_not_even_read(self, meet: RoomGate) -> None:
        assert meet.api.longest_body == 65536
        told = meet.api.too_large("r1", [("Access-Control-Allow-Origin", "*"), ("Vary", "Origin")])
        meet.check_form(told)
        assert (told.answer.status, told.reason) == (413, "body_too_large")

    async def expect_trouble(self, meet: RoomGate, names: dict[str, str], asked: Any = SERVERS) -> None:
        """All that is asked of servers, and what a participant does, is answered as trouble of the store."""
        every = [await does(meet, names, meet.server, each) for each in asked]
        for path in ("leave", "closeRoom"):
            every.append(await meet.ask("POST", f"{names['link']}/v2/rooms/{names['R']}/{path}", None, {}))
        every.append(await meet.join(names["R"]))
        for got in every:
            assert (got.status, got.reason) == (503, "store_unavailable"), got.document
            assert got.told.application == "meet"

    async def test_a_store_that_is_away(self, own_store: EmbeddedValkey) -> None:
        async with RoomGate(own_store.url, timeout_s=0.2) as meet:
            names = await live(meet)
            await own_store.stop()
            await self.expect_trouble(meet, names)
            # Who may call is not asked of it, nor is a body read for nobody.
            for token in ("nobody's", meet.token(OTHER, apikey="AK-meet")):
                assert (await meet.ask("POST", "/v2/rooms", token, b"[")).status == 401

    async def test_a_store_that_is_full(self, own_store: EmbeddedValkey) -> None:
        async with RoomGate(own_store.url) as meet:
            names = await live(meet)
            await meet.client.call("CONFIG", "SET", "maxmemory", "1")
            fresh = ("POST", "/v2/rooms", {"customRoomId": "another"})
            await self.expect_trouble(meet, names, [fresh, *MODERATES])
            assert (await meet.ask("GET", f"/v2/rooms/{names['R']}", meet.server)).status == 200

    async def test_a_store_that_holds_what_cannot_be_read(self, own_store: EmbeddedValkey) -> None:
        async with RoomGate(own_store.url) as meet:
            names = await live(meet)
            for kind in ("room", "people", "rooms", "custom", "log", "ongoing", "past"):
                for key in await meet.client.call("KEYS", f"gate:{{control}}:{kind}:*"):
                    await meet.client.call("SET", key, "nonsense")
            meet.desk.miss()
            await self.expect_trouble(meet, names)
