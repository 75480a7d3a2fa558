"""Server-side tokens by Ziggeo's API, on a real store: what each SDK sends and reads, lost answers, outages."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.api.ziggeo import LONGEST_BODY
from gate.api.ziggeo_tokens import REVOKED_S, Unanswered
from gate.core.token import token_id
from gate.errors import StoreUnavailable
from gate.store.breaker import PAUSE_S
from gate.store.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from tests.api.conftest import ZiggeoGate, ZiggeoGot

FIELDS = [
    "volatile",
    "token",
    "nonce",
    "hidden",
    "expiration_date",
    "usage_expiration_time",
    "session_limit",
    "grants",
]
FORM = "application/x-www-form-urlencoded"
TOKENS = "/v1/authtokens/"
NOW = 1_800_000_000.0


@pytest.fixture
def gate(make_ziggeo: Callable[..., ZiggeoGate]) -> ZiggeoGate:
    return make_ziggeo()


@pytest.fixture
def other(make_ziggeo: Callable[..., ZiggeoGate]) -> ZiggeoGate:
    """Another gate on the same store."""
    return make_ziggeo()


async def until(met: Callable[[], Awaitable[object]]) -> None:
    deadline = time.monotonic() + 10
    while not await met():
        assert time.monotonic() < deadline, "it did not come to be"
        await asyncio.sleep(0.01)


class TestClients:
    """What each published SDK puts on the wire."""

    @pytest.mark.parametrize("kind", [FORM, None, "text/plain;charset=UTF-8"])
    async def test_python_with_json_text(self, gate: ZiggeoGate, kind: str | None) -> None:
        body = b"grants=%7B%22read%22%3A+%7B%22all%22%3A+true%7D%7D&session_limit=10&volatile=True&hidden=False"
        got = await gate.create(body, kind)
        assert got.document == {
            "volatile": True,
            "token": got.token,
            "nonce": None,
            "hidden": False,
            "expiration_date": None,
            "usage_expiration_time": None,
            "session_limit": 10,
            "grants": {"read": {"all": True}},
        }

    async def test_python_with_a_dictionary_is_told_what_to_do(self, gate: ZiggeoGate) -> None:
        got = await gate.create(b"grants=%7B%27read%27%3A+%7B%27all%27%3A+True%7D%7D")
        assert (got.status, got.reason) == (400, "malformed_request")
        assert got.phrase == "grants must be the JSON text of an object, as json.dumps writes it"

    async def test_python_without_anything(self, gate: ZiggeoGate) -> None:
        got = await gate.create(b"", FORM, more=(("Content-Length", "0"),))
        assert got.document == {
            "volatile": False,
            "token": got.token,
            "nonce": None,
            "hidden": False,
            "expiration_date": None,
            "usage_expiration_time": None,
            "session_limit": None,
            "grants": {},
        }

    async def test_python_deletes_by_posting(self, gate: ZiggeoGate) -> None:
        token = (await gate.create()).token
        got = await gate.ask("POST", f"{TOKENS}{token}?_method=DELETE")
        assert (got.status, got.document) == (200, {"deleted": True, "token": token})
        assert (await gate.get(token)).status == 404

    async def test_node_with_an_object(self, gate: ZiggeoGate) -> None:
        body = (
            b"grants[read][all]=true&grants[read][resources][]=v1&grants[read][resources][]=v2&session_limit=1"
        )
        got = await gate.create(body)
        assert got.document["grants"] == {"read": {"all": True, "resources": ["v1", "v2"]}}
        assert got.document["session_limit"] == 1

    async def test_node_with_json_text(self, gate: ZiggeoGate) -> None:
        got = await gate.create(
            b"grants=%7B%22create%22%3A%7B%22session_owned%22%3Atrue%7D%7D&volatile=true&hidden=false"
        )
        assert got.document["grants"] == {"create": {"session_owned": True}}
        assert (got.document["volatile"], got.document["hidden"]) == (True, False)

    async def test_php(self, gate: ZiggeoGate) -> None:
        def multipart(*parts: tuple[str, str]) -> bytes:
            edge = "--------------------------d74496d66958873e"
            written = [
                f'{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in parts
            ]
            return "".join([*written, f"{edge}--\r\n"]).encode()

        kind = "multipart/form-data; boundary=------------------------d74496d66958873e"
        grants = r'{"read":{"all":true,"resources":["a\/b","c"]}}'
        body = multipart(("grants", grants), ("volatile", "1"), ("hidden", ""), ("session_limit", "2"))
        got = await gate.create(body, kind)
        assert got.document["grants"] == {"read": {"all": True, "resources": ["a/b", "c"]}}
        assert (got.document["volatile"], got.document["hidden"]) == (True, False)
        assert got.document["session_limit"] == 2
        assert (await gate.create(multipart(("grants", "[]")), kind)).document["grants"] == {}
        assert (await gate.create(b"", FORM)).status == 200

    async def test_ruby(self, gate: ZiggeoGate) -> None:
        got = await gate.create(
            b"grants%5Bread%5D%5Bresources%5D%5B%5D=v1&grants%5Bcreate%5D%5Bsession_owned%5D=true"
        )
        assert got.document["grants"] == {"read": {"resources": ["v1"]}, "create": {"session_owned": True}}
        got = await gate.create(b"grants=%7B%22read%22%3A%7B%22resources%22%3A%5B%22v1%22%5D%7D%7D")
        assert got.document["grants"] == {"read": {"resources": ["v1"]}}

    async def test_java(self, gate: ZiggeoGate) -> None:
        body = b"grants=" + quote_plus('{"read":{"all":true}}').encode() + b"&expiration_date=1900000000"
        token = (await gate.create(body)).token
        assert (await gate.ask("GET", f"{TOKENS}{token}?", kind=None)).document["expiration_date"] == 1900000000
        assert (await gate.ask("DELETE", f"{TOKENS}{token}?", kind=None)).status == 200

    async def test_c_sharp(self, gate: ZiggeoGate) -> None:
        got = await gate.create(b'session_limit=1&usage_expiration_time=6000&grants={"read":{"all": true}}&')
        assert got.document["grants"] == {"read": {"all": True}}
        assert (got.document["session_limit"], got.document["usage_expiration_time"]) == (1, 6000)

    async def test_the_short_form_of_the_demos(self, gate: ZiggeoGate) -> None:
        assert (await gate.create(b'grants={"read":"all"}')).document["grants"] == {"read": {"all": True}}
        assert (await gate.create(b"grants[read]=all")).document["grants"] == {"read": {"all": True}}

    @pytest.mark.parametrize("kind", [FORM, "application/json"])
    async def test_names_beyond_ascii_come_back_in_ascii(self, gate: ZiggeoGate, kind: str) -> None:
        grants = {"read": {"resources": ["été", "日本", "\U0001f600"]}}
        text = json.dumps(grants, ensure_ascii=False)
        body = b"grants=" + quote_plus(text).encode() if kind == FORM else b'{"grants":%b}' % text.encode()
        token = (await gate.create(body, kind)).token
        shown = (await gate.get(token)).document["grants"]["read"]["resources"]
        assert set(shown) == set(grants["read"]["resources"])


class TestCalls:
    async def test_what_is_made_is_shown_on_every_gate(self, gate: ZiggeoGate, other: ZiggeoGate) -> None:
        made = await gate.create_json(
            expiration_date=2_000_000_000,
            usage_expiration_time="60",
            session_limit=3,
            volatile=1,
            hidden="True",
            grants={"read": {"all": False, "resources": ["b", "a", "b"]}, "destroy": None, "update": []},
        )
        assert made.document == {
            "volatile": True,
            "token": made.token,
            "nonce": None,
            "hidden": True,
            "expiration_date": 2_000_000_000,
            "usage_expiration_time": 60,
            "session_limit": 3,
            "grants": {"read": {"resources": ["a", "b"]}, "update": {}},
        }
        assert (await other.get(made.token)).document == made.document
        assert (made.told.application, made.told.reason) == ("demo", "")

    async def test_only_what_was_said_is_kept(self, gate: ZiggeoGate) -> None:
        token = (await gate.create(b"session_limit=007".replace(b"00", b"") + b"&hidden=")).token
        held = await gate.tokens.get("demo", token)
        assert held is not None
        assert held.arguments == {"session_limit": 7, "hidden": False}

    async def test_an_update_changes_what_it_names(self, gate: ZiggeoGate, other: ZiggeoGate) -> None:
        token = (await gate.create_json(session_limit=3, usage_expiration_time=9, grants={"read": "all"})).token
        changed = await gate.update_json(token, session_limit=None, hidden=True)
        assert changed.document["session_limit"] is None
        assert changed.document["usage_expiration_time"] == 9
        assert changed.document["grants"] == {"read": {"all": True}}
        assert changed.document["hidden"] is True
        seen = await other.tokens.get("demo", token)
        assert seen is not None
        assert seen.arguments["session_limit"] is None
        emptied = await other.update_json(token, grants=None, hidden=None)
        assert (emptied.document["grants"], emptied.document["hidden"]) == ({}, False)
        assert (await gate.update_json(token)).document == emptied.document

    @pytest.mark.parametrize("name", ["session_limit", "usage_expiration_time"])
    async def test_a_limit_of_0_stays(self, gate: ZiggeoGate, name: str) -> None:
        token = (await gate.create(f"{name}=0".encode())).token
        assert (await gate.get(token)).document[name] == 0
        assert (await gate.update_json(token, **{name: 5})).document[name] == 5
        assert (await gate.update_json(token, **{name: 0})).document[name] == 0

    async def test_the_application_says_how_long_an_empty_volatile_token_is_kept(
        self, gate: ZiggeoGate
    ) -> None:
        token = (await gate.create(b"volatile=true")).token
        (key,) = await gate.client.call("KEYS", f"*:k:{token_id('demo', token)}")
        assert 2000 < await gate.client.call("PTTL", key) <= 7000
        token = (await gate.create(b"")).token
        await gate.update_json(token, volatile=True)
        (key,) = await gate.client.call("KEYS", f"*:k:{token_id('demo', token)}")
        assert 2000 < await gate.client.call("PTTL", key) <= 7000

    async def test_what_a_reader_got_may_be_sent_back(self, gate: ZiggeoGate) -> None:
        made = (await gate.create_json(session_limit=3, grants={"read": {"resources": ["v"]}})).document
        assert (await gate.update_json(made["token"], **made)).document == made
        assert (await gate.create(b"token=&nonce=")).status == 200
        assert (await gate.create_json(token=None, nonce=None)).status == 200

    @pytest.mark.parametrize("field", ["token", "nonce"])
    async def test_a_name_cannot_be_chosen(self, gate: ZiggeoGate, field: str) -> None:
        token = (await gate.create()).token
        before = await gate.keys()
        for value in ("mine", 0, False, [], {"a": 1}, token if field == "nonce" else token[::-1]):
            for got in (
                await gate.create_json(**{field: value}),
                await gate.update_json(token, **{field: value}),
            ):
                assert (got.status, got.phrase) == (400, f"{field} is read-only")
        assert (await gate.create_json(token=token)).status == 400
        assert await gate.keys() == before

    async def test_two_equal_creates_are_two_tokens(self, gate: ZiggeoGate) -> None:
        assert (await gate.create(b"session_limit=1")).token != (await gate.create(b"session_limit=1")).token

    async def test_a_hundred_at_once(self, gate: ZiggeoGate) -> None:
        made = await asyncio.gather(*(gate.create(b"session_limit=1") for _ in range(100)))
        assert len({got.token for got in made}) == 100
        assert await gate.made() == 100

    @pytest.mark.timed
    async def test_a_deleted_token_is_revoked_everywhere(self, gate: ZiggeoGate, other: ZiggeoGate) -> None:
        await other.control.start()
        token = (await gate.create(b"grants[read]=all")).token
        entry = f"u:{token_id('demo', token)}"
        got = await gate.ask("DELETE", TOKENS + token)
        assert (got.status, got.document) == (200, {"deleted": True, "token": token})
        assert gate.control.revoked.until_s[entry] == pytest.approx(NOW + REVOKED_S, abs=2)

        async def heard() -> bool:
            return entry in other.control.revoked.until_s

        await until(heard)
        before = await gate.keys()
        for got in (
            await gate.ask("DELETE", TOKENS + token),
            await gate.get(token),
            await gate.update_json(token),
        ):
            assert (got.status, got.reason) == (404, "not_found")
            assert (got.phrase, got.told.application) == ("There is no such token", "demo")
        assert await gate.keys() == before


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "phrase"),
        [
            ({"session_limit": -1}, "session_limit must be a whole number from 0 to 1000000000"),
            ({"session_limit": 10**18}, "session_limit must be a whole number from 0 to 1000000000"),
            ({"session_limit": 1.5}, "session_limit must be a whole number from 0 to 1000000000"),
            ({"session_limit": True}, "session_limit must be a whole number from 0 to 1000000000"),
            ({"usage_expiration_time": "1e3"}, "usage_expiration_time must be a whole number from 0"),
            ({"expiration_date": "tomorrow"}, "expiration_date must be a whole number from 0"),
            ({"expiration_date": 10**15}, "expiration_date must be a whole number from 0"),
            ({"volatile": "perhaps"}, "volatile must be true or false"),
            ({"sesion_limit": 1}, "arguments must be among expiration_date"),
            ({"application_token": "x"}, "arguments must be among expiration_date"),
            ({"grants": {"watch": "all"}}, "grants knows read, create, update and destroy"),
            ({"grants": {"read": {"al": True}}}, "grants.read knows all, resources and session_owned"),
            ({"grants": {"read": {"resources": ["x" * 513]}}}, "grants.read.resources must hold names"),
            ({"grants": {"read": {"resources": [1]}}}, "grants.read.resources must hold names"),
            ({"grants": {"read": "some"}}, "grants.read must be an object, or the word all"),
            ({"grants": '{"read":'}, "grants must be the JSON text of an object, as json.dumps writes it"),
            ({"grants": "[" * 5000}, "grants must be the JSON text of an object, as json.dumps writes it"),
            ({"grants": {"read": {"resources": [["x"]]}}}, "The body is nested too deep"),
            ({"grants": 7}, "grants must be an object, or the JSON text of one"),
        ],
    )
    async def test_what_is_wrong_is_said_and_nothing_is_written(
        self, gate: ZiggeoGate, body: dict[str, Any], phrase: str
    ) -> None:
        token = (await gate.create()).token
        before = await gate.keys()
        for got in (await gate.create_json(**body), await gate.update_json(token, **body)):
            assert (got.status, got.reason) == (400, "malformed_request")
            assert got.phrase.startswith(phrase)
            assert got.told.application == "demo"
        assert await gate.keys() == before

    @pytest.mark.parametrize(
        ("kind", "body", "status"),
        [
            ("application/json", b'{"session_limit": 1', 400),
            ("application/json", b'{"session_limit": 1, "session_limit": 2}', 400),
            ("application/json", b"[1]", 400),
            ("application/json", b"\xff\xfe", 400),
            ("application/json", b"[" * 100_000, 400),
            (FORM, b"a" * 5000, 400),
            (FORM, b"session_limit=1&session_limit=2", 400),
            (FORM, b"grants[read][resources][x][y][z]=1", 400),
            (FORM, b"session_limit=%ff", 400),
            (FORM, b"&" * 30_000, 413),
            ("application/x-www-form-urlencoded; charset=latin1", b"a=1", 415),
            ("image/png", b"\x89PNG", 415),
            ("multipart/form-data", b"--x\r\n", 400),
            ("\udcff", b"a=1", 415),
        ],
    )
    async def test_a_body_that_cannot_be_read(
        self, gate: ZiggeoGate, kind: str, body: bytes, status: int
    ) -> None:
        reasons = {400: "malformed_request", 413: "body_too_large", 415: "unsupported_media_type"}
        got = await gate.create(body, kind)
        assert (got.status, got.reason) == (status, reasons[status])
        assert await gate.keys() == set()

    async def test_two_types_are_none(self, gate: ZiggeoGate) -> None:
        got = await gate.create(b"a=1", more=(("Content-Type", "application/json"),))
        assert (got.status, got.reason) == (415, "unsupported_media_type")

    async def test_much_is_taken_and_too_much_is_not(self, gate: ZiggeoGate) -> None:
        names = [f"{n:05}" + "x" * 90 for n in range(10_000)]
        text = json.dumps({"grants": {"read": {"resources": names}}}, separators=(",", ":"))
        assert 950_000 < len(text) <= LONGEST_BODY
        token = (await gate.create(text.encode(), "application/json")).token
        assert (await gate.get(token)).document["grants"]["read"]["resources"] == names
        grants = '{"read":{"resources":["v"]}}'
        grants += " " * (LONGEST_BODY - len(grants) - len("grants="))
        assert (await gate.create(b"grants=" + grants.encode())).status == 200
        before = await gate.keys()
        got = await gate.create(b"grants= " + grants.encode())
        assert (got.status, got.reason) == (413, "body_too_large")
        got = await gate.create_json(grants={"read": {"resources": [str(n) for n in range(10_001)]}})
        assert got.phrase == "grants.read.resources must be an array of at most 10000 names"
        assert await gate.keys() == before


class TestLostAnswers:
    async def test_what_is_asked_again_is_made_once(self, gate: ZiggeoGate) -> None:
        gate.client.lose = 4  # two calls, each of which asks twice
        for _ in range(2):
            got = await gate.create(b"session_limit=1&hidden=true")
            assert (got.status, got.reason) == (503, "store_unavailable")
            assert int(got.fields["Retry-After"]) > 0
        assert await gate.made() == 1
        first = await gate.create(b"hidden=True&session_limit=1")
        assert await gate.made() == 1
        assert (await gate.get(first.token)).document == first.document
        assert (await gate.create(b"session_limit=1&hidden=true")).token != first.token
        assert await gate.made() == 2

    async def test_php_parts_its_body_anew_each_time(self, gate: ZiggeoGate) -> None:
        def send(edge: str) -> Awaitable[ZiggeoGot]:
            part = f'--{edge}\r\nContent-Disposition: form-data; name="hidden"\r\n\r\n1\r\n--{edge}--\r\n'
            return gate.create(part.encode(), f"multipart/form-data; boundary={edge}")

        gate.client.lose = 2
        assert (await send("first")).status == 503
        assert (await send("second")).status == 200
        assert await gate.made() == 1

    async def test_a_wish_is_one_application_s_at_one_address_for_a_while(self, gate: ZiggeoGate) -> None:
        for count, options in enumerate(
            (
                {"body": b"session_limit=2"},
                {"address": "192.0.2.9"},
                {"auth": gate.theirs},
                {"now": NOW + 30},
            ),
            1,
        ):
            gate.client.lose = 2
            assert (await gate.create(b"session_limit=1")).status == 503
            await gate.create(**{"body": b"session_limit=1", **options})
            assert await gate.made() == count * 2
            await gate.create(b"session_limit=1")
            assert await gate.made() == (count * 2 if "now" not in options else count * 2 + 1)

    async def test_two_wishes_stay_two(self, gate: ZiggeoGate) -> None:
        gate.client.lose = 4
        lost = await asyncio.gather(gate.create(b"session_limit=1"), gate.create(b"session_limit=1"))
        assert [got.status for got in lost] == [503, 503]
        assert await gate.made() == 2
        made = {(await gate.create(b"session_limit=1")).token for _ in range(2)}
        assert len(made) == await gate.made() == 2

    async def test_an_update_is_not_done_twice(self, gate: ZiggeoGate, other: ZiggeoGate) -> None:
        token = (await gate.create(b"session_limit=1")).token
        script = gate.client.script

        async def lose_changes(*asked: Any) -> Any:
            gate.client.lose = 1
            return await script(*asked)

        gate.client.script = lose_changes  # type: ignore[method-assign]
        assert (await gate.update_json(token, session_limit=2)).status == 503
        gate.client.script, gate.client.lose = script, 0  # type: ignore[method-assign]
        assert (await other.get(token)).document["session_limit"] == 2
        await other.update_json(token, session_limit=3)
        assert (await gate.update_json(token, session_limit=2)).document["session_limit"] == 3
        assert (await gate.update_json(token, session_limit=2)).document["session_limit"] == 2

    async def test_a_deletion_is_answered_and_revokes_again(self, gate: ZiggeoGate) -> None:
        token = (await gate.create()).token
        entry = f"u:{token_id('demo', token)}"
        script = gate.client.script

        async def lose_deletions(*asked: Any) -> Any:
            gate.client.lose = int(asked[0] == "delete_authtoken")
            return await script(*asked)

        gate.client.script = lose_deletions  # type: ignore[method-assign]
        assert (await gate.ask("DELETE", TOKENS + token)).status == 503
        gate.client.script = script  # type: ignore[method-assign]
        assert await gate.made() == 0
        assert entry in gate.control.revoked.until_s
        gate.control.revoked.until_s.clear()
        # Python deletes by posting: it is the same wish.
        got = await gate.ask("POST", f"{TOKENS}{token}?_method=DELETE")
        assert got.document == {"deleted": True, "token": token}
        assert entry in gate.control.revoked.until_s
        assert (await gate.ask("DELETE", TOKENS + token)).status == 404

    async def test_what_cannot_be_revoked_is_not_deleted(self, gate: ZiggeoGate, other: ZiggeoGate) -> None:
        """Who asks again asks perhaps another gate, which must find what there is to revoke."""
        token = (await gate.create()).token
        script = gate.client.script

        async def lose(*asked: Any) -> Any:
            raise StoreUnavailable("nobody hears")

        gate.client.script = lose  # type: ignore[method-assign]
        assert (await gate.ask("DELETE", TOKENS + token)).status == 503
        gate.client.script = script  # type: ignore[method-assign]
        assert (await other.ask("DELETE", TOKENS + token)).status == 200
        assert f"u:{token_id('demo', token)}" in other.control.revoked.until_s

    async def test_who_leaves_before_the_answer_may_ask_again_too(self, gate: ZiggeoGate) -> None:
        script = gate.client.script
        done = asyncio.Event()

        async def hang(*asked: Any) -> Any:
            await script(*asked)
            done.set()
            await asyncio.Event().wait()

        gate.client.script = hang  # type: ignore[method-assign]
        call = asyncio.create_task(gate.create(b"hidden=1"))
        await done.wait()
        call.cancel()
        await asyncio.wait([call])
        gate.client.script = script  # type: ignore[method-assign]
        await gate.create(b"hidden=1")
        assert await gate.made() == 1

    def test_no_more_is_remembered_than_there_is_room_for(self) -> None:
        unanswered = Unanswered(keep_s=30, most=3)

        def lose(asked: str, now: float = 0.0) -> str:
            with pytest.raises(StoreUnavailable), unanswered.wish(asked, now) as wish:
                raise StoreUnavailable("")
            return wish.name

        names = {asked: lose(asked) for asked in "abcd"}
        assert len(unanswered) == 3
        with unanswered.wish("a", 1.0) as wish:
            assert not wish.again
        for asked in "bcd":
            with unanswered.wish(asked, 29.9) as wish:
                assert (wish.name, wish.again) == (names[asked], True)
        assert len(unanswered) == 0
        lose("a", 0.0)
        with unanswered.wish("a", 30.0) as wish:
            assert not wish.again
        assert len(unanswered) == 0


class TestOutages:
    async def test_nothing_is_lost_or_made_twice(
        self, tmp_path: Path, make_ziggeo: Callable[..., ZiggeoGate]
    ) -> None:
        server = EmbeddedValkey(tmp_path / "own")
        async with server:
            gate = make_ziggeo(server.url, timeout_s=1)
            assert (await gate.create(b"session_limit=1")).status == 200
        for ask in (
            lambda: gate.create(b"session_limit=1"),
            lambda: gate.get("0" * 32),
            lambda: gate.update_json("0" * 32, session_limit=1),
            lambda: gate.ask("DELETE", TOKENS + "0" * 32),
        ):
            for _ in range(5):
                got = await ask()
                assert (got.status, got.reason) == (503, "store_unavailable")
                assert int(got.fields["Retry-After"]) > 0
                assert got.told.application == "demo"
        # What needs no store is answered all the same.
        assert (await gate.create(auth=None)).status == 401
        assert (await gate.create(b"x=1")).status == 400
        async with server:
            await asyncio.sleep(PAUSE_S)
            token = (await gate.create(b"session_limit=1")).token
            assert (await gate.get(token)).status == 200
            assert await gate.made() == 2

    async def test_a_store_that_takes_nothing(self, gate: ZiggeoGate) -> None:
        token = (await gate.create()).token
        try:
            await gate.client.call("REPLICAOF", "127.0.0.1", "1")
            for got in (
                await gate.create(),
                await gate.update_json(token),
                await gate.ask("DELETE", TOKENS + token),
            ):
                assert got.status == 503
                assert got.reason in ("store_unavailable", "store_error")
        finally:
            await gate.client.call("REPLICAOF", "NO", "ONE")
        assert (await gate.get(token)).status == 200

    async def test_damaged_data(self, gate: ZiggeoGate) -> None:
        token = (await gate.create()).token
        (key,) = await gate.client.call("KEYS", "gate:{*}:k:*")
        await gate.client.call("DEL", key)
        await gate.client.call("SET", key, "something else")
        got = await gate.get(token)
        assert (got.status, got.reason) == (503, "store_error")


KINDS = st.sampled_from(
    [
        None,
        "",
        FORM,
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=x",
        "multipart/form-data; boundary=" + "x" * 80,
        f"{FORM}; charset=utf-16",
        "image/png",
    ]
)
NAMES = st.sampled_from(
    [*FIELDS, "grants[read]", "grants[read][all]", "grants[create][resources][]", "grants[x", "x"]
)
VALUES = st.sampled_from(
    ["", "1", "-1", "true", "all", "{", "null", '{"read":"all"}', "[]", "%", "1" * 30, "\0"]
)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(NAMES, each, max_size=3),
    max_leaves=8,
)
BODIES = (
    st.binary(max_size=200)
    | PAIRS.map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode())
    | PAIRS.map(
        lambda pairs: (
            "".join(
                f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in pairs
            )
            + "--x--"
        ).encode()
    )
    | st.dictionaries(NAMES, JSONS, max_size=4).map(lambda document: json.dumps(document).encode())
    | JSONS.map(lambda document: json.dumps(document).encode())
)


class TestProperties:
    async def test_every_body_has_an_answer_that_every_sdk_can_read(self, gate: ZiggeoGate) -> None:
        loop = asyncio.get_running_loop()
        token = (await gate.create()).token
        taken = 0

        async def sent(kind: str | None, body: bytes) -> None:
            nonlocal taken
            before = await gate.keys()
            made = await gate.create(body, kind)
            assert made.status in (200, 400, 413, 415)
            if made.status == 200:
                taken += 1
                assert list(made.document) == FIELDS
                held = await gate.tokens.get("demo", made.token)
                shown = json.loads(json.dumps(made.document))
                if held is not None:
                    assert (await gate.get(made.token)).document == shown
                    again = await gate.update_json(made.token, **shown)
                    assert again.document == shown
            else:
                assert await gate.keys() == before
            changed = await gate.ask("POST", TOKENS + token, body, kind)
            assert changed.status in (made.status, 404)

        @given(KINDS | st.text(max_size=20), BODIES)
        def check(kind: str | None, body: bytes) -> None:
            asyncio.run_coroutine_threadsafe(sent(kind, body), loop).result(30)

        await asyncio.to_thread(check)
        assert taken > 0
