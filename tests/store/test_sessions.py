"""Sessions on a real Valkey: what opens, what counts, what plays, and that asking again changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import pytest_asyncio

from gate.core.grants import Action, Grant, Grants
from gate.core.policy import OnLimit
from gate.core.reasons import Reason
from gate.core.session import Resume
from gate.core.ticket import Ticket
from gate.core.token import Format, Rights, Token, Warrant, subject_owner, token_id
from gate.core.verdicts import Opened, Opening, Outcome, Refused, Renewal
from gate.store.client import Client
from gate.store.keys import ShardKeys, lease
from gate.store.sessions import KEEP_S, LEEWAY_S, Playback, Sessions

REJECT = OnLimit.REJECT
FACTS = {"application": "demo", "resource": "cam1", "agent": "VLC/3.0"}
# Far enough that a test that runs late in a long run still has its hour.
EXPIRY = int(time.time()) + 6 * 3600


class Recording(Client):
    """A client that remembers the last script that was run, so that a test can deliver it once more."""

    last: tuple[str, list[str], list[str | int | float]]

    async def script(self, name: str, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        self.last = name, list(keys), list(args)
        return await super().script(name, keys, args)

    async def deliver_again(self) -> Any:
        return await super().script(*self.last)


@pytest_asyncio.fixture
async def client(store_url: str) -> AsyncIterator[Recording]:
    """A patient client: no test here is about time-outs."""
    client = Recording(store_url, timeout_s=5)
    yield client
    await client.close()


@pytest.fixture
def sessions(client: Recording) -> Sessions:
    return Sessions(client, idle_s=60, provisional_s=30)


def make_token(name: str = "token", subject: str | None = None, *resources: str, **fields: Any) -> Token:
    grant = Grant(resources=frozenset(resources or ("cam1",)))
    identity = token_id("demo", name)
    made = Token(
        application="demo",
        format=Format.JWT,
        id=identity,
        owner=identity if subject is None else subject_owner("demo", subject),
        subject=subject,
        warrant=Warrant(Grants({Action.READ: grant}), Rights(live=True)),
        expires_at=EXPIRY,
    )
    return replace(made, **fields)


def make_ticket(token: Token, outcome: Outcome) -> Ticket:
    """The ticket that the gate seals of an opening."""
    assert isinstance(outcome, Opened), outcome
    return Ticket(
        session=outcome.session,
        application=token.application,
        token=token.id,
        owner=token.owner,
        subject=token.subject,
        opened_at=int(outcome.opened_at),
        ends_at=outcome.ends_at,
        token_expires_at=token.expires_at,
        issued_at=None,
        session_limit=token.session_limit,
        max_concurrent=token.max_concurrent,
        warrant=token.warrant,
    )


def opening(
    token: Token, client: str = "a", *, resume_only: bool = False, resume: Resume = Resume.NEVER
) -> Opening:
    mode = Resume.ONLY if resume_only else resume
    return Opening(token, client, f"page of {client}", mode, token.usage_s, token.expires_at)


async def opened(sessions: Sessions, token: Token, client: str = "a") -> Ticket:
    return make_ticket(token, await sessions.open(opening(token, client), FACTS))


def playback(ticket: Ticket, client: str = "a") -> Playback:
    return Playback(
        ticket.session, client, ticket.owner, ticket.max_concurrent is not None, ticket.ends_at is None
    )


def reasons(outcomes: Iterable[Outcome]) -> list[Reason]:
    return [outcome.reason for outcome in outcomes if isinstance(outcome, Refused)]


async def lapse(client: Client, token: Token, ticket: Ticket, who: str = "a") -> None:
    """What 30 s do to a provisional session."""
    keys = ShardKeys(token.owner)
    assert await client.call("PTTL", keys.session(ticket.session)) <= 30_000
    await client.call("DEL", keys.session(ticket.session), keys.resume(token.id, who))


async def without_ttl(client: Client) -> set[str]:
    """The keys of the shards that would stay for ever."""
    found = set()
    for key in await client.call("KEYS", "gate:*"):
        if b"{control}" not in key and await client.call("PTTL", key) == -1:
            found.add(key.decode())
    return found


class TestOpen:
    async def test_the_same_client_gets_its_provisional_session_again(self, sessions: Sessions) -> None:
        token = make_token(session_limit=5)
        first = await sessions.open(opening(token), FACTS)
        again = await sessions.open(opening(token), FACTS)
        other = await sessions.open(opening(token, "b"), FACTS)
        assert isinstance(first, Opened)
        assert first == again
        assert isinstance(other, Opened)
        assert other.session != first.session

    async def test_a_committed_session_is_resumed_but_not_opened_again(self, sessions: Sessions) -> None:
        token = make_token(session_limit=5)
        ticket = await opened(sessions, token)
        assert isinstance(await sessions.commit(ticket, "a", REJECT, FACTS), Opened)
        resumed = await sessions.open(opening(token, resume_only=True), FACTS)
        assert isinstance(resumed, Opened)
        assert (resumed.session, resumed.ends_at) == (ticket.session, ticket.ends_at)
        fresh = await opened(sessions, token)
        assert fresh.session != ticket.session
        assert await sessions.open(opening(token, "b", resume_only=True), FACTS) == Refused(
            Reason.SESSION_REQUIRED
        )

    async def test_a_committed_session_can_be_resumed_after_a_later_opening_lapsed(
        self, sessions: Sessions, client: Recording
    ) -> None:
        token, keys = make_token(), ShardKeys(make_token().owner)
        played = await opened(sessions, token)
        await sessions.commit(played, "a", REJECT, FACTS)
        preview = await opened(sessions, token)
        newest = await sessions.open(opening(token, resume_only=True), FACTS)
        assert isinstance(newest, Opened)
        assert newest.session == preview.session
        # The opening lapses, and what its own keys lived for is over.
        await client.call("DEL", keys.session(preview.session))
        assert await client.call("PTTL", keys.resume(token.id, "a")) > 3_600_000
        resumed = await sessions.open(opening(token, resume_only=True), FACTS)
        assert isinstance(resumed, Opened)
        assert resumed.session == played.session

    async def test_the_limit_counts_what_was_committed(self, sessions: Sessions) -> None:
        token = make_token(session_limit=1)
        tickets = [await opened(sessions, token, f"client{n}") for n in range(20)]
        assert len({ticket.session for ticket in tickets}) == 20
        assert isinstance(await sessions.commit(tickets[7], "client7", REJECT, FACTS), Opened)
        assert await sessions.open(opening(token, "b"), FACTS) == Refused(Reason.SESSION_LIMIT)
        # Who plays is not in the way of itself.
        assert isinstance(await sessions.open(opening(token, "client7", resume_only=True), FACTS), Opened)

    async def test_ends_are_computed_by_the_server(self, sessions: Sessions, client: Recording) -> None:
        async def server_ms() -> int:
            seconds, micros = await client.call("TIME")
            return int(seconds) * 1000 + int(micros) // 1000

        before = await server_ms()
        usage = await sessions.open(opening(make_token("u", usage_s=60)), FACTS)
        expiry = await sessions.open(opening(make_token("e", usage_s=86_400)), FACTS)
        endless = await sessions.open(opening(make_token("n", expires_at=None)), FACTS)
        counted = await sessions.open(opening(make_token("c", expires_at=None, usage_s=60)), FACTS)
        after = await server_ms()
        assert isinstance(usage, Opened)
        assert before <= round(usage.opened_at * 1000) <= after
        assert usage.ends_at == pytest.approx(usage.opened_at + 60, abs=1e-6)
        assert isinstance(expiry, Opened)
        assert expiry.ends_at == EXPIRY
        assert isinstance(endless, Opened)
        assert endless.ends_at is None
        assert isinstance(counted, Opened)
        assert counted.ends_at == pytest.approx(counted.opened_at + 60, abs=1e-6)

    async def test_an_expired_token_opens_nothing(self, sessions: Sessions, client: Recording) -> None:
        expired = make_token(expires_at=int(time.time()) - 1)
        for resume_only in (False, True):
            outcome = await sessions.open(opening(expired, resume_only=resume_only), FACTS)
            assert outcome == Refused(Reason.TOKEN_EXPIRED)
        assert await client.call("DBSIZE") == 0

    @pytest.mark.timed
    async def test_a_session_that_ended_is_neither_given_again_nor_resumed(self, sessions: Sessions) -> None:
        token = make_token(usage_s=1)
        ticket = await opened(sessions, token)
        await sessions.commit(ticket, "a", REJECT, FACTS)
        await asyncio.sleep(1.05)
        assert await sessions.open(opening(token, resume_only=True), FACTS) == Refused(Reason.SESSION_REQUIRED)
        assert await sessions.commit(ticket, "a", REJECT, FACTS) == Refused(Reason.SESSION_EXPIRED)
        assert (await opened(sessions, token)).session != ticket.session

    async def test_a_repeated_call_gives_the_same_answer(self, sessions: Sessions, client: Recording) -> None:
        token = make_token(session_limit=2, usage_s=60)
        ticket = await opened(sessions, token)
        call = client.last
        first = await client.script(*call)
        await sessions.open(opening(token, "b"), FACTS)
        assert (await client.script(*call))[:4] == first[:4]
        await sessions.commit(ticket, "a", REJECT, FACTS)
        assert (await client.script(*call))[:4] == first[:4]
        for name in ("c", "d"):
            other = await opened(sessions, make_token(session_limit=5), name)
            await sessions.commit(other, name, REJECT, FACTS)
        assert (await client.script(*call))[:4] == first[:4]
        assert first[1].decode() == ticket.session

    async def test_a_refusal_stores_nothing(self, sessions: Sessions, client: Recording) -> None:
        token = make_token(session_limit=1)
        assert await sessions.open(opening(token, resume_only=True), FACTS) == Refused(Reason.SESSION_REQUIRED)
        assert await client.call("DBSIZE") == 0
        await sessions.commit(await opened(sessions, token), "a", REJECT, FACTS)
        held = await client.call("DBSIZE")
        await sessions.open(opening(token, "b"), FACTS)
        assert await client.call("DBSIZE") == held


class TestCommit:
    async def test_it_counts_once_whoever_repeats_it(self, sessions: Sessions, client: Recording) -> None:
        token = make_token(session_limit=2)
        ticket = await opened(sessions, token)
        outcomes = [await sessions.commit(ticket, who, REJECT, FACTS) for who in ("a", "a", "b", "c")]
        again = Opened(ticket.session, ticket.opened_at, ticket.ends_at)
        assert outcomes == [replace(again, first=True), again, again, again]
        assert (await client.deliver_again())[0] == b"committed"
        assert await client.call("SCARD", ShardKeys(token.owner).committed(token.id)) == 1

    async def test_the_ends_of_a_session_stay_to_the_millisecond(
        self, sessions: Sessions, client: Recording
    ) -> None:
        for n in range(50):
            token = make_token(f"t{n}", usage_s=60)
            ticket = await opened(sessions, token)
            await sessions.commit(ticket, "a", REJECT, FACTS)
            resumed = await sessions.open(opening(token, resume_only=True), FACTS)
            assert isinstance(resumed, Opened)
            assert resumed.ends_at == ticket.ends_at

    async def test_of_a_hundred_racers_exactly_the_limit_commit(self, store_url: str) -> None:
        clients = [Client(store_url, timeout_s=5) for _ in range(2)]
        gates = [Sessions(client, idle_s=60, provisional_s=30) for client in clients]
        token = make_token(session_limit=5)
        tickets = await asyncio.gather(*(opened(gates[n % 2], token, f"c{n}") for n in range(100)))
        outcomes = await asyncio.gather(
            *(gates[(n + 1) % 2].commit(ticket, f"c{n}", REJECT, FACTS) for n, ticket in enumerate(tickets))
        )
        assert reasons(outcomes) == [Reason.SESSION_LIMIT] * 95
        assert await clients[0].call("SCARD", ShardKeys(token.owner).committed(token.id)) == 5
        for client in clients:
            await client.close()

    async def test_of_a_single_use_token_exactly_one_ticket_ever_plays(self, sessions: Sessions) -> None:
        token = make_token(session_limit=1, single_use=True)
        tickets = await asyncio.gather(*(opened(sessions, token, f"c{n}") for n in range(100)))
        for _ in range(2):
            outcomes = await asyncio.gather(
                *(sessions.commit(ticket, "x", REJECT, FACTS) for ticket in tickets)
            )
            assert reasons(outcomes) == [Reason.SESSION_LIMIT] * 99
        (winner,) = [outcome.session for outcome in outcomes if isinstance(outcome, Opened)]
        assert winner in {ticket.session for ticket in tickets}

    async def test_a_lapsed_link_commits_while_there_is_room(
        self, sessions: Sessions, client: Recording
    ) -> None:
        token = make_token(session_limit=2)
        early, late, third = [await opened(sessions, token, who) for who in "abc"]
        for ticket, who in ((early, "a"), (late, "b"), (third, "c")):
            await lapse(client, token, ticket, who)
        assert isinstance(await sessions.commit(early, "a", REJECT, FACTS), Opened)
        assert isinstance(await sessions.commit(late, "b", REJECT, FACTS), Opened)
        assert await sessions.commit(third, "c", REJECT, FACTS) == Refused(Reason.SESSION_LIMIT)
        resumed = await sessions.open(opening(token, resume_only=True), FACTS)
        assert isinstance(resumed, Opened)
        assert (resumed.session, resumed.ends_at) == (early.session, early.ends_at)

    async def test_an_ended_session_is_refused(self, sessions: Sessions, client: Recording) -> None:
        token = make_token()
        ticket = replace(await opened(sessions, token), ends_at=time.time() - 0.1)
        await lapse(client, token, ticket)
        held = await client.call("DBSIZE")
        assert await sessions.commit(ticket, "a", REJECT, FACTS) == Refused(Reason.SESSION_EXPIRED)
        assert await client.call("DBSIZE") == held

    async def test_the_count_outlasts_each_of_two_tokens_with_one_id(
        self, sessions: Sessions, client: Recording
    ) -> None:
        long, short = make_token(session_limit=9), make_token(session_limit=9, expires_at=EXPIRY - 3000)
        counted = ShardKeys(long.owner).committed(long.id)
        for token, who in ((short, "a"), (long, "b"), (short, "c")):
            await sessions.commit(await opened(sessions, token, who), who, REJECT, FACTS)
        assert await client.call("PEXPIRETIME", counted) >= (EXPIRY + LEEWAY_S) * 1000
        endless = make_token(session_limit=9, expires_at=None)
        for token, who in ((endless, "d"), (short, "e")):
            await sessions.commit(await opened(sessions, token, who), who, REJECT, FACTS)
        assert await client.call("PTTL", counted) == -1


class TestPlaybacksAtOnce:
    async def test_they_are_counted_by_owner_and_listed(self, sessions: Sessions) -> None:
        phone, tablet, tv = [make_token(name, "viewer", max_concurrent=2) for name in ("p", "t", "v")]
        tickets = {
            name: await opened(sessions, token, name)
            for name, token in zip("ptv", (phone, tablet, tv), strict=True)
        }
        before = int(time.time())
        for name in "pt":
            facts = {"resource": f"cam-{name}", "agent": f"player {name}"}
            assert isinstance(await sessions.commit(tickets[name], name, REJECT, facts), Opened)
        refused = await sessions.commit(tickets["v"], "v", REJECT, FACTS)
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.TOO_MANY_PLAYBACKS
        found = {conflict["id"]: conflict for conflict in refused.conflicts}
        for name in "pt":
            conflict = found.pop(tickets[name].session)
            since = conflict.pop("since")
            assert isinstance(since, int)
            assert before - 1 <= since <= time.time()
            assert conflict == {
                "id": tickets[name].session,
                "resource": f"cam-{name}",
                "device": f"player {name}",
            }
        assert not found
        # Another viewer is not in the way.
        other = make_token("o", "other", max_concurrent=1)
        assert isinstance(await sessions.commit(await opened(sessions, other), "a", REJECT, FACTS), Opened)

    async def test_a_playback_renews_its_own_place(self, sessions: Sessions) -> None:
        ticket = await opened(sessions, make_token(max_concurrent=1))
        for _ in range(3):
            assert isinstance(await sessions.commit(ticket, "a", REJECT, FACTS), Opened)
        # The same link in other hands is another playback.
        assert reasons([await sessions.commit(ticket, "b", REJECT, FACTS)]) == [Reason.TOO_MANY_PLAYBACKS]

    async def test_a_refusal_uses_no_place_of_the_token(self, sessions: Sessions, client: Recording) -> None:
        token = make_token(session_limit=2, max_concurrent=1)
        first, second = await opened(sessions, token, "a"), await opened(sessions, token, "b")
        await sessions.commit(first, "a", REJECT, FACTS)
        await sessions.commit(second, "b", REJECT, FACTS)
        assert await client.call("SMEMBERS", ShardKeys(token.owner).committed(token.id)) == {
            first.session.encode()
        }

    @pytest.mark.timed
    async def test_a_lapsed_lease_makes_room_and_is_lost_once_it_is_taken(self, client: Recording) -> None:
        sessions = Sessions(client, idle_s=0.15, provisional_s=30)
        token = make_token(max_concurrent=1)
        first, second = await opened(sessions, token, "a"), await opened(sessions, token, "b")
        assert isinstance(await sessions.commit(first, "a", REJECT, FACTS), Opened)
        assert reasons([await sessions.commit(second, "b", REJECT, FACTS)]) == [Reason.TOO_MANY_PLAYBACKS]
        await asyncio.sleep(0.2)
        # Silent for too long, but nobody came: the place is still its own.
        assert await sessions.renew([playback(first, "a")]) == set()
        assert reasons([await sessions.commit(second, "b", REJECT, FACTS)]) == [Reason.TOO_MANY_PLAYBACKS]
        await asyncio.sleep(0.2)
        assert isinstance(await sessions.commit(second, "b", REJECT, FACTS), Opened)
        assert await sessions.renew([playback(first, "a"), playback(second, "b")]) == {(first.session, "a")}
        assert await sessions.renew([playback(first, "a")]) == {(first.session, "a")}
        assert await client.call("ZRANGE", ShardKeys(token.owner).leases, 0, -1) == [
            lease(second.session, "b").encode()
        ]

    async def test_of_a_hundred_racers_exactly_so_many_play(self, store_url: str) -> None:
        clients = [Client(store_url, timeout_s=5) for _ in range(2)]
        gates = [Sessions(client, idle_s=60, provisional_s=30) for client in clients]
        tokens = [make_token(f"t{n}", "viewer", max_concurrent=5) for n in range(100)]
        tickets = await asyncio.gather(*(opened(gates[n % 2], token) for n, token in enumerate(tokens)))
        outcomes = await asyncio.gather(
            *(gates[(n + 1) % 2].commit(ticket, "a", REJECT, FACTS) for n, ticket in enumerate(tickets))
        )
        assert reasons(outcomes) == [Reason.TOO_MANY_PLAYBACKS] * 95
        for refused in outcomes:
            assert isinstance(refused, Opened) or len(refused.conflicts) == 5
        for client in clients:
            await client.close()


class TestEviction:
    @pytest.fixture
    def quick(self, client: Recording) -> Sessions:
        """A playback counts as silent after 50 ms."""
        return Sessions(client, idle_s=0.2, provisional_s=30)

    @pytest.mark.parametrize("mode", [OnLimit.EVICT_OLDEST, OnLimit.EVICT_IDLE])
    async def test_the_newcomer_takes_a_place_and_who_lost_it_gets_only_a_free_one(
        self, sessions: Sessions, client: Recording, mode: OnLimit
    ) -> None:
        token = make_token(max_concurrent=2)
        first, second, third = [await opened(sessions, token, who) for who in "abc"]
        await sessions.commit(first, "a", mode, FACTS)
        await asyncio.sleep(0.005)
        await sessions.commit(second, "b", mode, FACTS)
        await asyncio.sleep(0.005)
        await sessions.renew([playback(first, "a")])  # the oldest, and not the one that was silent longest
        victim = (first.session, "a") if mode is OnLimit.EVICT_OLDEST else (second.session, "b")
        taken = await sessions.commit(third, "c", mode, FACTS)
        assert isinstance(taken, Opened)
        assert taken.lost == (victim,)
        ticket = first if victim[0] == first.session else second
        assert await sessions.renew([playback(ticket, victim[1])]) == {victim}
        back = await sessions.commit(ticket, victim[1], mode, FACTS)
        assert reasons([back]) == [Reason.TOO_MANY_PLAYBACKS]
        assert await without_ttl(client) == set()
        await sessions.close(third.session, third.owner)
        assert isinstance(await sessions.commit(ticket, victim[1], mode, FACTS), Opened)
        assert await client.call("EXISTS", ShardKeys(token.owner).evicted) == 0

    @pytest.mark.timed
    async def test_a_silent_playback_of_the_same_session_has_moved(self, quick: Sessions) -> None:
        token = make_token(max_concurrent=1)
        ticket, other = await opened(quick, token, "a"), await opened(quick, token, "z")
        assert isinstance(await quick.commit(ticket, "a", REJECT, FACTS), Opened)
        assert reasons([await quick.commit(ticket, "b", REJECT, FACTS)]) == [Reason.TOO_MANY_PLAYBACKS]
        await asyncio.sleep(0.07)
        assert reasons([await quick.commit(other, "z", REJECT, FACTS)]) == [Reason.TOO_MANY_PLAYBACKS]
        moved = await quick.commit(ticket, "b", REJECT, FACTS)
        assert isinstance(moved, Opened)
        assert moved.lost == ((ticket.session, "a"),)

    async def test_of_a_hundred_that_evict_exactly_so_many_play(
        self, sessions: Sessions, client: Recording
    ) -> None:
        token = make_token(max_concurrent=5)
        tickets = await asyncio.gather(*(opened(sessions, token, f"c{n}") for n in range(100)))
        outcomes = await asyncio.gather(
            *(sessions.commit(ticket, "x", OnLimit.EVICT_OLDEST, FACTS) for ticket in tickets)
        )
        assert reasons(outcomes) == []
        keys = ShardKeys(token.owner)
        assert await client.call("ZCARD", keys.leases) == 5
        assert await client.call("ZCARD", keys.evicted) == 95


class TestGiveBack:
    async def test_a_first_commit_is_undone(self, sessions: Sessions, client: Recording) -> None:
        token = make_token(session_limit=1, max_concurrent=1)
        ticket = await opened(sessions, token)
        await sessions.commit(ticket, "a", REJECT, FACTS)
        assert await sessions.give_back(ticket, "a")
        assert not await sessions.give_back(ticket, "a")
        keys = ShardKeys(token.owner)
        assert await client.call("EXISTS", keys.committed(token.id), keys.leases, keys.all_leases) == 0
        assert await client.call("PTTL", keys.session(ticket.session)) <= 30_000
        assert (await opened(sessions, token)).session == ticket.session
        assert isinstance(await sessions.commit(ticket, "b", REJECT, FACTS), Opened)

    async def test_what_somebody_else_plays_is_not(self, sessions: Sessions, client: Recording) -> None:
        token = make_token(session_limit=1)
        ticket = await opened(sessions, token)
        for who in "ab":
            await sessions.commit(ticket, who, REJECT, FACTS)
        assert not await sessions.give_back(ticket, "a")
        assert await client.call("SCARD", ShardKeys(token.owner).committed(token.id)) == 1


class TestExtend:
    async def test_a_session_lives_on_and_counts_for_the_fresh_token(
        self, sessions: Sessions, client: Recording
    ) -> None:
        resources = [f"cam{n}" for n in range(500)]
        token = make_token("old", "viewer", *resources, expires_at=EXPIRY - 3000)
        fresh = make_token("new", "viewer", session_limit=1)
        ticket = await opened(sessions, token)
        await sessions.commit(ticket, "a", REJECT, FACTS)
        for _ in range(2):
            outcome = await sessions.extend(Renewal(ticket, fresh, None, EXPIRY))
            assert outcome == Opened(ticket.session, ticket.opened_at, float(EXPIRY))
        keys = ShardKeys(token.owner)
        assert await client.call("SCARD", keys.committed(fresh.id)) == 1
        assert await sessions.life(ticket) == (EXPIRY, fresh.id)
        for key in (keys.session(ticket.session), keys.committed(fresh.id), keys.warrant(token.id)):
            assert await client.call("PEXPIRETIME", key) >= (EXPIRY + LEEWAY_S) * 1000
        # Its old ticket commits for other clients, until the new end.
        again = await sessions.commit(ticket, "b", REJECT, FACTS)
        assert isinstance(again, Opened)
        assert again.ends_at == EXPIRY
        other = make_ticket(token, await sessions.open(opening(token, "z"), FACTS))
        assert await sessions.extend(Renewal(other, fresh, None, EXPIRY)) == Refused(Reason.SESSION_LIMIT)
        assert await without_ttl(client) == set()

    async def test_a_session_that_is_gone_does_not(self, sessions: Sessions) -> None:
        ticket = await opened(sessions, make_token())
        await sessions.close(ticket.session, ticket.owner)
        assert await sessions.life(ticket) is None
        assert await sessions.extend(Renewal(ticket, make_token("new"), None, EXPIRY)) == Refused(
            Reason.SESSION_EXPIRED
        )


class TestOwnership:
    async def test_the_first_visit_owns_an_object(self, sessions: Sessions, client: Recording) -> None:
        racers = [sessions.own("demo", "video/1", f"visit{n}", EXPIRY) for n in range(50)]
        assert sum(await asyncio.gather(*racers)) == 1
        owner = await sessions.owner("demo", "video/1")
        assert owner is not None
        assert await sessions.own("demo", "video/1", owner, None)
        assert await sessions.owner("other", "video/1") is None
        assert await without_ttl(client) == set()
        await sessions.disown("demo", "video/1")
        assert await sessions.own("demo", "video/1", "another", None)


class TestResume:
    async def test_the_session_of_a_path_or_of_a_client(self, sessions: Sessions) -> None:
        token = make_token()
        ticket = await opened(sessions, token)
        await sessions.commit(ticket, "a", REJECT, FACTS)

        async def resumed(resume: Resume, page: str = "page of a") -> bool:
            asked = replace(opening(token, resume=resume), page=page)
            outcome = await sessions.open(asked, FACTS)
            return isinstance(outcome, Opened) and outcome.session == ticket.session

        assert await resumed(Resume.PATH)
        assert await resumed(Resume.ACTIVE)
        assert await resumed(Resume.CLIENT, "another page")
        assert await resumed(Resume.PATH, "another page")  # where it has been found since
        assert not await resumed(Resume.PATH, "a third page")
        assert not await resumed(Resume.NEVER)


class TestRenew:
    @pytest.mark.timed
    async def test_renewed_leases_live_on(self, client: Recording) -> None:
        sessions = Sessions(client, idle_s=0.3, provisional_s=30)
        limited = await opened(sessions, make_token("l", max_concurrent=1))
        free = await opened(sessions, make_token("f"))
        for ticket in (limited, free):
            await sessions.commit(ticket, "a", REJECT, FACTS)
        for _ in range(5):
            await asyncio.sleep(0.1)
            assert await sessions.renew([playback(limited), playback(free)]) == set()
        assert reasons([await sessions.commit(limited, "b", REJECT, FACTS)]) == [Reason.TOO_MANY_PLAYBACKS]
        for ticket in (limited, free):
            keys = ShardKeys(ticket.owner)
            assert await client.call("ZCARD", keys.all_leases) == 1
            assert 300 < await client.call("PTTL", keys.all_leases) <= 600
        assert 300 < await client.call("PTTL", ShardKeys(limited.owner).leases) <= 600
        assert await without_ttl(client) == set()

    async def test_what_was_closed_does_not_come_back(self, sessions: Sessions, client: Recording) -> None:
        free, limited = make_token("f"), make_token("l", max_concurrent=1)
        for token in (free, limited):
            ticket = await opened(sessions, token)
            await sessions.commit(ticket, "a", REJECT, FACTS)
            await sessions.close(ticket.session, ticket.owner)
            assert await sessions.renew([playback(ticket)]) == {(ticket.session, "a")}
            assert await client.call("EXISTS", ShardKeys(token.owner).all_leases) == 0

    async def test_a_thousand_go_out_in_few_calls(self, sessions: Sessions, client: Recording) -> None:
        token = make_token()
        ticket = await opened(sessions, token)
        await sessions.commit(ticket, "a", REJECT, FACTS)
        await sessions.renew([playback(ticket)])
        await client.call("CONFIG", "RESETSTAT")
        assert await sessions.renew(playback(ticket, f"c{n}") for n in range(1000)) == set()
        stats = await client.call("INFO", "commandstats")
        assert stats["cmdstat_evalsha"]["calls"] == 5
        assert await client.call("ZCARD", ShardKeys(token.owner).all_leases) == 1001

    async def test_a_session_without_end_is_kept_while_it_plays(
        self, sessions: Sessions, client: Recording
    ) -> None:
        token = make_token(expires_at=None)
        ticket = await opened(sessions, token)
        await sessions.commit(ticket, "a", REJECT, FACTS)
        key = ShardKeys(token.owner).session(ticket.session)
        await client.call("PEXPIRE", key, 1000)
        await sessions.renew([playback(ticket)])
        assert await client.call("PTTL", key) > KEEP_S * 1000 - 5000
        # One that ends does not live longer because it plays.
        short = await opened(sessions, make_token("s"))
        await sessions.commit(short, "a", REJECT, FACTS)
        key = ShardKeys(short.owner).session(short.session)
        before = await client.call("PEXPIRETIME", key)
        await sessions.renew([playback(short)])
        assert await client.call("PEXPIRETIME", key) == before == (EXPIRY + LEEWAY_S) * 1000

    async def test_nothing_to_renew_asks_nobody(self, sessions: Sessions, client: Recording) -> None:
        await client.call("CONFIG", "RESETSTAT")
        assert await sessions.renew([]) == set()
        assert "cmdstat_evalsha" not in await client.call("INFO", "commandstats")


class TestClose:
    async def test_its_leases_are_free_and_what_counted_stays(
        self, sessions: Sessions, client: Recording
    ) -> None:
        token = make_token(session_limit=2, max_concurrent=3)
        ticket, other = await opened(sessions, token, "a"), await opened(sessions, token, "z")
        for who in "ab":
            await sessions.commit(ticket, who, REJECT, FACTS)
        await sessions.commit(other, "z", REJECT, FACTS)
        assert await sessions.close(ticket.session, ticket.owner) == 2
        assert await sessions.close(ticket.session, ticket.owner) == 0
        keys = ShardKeys(token.owner)
        left = [lease(other.session, "z").encode()]
        assert await client.call("ZRANGE", keys.leases, 0, -1) == left
        assert await client.call("ZRANGE", keys.all_leases, 0, -1) == left
        assert await client.call("SCARD", keys.committed(token.id)) == 2
        assert await sessions.open(opening(token, resume_only=True), FACTS) == Refused(Reason.SESSION_REQUIRED)
        assert await sessions.close("00" + "0" * 22, token.owner) == 0


class TestWarrant:
    async def test_a_long_one_is_kept_for_the_ticket(self, sessions: Sessions, client: Recording) -> None:
        resources = [f"building/{n}/cam" for n in range(500)]
        token, short = make_token("long", None, *resources), make_token("short")
        assert await sessions.warrant(await opened(sessions, token)) == token.warrant
        assert await sessions.warrant(await opened(sessions, short)) is None
        key = ShardKeys(token.owner).warrant(token.id)
        assert await client.call("PEXPIRETIME", key) == (EXPIRY + LEEWAY_S) * 1000
        # An earlier end of another token of this id does not take it away.
        await opened(sessions, replace(token, expires_at=EXPIRY - 3000), "b")
        assert await client.call("PEXPIRETIME", key) == (EXPIRY + LEEWAY_S) * 1000

    async def test_without_an_end_it_is_kept_while_it_is_asked_for(
        self, sessions: Sessions, client: Recording
    ) -> None:
        token = make_token("long", None, *(f"cam{n}" for n in range(500)), expires_at=None)
        ticket = await opened(sessions, token)
        key = ShardKeys(token.owner).warrant(token.id)
        assert await client.call("PTTL", key) > KEEP_S * 1000 - 5000
        await client.call("PEXPIRE", key, 5000)
        assert await sessions.warrant(ticket) == token.warrant
        assert await client.call("PTTL", key) > KEEP_S * 1000 - 5000
        await client.call("DEL", key)
        assert await sessions.warrant(ticket) is None


class TestForgetting:
    async def test_everything_has_a_ttl_that_outlasts_what_it_guards(
        self, sessions: Sessions, client: Recording
    ) -> None:
        resources = [f"cam{n}" for n in range(500)]
        limits: list[dict[str, Any]] = [
            {},
            {"session_limit": 2},
            {"max_concurrent": 2},
            {"usage_s": 60},
            {"session_limit": 2, "max_concurrent": 1, "usage_s": 60},
        ]
        endless = set()
        for n, fields in enumerate(limits):
            for expires_at in (EXPIRY, None):
                token = make_token(f"{n}{expires_at}", None, *resources, expires_at=expires_at, **fields)
                keys = ShardKeys(token.owner)
                if expires_at is None and "session_limit" in fields:
                    endless.add(keys.committed(token.id))
                ticket = await opened(sessions, token)
                assert await without_ttl(client) <= endless
                await sessions.commit(ticket, "a", REJECT, FACTS)
                assert await without_ttl(client) <= endless
                if expires_at is not None and "session_limit" in fields:
                    until = await client.call("PEXPIRETIME", keys.committed(token.id))
                    assert until >= (EXPIRY + LEEWAY_S) * 1000
                until = await client.call("PEXPIRETIME", keys.session(ticket.session))
                assert until >= ((ticket.ends_at or 0) + LEEWAY_S) * 1000 - 1
                await sessions.renew([playback(ticket)])
                await opened(sessions, token, "b")
                await sessions.open(opening(token, resume_only=True), FACTS)
                await sessions.warrant(ticket)
                assert await without_ttl(client) <= endless
                await sessions.close(ticket.session, ticket.owner)
        assert await without_ttl(client) == endless


class LostReplies:
    """A wire to the store that loses the answers to as many calls of scripts as it is told."""

    def __init__(self, url: str) -> None:
        self._socket = unquote(urlsplit(url).path)
        self.lose = 0

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        store_reader, store_writer = await asyncio.open_unix_connection(self._socket)
        try:
            while request := await reader.read(65536):
                store_writer.write(request)
                answer = await store_reader.read(65536)
                if b"EVALSHA" in request and b"NOSCRIPT" not in answer and self.lose:
                    self.lose -= 1
                    break
                writer.write(answer)
        finally:
            store_writer.close()
            writer.close()


class TestLostReplies:
    async def test_they_neither_count_twice_nor_refuse_the_viewer(
        self, store_url: str, client: Recording
    ) -> None:
        wire = LostReplies(store_url)
        async with wire as url:
            lossy = Client(url, timeout_s=5, connections=2)
            sessions = Sessions(lossy, idle_s=60, provisional_s=30)
            token = make_token(session_limit=1, max_concurrent=1)
            wire.lose = 1
            ticket = await opened(sessions, token)
            keys = ShardKeys(token.owner)
            assert await client.call("KEYS", keys.sessions + "*") == [keys.session(ticket.session).encode()]
            wire.lose = 1
            assert isinstance(await sessions.commit(ticket, "a", REJECT, FACTS), Opened)
            wire.lose = 1
            assert await sessions.renew([playback(ticket)]) == set()
            wire.lose = 1
            assert reasons([await sessions.open(opening(token, "b"), FACTS)]) == [Reason.SESSION_LIMIT]
            assert wire.lose == 0
            assert await client.call("SCARD", keys.committed(token.id)) == 1
            assert await client.call("ZCARD", keys.leases) == 1
            await lossy.close()
