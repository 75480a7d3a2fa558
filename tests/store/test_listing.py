"""Sessions as operators see them: every one that is open, on the pages of its shard."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gate.core.policy import OnLimit
from gate.core.revocation import Revocations
from gate.core.session import SHARDS, shard_of_session
from gate.core.verdicts import Opened
from gate.store.keys import ShardKeys, all_leases, all_sessions, lease, session_prefix
from gate.store.listing import Listing, Mark, Session
from gate.store.sessions import LEEWAY_S, Playback

if TYPE_CHECKING:
    from tests.store.conftest import Desk


@pytest.fixture
def listing(desk: Desk) -> Listing:
    return Listing(desk.client, idle_s=60)


async def listed(listing: Listing, count: int = 100) -> list[Session]:
    """Every session of every shard, and each shard page by page."""
    found: list[Session] = []
    mark: Mark | None = Mark()
    while mark is not None:
        entries, mark = await listing.page(mark, count)
        found += [session for _, session in entries]
    return found


class TestPages:
    @pytest.mark.parametrize("count", [1, 3, 10, 100])
    async def test_every_session_is_on_one(self, desk: Desk, listing: Listing, count: int) -> None:
        """All of one subject are in one shard, and end at the same instant as their tokens do."""
        tickets = [await desk.link(desk.token(f"t{n}", "viewer")) for n in range(10)]
        for ticket in tickets:
            await desk.play(ticket)
        tickets += [await desk.link(desk.token(f"alone{n}")) for n in range(10)]
        names = [session.id for session in await listed(listing, count)]
        assert sorted(names) == sorted(ticket.session for ticket in tickets)

    async def test_what_has_moved_hides_nothing(self, desk: Desk, listing: Listing) -> None:
        """The session that a page ended with is committed, or gone, before the next page is asked for."""
        tickets = [await desk.link(desk.token(f"t{n}", "viewer"), f"c{n}") for n in range(10)]
        shard = shard_of_session(tickets[0].session)
        for end in ("committed", "gone"):
            entries, mark = await listing.page(Mark(shard), 3)
            assert mark is not None
            last = next(ticket for ticket in tickets if ticket.session == mark.session)
            if end == "committed":
                await desk.play(last)
            else:
                await desk.sessions.close(last.session, last.owner)
            seen = {session.id for _, session in entries}
            while mark is not None and mark.shard == shard:
                entries, mark = await listing.page(mark, 3)
                seen |= {session.id for _, session in entries}
            assert seen >= {ticket.session for ticket in tickets}
            tickets.remove(last)

    @pytest.mark.timed
    async def test_what_is_over_is_on_none(self, desk: Desk, listing: Listing) -> None:
        ended = await desk.link(desk.token("t", usage_s=1))
        await desk.play(ended)
        lapsed = await desk.link(desk.token("u"))
        await desk.lapse(lapsed)
        closed = await desk.link(desk.token("v"))
        await desk.sessions.close(closed.session, closed.owner)
        alive = await desk.link(desk.token("w"))
        await asyncio.sleep(1.1)
        assert [session.id for session in await listed(listing)] == [alive.session]
        for ticket in (ended, lapsed, closed):
            assert await listing.find(ticket.session) is None

    async def test_what_has_lapsed_leaves_the_shard_with_the_next_opening(self, desk: Desk) -> None:
        lapsed = await desk.link(desk.token("t", "viewer"))
        key = all_sessions(shard_of_session(lapsed.session))
        await desk.client.call("ZADD", key, 1, lapsed.session)
        other = await desk.link(desk.token("u", "viewer"))
        assert await desk.client.call("ZRANGE", key, 0, -1) == [other.session.encode()]

    async def test_it_is_listed_for_as_long_as_it_is_kept(self, desk: Desk) -> None:
        """Provisional, committed, renewed, given back: the shard says when the session's own key ends."""
        ticket = await desk.link(desk.token("t", "viewer", usage_s=600))
        key, session = (
            all_sessions(shard_of_session(ticket.session)),
            ShardKeys(ticket.owner).session(ticket.session),
        )

        async def agree() -> None:
            at_ms = float(await desk.client.call("ZSCORE", key, ticket.session))
            assert abs(at_ms - await desk.client.call("PEXPIRETIME", session)) < 50
            assert await desk.client.call("PEXPIRETIME", key) >= at_ms - 50

        await agree()
        await desk.play(ticket)
        await agree()
        assert await desk.sessions.give_back(ticket, "a")
        await agree()
        await desk.play(ticket)
        await asyncio.sleep(0.01)
        assert isinstance(await desk.extend(ticket, desk.token("f", "viewer", usage_s=900)), Opened)
        await agree()
        endless = await desk.link(desk.token("e", "viewer", expires_at=None))
        await desk.play(endless)
        await desk.sessions.renew([Playback(endless.session, "a", endless.owner, False, True)])
        ticket, session = endless, ShardKeys(endless.owner).session(endless.session)
        await agree()

    async def test_the_shards_are_gone_through_to_the_last(self, listing: Listing) -> None:
        assert await listing.page(Mark(SHARDS - 1), 1) == ([], None)
        assert await listing.page(Mark(3), 1) == ([], Mark(4))


