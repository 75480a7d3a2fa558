"""The key layout: all that one script touches is on one node of a cluster."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
import pytest_asyncio
from redis.crc import key_slot

from gate.core.grants import Action, Grant, Grants
from gate.core.policy import Access, OnLimit
from gate.core.room import DEFAULT_ROOM_RULES, Permission, Room
from gate.core.room_steps import Asking, join, pass_time
from gate.core.session import SHARDS, Resume, session_id, shard_of, shard_of_session
from gate.core.stream import Stream
from gate.core.ticket import Ticket
from gate.core.token import Format, Token, Warrant, subject_owner, token_id
from gate.core.verdicts import Opened, Opening, Renewal
from gate.errors import StoreError, StoreUnavailable
from gate.store.api_keys import ApiKeys
from gate.store.client import SCRIPTS, Client
from gate.store.control import Control
from gate.store.embedded import find_binary
from gate.store.keys import (
    DUES,
    FEED,
    REVOKED,
    SEATS,
    TICKET_KEYS,
    RoomKeys,
    ShardKeys,
    control_request,
    lease,
    naming,
    shard_prefix,
)
from gate.store.listing import Listing, Mark
from gate.store.rooms import Rooms
from gate.store.sessions import Playback, Sessions
from gate.store.streams import Streams


def crc16(octets: bytes) -> int:
    """CRC-16/XMODEM, by which a cluster gives keys to slots."""
    crc = 0
    for octet in octets:
        crc ^= octet << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def slot(key: str) -> int:
    """The cluster slot of a key: by the text between its first "{" and the "}" after it."""
    start = key.find("{")
    end = key.find("}", start + 1)
    return crc16((key[start + 1 : end] if start >= 0 and end > start + 1 else key).encode()) % 16384


class TestSlots:
    def test_the_slot_is_that_of_the_cluster_specification(self) -> None:
        assert crc16(b"123456789") == 0x31C3
        assert slot("{user1000}.following") == slot("user1000")
        assert slot("foo{}{bar}") == crc16(b"foo{}{bar}") % 16384
        assert slot("foo{bar}{zap}") == slot("bar")
        assert slot("gate:{63}:l") == key_slot(b"gate:{63}:l")

    @pytest.mark.parametrize(
        "owner", ["", "x", "a}b{c", "{", "{}", "\u00e9", *(f"owner{n}" for n in range(40))]
    )
    def test_all_keys_of_an_owner_are_in_one(self, owner: str) -> None:
        keys = ShardKeys(owner)
        names = [
            keys.session(session_id(owner, 0, bytes(8))),
            keys.committed("token"),
            keys.warrant("token"),
            keys.resume("token", "client"),
            keys.visit("session"),
            keys.authtoken("token"),
            keys.request("request"),
            naming(shard_of(owner), "object"),
            keys.leases,
            keys.all_leases,
            keys.all_sessions,
            keys.evicted,
            keys.sessions,
        ]
        assert len(set(names)) == len(names)
        assert {slot(name) for name in names} == {slot(f"{{{shard_of(owner):02d}}}")}
        assert all(name.startswith(keys.prefix) for name in names)

    def test_a_session_id_names_the_keys_of_its_owner(self) -> None:
        for n in range(200):
            session = session_id(f"owner{n}", 1_800_000_000_000 + n, bytes(8))
            assert shard_prefix(shard_of_session(session)) == ShardKeys(f"owner{n}").prefix

    def test_what_all_gates_share_is_in_one(self) -> None:
        rooms = RoomKeys("demo")
        names = [
            *(rooms.header("a}b{c"), rooms.people("r"), rooms.rooms, rooms.custom, rooms.log("m"), SEATS, DUES),
            *(rooms.ongoing(), rooms.ongoing("r"), rooms.past(), rooms.past("r"), control_request("q")),
        ]
        assert len(set(names)) == len(names)
        assert len({slot(name) for name in (REVOKED, FEED, TICKET_KEYS, *names)}) == 1

    def test_the_shards_spread(self) -> None:
        """A cluster of three nodes has a fair part of the shards on each."""
        slots = [slot(shard_prefix(shard)) for shard in range(SHARDS)]
        assert len(set(slots)) == SHARDS
        parts = [sum(at * 16384 // 3 <= each < (at + 1) * 16384 // 3 for each in slots) for at in range(3)]
        assert min(parts) >= SHARDS // 5

    def test_names_of_different_things_differ(self) -> None:
        keys = ShardKeys("owner")
        # An owner is a digest; were it empty, its leases would still not be those of the shard.
        assert ShardKeys("").leases != ShardKeys("").all_leases
        assert keys.resume("a", "b") != keys.resume("b", "a")
        assert lease("session", "client") == "session|client"


async def answered(client: Client, *command: str | int) -> None:
    """The server has come to answer the command."""
    while True:
        try:
            await client.call(*command)
            return
        except StoreUnavailable:
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[str]:
    """A cluster of one node that has all slots: it refuses a strict script that leaves the slot of its keys."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(str(find_binary()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
        *("--cluster-enabled", "yes", "--cluster-port", str(port + 10000 if port < 50000 else port - 10000)),
        cwd=tmp_path,
        env={},
        stdout=asyncio.subprocess.DEVNULL,
    )
    client = Client(url := f"redis://127.0.0.1:{port}", timeout_s=5)
    try:
        async with asyncio.timeout(30):
            await answered(client, "PING")
            await client.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            # A node takes no writes in its first two seconds.
            await answered(client, "SET", "probe", 1, "PX", 1)
        yield url
    finally:
        await client.close()
        process.terminate()
        await process.wait()


