"""What a request presents, as far as a policy file and what the store said can tell."""

from __future__ import annotations

import time
from dataclasses import replace

import jwt as pyjwt
import pytest

from gate.api.explanation import Decision, Fields, explain
from gate.api.presented import LookedUp, look_up
from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Keyring
from gate.core.policy import (
    Access,
    ApiKey,
    Application,
    Origin,
    Pattern,
    Policy,
    StreamRule,
    VideoSdk,
    Ziggeo,
)
from gate.core.reasons import Deny, Reason
from gate.core.ticket import Ticket, TicketKeys
from gate.core.token import Format, Rights, Warrant, token_id
from gate.core.verdicts import Ask
from gate.core.visit import write_visit
from gate.errors import StoreUnavailable, UsageError
from gate.formats.ziggeo import derive_key, write
from gate.formats.ziggeo_values import Arguments
from gate.media.layouts import LAYOUTS

SHOP = Application(
    "shop",
    Keyring([]),
    formats=frozenset({Format.ZIGGEO}),
    sources=replace(Application("", Keyring([])).sources, query=frozenset({"client_auth", "server_auth"})),
    unlimited_ttl=True,
    ziggeo=Ziggeo("app1", "private", derive_key("enckey")),
)
RULE = StreamRule(
    "streams[0]",
    Pattern("/v1/applications/**"),
    access=Access.PRIVATE,
    origin=Origin("videos", "http://127.0.0.1:9000"),
    layout=LAYOUTS["ziggeo"],
    application=SHOP,
)
VIDEO = "/v1/applications/app1/videos/v1"
PAGE = "i07af2jp98rvoctt26y5egy3app1"
NAME = "00112233445566778899aabbccddeeff"
READ = Grants({Action.READ: Grant(resources=frozenset({"v1"}))})
TICKETS = TicketKeys([bytes(32)])
NOW = 1_800_000_000.0
SECRET = b"5" * 64


def policy(**more):
    application = replace(SHOP, **more)
    return Policy((replace(RULE, application=application),), {"shop": application})


def ask(target, method="GET"):
    return Ask(method, target, Fields(), "192.0.2.7")


def client(**arguments):
    said = {"grants": {"read": {"resources": ["v1"]}}, **arguments}
    return write(said, "app1", "enckey", iv=bytes(8), nonce="n1")


def page(issued=NOW - 5, application="shop"):
    return write_visit(TICKETS.visit_keys, application, bytes(12), issued)


class Kept:
    """The store's tokens, as a worker looks them up, and what it was asked for."""

    def __init__(self, **tokens):
        self.tokens = tokens
        self.asked = []

    async def resolve(self, application, reference):
        self.asked.append(reference.name)
        held = self.tokens.get(f"t{reference.name}")
        if held is None:
            return Deny(Reason.TOKEN_MALFORMED)
        return reference.resolve(held, application.name, application.rights)

    async def follow(self, ticket, application, now):
        self.asked.append(ticket.reference)
        held = self.tokens.get(f"t{ticket.reference}")
        if held is None:
            return Deny(Reason.REVOKED, "the server-side token was deleted")
        return replace(ticket, warrant=Warrant(held.grants, application.rights))


async def told(target, kept, *, text=None, **application):
    asked, rules = ask(target), policy(**application)
    looked_up = await look_up(rules, asked, text, NOW, TICKETS, kept)
    return explain(rules, asked, text, NOW, tickets=TICKETS, looked_up=looked_up)


def link(**fields):
    ticket = Ticket(
        *("0" * 24, "shop", token_id("shop", NAME), "owner", None, int(NOW), None, None, None, None, None),
        warrant=Warrant(Grants({Action.READ: Grant(all=True)})),
        reference=NAME,
    )
    return f"/_s/{TICKETS.seal(replace(ticket, **fields), bytes(12))}{VIDEO}/video.mp4"


