from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest

from gate.cli.explain import read_fields, read_target
from gate.cli.keys import make_key
from gate.config.compile import load_config
from gate.core.keys import Algorithm
from gate.core.ticket import Ticket, TicketKeys
from gate.core.visit import write_visit
from gate.errors import UsageError
from gate.formats import read_token

TICKET_SECRET = "a ticket secret of at least thirty-two bytes"


@pytest.fixture
def ask(run, policy):
    """The status, and the explanation as plain data."""

    def call(*arguments, config=policy):
        result = run("explain", "--config", config, "--json", *arguments)
        assert result.stderr == ""
        return result.exit_code, json.loads(result.stdout)

    return call


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/cam1/index.m3u8?a=%20b&c", "/cam1/index.m3u8?a=%20b&c"),
        ("http://gate.example/cam1/index.m3u8?token=x", "/cam1/index.m3u8?token=x"),
        ("HTTPS://user@[::1]:8080/%63h2/../x?", "/%63h2/../x?"),
        ("http://gate/a#t=10", "/a"),
        ("http://gate", "/"),
        ("http://gate?x=1", "/?x=1"),
        ("/a#b", "/a#b"),
        ("//evil/a", "//evil/a"),
        ("cam1", "cam1"),
    ],
)
def test_of_a_url_path_and_query_count_byte_for_byte(url, target):
    assert read_target(url) == target


def test_header_fields_are_found_without_regard_to_case():
    fields = read_fields(["User-Agent: VLC/3.0 ", "X-A:1", "x-a: 2", "Empty:"])
    assert fields.getall("user-agent", ()) == ["VLC/3.0"]
    assert fields.getall("X-A", ()) == ["1", "2"]
    assert fields.getall("Empty", ()) == [""]
    assert fields.getall("absent", ["none"]) == ["none"]


