"""Ziggeo's API in plain values: which requests are its own, who may ask, and the page sessions of players."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.core.policy import Policy

if TYPE_CHECKING:
    from tests.api.conftest import ZiggeoGate

# Those of the fixtures' policy.
APP, PRIVATE = "0123456789abcdef0123456789abcdef", "the private key of demo"
OTHER_APP, OTHER_PRIVATE = "r1fedcba9876543210fedcba98765432", "another's: private key, é"
TOKENS = "/v1/authtokens/"
SESSION = f"/v1/applications/{APP}/session"
NOW = 1_800_000_000.0


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


OURS, THEIRS = basic(APP, PRIVATE), basic(OTHER_APP, OTHER_PRIVATE)


@pytest.fixture
def gate(make_ziggeo: Callable[..., ZiggeoGate]) -> ZiggeoGate:
    return make_ziggeo()


@pytest.fixture
def other(make_ziggeo: Callable[..., ZiggeoGate]) -> ZiggeoGate:
    """Another gate on the same store."""
    return make_ziggeo()


class TestFinding:
    @pytest.mark.parametrize("target", ["/v1/authtokens", TOKENS, f"{TOKENS}?", f"{TOKENS}?&"])
    def test_all_tokens(self, gate: ZiggeoGate, target: str) -> None:
        found = gate.find("POST", target)
        assert found is not None
        assert (found.token, found.page_of) == (None, None)

    @pytest.mark.parametrize("target", ["abc", "abc/", "abc?", "abc/?&", "abc?_method=DELETE"])
    def test_one_token(self, gate: ZiggeoGate, target: str) -> None:
        found = gate.find("POST", TOKENS + target)
        assert found is not None
        assert (found.token, found.page_of) == ("abc", None)

    @pytest.mark.parametrize("rest", ["", "/", "?", "?&noauth=false&_wrapstatus=true&_nocache=1"])
    def test_a_page_session(self, gate: ZiggeoGate, rest: str) -> None:
        found = gate.find("POST", SESSION + rest)
        assert found is not None
        assert (found.token, found.page_of) == (None, APP)

    @pytest.mark.parametrize(
        "target",
        [
            "/",
            "",
            "/v1/authtoken",
            "/v1/authtokens2",
            "/v1/authtokens2/abc",
            "/v1/authtokens%2Fabc",
            "/V1/authtokens",
            "//v1/authtokens",
            "http://example.com/v1/authtokens",
            f"/v1/applications/{APP}",
            f"/v1/applications/{APP}/",
            f"/v1/applications/{APP}/sessions",
            f"/v1/applications/{APP}/session/x",
            f"/v1/applications/{APP}/session//",
            f"/v1/applications/{APP}/videos/session",
            f"/v1/applications/{APP}/videos/v1/video.mp4?x=/session",
            "/v1/applications//session",
            "/v1/applications/a/b/session",
        ],
    )
    def test_what_is_for_others(self, gate: ZiggeoGate, target: str) -> None:
        assert gate.find("POST", target) is None

    def test_nothing_where_no_application_has_it(self, gate: ZiggeoGate) -> None:
        gate.policy = Policy((), {"plain": gate.policy.applications["plain"]})
        assert gate.find("POST", TOKENS) is None
        assert gate.find("POST", SESSION) is None

    @pytest.mark.parametrize("name", ["", "/", "a/b", "../x", "%00", "\udcff", "x" * 9000, "*"])
    async def test_below_the_tokens_everything_is_ours_and_most_is_unknown(
        self, gate: ZiggeoGate, name: str
    ) -> None:
        got = await gate.ask("GET", f"{TOKENS}{name}/")
        assert (got.status, got.phrase) == (404, "There is no such token")


class TestMethods:
    def test_what_was_not_even_read_is_answered_alike(self, gate: ZiggeoGate) -> None:
        got = gate.too_large()
        assert (got.status, got.told.application, got.reason) == (413, None, "body_too_large")

    @pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "OPTIONS", "get", "DELETE", "GET", "BREW"])
    async def test_other_methods(self, gate: ZiggeoGate, method: str) -> None:
        got = await gate.ask(method, TOKENS)
        assert (got.status, got.fields["Allow"]) == (405, "POST")
        if method not in ("GET", "DELETE"):
            got = await gate.ask(method, TOKENS + "0" * 32)
            assert (got.status, got.fields["Allow"]) == (405, "GET, POST, DELETE")

    async def test_deleting_what_has_no_name_makes_nothing(self, gate: ZiggeoGate) -> None:
        got = await gate.ask("POST", f"{TOKENS}?_method=DELETE")
        assert (got.status, got.fields["Allow"]) == (405, "POST")
        assert await gate.keys() == set()

    @pytest.mark.parametrize("query", ["session_limit=1", "_method=PUT", "_method=DELETE&_method=DELETE", "x"])
    async def test_a_query_that_would_be_ignored_is_refused(self, gate: ZiggeoGate, query: str) -> None:
        token = (await gate.create()).token
        before = await gate.keys()
        for target in (TOKENS, TOKENS + token):
            got = await gate.ask("POST", f"{target}?{query}", b"hidden=true")
            assert (got.status, got.reason) == (400, "malformed_request")
        got = await gate.ask("GET", f"{TOKENS}{token}?_method=DELETE")
        assert got.status == 400
        assert await gate.keys() == before


class TestCredentials:
    @pytest.mark.parametrize(
        "auth",
        [
            basic(APP, "wrong"),
            basic(APP, ""),
            basic("", PRIVATE),
            basic(APP, PRIVATE + " "),
            basic(APP, PRIVATE.upper()),
            basic(APP, OTHER_PRIVATE),
            basic(OTHER_APP, PRIVATE),
            basic(APP.upper(), PRIVATE),
            basic(PRIVATE, APP),
            "Basic " + base64.b64encode(b"\xff\xfe:\x00").decode(),
        ],
    )
    async def test_wrong_ones(self, gate: ZiggeoGate, auth: str) -> None:
        token = (await gate.create()).token
        before = await gate.keys()
        for got in (await gate.create(auth=auth), await gate.get(token, auth=auth)):
            assert (got.status, got.reason) == (401, "credentials_wrong")
            assert got.fields["WWW-Authenticate"] == 'Basic realm="gate"'
            assert got.told.application is None
        assert await gate.keys() == before

    @pytest.mark.parametrize(
        "auth",
        [
            None,
            "",
            "Basic",
            "Basic ",
            "Basic \udcff",
            "Basic =",
            "Basic A",
            "Basic QUJD QUJD",
            f"Bearer {OURS[6:]}",
            OURS[6:],
            OURS + "!",
        ],
    )
    async def test_none(self, gate: ZiggeoGate, auth: str | None) -> None:
        got = await gate.create(auth=auth)
        assert (got.status, got.reason) == (401, "credentials_missing")
        assert got.fields["WWW-Authenticate"] == 'Basic realm="gate"'
        assert await gate.keys() == set()

    async def test_two_are_none(self, gate: ZiggeoGate) -> None:
        got = await gate.create(more=(("authorization", OURS),))
        assert (got.status, got.reason) == (401, "credentials_missing")

    async def test_the_scheme_is_spelled_in_any_case(self, gate: ZiggeoGate) -> None:
        assert (await gate.create(auth=f"bASIC  {OURS[6:]} ")).status == 200

    async def test_tokens_are_of_one_application(self, gate: ZiggeoGate) -> None:
        made = await gate.create(b"session_limit=1")
        theirs = await gate.create(b"session_limit=2", auth=THEIRS)
        assert (made.told.application, theirs.told.application) == ("demo", "other")
        before = await gate.keys()
        for method, body in (("GET", b""), ("POST", b"session_limit=9"), ("DELETE", b"")):
            got = await gate.ask(method, TOKENS + made.token, body, auth=THEIRS)
            assert (got.status, got.phrase) == (404, "There is no such token")
        assert await gate.keys() == before
        assert (await gate.get(made.token)).document == made.document
        assert (await gate.get(theirs.token, auth=THEIRS)).document == theirs.document
        assert gate.control.revoked.until_s == {}

    async def test_who_guesses_has_to_wait(self, gate: ZiggeoGate) -> None:
        statuses = Counter([(await gate.create(auth=basic(APP, str(n)))).status for n in range(80)])
        assert statuses == {401: 60, 429: 20}
        got = await gate.create()
        assert (got.status, got.reason) == (429, "too_many_failures")
        assert 0 < int(got.fields["Retry-After"]) < 10
        assert await gate.keys() == set()
        assert (await gate.create(address="192.0.2.2")).status == 200
        assert (await gate.create(now=NOW + 10)).status == 200
        # Who knows the key does not use the patience up.
        for _ in range(70):
            assert (await gate.get("x", address="192.0.2.3")).status == 404

    async def test_a_body_is_read_only_for_who_may_send_one(self, gate: ZiggeoGate) -> None:
        assert (await gate.create(b"\xff", "image/png", auth=None)).status == 401


class TestPages:
    async def test_each_gets_a_session(self, gate: ZiggeoGate) -> None:
        got = await gate.ask("POST", SESSION, auth=None)
        assert (got.status, got.told.application, got.reason) == (200, "demo", "")
        assert got.document == {"token": "page-1", "testing_application": False}
        got = await gate.ask("POST", f"/v1/applications/{OTHER_APP}/session/", auth=None)
        assert got.document == {"token": "page-2", "testing_application": False}
        assert gate.issued == [("demo", NOW), ("other", NOW)]
        assert gate.client.asked == 0

    @pytest.mark.parametrize(
        ("kind", "body"), [(None, b""), ("text/plain;charset=UTF-8", b"a=%ff&&["), ("image/png", b"\x89")]
    )
    async def test_players_ask_for_an_envelope(self, gate: ZiggeoGate, kind: str | None, body: bytes) -> None:
        query = f"?&noauth=false&_wrapstatus=true&_nocache=1&i07af2jp98rvoctt26y5egy3{APP}=old"
        got = await gate.ask("POST", SESSION + query, body, kind, auth=None)
        assert (got.status, got.reason) == (200, "")
        assert got.document == {
            "status": 200,
            "statusText": "OK",
            "responseText": {"token": "page-1", "testing_application": False},
        }

    async def test_an_unknown_application(self, gate: ZiggeoGate) -> None:
        for name in ("nobody", APP.upper(), "plain", "demo", "%30", "\udcff"):
            got = await gate.ask("POST", f"/v1/applications/{name}/session?_wrapstatus=false", auth=None)
            assert (got.status, got.reason, got.told.application) == (404, "not_found", None)
            got = await gate.ask("POST", f"/v1/applications/{name}/session?_wrapstatus=true", auth=None)
            assert (got.status, got.phrase, got.reason) == (200, "", "not_found")
            assert got.document["status"] == 404
            assert got.document["statusText"] == "There is no such application"
            assert got.document["responseText"]["code"] == 404
        assert gate.issued == []

    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT"])
    async def test_other_methods(self, gate: ZiggeoGate, method: str) -> None:
        got = await gate.ask(method, SESSION, auth=None)
        assert (got.status, got.fields["Allow"], got.reason) == (405, "POST", "method_not_allowed")
        got = await gate.ask(method, f"{SESSION}?_wrapstatus=true", auth=None)
        assert (got.status, got.document["status"]) == (200, 405)
        assert gate.issued == []

    async def test_it_is_open_to_who_has_to_wait(self, gate: ZiggeoGate) -> None:
        for _ in range(100):
            await gate.create(auth=None)
        assert (await gate.ask("POST", SESSION, auth=None)).status == 200


class TestProperties:
    async def test_every_target_below_it_has_one_too(self, gate: ZiggeoGate) -> None:
        loop = asyncio.get_running_loop()

        async def asked(method: str, rest: str, auth: str | None) -> None:
            got = await gate.ask(method, TOKENS + rest, auth=auth, address=str(time.monotonic()))
            assert got.status in (200, 400, 401, 404, 405)

        @given(
            st.sampled_from(["GET", "POST", "DELETE", "HEAD"]),
            st.text(max_size=20) | st.sampled_from(["?_method=DELETE", "0" * 32 + "?_method=DELETE"]),
            st.just(OURS) | st.text(max_size=20) | st.text(max_size=20).map(lambda text: f"Basic {text}"),
        )
        def check(method: str, rest: str, auth: str | None) -> None:
            asyncio.run_coroutine_threadsafe(asked(method, rest, auth), loop).result(30)

        await asyncio.to_thread(check)