class StrictClient(Client):
    """Its scripts are declared as scripts of one slot: a cluster ends one that touches a key of another."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout_s=5)
        for name in SCRIPTS:
            source = (files("gate.store") / "lua" / f"{name}.lua").read_text("utf-8")
            self._scripts[name] = self._redis.register_script(f"#!lua\n{source}")


async def play(sessions: Sessions, listing: Listing, name: str, subject: str | None) -> None:
    """Every script of a session's life, on every way through it."""
    identity = token_id("demo", name)
    owner = identity if subject is None else subject_owner("demo", subject)
    grants = Grants({Action.READ: Grant(resources=frozenset(f"cam{n}" for n in range(300)))})
    token = Token(
        *("demo", Format.JWT, identity, owner, subject, Warrant(grants)),
        expires_at=4_000_000_000 if subject else None,
        session_limit=2,
        max_concurrent=1,
    )
    for client in "ab":
        asked = Opening(token, client, "page", Resume.NEVER, 60, token.expires_at)
        opened = await sessions.open(asked, {})
        assert isinstance(opened, Opened)
        ticket = Ticket(
            *(opened.session, "demo", token.id, owner, subject, 0, opened.ends_at, token.expires_at),
            *(None, 2, 1, None),
        )
        for on_limit in OnLimit:
            await sessions.commit(ticket, client, on_limit, {"resource": "cam1"})
        for resume in Resume:
            session = session_id(owner, 0, client.encode() * 8)
            await sessions.open(replace(asked, resume=resume, session=session), {})
        await sessions.extend(Renewal(ticket, replace(token, id=token_id("demo", "fresh")), 60, None))
        await sessions.give_back(ticket, client)
        await sessions.own("demo", name, opened.session, None)
        assert await sessions.warrant(ticket) == token.warrant
        for limited in (True, False):
            await sessions.renew([Playback(opened.session, client, owner, limited, True, "cam2")])
        assert await listing.find(opened.session) is not None
        assert await listing.page(Mark(shard_of(owner)), 10)
    await sessions.close(opened.session, owner)


async def meet(rooms: Rooms) -> None:
    """Every script of a room's life."""
    room = await rooms.create(Room("demo", "r1", "lobby", 0, 0))
    assert (await rooms.create(Room("demo", "r2", "lobby", 0, 0))).id == "r1"
    permissions = frozenset({Permission.ALLOW_JOIN})
    asking = Asking("ann", "Ann", session_id("o", 4_000_000_000_000, bytes(8)), "o", "t", "c", permissions)
    step = join(room, asking, DEFAULT_ROOM_RULES, 1)
    assert await rooms.write(room, step, "in", idle_ms=0)
    await rooms.renew([("demo", "r1", "ann", 0)], 0)
    assert await rooms.due(10, leases=False) == []
    assert await rooms.due(10) == [("demo", "r1", "ann")]
    after = pass_time(step.room, "ann", DEFAULT_ROOM_RULES, 2)
    assert await rooms.write(step.room, after, "out", lapsed=["ann"])
    await rooms.drop("demo", "r1", "ann")
    assert (await rooms.page("demo", 0, 10))[1] == 1
    meetings, _ = await rooms.meetings("demo", 0, 10)
    assert await rooms.meeting("demo", meetings[0].id) is not None


class TestCluster:
    async def test_no_script_leaves_the_slot_of_its_keys(self, cluster: str) -> None:
        client = StrictClient(cluster)
        # The proof is one: the server does look.
        elsewhere = shard_prefix((shard_of("owner") + 1) % SHARDS)
        keys = ShardKeys("owner")
        astray = [60000, 60000, elsewhere, "session", "client", "", "", "", 0]
        with pytest.raises(StoreError, match="same slot"):
            await client.script("renew", [keys.all_leases, keys.all_sessions], astray)
        sessions = Sessions(client, idle_s=60, provisional_s=30)
        for n in range(20):
            await play(sessions, Listing(client, idle_s=60), f"token{n}", f"viewer{n}" if n % 2 else None)
        control = Control(client, cluster, lambda: None)
        await control.start()
        await control.revoke("t:x", None)
        assert len(await control.ticket_keys()) == 1
        assert (await client.script("snapshot", [REVOKED, FEED], []))[1:] == [b"t:x", b"inf"]
        await control.stop()
        streams = Streams(client)
        assert await streams.add(Stream("cam1", "http://a", "aipix", True, Access.PRIVATE, (), None, "demo"))
        assert await streams.update("cam1", {"enabled": False})
        assert len((await streams.read_all())[0]) == 1
        assert await streams.remove("cam1")
        keys_of_apis = ApiKeys(client)
        assert await keys_of_apis.put("demo", "AK", "sealed")
        assert await keys_of_apis.set_enabled("demo", "AK", False)
        assert len(await keys_of_apis.read_all()) == 1
        assert await keys_of_apis.delete("demo", "AK")
        await meet(Rooms(client))
        names = [key.decode() for key in await client.call("KEYS", "*")]
        assert {name.split(":")[1] for name in names} >= {"{control}"}
        assert len({slot(name) for name in names}) > 10
        await client.close()