@pytest.mark.parametrize("line", ["no colon", ": value", "a b: c", "a: b\nc: d", "é: x"])
def test_what_is_no_header_is_refused(line):
    with pytest.raises(UsageError):
        read_fields([line])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--ip", "home", "/cam1/x"], "gate: --ip takes an address such as 192.0.2.7, not 'home'"),
        (["--header", "nonsense", "/cam1/x"], "gate: --header takes a line such as 'User-Agent: VLC/3.0'"),
        (["--at", "soon", "/cam1/x"], "gate: Invalid value for '--at': expected Unix seconds"),
        ([], "gate: Missing argument 'URL'"),
    ],
)
def test_usage_errors_have_status_2(run, policy, arguments, line):
    result = run("explain", "--config", policy, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


def test_a_manifest_opens_a_session(ask, sign):
    status, shown = ask(f"http://gate/cam1/index.m3u8?token={sign(session_limit=3)}&x=%41")
    assert status == 0
    assert (shown["decision"], shown["permitted"], shown["status"], shown["reason"]) == (
        "session",
        True,
        302,
        None,
    )
    assert shown["rule"]["name"] == "streams[4]"
    assert shown["forwards_to"] == "http://127.0.0.1:9000/base/cam1/index.m3u8?x=%41"
    assert shown["asked"] == {
        "action": "read",
        "resource": "cam1",
        "role": "manifest",
        "kind": "live",
        "from": None,
        "to": None,
        "moving": False,
    }
    assert shown["token"]["session_limit"] == 3
    assert shown["ends_at"] == shown["token"]["expires_at"]
    assert shown["steps"][-1] == "this use of the token opens a session"
    assert any("session_limit" in question for question in shown["open_questions"])


def test_what_lies_across_a_bound_is_told_with_what_lies_within(ask, sign):
    windows = [{"from": 1000, "to": 2000}, {"from": 3000, "to": 4000}]
    token = sign(dvr=True, copy=True, windows=windows)
    shown = ask("--token", token, "/cam1/archive-1500-2000.mp4?x=1")[1]
    assert (shown["reason"], shown["status"]) == ("partly_outside_window", 403)
    assert shown["instead"] == ["/cam1/archive-1500-500.mp4?x=1", "/cam1/archive-3000-500.mp4?x=1"]
    assert (shown["asked"]["from"], shown["asked"]["to"], shown["asked"]["kind"]) == (1500, 3500, "copy")
    assert shown["facts"]["granted"] == {"live": True, "dvr": True, "copy": True, "windows": windows}
    # What is open-ended has no form for a part of it, and what lies outside has no part within.
    growing = ask("--token", token, "/cam1/archive/1500/now/mpegts")[1]
    assert (growing["reason"], growing["instead"]) == ("partly_outside_window", [])
    outside = ask("--token", token, "/cam1/archive-2000-1000.mp4")[1]
    assert (outside["reason"], outside["instead"]) == ("outside_window", [])


@pytest.mark.parametrize("form", ["index-1500-2000.fmp4.m3u8?x=1", "index-1500-now.m3u8", "index.m3u8"])
def test_a_manifest_that_lies_across_a_bound_is_permitted(ask, sign, form):
    token = sign(dvr=True, live=False, windows=[{"from": 1000, "to": 2000}, {"from": 3000, "to": 4000}])
    status, shown = ask("--token", token, f"/cam1/{form}")
    assert (status, shown["permitted"], shown["instead"]) == (0, True, [])
    assert "of the manifest is served what the token's rights and windows allow" in shown["steps"]


def test_an_endless_stream_ends_with_its_window(ask, sign):
    now = int(time.time())
    token = sign(dvr=True, **{"from": now - 2000, "to": now - 1000})
    status, shown = ask("--token", token, "--at", str(now), f"/cam1/timeshift_abs-{now - 1400}.ts")
    assert status == 0
    assert (shown["ends_at"], shown["asked"]["moving"]) == (now + 400, True)
    # A manifest of the same is held to the window, for as long as its session lives.
    status, shown = ask("--token", token, "--at", str(now), f"/cam1/timeshift_abs-{now - 1400}.m3u8")
    assert (status, shown["permitted"]) == (0, True)
    assert shown["ends_at"] != now + 400


def test_the_keys_of_the_json_are_always_the_same(ask, sign):
    expected = {
        *("decision", "permitted", "status", "reason", "title", "detail", "facts", "at", "rule", "asked"),
        *("instead", "forwards_to", "ends_at", "steps", "open_questions", "token", "session", "page"),
    }
    for arguments in (["/a/../b"], ["/cam1/index.m3u8"], ["--token", sign(), "/cam1/index.m3u8"]):
        assert set(ask(*arguments)[1]) == expected


def test_a_session_ends_with_its_usage_time(ask, sign):
    _, shown = ask("--token", sign(usage_expiration_time=60), "/cam1/index.m3u8")
    assert shown["ends_at"] == pytest.approx(time.time() + 60, abs=20)


def test_a_segment_of_a_counted_token_resumes(ask, sign):
    url = f"/cam1/{datetime.now(UTC):%Y/%m/%d/%H/%M/%S}-02000.ts"
    status, shown = ask("--token", sign(usage_expiration_time=60), url)
    assert (status, shown["decision"], shown["status"]) == (0, "resume", None)
    assert shown["ends_at"] is None
    assert any("session_required" in question for question in shown["open_questions"])
    status, shown = ask("--token", sign(), url)
    assert (status, shown["decision"]) == (0, "permit")
    assert shown["asked"]["to"] - shown["asked"]["from"] == 2


@pytest.mark.parametrize(
    ("claims", "url", "reason", "status"),
    [
        ({}, "/cam2/index.m3u8", "resource_not_granted", 403),
        ({"live": None}, "/cam1/index.m3u8", "live_not_granted", 403),
        ({"grants": {}}, "/cam1/index.m3u8", "action_not_granted", 403),
        ({}, "/cam1/2020/01/01/00/00/00-02000.ts", "dvr_not_granted", 403),
        ({"dvr": True, "from": 1000, "to": 2000}, "/cam1/2020/01/01/00/00/00-02000.ts", "outside_window", 403),
        ({}, "/cam1/unknown.bin", "time_unknown", 403),
        ({"exp": 1000, "iat": 900}, "/cam1/index.m3u8", "token_expired", 401),
        ({"exp": None}, "/cam1/index.m3u8", "expiry_required", 401),
        ({"bind": {"ip": "192.0.2.0/24"}}, "/cam1/index.m3u8", "binding_mismatch", 403),
        ({"exp": "soon"}, "/cam1/index.m3u8", "claim_invalid", 401),
        ({}, "/closed/index.m3u8", "access_none", 403),
        ({}, "/office/index.m3u8", "address_not_allowed", 403),
        ({}, "/", "not_served", 403),
        ({}, "/ch1/../cam1/index.m3u8", "malformed_target", 400),
        ({}, "/%63am1/index.m3u8", "malformed_target", 400),
    ],
)
def test_a_refusal_has_its_reason_and_status_1(ask, sign, claims, url, reason, status):
    code, shown = ask("--token", sign(**claims), url)
    assert (code, shown["decision"], shown["permitted"]) == (1, "deny", False)
    assert (shown["reason"], shown["status"]) == (reason, status)
    assert shown["steps"][-1] == f"refused: {reason}"
    assert shown["forwards_to"] is None


def test_the_viewer_is_as_described(ask, sign):
    token = sign(bind={"ip": "192.0.2.0/24", "user_agent": "VLC/3.0"})
    described = ["--ip", "192.0.2.7", "--header", "user-agent: VLC/3.0"]
    assert ask("--token", token, *described, "/cam1/index.m3u8")[1]["decision"] == "session"
    assert ask("--ip", "10.1.2.3", "/office/index.m3u8")[1]["decision"] == "permit"
    assert ask("--method", "HEAD", "--token", token, *described, "/cam1/index.m3u8")[1]["decision"] == "permit"
    assert ask("--method", "PUT", "--token", token, *described, "/cam1/x")[1]["reason"] == "action_not_granted"
    assert (
        ask("--method", "PUT", "--token", token, *described, "/public/x")[1]["reason"] == "method_not_allowed"
    )
    assert ask("--method", "TRACE", "--token", token, "/cam1/x")[1]["reason"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("method", "grants", "action", "condition"),
    [
        ("PUT", {"create": {"all": True}}, "create", "If-None-Match: *"),
        ("PUT", {"update": {"resources": ["cam1"]}}, "create", "If-Match: *"),
        ("PUT", {"create": {"all": True}, "update": {"all": True}}, "create", None),
        ("POST", {"create": {"all": True}}, "create", None),
        ("PATCH", {"update": {"all": True}}, "update", None),
        ("DELETE", {"destroy": {"resources": ["cam1"]}}, "destroy", None),
    ],
)
def test_a_write_is_explained(ask, sign, method, grants, action, condition):
    status, shown = ask("--method", method, "--token", sign(grants=grants), "/cam1/clip.mp4")
    assert (status, shown["decision"], shown["asked"]["action"]) == (0, "permit", action)
    said = [step for step in shown["steps"] if step.startswith("forwarded under ")]
    assert [step.split(",")[0] for step in said] == ([f"forwarded under {condition}"] if condition else [])


def test_a_write_of_what_the_session_will_own_takes_a_session(ask, sign):
    token = sign(grants={"create": {"session_owned": True}})
    status, shown = ask("--method", "PUT", "--token", token, "/cam1/clip.mp4")
    assert (status, shown["decision"]) == (0, "resume")
    assert any("session_required" in question for question in shown["open_questions"])


def test_what_the_session_owns_is_not_opened_by_the_token_alone(ask, sign):
    token = sign(grants={"destroy": {"session_owned": True}})
    status, shown = ask("--method", "DELETE", "--token", token, "/cam1/clip.mp4")
    assert (status, shown["reason"]) == (1, "resource_not_granted")
    assert "what its session owns a token opens under its session link" in shown["steps"]


def test_a_preflight_is_the_gates_own(ask):
    headers = ["--header", "Origin: https://a.example", "--header", "Access-Control-Request-Method: GET"]
    status, shown = ask("--method", "OPTIONS", *headers, "/cam1/index.m3u8")
    assert (status, shown["decision"], shown["status"]) == (0, "preflight", 204)


def test_the_time_may_be_another(ask, sign):
    token = sign()
    assert ask("--token", token, "--at", "+2h", "/cam1/index.m3u8")[1]["reason"] == "token_expired"
    assert ask("--token", token, "--at", "-2h", "/cam1/index.m3u8")[1]["reason"] == "token_not_yet_valid"


def test_public_needs_no_token_and_asks_nothing_of_the_store(ask):
    status, shown = ask("/public/logo.png")
    assert (status, shown["decision"], shown["open_questions"]) == (0, "permit", [])


def test_where_a_token_was_looked_for_is_said(ask):
    status, shown = ask("/cam1/index.m3u8")
    assert (status, shown["reason"]) == (1, "token_missing")
    assert shown["steps"][-2] == "a token was looked for in the query parameter token, the header authorization"


def test_the_token_may_come_by_header_or_standard_input(run, policy, sign):
    header = f"Authorization: Bearer {sign()}"
    assert run("explain", "--config", policy, "--header", header, "/cam1/index.m3u8").exit_code == 0
    result = run("explain", "--config", policy, "--token", "-", "/cam1/index.m3u8", input=f"{sign()}\n")
    assert result.exit_code == 0


def test_two_different_tokens_are_refused(ask, sign):
    one, other = sign(), sign(jti="t2")
    assert ask("--token", one, f"/cam1/index.m3u8?token={one}")[0] == 0
    status, shown = ask("--token", other, f"/cam1/index.m3u8?token={one}")
    assert (status, shown["reason"]) == (1, "ambiguous_credentials")
    header = f"Authorization: Bearer {other}"
    status, shown = ask("--header", header, f"/cam1/index.m3u8?token={one}")
    assert (status, shown["reason"]) == (1, "ambiguous_credentials")


def test_a_token_that_does_not_verify(ask, sign):
    status, shown = ask("--token", sign()[:-2] + "AA", "/cam1/index.m3u8")
    assert (status, shown["reason"]) == (1, "token_signature")
    assert "the token's header names the key 'k1' and the algorithm 'HS256'" in shown["steps"]
    assert shown["token"] is None
    for text in ("nonsense", "a.b.c", "e30.e30.AA", "!!"):
        status, shown = ask("--token", text, "/cam1/index.m3u8")
        assert status == 1
        assert shown["reason"].startswith("token_") or shown["reason"] == "unknown_key"


def test_no_token_is_shown(run, policy, sign):
    token = sign(session_limit=1)
    for arguments in (
        ["--token", token, "/cam1/index.m3u8"],
        [f"/cam1/index.m3u8?token={token}"],
        [f"/cam1/index.m3u8?mistyped={token}"],
        [f"/cam1/{token}"],
        [f"/public/{token}?auth={token}"],
        ["--token", token + "x", "/cam1/index.m3u8"],
        ["--token", token, f"/cam1/index.m3u8?token={token}&token={token}x"],
        ["--method", token, "/cam1/index.m3u8"],
    ):
        for form in ([], ["--json"]):
            result = run("explain", "--config", policy, *form, *arguments)
            assert result.exit_code in (0, 1)
            assert token not in result.output
            assert token.rpartition(".")[2] not in result.output


class TestSessionLink:
    @pytest.fixture
    def sealed(self, write_policy, sign):
        """A policy with keys for tickets, and what seals a ticket under them."""
        path = write_policy(sessions={"ticket_keys": [TICKET_SECRET]})
        config = load_config(path, {})
        token = read_token(sign(session_limit=2, sub="alice"), config.policy.applications["demo"])

        def seal(**changes):
            values = {
                "session": "00" + "0" * 22,
                "application": "demo",
                "token": token.id,
                "owner": token.owner,
                "subject": "alice",
                "opened_at": int(time.time()),
                "ends_at": time.time() + 60,
                "token_expires_at": token.expires_at,
                "issued_at": token.issued_at,
                "session_limit": 2,
                "max_concurrent": None,
                "warrant": token.warrant,
                **changes,
            }
            return TicketKeys(config.ticket_keys).seal(Ticket(**values), bytes(12))

        return path, seal

    def test_needs_the_keys_in_the_policy(self, run, policy):
        result = run("explain", "--config", policy, f"/_s/{'x' * 100}/cam1/index.m3u8")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "only where the policy itself names sessions.ticket_keys" in result.stderr
        assert result.stderr.count("\n") == 1

    def test_is_read_where_they_are(self, ask, sealed):
        path, seal = sealed
        status, shown = ask(f"/_s/{seal()}/cam1/index.m3u8?x=1", config=path)
        assert (status, shown["decision"]) == (0, "permit")
        assert shown["session"]["subject"] == "alice"
        assert shown["session"]["grants"]["read"]["resources"] == ["cam1"]
        assert shown["forwards_to"] == "http://127.0.0.1:9000/base/cam1/index.m3u8?x=1"
        assert shown["steps"][0] == "the path begins with a session link"

    def test_media_commits_the_session(self, ask, sealed):
        path, seal = sealed
        url = f"/_s/{seal()}/cam1/{datetime.now(UTC):%Y/%m/%d/%H/%M/%S}-02000.ts"
        _, shown = ask(url, config=path)
        assert shown["decision"] == "permit"
        assert any("whether the session may still play" in question for question in shown["open_questions"])

    def test_a_write_commits_it_too(self, ask, sealed, sign):
        path, seal = sealed
        application = load_config(path, {}).policy.applications["demo"]
        grants = {"create": {"session_owned": True}, "destroy": {"session_owned": True}}
        link = f"/_s/{seal(warrant=read_token(sign(grants=grants), application).warrant)}"
        status, shown = ask("--method", "POST", f"{link}/cam1/upload", config=path)
        assert (status, shown["decision"]) == (0, "permit")
        assert any("a write counts against" in question for question in shown["open_questions"])
        assert not any("owns the object" in question for question in shown["open_questions"])
        # Whose the object is, only the store knows.
        status, shown = ask("--method", "DELETE", f"{link}/cam1/clip.mp4", config=path)
        assert (status, shown["decision"]) == (0, "permit")
        assert any("whether the session owns the object" in question for question in shown["open_questions"])

    def test_is_refused_where_the_gate_would(self, ask, sealed):
        path, seal = sealed
        assert ask(f"/_s/{seal()}x/cam1/index.m3u8", config=path)[1]["reason"] == "ticket_invalid"
        assert ask(f"/_s/{seal()}/cam2/index.m3u8", config=path)[1]["reason"] == "resource_not_granted"
        assert ask(f"/_s/{seal(ends_at=1.0)}/cam1/index.m3u8", config=path)[1]["reason"] == "session_expired"

    def test_with_its_grants_in_the_store_it_cannot_be_read(self, run, sealed):
        path, seal = sealed
        result = run("explain", "--config", path, f"/_s/{seal(warrant=None)}/cam1/index.m3u8")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "only the store holds them" in result.stderr

    def test_is_never_shown(self, run, sealed):
        path, seal = sealed
        ticket = seal()
        result = run("explain", "--config", path, f"/_s/{ticket}/cam1/index.m3u8")
        assert result.exit_code == 0
        assert "Session link: session 00000" in result.stdout
        assert ticket not in result.output


class TestPublishedKeys:
    """Offline nobody is asked for them, and the explanation says so."""

    def test_where_the_key_would_be_looked_up(self, run, ask, write_policy, sign):
        jwks = [{"url": "https://id.example/keys?tenant=1"}, {"url": "http://127.0.0.1:9/keys"}]
        path = write_policy(applications={"demo": {"jwks": jwks}})
        token = sign(make_key(Algorithm.ES256, "es"))
        status, told = ask("/cam1/index.m3u8", "--token", token, config=path)
        assert (status, told["decision"], told["reason"]) == (1, "deny", "unknown_key")
        places = "https://id.example/keys, http://127.0.0.1:9/keys"
        assert told["detail"] == f"Its key may be published at {places}: a gate would look it up there."
        assert f"a gate would look its key up at {places}, which is not done here" in told["steps"]
        assert any(step.endswith("whose keys are none here") for step in told["steps"])
        text = run("explain", "--config", path, "/cam1/index.m3u8", "--token", token).stdout
        assert f"  Its key may be published at {places}" in text

    def test_not_a_key_that_could_not_be_there(self, ask, write_policy, sign, policy):
        status, told = ask("/cam1/index.m3u8", "--token", sign(make_key(Algorithm.ES256, "es")), config=policy)
        assert (status, told["detail"]) == (1, None)
        path = write_policy(applications={"demo": {"jwks": [{"url": "https://id.example/keys"}]}})
        status, told = ask("/cam1/index.m3u8", "--token", sign(), config=path)
        assert (status, told["detail"]) == (1, None)


VIDEO = "/v1/applications/0123456789abcdef0123456789abcdef/videos/v1/video.mp4"
PAGE = "i07af2jp98rvoctt26y5egy30123456789abcdef0123456789abcdef"


class TestZiggeo:
    """Client-side tokens are read with the policy's key; the rest is the store's."""

    def test_a_client_side_token_in_the_url(self, ask, ziggeo_policy, encrypt):
        token = encrypt(session_limit=2, expiration_date=4_000_000_000)
        for name in ("client_auth", "server_auth"):
            status, told = ask(f"{VIDEO}?{name}={token}", config=ziggeo_policy)
            assert (status, told["decision"]) == (0, "session")
            assert told["forwards_to"] == f"http://127.0.0.1:9000/base{VIDEO}"
            shown = told["token"]
            assert (shown["format"], shown["server_side"], shown["session_limit"]) == ("ziggeo", False, 2)
            assert shown["expires_at"] == 4_000_000_000
            assert shown["grants"] == {"read": {"all": False, "resources": ["v1"], "session_owned": False}}
        assert ask("--token", token, VIDEO, config=ziggeo_policy)[1]["decision"] == "session"
        assert ask("--token", token, VIDEO.replace("v1/video", "v2/video"), config=ziggeo_policy)[0] == 1

    def test_what_is_no_token_of_ziggeos(self, ask, ziggeo_policy, encrypt):
        for text in (encrypt() + "00" * 16, "nonsense", "a.b.c"):
            status, told = ask("--token", text, VIDEO, config=ziggeo_policy)
            assert (status, told["reason"]) == (1, "token_malformed")
            assert any(
                step.startswith("the application shop reads no token of Ziggeo's") for step in told["steps"]
            )

    def test_a_limit_of_0_is_told(self, ask, ziggeo_policy, encrypt):
        status, told = ask("--token", encrypt(session_limit=0), VIDEO, config=ziggeo_policy)
        assert (status, told["reason"]) == (1, "token_expired")
        assert any(step.startswith("one of its limits is 0") for step in told["steps"])

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (
                None,
                "the token is a server-side one of Ziggeo's, which only the store knows: ask a running gate",
            ),
            (
                {"token": "0" * 32},
                "the token goes by a server-side one, its `token`, which only the store knows",
            ),
        ],
    )
    def test_a_server_side_token_is_for_a_running_gate(self, run, ziggeo_policy, encrypt, arguments, sentence):
        text = "0" * 32 if arguments is None else encrypt(**arguments)
        result = run("explain", "--config", ziggeo_policy, f"{VIDEO}?server_auth={text}")
        assert (result.exit_code, result.stdout) == (2, "")
        assert sentence in result.stderr
        assert "POST /v1/explain" in result.stderr
        assert result.stderr.count("\n") == 1

    def test_a_page_session_is_open_without_its_key(self, ask, ziggeo_policy, encrypt):
        token = encrypt(session_limit=1, usage_expiration_time=60)
        status, told = ask(f"{VIDEO}?client_auth={token}&{PAGE}=whatever", config=ziggeo_policy)
        assert (status, told["decision"], told["status"]) == (0, "page", None)
        assert told["forwards_to"] == f"http://127.0.0.1:9000/base{VIDEO}"
        assert (told["page"], told["ends_at"]) == (None, None)
        first, *rest = told["open_questions"]
        assert first.startswith("whether a gate gave out this page session in the last week")
        assert any("the token's session in this page opens, goes on or is over" in each for each in rest)
        # Its session is as made up as the page.
        assert not any("session in this page is" in step for step in told["steps"])

    def test_with_its_key_it_is_verified(self, ask, write_policy, ziggeo, encrypt):
        path = write_policy(
            applications={"shop": ziggeo},
            streams=[{"match": "/v1/applications/**", "layout": "ziggeo"}],
            sessions={"ticket_keys": [TICKET_SECRET]},
        )
        keys = TicketKeys(load_config(path, {}).ticket_keys).visit_keys
        issued = int(time.time()) - 100
        page = write_visit(keys, "shop", bytes(12), issued)
        status, told = ask(f"{VIDEO}?client_auth={encrypt()}&{PAGE}={page}", config=path)
        assert (status, told["decision"]) == (0, "page")
        assert told["page"] == {"issued_at": issued, "ends_at": issued + 7 * 86400}
        assert any(step.startswith("the token's session in this page is ") for step in told["steps"])
        assert not any("gave out this page session" in question for question in told["open_questions"])
        for text in (page[:-1], write_visit(keys, "shop", bytes(12), issued - 7 * 86400)):
            status, told = ask(f"{VIDEO}?client_auth={encrypt()}&{PAGE}={text}", config=path)
            assert (status, told["reason"], told["page"]) == (1, "visit_invalid", None)