class TestServerSide:
    async def test_one_that_the_store_holds(self):
        kept = Kept(**{f"t{NAME}": Arguments(grants=READ, session_limit=3)})
        found = await told(f"{VIDEO}/video.mp4?server_auth={NAME}", kept)
        assert found.decision is Decision.SESSION
        assert found.token.session_limit == 3
        assert "the store holds the token" in found.steps
        assert kept.asked == [NAME]

    async def test_one_that_is_handed_in_beside_the_request(self):
        kept = Kept(**{f"t{NAME}": Arguments(grants=READ)})
        assert (await told(f"{VIDEO}/video.mp4", kept, text=NAME)).permitted

    async def test_one_that_it_does_not_hold(self):
        found = await told(f"{VIDEO}/video.mp4?server_auth={NAME}", Kept())
        assert found.refusal == Deny(Reason.TOKEN_MALFORMED)
        assert "the store holds no server-side token of that name" in found.steps

    async def test_a_hidden_one_is_for_client_side_tokens(self):
        kept = Kept(**{f"t{NAME}": Arguments(grants=READ, hidden=True, session_limit=1)})
        assert (await told(f"{VIDEO}/video.mp4?server_auth={NAME}", kept)).refusal.reason is Reason.TOKEN_HIDDEN
        text = client(grants={"read": "all", "destroy": "all"}, token=NAME)
        found = await told(f"{VIDEO}/video.mp4?client_auth={text}", kept)
        assert found.permitted
        assert found.token.warrant.grants == READ
        assert any("what both permit counts" in step for step in found.steps)

    async def test_its_trouble_is_no_answer(self):
        class Away(Kept):
            async def resolve(self, application, reference):
                raise StoreUnavailable("away")

        with pytest.raises(StoreUnavailable):
            await told(f"{VIDEO}/video.mp4?server_auth={NAME}", Away())

    @pytest.mark.parametrize(
        "target", ["/a/../b", "/elsewhere", f"{VIDEO}/video.mp4", f"{VIDEO}/video.mp4?server_auth=nonsense"]
    )
    async def test_nothing_is_looked_up_where_nothing_is_to_be_known(self, target):
        kept = Kept()
        assert await look_up(policy(), ask(target), None, NOW, TICKETS, kept) == LookedUp()
        assert kept.asked == []

    def test_without_the_store_it_is_not_explained(self):
        for text in (NAME, client(token=NAME)):
            with pytest.raises(UsageError, match="which only the store knows: ask a running gate"):
                explain(policy(), ask(f"{VIDEO}/video.mp4?server_auth={text}"), None, NOW)


class TestSessionLinks:
    async def test_one_goes_by_its_token_as_that_is_now(self):
        kept = Kept(**{f"t{NAME}": Arguments(grants=Grants())})
        found = await told(link(), kept)
        assert found.refusal.reason is Reason.ACTION_NOT_GRANTED
        kept = Kept(**{f"t{NAME}": Arguments(grants=READ)})
        found = await told(link(), kept)
        assert (found.decision, found.ticket.warrant.grants) == (Decision.PERMIT, READ)
        assert "the session goes by a server-side token, as the store has it now" in found.steps
        assert not any("server-side token grants now" in question for question in found.open_questions)

    async def test_its_token_was_deleted(self):
        assert (await told(link(), Kept())).refusal.reason is Reason.REVOKED

    async def test_the_store_knows_grants_that_no_link_could_hold(self):
        kept = Kept(**{f"t{NAME}": Arguments(grants=READ)})
        assert (await told(link(warrant=None), kept)).permitted

    async def test_that_of_another_application_is_not_looked_up(self):
        kept = Kept()
        found = await told(link(application="other"), kept)
        assert (found.refusal.reason, kept.asked) == (Reason.TICKET_INVALID, [])

    def test_offline_it_is_as_it_was_sealed(self):
        found = explain(policy(), ask(link()), None, NOW, tickets=TICKETS)
        assert found.permitted
        assert any("server-side token grants now" in question for question in found.open_questions)


class TestPages:
    def test_one_of_the_gates(self):
        target = f"{VIDEO}/video.mp4?client_auth={client()}&{PAGE}={page()}"
        found = explain(policy(), ask(target), None, NOW, tickets=TICKETS)
        assert (found.decision, found.visit.issued_at) == (Decision.PAGE, int(NOW - 5))
        assert "the page session is one of the gate's" in found.steps
        assert found.visit.session_of(found.token) in " ".join(found.steps)

    @pytest.mark.parametrize(
        "text", ["nonsense", page(NOW - 7 * 86400), page(NOW + 999), page(application="other")]
    )
    def test_what_is_none(self, text):
        target = f"{VIDEO}/video.mp4?client_auth={client()}&{PAGE}={text}"
        found = explain(policy(), ask(target), None, NOW, tickets=TICKETS)
        assert (found.refusal, found.visit) == (Deny(Reason.VISIT_INVALID), None)
        assert found.token is not None

    def test_without_its_key_it_is_made_up(self):
        target = f"{VIDEO}/video.mp4?client_auth={client(usage_expiration_time=60)}&{PAGE}=whatever"
        found = explain(policy(), ask(target), None, NOW)
        assert (found.decision, found.visit, found.ends_at) == (Decision.PAGE, None, None)
        assert "page session" in found.open_questions[0]
        assert not any("session in this page is" in step for step in found.steps)

    def test_what_it_owns_only_the_store_knows(self):
        text = client(grants={"create": "all", "destroy": {"session_owned": True}})
        for tickets, value in ((TICKETS, page()), (None, "whatever")):
            target = f"{VIDEO}?client_auth={text}&{PAGE}={value}"
            found = explain(policy(), ask(target, "DELETE"), None, NOW, tickets=tickets)
            assert found.decision is Decision.PAGE
            assert any("whether the page session owns the object" in each for each in found.open_questions)
        found = explain(policy(), ask(f"{VIDEO}?client_auth={text}", "DELETE"), None, NOW, tickets=TICKETS)
        assert found.refusal.reason is Reason.RESOURCE_NOT_GRANTED
        assert found.steps[-2].endswith(f"under its session link, or with its page session ({PAGE}) beside it")

    def test_a_probe_in_it_opens_nothing(self):
        target = f"{VIDEO}/video.mp4?client_auth={client()}&{PAGE}={page()}"
        assert explain(policy(), ask(target, "HEAD"), None, NOW, tickets=TICKETS).decision is Decision.PERMIT


