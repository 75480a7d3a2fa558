"""Sessions on Valkey beside a model in plain Python: they agree after every step, whatever the order.

Time does not pass by itself here: a playback falls silent when its lease is set back, a provisional session
lapses when its key is taken away, and a session ends when its end is moved. Each call may lose its first
answer, and may be delivered again afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from gate.core.decision import ticket_of
from gate.core.policy import OnLimit
from gate.core.reasons import Reason
from gate.core.session import Resume, shard_of
from gate.core.ticket import Ticket
from gate.core.token import Token
from gate.core.verdicts import Opened, Outcome, Refused
from gate.errors import StoreUnavailable
from gate.store.keys import FEED, REVOKED, ShardKeys, lease, owned
from gate.store.sessions import KEEP_S, LEEWAY_S

if TYPE_CHECKING:
    from tests.store.conftest import Desk

IDLE_MS = 60_000
CLIENTS = st.sampled_from(["a", "b", "c"])
PATHS = st.sampled_from(["/a", "/b"])
MODES = st.sampled_from([mode for mode in Resume if mode is not Resume.VISIT])
VISITS = st.sampled_from(["page1", "page2"])
TIMES = st.sampled_from([0, 0, 1, 2])
RESOURCES = st.sampled_from(["video1", "video2"])
EVICTING = st.sampled_from([OnLimit.EVICT_OLDEST, OnLimit.EVICT_IDLE])
HOUR_S = 3600
# Unlimited, limited in each way, without end; and three of one viewer, which renew one another's sessions.
LIMITS: list[dict[str, Any]] = [
    {},
    {"session_limit": 1},
    {"session_limit": 2, "max_concurrent": 1, "expires_at": None},
    {"subject": "viewer", "max_concurrent": 2},
    {"subject": "viewer", "max_concurrent": 2, "session_limit": 3},
    {"subject": "viewer", "max_concurrent": 1, "session_limit": 2, "expires_at": None},
]
TOKENS = st.integers(0, len(LIMITS) - 1)


@dataclass
class Session:
    """What the model knows of a session. `ends_at` is infinite for one without end."""

    ends_at: float
    committed: bool = False
    commits: int = 0
    renewed: str | None = None


class SessionMachine(RuleBasedStateMachine):
    links: Bundle[Ticket] = Bundle("links")

    def __init__(self, make_desk: Callable[[], Desk]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.make_desk = make_desk
        self.connect()
        self.run(self.desk.client.call("FLUSHALL"))
        self.tokens = [self.make_token(n, **fields) for n, fields in enumerate(LIMITS)]
        self.by_id = {token.id: token for token in self.tokens}
        self.sessions: dict[str, Session] = {}
        self.counted: dict[str, set[str]] = defaultdict(set)  # token -> sessions
        self.last: dict[tuple[str, str], list[str]] = defaultdict(list)  # token, client -> sessions
        self.pages: dict[tuple[str, str, str], str] = {}  # token, client, path -> session
        self.leases: dict[str, dict[str, float]] = defaultdict(dict)  # owner -> lease -> lapses, ms
        self.all: dict[int, dict[str, float]] = defaultdict(dict)  # shard -> lease -> lapses, ms
        self.evicted: dict[str, set[str]] = defaultdict(set)  # owner -> leases
        self.owners: dict[str, str] = {}
        self.revoked: dict[str, float] = {}  # entry -> until, s

    def make_token(self, n: int, subject: str | None = None, **fields: Any) -> Token:
        fields = {"expires_at": self.desk.expiry + n * HOUR_S, **fields}
        return self.desk.token(f"token{n}", subject, **fields)

    def connect(self) -> None:
        self.desk = self.make_desk()
        script, self.lose = self.desk.client.script, False

        async def lossy(*call: Any) -> Any:
            answer = await script(*call)
            if self.lose:
                self.lose = False
                raise StoreUnavailable("the answer was lost")
            return answer

        self.desk.client.script = lossy  # type: ignore[method-assign]

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def teardown(self) -> None:
        self.run(self.desk.client.close())
        self.runner.close()

    def ask(self, call: Any, times: int, lose: bool = False) -> Any:
        """The answer to a call; its script is delivered so many times more, with the same answer each time."""
        time.sleep(0.0015)  # what happens in one millisecond has no order
        self.lose = lose
        answer = self.run(call)
        assert not self.lose
        kinds = set()
        for _ in range(times):
            again = self.run(self.desk.client.deliver_again())
            kinds.add(repr(again[0]) if isinstance(again, list) and isinstance(again[0], bytes) else "")
            if isinstance(answer, Opened) and again[0] == b"opened":
                assert again[1].decode() == answer.session
            if isinstance(answer, Opened) and again[0] == b"committed":
                assert again[3] == 1 if answer.first else again[3] > 1
                assert [name.decode() for name in again[5:]] == [lease(*pair) for pair in answer.lost]
        if isinstance(answer, Opened):
            assert kinds <= {"b'opened'", "b'committed'", "b'renewed'"}
        elif isinstance(answer, Refused):
            assert kinds <= {"b'limit'", "b'none'", "b'ended'", "b'busy'"}
        return answer

    def live(self, session: str | None) -> Session | None:
        found = self.sessions.get(session or "")
        return found if found is not None and found.ends_at > time.time() else None

    def seen(self, ticket: Ticket) -> Ticket:
        """The link, which has ended if its session has been made to."""
        held = self.sessions.get(ticket.session)
        return replace(ticket, ends_at=1.0) if held is not None and held.ends_at <= 1 else ticket

    # Openings

    def which(self, token: Token, client: str, mode: Resume, path: str) -> str | Reason | None:
        """The session that an opening is, why there is none, or None for a new one."""
        full = token.session_limit is not None and len(self.counted[token.id]) >= token.session_limit
        page = self.pages.get((token.id, client, path))
        if mode in (Resume.PATH, Resume.ACTIVE) and page and self.live(page) is not None:
            # Nothing here lasts for as long as a pause may.
            return page
        for session in self.last[token.id, client]:
            held = self.live(session)
            if held is not None and (mode in (Resume.CLIENT, Resume.ONLY) or not (held.committed or full)):
                self.pages[token.id, client, path] = session
                return session
        if mode is Resume.ONLY:
            return Reason.SESSION_REQUIRED
        return Reason.SESSION_LIMIT if full else None

    @rule(
        target=links,
        index=TOKENS,
        client=CLIENTS,
        mode=MODES,
        path=PATHS,
        times=TIMES,
        lose=st.booleans(),
    )
    def open(self, index: int, client: str, mode: Resume, path: str, times: int = 0, lose: bool = False) -> Any:
        token = self.tokens[index]
        expected = self.which(token, client, mode, path)
        before = [
            session
            for session in self.last[token.id, client]
            if (held := self.live(session)) is not None and held.committed
        ]
        outcome = self.ask(self.desk.ask(token, client, mode, path), times, lose)
        if isinstance(expected, Reason):
            assert outcome == Refused(expected)
            return multiple()
        assert isinstance(outcome, Opened)
        if expected is not None:
            assert outcome.session == expected
            assert (outcome.ends_at or float("inf")) == self.sessions[expected].ends_at
        else:
            assert outcome.session not in self.sessions
            assert outcome.ends_at == token.expires_at
            self.sessions[outcome.session] = Session(outcome.ends_at or float("inf"))
            self.last[token.id, client] = [outcome.session, *before[:1]]
            self.pages[token.id, client, path] = outcome.session
        return ticket_of(token, outcome)

    @rule(target=links, index=TOKENS, visit=VISITS, client=CLIENTS, times=TIMES, lose=st.booleans())
    def visit(self, index: int, visit: str, client: str, times: int, lose: bool) -> Any:
        """In a page session: the one session of the token there, whoever asks."""
        token = self.tokens[index]
        counted, session = self.counted[token.id], self.desk.visited(token, visit)
        outcome = self.ask(self.desk.visit(token, visit, client), times, lose)
        held = self.live(session)
        if held is None and session in counted:
            assert outcome == Refused(Reason.SESSION_EXPIRED)
            return multiple()
        if held is None and token.session_limit is not None and len(counted) >= token.session_limit:
            assert outcome == Refused(Reason.SESSION_LIMIT)
            return multiple()
        if held is None:
            held = self.sessions[session] = Session(token.expires_at or float("inf"))
        assert isinstance(outcome, Opened)
        assert outcome.session == session
        assert (outcome.ends_at or float("inf")) == held.ends_at
        return ticket_of(token, outcome)

    # Playing

    @rule(link=links, client=CLIENTS, on_limit=st.sampled_from(OnLimit), times=TIMES, lose=st.booleans())
    def play(self, link: Ticket, client: str, on_limit: OnLimit, times: int = 0, lose: bool = False) -> None:
        ticket, name = self.seen(link), lease(link.session, client)
        own, counted = self.leases[ticket.owner], self.counted[ticket.token]
        now_ms = time.time() * 1000
        outcome = self.ask(self.desk.play(ticket, client, on_limit), times, lose)
        held = self.sessions.get(ticket.session)
        ends_at = max(ticket.ends_at or float("inf"), held.ends_at if held else 0)
        if ends_at <= time.time():
            assert outcome == Refused(Reason.SESSION_EXPIRED)
            return
        was_counted = ticket.session in counted
        if ticket.session_limit is not None and not was_counted and len(counted) >= ticket.session_limit:
            assert outcome == Refused(Reason.SESSION_LIMIT)
            return
        lost = self.displaced(ticket, client, on_limit, now_ms)
        if lost is None:
            assert isinstance(outcome, Refused)
            assert outcome.reason is Reason.TOO_MANY_PLAYBACKS
            playing = sorted(other.partition("|")[0] for other, at_ms in own.items() if at_ms > now_ms)
            assert sorted(str(conflict["id"]) for conflict in outcome.conflicts) == playing
            return
        session = self.sessions.setdefault(ticket.session, Session(ends_at))
        session.ends_at, session.committed = ends_at, True
        session.commits += 2 if was_counted and ticket.session_limit is not None else 1
        self.last[ticket.token, client] = [ticket.session]
        if ticket.session_limit is not None:
            counted.add(ticket.session)
        places = [self.all[shard_of(ticket.owner)]] + ([own] if ticket.max_concurrent is not None else [])
        for place in places:
            for other in [other for other, at_ms in place.items() if at_ms <= now_ms or other in lost]:
                del place[other]
            place[name] = now_ms + IDLE_MS
        self.evicted[ticket.owner].discard(name)
        self.check_committed(outcome, ticket, session, lost)

    def displaced(self, ticket: Ticket, client: str, on_limit: OnLimit, now_ms: float) -> list[str] | None:
        """The leases that lose their place to this playback; None where it gets none."""
        own, name = self.leases[ticket.owner], lease(ticket.session, client)
        if ticket.max_concurrent is None or own.get(name, 0) > now_ms:
            return []
        live = sorted((other for other, at_ms in own.items() if at_ms > now_ms), key=lambda each: own[each])
        if on_limit is OnLimit.EVICT_OLDEST:
            live.sort()
        over = max(0, len(live) - ticket.max_concurrent + 1)
        silent_ms = now_ms + IDLE_MS - IDLE_MS / 4
        moved = [o for o in live if o.startswith(f"{ticket.session}|") and own[o] <= silent_ms][:over]
        others = [other for other in live if other not in moved][: over - len(moved)]
        if others and (on_limit is OnLimit.REJECT or name in self.evicted[ticket.owner]):
            return None
        self.evicted[ticket.owner].update(others)
        return moved + others

    def check_committed(self, outcome: Outcome, ticket: Ticket, session: Session, lost: list[str]) -> None:
        ends_at = None if session.ends_at == float("inf") else session.ends_at
        pairs = tuple((other.partition("|")[0], other.partition("|")[2]) for other in lost)
        first = session.commits == 1
        expected = Opened(ticket.session, ticket.opened_at, ends_at, first, pairs, session.renewed)
        assert outcome == expected

    @rule(target=links, index=TOKENS, client=CLIENTS, on_limit=st.sampled_from(OnLimit))
    def open_and_play(self, index: int, client: str, on_limit: OnLimit) -> Any:
        """What most viewers do."""
        link = self.open(index, client, Resume.NEVER, "/a")
        if isinstance(link, Ticket):
            self.play(link, client, on_limit)
        return link

    @rule(links_=st.lists(links, min_size=1, max_size=3), order=st.permutations("abc"), on_limit=EVICTING)
    def crowd(self, links_: list[Ticket], order: list[str], on_limit: OnLimit) -> None:
        """Several devices, each silent for a while before the next one comes."""
        for n, client in enumerate(order):
            link = links_[n % len(links_)]
            self.play(link, client, on_limit)
            self.fall_silent(link, client, 20)

    @rule(link=links, client=CLIENTS, times=TIMES)
    def give_back(self, link: Ticket, client: str, times: int) -> None:
        session = self.sessions.get(link.session)
        given = self.ask(self.desk.sessions.give_back(link, client), times)
        assert given is (session is not None and session.committed and session.commits == 1)
        if session is not None and given:
            session.committed, session.commits = False, 0
            self.counted[link.token].discard(link.session)
            for place in (self.leases[link.owner], self.all[shard_of(link.owner)]):
                place.pop(lease(link.session, client), None)

    @rule(link=links, client=CLIENTS, times=TIMES, lose=st.booleans())
    def renew(self, link: Ticket, client: str, times: int, lose: bool) -> None:
        name, now_ms = lease(link.session, client), time.time() * 1000
        own, every = self.leases[link.owner], self.all[shard_of(link.owner)]
        limited = link.max_concurrent is not None
        held = link.session in self.sessions and (not limited or name in own)
        assert self.ask(self.desk.renew(link, client), times, lose) is held
        for place in [every] + ([own] if limited else []):
            if held:
                place[name] = now_ms + IDLE_MS
        for other in [other for other, at_ms in every.items() if at_ms <= now_ms]:
            del every[other]

    @rule(target=links, link=links, index=TOKENS, times=TIMES, lose=st.booleans())
    def extend(self, link: Ticket, index: int, times: int, lose: bool) -> Any:
        token, session = self.tokens[index], self.live(link.session)
        if token.owner != link.owner:
            return multiple()
        counted = self.counted[token.id]
        outcome = self.ask(self.desk.extend(link, token), times, lose)
        if session is None:
            assert outcome == Refused(Reason.SESSION_EXPIRED)
            return multiple()
        if link.session not in counted and session.renewed != token.id:
            if token.session_limit is not None and len(counted) >= token.session_limit:
                assert outcome == Refused(Reason.SESSION_LIMIT)
                return multiple()
            session.ends_at = max(session.ends_at, token.expires_at or float("inf"))
            session.renewed = token.id
            if token.session_limit is not None:
                counted.add(link.session)
        assert isinstance(outcome, Opened)
        assert (outcome.ends_at or float("inf")) == session.ends_at
        return ticket_of(token, outcome)

    # Ownership

    @rule(link=links, resource=RESOURCES, times=TIMES, lose=st.booleans())
    def own(self, link: Ticket, resource: str, times: int, lose: bool) -> None:
        owner = self.owners.setdefault(resource, link.session)
        call = self.desk.sessions.own("demo", resource, link.session, link.ends_at)
        assert self.ask(call, times, lose) is (owner == link.session)

    @rule(resource=RESOURCES)
    def disown(self, resource: str) -> None:
        self.owners.pop(resource, None)
        self.run(self.desk.sessions.disown("demo", resource))

    # What time, operators and outages do

    @rule(link=links, client=CLIENTS, seconds=st.sampled_from([10, 20, 70]))
    def fall_silent(self, link: Ticket, client: str, seconds: int) -> None:
        name = lease(link.session, client)
        for place in (self.leases[link.owner], self.all[shard_of(link.owner)]):
            if name in place:
                place[name] -= seconds * 1000
        self.run(self.desk.silence(link, client, seconds))

    @rule(link=links)
    def lapse(self, link: Ticket) -> None:
        if (session := self.sessions.get(link.session)) is not None and not session.committed:
            del self.sessions[link.session]
            self.run(self.desk.lapse(link))

    @rule(link=links, sure=st.integers(0, 3))
    def end(self, link: Ticket, sure: int) -> None:
        """Seldom: every link of the session is worthless from now on."""
        if sure == 0 and (session := self.sessions.get(link.session)) is not None:
            session.ends_at = 1.0
            key = ShardKeys(link.owner).session(link.session)
            self.run(self.desk.client.call("HSET", key, "ends", 1000))

    @rule(link=links, times=TIMES)
    def close(self, link: Ticket, times: int) -> None:
        freed = 0
        for place in (self.leases[link.owner], every := self.all[shard_of(link.owner)]):
            for name in [name for name in place if name.startswith(f"{link.session}|")]:
                del place[name]
                freed += place is every
        self.sessions.pop(link.session, None)
        assert self.ask(self.desk.sessions.close(link.session, link.owner), times) == freed

    @rule(link=links, kind=st.sampled_from("stu"), hours=st.sampled_from([1, 2, None]), lose=st.booleans())
    def revoke(self, link: Ticket, kind: str, hours: int | None, lose: bool) -> None:
        """By session, token or subject: told once, in force for the longer time, ending nothing here."""
        entry = f"{kind}:{ {'s': link.session, 't': link.token, 'u': link.owner}[kind] }"
        until = float("inf") if hours is None else float(self.desk.expiry + hours * HOUR_S)
        fresh = until > self.revoked.get(entry, 0.0)
        call = ("revoke", [REVOKED, FEED], [entry, "inf" if hours is None else int(until), 1000])
        told = self.run(self.desk.client.call("XLEN", FEED))
        self.lose = lose
        try:
            assert self.run(self.desk.client.script(*call)) == int(fresh)
        except StoreUnavailable:
            assert self.run(self.desk.client.script(*call)) == 0
        assert self.run(self.desk.client.call("XLEN", FEED)) == told + fresh
        self.revoked[entry] = max(until, self.revoked.get(entry, 0.0))

    @rule()
    def restart(self) -> None:
        """Another gate takes over, and the store has forgotten the scripts."""
        self.run(self.desk.client.call("SCRIPT", "FLUSH"))
        self.run(self.desk.client.close())
        self.connect()

    # What holds

    @invariant()
    def store_and_model_agree(self) -> None:
        held = self.run(self.desk.everything())
        found = {
            key: (ends_ms, value) for key, (ends_ms, value) in held.items() if key.split(":")[2] not in "ri"
        }
        expected: dict[str, Any] = {}
        for token in self.tokens:
            keys = ShardKeys(token.owner)
            expected[keys.committed(token.id)] = self.counted[token.id]
            expected[keys.leases] = set(self.leases[token.owner])
            expected[keys.all_leases] = set(self.all[shard_of(token.owner)])
            expected[keys.evicted] = self.evicted[token.owner]
            assert len(self.counted[token.id]) <= (token.session_limit or 10**6)
            most = max(each.max_concurrent or 10**6 for each in self.tokens if each.owner == token.owner)
            assert len(self.leases[token.owner]) <= most
        for session, model in self.sessions.items():
            ends_ms = 0 if model.ends_at == float("inf") else round(model.ends_at * 1000)
            expected[f"gate:{{{int(session[:2], 16):02d}}}:s:{session}"] = (ends_ms, model.committed)
        for resource, owner in self.owners.items():
            expected[owned("demo", resource)] = owner
        assert {key: plain(key, value) for key, (_, value) in found.items()} == {
            key: value for key, value in expected.items() if value
        }
        listed = [value for key, (_, value) in held.items() if key.split(":")[2] == "i"]
        assert set(self.sessions) <= set().union(*listed)
        _, *told = self.run(self.desk.client.script("snapshot", [REVOKED, FEED], []))
        in_force = zip(told[::2], told[1::2], strict=True)
        assert {entry.decode(): float(until) for entry, until in in_force} == self.revoked
        self.check_scores(held)
        for key, (ends_ms, _) in held.items():
            self.check_end(key, ends_ms)

    def check_scores(self, held: dict[str, tuple[int, Any]]) -> None:
        """The leases lapse when the model says so, give or take what a call takes."""
        for token in self.tokens:
            keys = ShardKeys(token.owner)
            for key, place in (
                (keys.leases, self.leases[token.owner]),
                (keys.all_leases, self.all[shard_of(token.owner)]),
            ):
                for name, at_ms in place.items():
                    assert abs(float(held[key][1][name]) - at_ms) < 4000

    def check_end(self, key: str, ends_ms: int) -> None:
        """What the layout of the keys demands of each."""
        kind, name, now_ms = key.split(":")[2], key.split(":")[-1], time.time() * 1000
        if kind == "t":
            if self.by_id[name].expires_at is None:
                assert ends_ms == -1
                return
            assert ends_ms >= ((self.by_id[name].expires_at or 0) + LEEWAY_S) * 1000
            return
        assert ends_ms > now_ms, key
        if kind == "s":
            session = self.sessions[name]
            if not session.committed:
                assert ends_ms <= now_ms + 30_000
            elif session.ends_at == float("inf"):
                assert ends_ms >= now_ms + KEEP_S * 1000 - 10_000
            else:
                assert ends_ms >= session.ends_at * 1000 + LEEWAY_S * 1000 - 1
        elif kind == "l":
            assert ends_ms <= now_ms + 2 * IDLE_MS
        else:
            assert ends_ms <= now_ms + max((KEEP_S + LEEWAY_S) * 1000, (len(LIMITS) + 1) * HOUR_S * 1000)


def plain(key: str, value: Any) -> Any:
    """What the model knows of a key's content."""
    kind = key.split(":")[2]
    if kind == "s":
        return int(value["ends"]), value["committed"] == "1"
    return set(value) if kind in "tlx" else value


def test_sessions_do_what_their_model_does(desk: Desk, store_url: str) -> None:
    run_state_machine_as_test(
        lambda: SessionMachine(lambda: type(desk)(store_url)),
        settings=settings(
            max_examples=40, stateful_step_count=40, deadline=None, derandomize=True, phases=[Phase.generate]
        ),
    )