class TestSession:
    async def test_what_is_known_of_it(self, desk: Desk, listing: Listing) -> None:
        token = desk.token("t", "viewer", issued_at=1_700_000_000)
        ticket = await desk.link(token)
        session = await listing.find(ticket.session)
        assert session is not None
        assert (session.application, session.token, session.owner) == ("demo", token.id, token.owner)
        assert (session.issued_at, session.committed, session.playbacks) == (1_700_000_000, False, ())
        assert session.ends_at == token.expires_at
        assert await desk.extend(ticket, fresh := desk.token("f", "viewer", expires_at=desk.expiry + 60))
        session = await listing.find(ticket.session)
        assert session is not None
        assert (session.token, session.renewed_by) == (token.id, fresh.id)

    async def test_every_live_playback_of_it(self, desk: Desk, listing: Listing) -> None:
        ticket = await desk.link(desk.token())
        for client in "abc":
            await desk.play(ticket, client, resource=f"cam {client}", agent=f"tv {client}", address="192.0.2.7")
        await desk.silence(ticket, "a", 20)
        await desk.silence(ticket, "b", 61)
        session = await listing.find(ticket.session)
        assert session is not None
        assert [each.client for each in session.playbacks] == ["a", "c"]
        first, last = session.playbacks
        assert (first.resource, first.device, first.address) == ("cam a", "tv a", "192.0.2.7")
        assert 19 < last.last_seen - first.last_seen < 21
        assert abs(last.last_seen - last.since) < 10

    async def test_since_when_and_what_it_watches_now(self, desk: Desk, listing: Listing) -> None:
        ticket = await desk.link(desk.token())
        await desk.play(ticket)
        before = await listing.find(ticket.session)
        await asyncio.sleep(0.02)
        await desk.play(ticket, resource="cam2")
        for resource, expected in (("", "cam2"), ("cam3", "cam3"), ("", "cam3")):
            await desk.sessions.renew([Playback(ticket.session, "a", ticket.owner, False, False, resource)])
            session = await listing.find(ticket.session)
            assert before is not None
            assert session is not None
            assert session.playbacks[0].resource == expected
            assert session.playbacks[0].since == before.playbacks[0].since

    async def test_of_a_crowd_a_hundred_are_told_apart(self, desk: Desk, listing: Listing) -> None:
        """A link that everybody has must not grow without bounds; who has left makes room."""
        ticket = await desk.link(desk.token())
        for n in range(130):
            await desk.play(ticket, f"c{n}")
        session = await listing.find(ticket.session)
        assert session is not None
        assert 95 <= len(session.playbacks) <= 101
        key = session_prefix(shard_of_session(ticket.session)) + ticket.session
        assert await desk.client.call("HLEN", key) < 320
        for n in range(60):
            await desk.silence(ticket, f"c{n}", 61)
        await desk.client.call("HDEL", key, "pruned")
        await desk.play(ticket, "newcomer")
        session = await listing.find(ticket.session)
        assert session is not None
        assert "newcomer" in {each.client for each in session.playbacks}
        assert await desk.client.call("HLEN", key) < 200

    async def test_what_was_given_back_plays_no_longer(self, desk: Desk, listing: Listing) -> None:
        ticket = await desk.link(desk.token())
        await desk.play(ticket)
        await desk.sessions.give_back(ticket, "a")
        session = await listing.find(ticket.session)
        assert session is not None
        assert (session.committed, session.playbacks) == (False, ())
        shard = shard_of_session(ticket.session)
        assert await desk.client.call("ZSCORE", all_leases(shard), lease(ticket.session, "a")) is None

    @pytest.mark.parametrize("what", ["token", "renewed_by", "session", "subject", "application", "nothing"])
    async def test_whether_it_is_revoked(self, desk: Desk, listing: Listing, what: str) -> None:
        token = desk.token("t", "viewer", issued_at=1000)
        ticket = await desk.link(token)
        fresh = desk.token("f", "viewer", expires_at=desk.expiry + 60)
        await desk.extend(ticket, fresh)
        session = await listing.find(ticket.session)
        assert session is not None
        revoked = Revocations()
        entries: dict[str, Any] = {
            "token": f"t:{token.id}",
            "renewed_by": f"t:{fresh.id}",
            "session": f"s:{ticket.session}",
            "subject": f"u:{token.owner}",
            "application": "a:demo:1001",
            "nothing": "a:demo:1000",
        }
        revoked.add(entries[what], float("inf"))
        assert session.is_revoked(revoked) is (what != "nothing")

    @pytest.mark.timed
    async def test_it_is_kept_for_the_leeway_and_not_shown(self, desk: Desk, listing: Listing) -> None:
        ticket = await desk.link(desk.token("t", usage_s=1))
        await desk.play(ticket, on_limit=OnLimit.REJECT)
        await asyncio.sleep(1.1)
        key = ShardKeys(ticket.owner).session(ticket.session)
        assert await desk.client.call("PTTL", key) > (LEEWAY_S - 5) * 1000
        assert await listing.find(ticket.session) is None

    @pytest.mark.parametrize("name", ["", "x", "40" + "0" * 22, "zz" + "0" * 22])
    async def test_what_is_no_session_id(self, listing: Listing, name: str) -> None:
        with pytest.raises(ValueError, match="not a session id"):
            await listing.find(name)