class TestOpenActions:
    """What an application asks no token of."""

    def test_no_token_is_read(self):
        open_to_read = policy(auth_required_for=frozenset({Action.DESTROY}))
        for target in (f"{VIDEO}/video.mp4", f"{VIDEO}/video.mp4?client_auth=nonsense"):
            found = explain(open_to_read, ask(target), None, NOW)
            assert (found.decision, found.token, found.open_questions) == (Decision.PERMIT, None, ())
            assert "the application asks no token of who may read" in found.steps

    async def test_none_is_looked_up(self):
        kept = Kept()
        found = await told(f"{VIDEO}/video.mp4?server_auth={NAME}", kept, auth_required_for=frozenset())
        assert (found.permitted, kept.asked) == (True, [])

    def test_a_page_session_that_is_none_is_refused_there_too(self):
        target = f"{VIDEO}/video.mp4?{PAGE}=nonsense"
        found = explain(policy(auth_required_for=frozenset()), ask(target), None, NOW, tickets=TICKETS)
        assert found.refusal == Deny(Reason.VISIT_INVALID)


class TestSteps:
    def test_how_a_token_was_read(self):
        found = explain(policy(), ask(f"{VIDEO}/image?client_auth={client()}"), None, time.time())
        assert "the token decrypts: format ziggeo, application shop" in found.steps

    @pytest.mark.parametrize("limit", ["session_limit", "usage_expiration_time", "expiration_date"])
    def test_a_limit_of_0(self, limit):
        found = explain(policy(), ask(f"{VIDEO}/image?client_auth={client(**{limit: 0})}"), None, NOW)
        assert found.refusal.reason is Reason.TOKEN_EXPIRED
        assert any(step.startswith("one of its limits is 0") for step in found.steps)

    def test_a_token_of_both_systems_is_told_by_its_dots(self):
        both = policy(formats=frozenset(Format), rights=Rights())
        jwt = explain(both, ask(f"{VIDEO}/image"), "a.b.c", NOW)
        assert any("not one of the application shop" in step for step in jwt.steps)
        ziggeo = explain(both, ask(f"{VIDEO}/image"), "abc", NOW)
        assert any("reads no token of Ziggeo's in it" in step for step in ziggeo.steps)

    def test_a_hidden_client_side_token_is_refused_by_its_own_word(self):
        found = explain(policy(), ask(f"{VIDEO}/image"), client(hidden=True), NOW)
        assert found.refusal == Deny(Reason.TOKEN_HIDDEN)
        assert not any("reads no token" in step for step in found.steps)


class TestVideoSdk:
    """A token of VideoSDK's, by the API keys that the application has."""

    def steps(self, *keys, **claims):
        made, origin = {each.id: each for each in keys}, Origin("o", "http://127.0.0.1:9")
        rooms = Application("rooms", Keyring([]), formats=frozenset({Format.VIDEOSDK}), videosdk=VideoSdk(made))
        rule = StreamRule("streams[0]", Pattern("/**"), Access.PRIVATE, origin, LAYOUTS["object"], rooms)
        said = {"apikey": "AK", "permissions": ["allow_join"], "exp": int(NOW) + 60, **claims}
        text = pyjwt.encode(said, SECRET, algorithm="HS256")
        explanation = explain(Policy((rule,), {"rooms": rooms}), ask("/file.mp4"), text, NOW)
        reason = None if explanation.refusal is None else explanation.refusal.reason
        return reason, [step for step in explanation.steps if "verifies" in step or "API key" in step]

    def test_one_that_verifies(self):
        _, steps = self.steps(ApiKey("AK", SECRET))
        assert steps == ["the token verifies: format videosdk, application rooms"]

    @pytest.mark.parametrize(
        ("keys", "reason", "named"),
        [
            ([], Reason.UNKNOWN_KEY, "none here"),
            ([ApiKey("AK", SECRET, enabled=False)], Reason.KEY_DISABLED, "none here"),
            ([ApiKey("AK", b"6" * 64), ApiKey("BK", SECRET)], Reason.TOKEN_SIGNATURE, "AK, BK"),
            (
                [ApiKey(f"k{at:02}", SECRET) for at in range(12)],
                Reason.UNKNOWN_KEY,
                "k00, k01, k02, k03, k04, k05, k06, k07, k08, k09 and 2 more",
            ),
        ],
    )
    def test_one_that_no_key_has_signed(self, keys, reason, named):
        told = f"no enabled API key of the application rooms has signed the token; they are {named}"
        assert self.steps(*keys) == (reason, [told])

    def test_what_else_is_wrong_is_in_the_refusal(self):
        assert self.steps(ApiKey("AK", SECRET), permissions=[]) == (Reason.PERMISSIONS_INVALID, [])
