"""Every script, delivered twice: the same answer, and nothing more happens. And every key has its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from gate.core.decision import ticket_of
from gate.core.policy import Access, OnLimit
from gate.core.room import DEFAULT_ROOM_RULES, Permission, Room
from gate.core.room_steps import Asking, join, leave
from gate.core.session import Resume, session_id, shard_of, shard_of_session
from gate.core.stream import Stream
from gate.core.token import digest
from gate.core.verdicts import Opened
from gate.store.api_keys import ApiKeys
from gate.store.authtokens import AuthToken, AuthTokens
from gate.store.client import SCRIPTS
from gate.store.control import Control
from gate.store.keys import (
    API_KEYS,
    DUES,
    FEED,
    GENERATION,
    REVOKED,
    SEATS,
    STREAMS,
    RoomKeys,
    ShardKeys,
    naming,
    object_name,
    shard_prefix,
)
from gate.store.listing import Listing, Mark
from gate.store.rooms import Rooms
from gate.store.sessions import LEEWAY_S
from gate.store.streams import Streams

if TYPE_CHECKING:
    from tests.store.conftest import Desk

Act = Callable[["Desk"], Awaitable[object]]


async def open_new(desk: Desk) -> object:
    return await desk.link(desk.long_token(session_limit=2))


async def open_resumed(desk: Desk) -> object:
    token = desk.token()
    await desk.play(await desk.link(token))
    return await desk.ask(token, "a", Resume.CLIENT)


async def open_refused(desk: Desk) -> object:
    token = desk.token(session_limit=1)
    await desk.play(await desk.link(token))
    return await desk.ask(token, "b")


async def open_visit(desk: Desk) -> object:
    return await desk.visit_link(desk.long_token(session_limit=2, usage_s=60))


async def open_visit_again(desk: Desk) -> object:
    """After the first opening lapsed: its usage time runs on."""
    await desk.lapse(await desk.visit_link(token := desk.token(usage_s=60)))
    await asyncio.sleep(0.02)
    return await desk.visit_link(token)


async def open_visit_over(desk: Desk) -> object:
    ticket = await desk.visit_link(token := desk.token(session_limit=2))
    await desk.play(ticket)
    await desk.sessions.close(ticket.session, ticket.owner)
    return await desk.visit(token)


async def open_visit_refused(desk: Desk) -> object:
    token = desk.token(session_limit=1)
    await desk.play(await desk.visit_link(token))
    return await desk.visit(token, "page 2")


async def commit_visit(desk: Desk) -> object:
    await desk.lapse(ticket := await desk.visit_link(desk.token(session_limit=1, usage_s=60)))
    return await desk.play(ticket)


async def commit_first(desk: Desk) -> object:
    return await desk.play(await desk.link(desk.token(session_limit=1, max_concurrent=1)))


async def commit_evicting(desk: Desk) -> object:
    for n in range(3):
        await desk.play(await desk.link(desk.token(f"t{n}", "viewer", max_concurrent=3)))
    newcomer = await desk.link(desk.token("n", "viewer", max_concurrent=2))
    outcome = await desk.play(newcomer, "a", OnLimit.EVICT_OLDEST)
    assert isinstance(outcome, Opened)
    assert len(outcome.lost) == 2
    return outcome


async def commit_busy(desk: Desk) -> object:
    await desk.play(await desk.link(desk.token("x", "viewer", max_concurrent=1)))
    newcomer = await desk.link(desk.token("n", "viewer", max_concurrent=1))
    return await desk.play(newcomer)


async def commit_over_limit(desk: Desk) -> object:
    token = desk.token(session_limit=1)
    late = await desk.link(token, "b")
    await desk.play(await desk.link(token))
    return await desk.play(late, "b")


async def give_back_none(desk: Desk) -> object:
    ticket = await desk.link(desk.token())
    await desk.play(ticket)
    await desk.play(ticket, "b")
    return await desk.sessions.give_back(ticket, "a")


async def extend_counted(desk: Desk) -> object:
    ticket = await desk.link(desk.token("t", "viewer", usage_s=60))
    await desk.play(ticket)
    return await desk.extend(ticket, desk.long_token("f", "viewer", usage_s=600, session_limit=1))


async def extend_refused(desk: Desk) -> object:
    fresh = desk.token("f", "viewer", session_limit=1)
    await desk.play(await desk.link(fresh))
    return await desk.extend(await desk.link(desk.token("t", "viewer")), fresh)


async def own(desk: Desk) -> object:
    return await desk.sessions.own("demo", "video", "visit", None)


async def own_refused(desk: Desk) -> object:
    await own(desk)
    return await desk.sessions.own("demo", "video", "other", None)


async def renew_held_and_lost(desk: Desk) -> object:
    ticket = await desk.link(desk.token(max_concurrent=1))
    await desk.play(ticket)
    await desk.renew(ticket, "b")
    return await desk.renew(ticket)


async def close(desk: Desk) -> object:
    ticket = await desk.link(desk.token())
    return await desk.sessions.close(ticket.session, ticket.owner)


async def revoke(desk: Desk) -> object:
    return await desk.client.script("revoke", [REVOKED, FEED], ["t:x", "inf", 100])


async def snapshot(desk: Desk) -> object:
    return await desk.client.script("snapshot", [REVOKED, FEED], [])


async def list_playing(desk: Desk) -> object:
    ticket = await desk.link(desk.token())
    await desk.play(ticket)
    listing = Listing(desk.client, idle_s=60)
    assert await listing.find(ticket.session) is not None
    return await listing.page(Mark(shard_of_session(ticket.session)), 10)


async def nobody(application: str, names: object) -> None:
    """Nobody is told of a change of a token."""


async def make(desk: Desk, resource: str = "video", **fields: Any) -> AuthToken:
    arguments = {"grants": {"read": {"resources": [resource, "other"]}}, "volatile": True, **fields}
    return await AuthTokens(desk.client, nobody).create("demo", arguments, grace_s=60)


async def put_authtoken(desk: Desk) -> object:
    return await make(desk)


async def put_authtoken_changed(desk: Desk) -> object:
    made, arguments = await make(desk), {"grants": {}, "expiration_date": desk.expiry}
    return await AuthTokens(desk.client, nobody).update("demo", made.id, arguments, grace_s=60)


async def put_authtoken_refused(desk: Desk) -> object:
    return await AuthTokens(desk.client, nobody).update("demo", "0" * 32, {"grants": {}}, grace_s=60)


async def delete_authtoken(desk: Desk) -> object:
    made = await make(desk)
    await desk.client.call("SADD", ShardKeys(made.digest).committed(made.digest), "session")
    return await AuthTokens(desk.client, nobody).delete("demo", made.id)


async def delete_authtoken_refused(desk: Desk) -> object:
    return await AuthTokens(desk.client, nobody).delete("demo", "0" * 32)


async def drop_resource(desk: Desk, *told: str, made: AuthToken | None = None) -> object:
    """Of its shard; in the real life of it the answer comes back as told."""
    made = made or await make(desk)
    shard, name = shard_of(made.digest), object_name("demo", "video")
    args = ["video", name, shard_prefix(shard), 20, 60_000, 60_000, *told]
    return await desk.client.script("drop_resource", [naming(shard, name)], args)


async def drop_resource_told(desk: Desk) -> object:
    made = await make(desk)
    await drop_resource(desk, made=made)
    return await drop_resource(desk, made.digest, made=made)


CAM = Stream("cam1", "http://a", "aipix", True, Access.PRIVATE, (), None, "demo")


async def put_stream_new(desk: Desk) -> object:
    return await Streams(desk.client).add(CAM)


async def put_stream_taken(desk: Desk) -> object:
    await put_stream_new(desk)
    return await put_stream_new(desk)


async def put_stream_changed(desk: Desk) -> object:
    await put_stream_new(desk)
    return await Streams(desk.client).update("cam1", {"enabled": False})


async def put_stream_missing(desk: Desk) -> object:
    return await Streams(desk.client).update("cam1", {"enabled": False})


async def remove_stream_held(desk: Desk) -> object:
    await put_stream_new(desk)
    return await Streams(desk.client).remove("cam1")


async def remove_stream_missing(desk: Desk) -> object:
    return await Streams(desk.client).remove("cam1")


async def change_api_key_put(desk: Desk) -> object:
    return await ApiKeys(desk.client).put("demo", "AK", "sealed")


async def change_api_key_taken(desk: Desk) -> object:
    await change_api_key_put(desk)
    return await change_api_key_put(desk)


async def change_api_key_disabled(desk: Desk) -> object:
    await change_api_key_put(desk)
    return await ApiKeys(desk.client).set_enabled("demo", "AK", False)


async def change_api_key_deleted(desk: Desk) -> object:
    await change_api_key_put(desk)
    return await ApiKeys(desk.client).delete("demo", "AK")


async def change_api_key_missing(desk: Desk) -> object:
    return await ApiKeys(desk.client).delete("demo", "AK")


ANN = Asking("ann", "Ann", session_id("o", 4_000_000_000_000, bytes(8)), "o", "t", "c", frozenset(Permission))


async def create_room(desk: Desk) -> Room:
    return await Rooms(desk.client).create(Room("demo", "r1", "", 0, 0))


async def create_room_held(desk: Desk) -> object:
    await Rooms(desk.client).create(Room("demo", "r1", "lobby", 0, 0))
    # Answers with its id; what the room is, is another question.
    keys = RoomKeys("demo")
    names = [keys.header("r2"), keys.rooms, keys.custom]
    return await desk.client.script("create_room", names, ["r2", "lobby", 10, "request"])


async def read_room(desk: Desk) -> object:
    await write_room(desk)
    return await Rooms(desk.client).read("demo", "r1")


async def write_room(desk: Desk) -> object:
    room = await create_room(desk)
    step = join(room, ANN, DEFAULT_ROOM_RULES, 1)
    assert await Rooms(desk.client).write(room, step, "in")
    return step.room


async def write_room_to_its_end(desk: Desk) -> object:
    await write_room(desk)
    room, _ = await Rooms(desk.client).read("demo", "r1")
    assert room is not None
    return await Rooms(desk.client).write(room, leave(room, "ann", ANN.session, 2), "out")


async def write_room_stale(desk: Desk) -> object:
    await write_room(desk)
    room = Room("demo", "r1", "", 0, 0)
    return await Rooms(desk.client).write(room, join(room, ANN, DEFAULT_ROOM_RULES, 1), "again")


async def page_rooms(desk: Desk) -> object:
    await create_room(desk)
    return await Rooms(desk.client).page("demo", 0, 10)


async def page_meetings(desk: Desk) -> object:
    await write_room_to_its_end(desk)
    return await Rooms(desk.client).meetings("demo", 0, 10)


async def keep_seats(desk: Desk) -> object:
    await write_room(desk)
    return await Rooms(desk.client).renew([("demo", "r1", "ann", 0), ("demo", "r1", "bob", 0)], 60_000)


async def due_seats_that_are_claimed(desk: Desk) -> object:
    await write_room(desk)
    await desk.client.call("ZADD", SEATS, 1, "demo\nr1\nann")
    await Rooms(desk.client).due(10)
    return await Rooms(desk.client).due(10)


async def drop_seat(desk: Desk) -> object:
    await desk.client.call("ZADD", SEATS, 1, "demo\nr1\nann")
    return await Rooms(desk.client).drop("demo", "r1", "ann")


ACTS: list[Act] = [
    *(open_new, open_resumed, open_refused, open_visit, open_visit_again, open_visit_over, open_visit_refused),
    *(commit_first, commit_visit, commit_evicting, commit_busy, commit_over_limit),
    *(give_back_none, extend_counted, extend_refused, own, own_refused, renew_held_and_lost, close),
    *(revoke, snapshot, list_playing, put_authtoken, put_authtoken_changed, put_authtoken_refused),
    *(delete_authtoken, delete_authtoken_refused, drop_resource, drop_resource_told),
    *(put_stream_new, put_stream_taken, put_stream_changed),
    *(put_stream_missing, remove_stream_held, remove_stream_missing),
    *(change_api_key_put, change_api_key_taken, change_api_key_disabled),
    *(change_api_key_deleted, change_api_key_missing),
    *(create_room, create_room_held, read_room, write_room, write_room_to_its_end, write_room_stale),
    *(page_rooms, page_meetings, keep_seats, due_seats_that_are_claimed, drop_seat),
]
# Those whose first answer says no more than that to a repetition. What a token is now is asked for anew.
FIRST: list[Act] = [
    *(commit_first, commit_visit, commit_evicting, extend_counted, open_new, open_visit, open_visit_again, own),
    *(delete_authtoken, drop_resource, drop_resource_told),
    *(put_stream_new, put_stream_changed, remove_stream_held),
    *(change_api_key_put, change_api_key_disabled, change_api_key_deleted),
    *(create_room, write_room, write_room_to_its_end, drop_seat),
]


def test_no_script_is_left_out() -> None:
    named = [[script for script in SCRIPTS if act.__name__.startswith(script)] for act in ACTS]
    assert {script for (script,) in named} == set(SCRIPTS)


@pytest.mark.parametrize("act", ACTS)
async def test_delivered_again_it_says_the_same_and_changes_nothing(desk: Desk, act: Act) -> None:
    await act(desk)
    first = await desk.client.deliver_again()
    before, feed = await desk.everything(), await desk.client.call("XLEN", FEED)
    streams = await added(desk)
    await asyncio.sleep(0.02)
    again = await desk.client.deliver_again()
    assert without_now(again) == without_now(first)
    after = await desk.everything()
    assert {key: value for key, (_, value) in rounded(after).items()} == {
        key: value for key, (_, value) in rounded(before).items()
    }
    # What was to be kept for so long from now on is, from now on.
    assert all(after[key][0] - before[key][0] < 1000 for key in after)
    assert await desk.client.call("XLEN", FEED) == feed
    assert await added(desk) == streams


@pytest.mark.parametrize("act", FIRST)
async def test_the_very_first_delivery_says_it_too(desk: Desk, act: Act) -> None:
    """The answer that is lost is the first one."""
    answers: list[Any] = []
    script = desk.client.script

    async def note(*call: Any) -> Any:
        answers.append(await script(*call))
        return answers[-1]

    desk.client.script = note  # type: ignore[method-assign]
    await act(desk)
    await asyncio.sleep(0.01)
    assert without_now(await desk.client.deliver_again()) == without_now(answers[-1])


async def added(desk: Desk) -> object:
    """What the store holds of added streams, and how often they have changed; and of API keys."""
    tables = [await desk.client.call("HGETALL", table) for table in (STREAMS, API_KEYS)]
    return tables, await desk.client.call("GET", GENERATION)
    """What the store holds of added streams, and how often they have changed; and of rooms."""
    keys, rooms = RoomKeys("demo"), list[object]()
    for header in (keys.header("r1"), keys.header("r2"), keys.people("r1"), keys.custom):
        rooms.append(await desk.client.call("HGETALL", header))
    for index in (SEATS, DUES, keys.rooms, keys.ongoing(), keys.past(), keys.past("r1")):
        rooms.append(await desk.client.call("ZRANGE", index, 0, -1))
    logs = [await desk.client.call("LRANGE", key, 0, -1) for key in await desk.client.call("KEYS", "*:log:*")]
    return await desk.client.call("HGETALL", STREAMS), await desk.client.call("GET", GENERATION), rooms, logs


def without_now(answer: Any) -> Any:
    """An answer of a script without the times of the clock, which goes on."""
    now_ms = time.time() * 1000
    if not isinstance(answer, list):
        return answer
    return [part for part in answer if not isinstance(part, int) or abs(now_ms - part) > 5000]


def rounded(everything: dict[str, tuple[int, Any]]) -> dict[str, tuple[int, Any]]:
    """Leases to 10 s: a repeated renewal renews."""
    return {
        key: (end, {name: float(at) // 10_000 for name, at in value.items()} if kind(key) == "l" else value)
        for key, (end, value) in everything.items()
    }


def kind(key: str) -> str:
    """What a key is of: the letter behind its shard."""
    return key.split(":")[2]


class TestEnds:
    @pytest.mark.parametrize("expires", [True, False])
    async def test_every_key_outlasts_what_it_guards_and_then_goes(self, desk: Desk, expires: bool) -> None:
        def token(name: str, **fields: Any) -> Any:
            return desk.long_token(name, "viewer", **({} if expires else {"expires_at": None}), **fields)

        limits = {"session_limit": 5, "max_concurrent": 1}
        for n in range(3):
            ticket = await desk.link(each := token(f"t{n}", **limits), "a", Resume.NEVER, f"/{n}")
            await desk.play(ticket, "a", OnLimit.EVICT_OLDEST)
        fresh = token("f", **limits)
        outcome = await desk.extend(ticket, fresh)
        assert isinstance(outcome, Opened)
        await desk.play(ticket_of(fresh, outcome))
        await desk.sessions.give_back(await desk.link(each), "a")
        await desk.renew(ticket)
        await desk.sessions.own("demo", "video", ticket.session, ticket.ends_at)
        until_s = desk.expiry if expires else None
        assert isinstance(await desk.visit(token("v", usage_s=60), until_s=until_s), Opened)
        made = await make(desk, expiration_date=until_s)
        everything = await desk.everything()
        assert {kind(key) for key in everything} == set("sitgrlxovkqn")
        now_ms = time.time() * 1000
        for key, (ends_ms, _) in everything.items():
            if kind(key) in "tvkn" and not expires:
                assert ends_ms == -1
                continue
            assert ends_ms > now_ms, key
            assert ends_ms < now_ms + 32 * 86_400_000, key
            if kind(key) in "sitgvkn" and expires and not (kind(key) == "s" and ends_ms < now_ms + 31_000):
                assert ends_ms >= (desk.expiry + LEEWAY_S) * 1000, key
        await self.check_no_token_stays_for_nothing(desk, made)

    async def check_no_token_stays_for_nothing(self, desk: Desk, made: AuthToken) -> None:
        """One that is emptied goes, and with one that is deleted its index; requests are forgotten."""
        tokens, saved = AuthTokens(desk.client, nobody), await make(desk, "saved")
        keys = ShardKeys(made.digest)
        for resource in ("video", "other"):
            await tokens.drop_resource("demo", resource, grace_s=60)
        now_ms = time.time() * 1000
        everything = await desk.everything()
        assert now_ms < everything[keys.authtoken(made.digest)][0] <= now_ms + 60_000
        assert {name for key in everything if kind(key) == "n" for name in everything[key][1]} == {saved.digest}
        await tokens.delete("demo", saved.id, "request")
        wish = digest("request", saved.digest, "delete:request")
        everything = await desk.everything()
        assert not any(kind(key) == "n" or key.endswith(f":k:{saved.digest}") for key in everything)
        assert now_ms < everything[ShardKeys(saved.digest).request(wish)][0] <= now_ms + 610_000


async def test_what_all_gates_share_is_theirs_alone(desk: Desk, store_url: str) -> None:
    """Revocations, feed and ticket keys never end by themselves."""
    control = Control(desk.client, store_url, lambda: None)
    await control.revoke("t:x", None)
    await control.ticket_keys()
    names = {key.decode() for key in await desk.client.call("KEYS", "*")}
    assert len(names) == 3
    for name in names:
        assert "{control}" in name
        assert await desk.client.call("PTTL", name) == -1
    await control.stop()
