"""Which of a client's sessions an opening may be instead of a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gate.core.reasons import Reason
from gate.core.session import Resume
from gate.core.verdicts import Opened, Refused
from gate.store.keys import ShardKeys
from gate.store.sessions import KEEP_S, LEEWAY_S

if TYPE_CHECKING:
    from tests.store.conftest import Desk

NEVER, PATH, ACTIVE, CLIENT, ONLY = Resume.NEVER, Resume.PATH, Resume.ACTIVE, Resume.CLIENT, Resume.ONLY
# By what the client has done before; a page session's is test_visits' matter.
MODES = [NEVER, PATH, ACTIVE, CLIENT, ONLY]


class TestCommitted:
    @pytest.mark.parametrize(
        ("mode", "path", "silent_s", "resumed"),
        [
            *((NEVER, "/a", 0, False), (NEVER, "/b", 0, False)),
            *((PATH, "/a", 0, True), (PATH, "/a", 100, True), (PATH, "/b", 0, False)),
            *((ACTIVE, "/a", 0, True), (ACTIVE, "/a", 59 - 10, True)),
            *((ACTIVE, "/a", 61, True), (ACTIVE, "/b", 0, False)),
            *((CLIENT, "/a", 100, True), (CLIENT, "/b", 100, True)),
            *((ONLY, "/a", 100, True), (ONLY, "/b", 100, True)),
        ],
    )
    async def test_it_is_resumed_by_the_mode(
        self, desk: Desk, mode: Resume, path: str, silent_s: float, resumed: bool
    ) -> None:
        token = desk.token()
        ticket = await desk.link(token, "a", NEVER, "/a")
        await desk.play(ticket)
        await desk.silence(ticket, "a", silent_s)
        outcome = await desk.ask(token, "a", mode, path)
        assert isinstance(outcome, Opened)
        assert (outcome.session == ticket.session) is resumed
        # Another client's never is.
        outcome = await desk.ask(token, "b", mode, path)
        assert isinstance(outcome, Refused) if mode is ONLY else outcome.session != ticket.session  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("asked_s", "silent_s", "resumed"),
        [(599, 61, True), (601, 61, False), (601, 10, True), (3600, 10, True)],
    )
    async def test_one_that_pauses_may_come_back_for_ten_minutes(
        self, desk: Desk, asked_s: int, silent_s: float, resumed: bool
    ) -> None:
        """Since it asked last, or for as long as it plays: asking again begins the time anew."""
        token = desk.token()
        ticket = await desk.link(token, "a", ACTIVE, "/a")
        await desk.play(ticket)
        assert (await desk.link(token, "a", ACTIVE, "/a")).session == ticket.session
        key = ShardKeys(ticket.owner).session(ticket.session)
        await desk.client.call("HINCRBY", key, "asked", -asked_s * 1000)
        await desk.client.call("HINCRBY", key, "opened", -asked_s * 2000)
        await desk.silence(ticket, "a", silent_s)
        outcome = await desk.ask(token, "a", ACTIVE, "/a")
        assert isinstance(outcome, Opened)
        assert (outcome.session == ticket.session) is resumed

    @pytest.mark.parametrize("mode", MODES)
    async def test_with_the_limit_reached_only_what_may_be_resumed_is(self, desk: Desk, mode: Resume) -> None:
        token = desk.token(session_limit=1)
        ticket = await desk.link(token, "a", NEVER, "/a")
        await desk.play(ticket)
        outcome = await desk.ask(token, "a", mode, "/a")
        if mode is NEVER:
            assert outcome == Refused(Reason.SESSION_LIMIT)
        else:
            assert outcome == Opened(ticket.session, pytest.approx(ticket.opened_at, abs=1), ticket.ends_at)
        reason = Reason.SESSION_REQUIRED if mode is ONLY else Reason.SESSION_LIMIT
        assert await desk.ask(token, "b", mode, "/a") == Refused(reason)

    async def test_one_that_is_gone_is_not(self, desk: Desk) -> None:
        token = desk.token()
        ticket = await desk.link(token, "a", NEVER, "/a")
        await desk.play(ticket)
        await desk.sessions.close(ticket.session, ticket.owner)
        for mode in (PATH, ACTIVE, CLIENT):
            assert (await desk.link(token, "a", mode, "/a")).session != ticket.session
        assert await desk.ask(desk.token("other"), "a", ONLY) == Refused(Reason.SESSION_REQUIRED)


class TestProvisional:
    @pytest.mark.parametrize("mode", MODES)
    async def test_it_is_given_again_whatever_the_path(self, desk: Desk, mode: Resume) -> None:
        token = desk.token(session_limit=1)
        ticket = await desk.link(token, "a", NEVER, "/a")
        for path in ("/a", "/b"):
            assert (await desk.link(token, "a", mode, path)).session == ticket.session
        await desk.lapse(ticket)
        outcome = await desk.ask(token, "a", mode, "/a")
        if mode is ONLY:
            assert outcome == Refused(Reason.SESSION_REQUIRED)
        else:
            assert isinstance(outcome, Opened)
            assert outcome.session != ticket.session

    async def test_a_path_that_it_was_given_to_finds_it_later(self, desk: Desk) -> None:
        """A player that asks for two files at first, and later seeks in both."""
        token = desk.token(session_limit=1)
        for path in ("/a.mp4", "/b.mp4"):
            ticket = await desk.link(token, "a", NEVER, path)
        await desk.play(ticket)
        for path in ("/a.mp4", "/b.mp4"):
            for mode in (PATH, ACTIVE):
                assert (await desk.link(token, "a", mode, path)).session == ticket.session

    async def test_without_a_place_left_it_is_not_given_to_a_new_use(self, desk: Desk) -> None:
        token = desk.token(session_limit=1)
        await desk.link(token, "preview")
        await desk.play(await desk.link(token, "viewer"), "viewer")
        assert await desk.ask(token, "preview", NEVER) == Refused(Reason.SESSION_LIMIT)


class TestPointers:
    @pytest.mark.parametrize("endless", [False, True])
    async def test_they_last_as_long_as_the_session_may(self, desk: Desk, endless: bool) -> None:
        token = desk.token(expires_at=None if endless else desk.expiry)
        keys = ShardKeys(token.owner)
        for path in ("/a", "/b"):  # opened, and given again
            ticket = await desk.link(token, "a", NEVER, path)
            key = keys.resume(token.id, f"a at {path}")
            if endless:
                assert abs(await desk.client.call("PTTL", key) - (KEEP_S + LEEWAY_S) * 1000) < 10_000
            else:
                assert await desk.client.call("PEXPIRETIME", key) == (desk.expiry + LEEWAY_S) * 1000
        key = keys.resume(token.id, "a")
        assert await desk.client.call("PTTL", key) <= 30_000
        await desk.play(ticket)
        assert await desk.client.call("PTTL", key) > 3_500_000
        # A later opening, which may lapse, does not take that away.
        await desk.link(token, "a", NEVER, "/c")
        assert await desk.client.call("PTTL", key) > 3_500_000
