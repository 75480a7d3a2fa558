from __future__ import annotations

import re
import time

import pytest

from gate.cli.wording import say_distance, say_time

NOON = 1_777_899_600


@pytest.fixture
def tell(run, policy):
    def call(*arguments):
        return run("explain", "--config", policy, *arguments).stdout

    return call


@pytest.fixture
def zone(monkeypatch):
    def put(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield put
    monkeypatch.undo()
    time.tzset()


def test_times_are_utc_and_local_where_that_differs(zone):
    zone("UTC")
    assert say_time(NOON) == "2026-05-04 13:00:00 UTC"
    zone("Asia/Kathmandu")
    assert re.fullmatch(r"2026-05-04 13:00:00 UTC \(2026-05-04 18:45:00 .+\)", say_time(NOON))
    assert say_time(-5) == "-5 s after 1970"
    assert say_time(1e12) == "1000000000000 s after 1970"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "now"),
        (59, "in 59 s"),
        (3600, "in 1 h"),
        (3661, "in 1 h 1 min"),
        (-90, "1 min 30 s ago"),
        (2 * 86400 + 5, "in 2 d 5 s"),
    ],
)
def test_distances(seconds, words):
    assert say_distance(seconds) == words


@pytest.mark.parametrize(
    ("path", "asks", "of"),
    [
        ("index.m3u8", "manifest, live", None),
        (f"index-{NOON}-5400.m3u8", "manifest, dvr", "from {0} to {1}: 1 h 30 min, 1 h ago"),
        (f"archive-{NOON}-5400.mp4", "download, copy", "from {0} to {1}: 1 h 30 min, 1 h ago"),
        (
            "2026/05/04/13/00/00-5400000.ts",
            "segment, live or dvr by its age",
            "from {0} to {1}: 1 h 30 min, 1 h ago",
        ),
        (f"index-{NOON}-now.m3u8", "manifest, dvr", "from {0}, 1 h ago, to now, and grows with the clock"),
        ("rewind-3600.m3u8", "manifest, dvr", "from {0}, 1 h ago, to now, and moves with the clock"),
        (f"timeshift_abs-{NOON}.ts", "stream, dvr", "from {0}, 1 h ago, on, at the speed of the clock"),
        ("timeshift_rel-3600.ts", "stream, dvr", "from {0}, 1 h ago, on, at the speed of the clock"),
        ("index.m3u8?utc=5", "manifest, of unknown kind", "a time that the URL does not say"),
    ],
)
def test_what_is_asked_for_in_words(tell, sign, zone, path, asks, of):
    zone("Asia/Kathmandu")
    noon, later = (
        f"2026-05-04 {utc} UTC (2026-05-04 {local} +0545)"
        for utc, local in (("13:00:00", "18:45:00"), ("14:30:00", "20:15:00"))
    )
    lines = tell("--token", sign(iat=None, exp=NOON + 9999), "--at", NOON + 3600, f"/cam1/{path}").splitlines()
    assert f"  asks     read 'cam1': {asks}" in lines
    assert [line[11:] for line in lines if line.startswith("  of ")] == (
        [] if of is None else [of.format(noon, later)]
    )


def test_what_lies_across_a_bound_is_told_with_what_lies_within(tell, sign):
    token = sign(dvr=True, copy=True, **{"from": NOON, "to": NOON + 60})
    shown = tell("--token", token, f"/cam1/archive-{NOON - 5}-30.mp4")
    assert f"  instead  /cam1/archive-{NOON}-25.mp4 lies within the window\n" in shown
    # Of a manifest what lies within is served.
    assert "  instead  " not in tell("--token", token, f"/cam1/archive-{NOON - 5}-30.m3u8")


def test_a_token_in_words(tell, sign):
    token = sign(
        grants={
            "read": {"resources": ["cam1", *(f"r{at:02}" for at in range(12))]},
            "create": {"all": True},
            "update": {"session_owned": True},
            "destroy": {},
        },
        **{"dvr": True, "sub": "alice", "nbf": 1000, "from": 0, "to": NOON, "session_limit": 1},
        max_concurrent=2,
        usage_expiration_time=90,
        bind={"ip": "127.0.0.0/8", "user_agent": "VLC", "origin": "https://a.example"},
    )
    lines = tell("--token", token, "/cam1/index.m3u8").splitlines()
    assert lines[0].startswith("DENY: binding_mismatch (403): ")
    assert "  subject  'alice'" in lines
    assert any(line.startswith("  begins   1970-01-01 00:16:40 UTC") and line.endswith("ago") for line in lines)
    assert any(re.fullmatch(r"  expires  .* UTC.*, in 59 min .*", line) for line in lines)
    grants = next(line for line in lines if line.startswith("  grants"))
    assert "read on 'cam1', 'r00'" in grants
    assert "3 more" in grants
    assert "create on everything; update on what the session created; destroy on nothing" in grants
    assert "  timeline live, dvr (not copy)" in lines
    assert any(line.startswith("  window   from the beginning to 2026-05-04 13:00:00 UTC") for line in lines)
    assert "  bound    address in 127.0.0.0/8, User-Agent 'VLC', Origin 'https://a.example'" in lines
    assert "  limits   opens at most 1 session; at most 2 playbacks at once; a session lives 90 s" in lines


def test_who_may_create_creates_what_the_session_will_own(tell, sign):
    shown = tell("--token", sign(grants={"create": {"session_owned": True}}), "/cam1/index.m3u8")
    assert "  grants   create on what the session will own\n" in shown


def test_a_token_without_limits_in_words(tell, sign):
    shown = tell("--token", sign(dvr=True, copy=True), "/cam1/index.m3u8")
    assert "  timeline live, dvr, copy\n  window   any time\n  limits   none\n" in shown


def test_a_single_use_token_in_words(tell, sign):
    assert "  limits   opens one session, ever\n" in tell("--token", sign(single_use=True), "/cam1/index.m3u8")


def test_a_token_that_never_ends_and_opens_nothing(tell, sign):
    shown = tell("--token", sign(exp=None, grants={}, live=None, **{"from": 5, "to": 5}), "/cam1/index.m3u8")
    assert "  expires  never\n  grants   nothing\n  timeline nothing (not live, dvr, copy)\n" in shown
    assert "  window   no time at all\n" in shown


def test_an_expired_token(tell, sign):
    shown = tell("--token", sign(exp=2000, iat=1000), "/cam1/index.m3u8")
    assert re.search(r"  expired  1970-01-01 00:33:20 UTC.* ago\n", shown)


def test_a_token_of_ziggeos_in_a_page_in_words(run, ziggeo_policy, encrypt):
    video = "/v1/applications/0123456789abcdef0123456789abcdef/videos/v1/video.mp4"
    page = "i07af2jp98rvoctt26y5egy30123456789abcdef0123456789abcdef=whatever"
    token = encrypt(session_limit=1, usage_expiration_time=86400)
    shown = run("explain", "--config", ziggeo_policy, f"{video}?client_auth={token}&{page}").stdout
    assert shown.startswith(
        "PAGE: forwarded to the origin, if the store opens the token's session in this page\n"
    )
    assert f"  origin   http://127.0.0.1:9000/base{video}\n" in shown
    assert ": format ziggeo, application shop\n  expires  never\n  grants   read on 'v1'\n" in shown
    assert "  limits   opens at most 1 session; a session lives 86400 s\n" in shown
    assert "whatever" not in shown
    assert token not in shown
    # What nobody verified is not shown.
    assert "Page session" not in shown


def test_what_is_open_is_said(tell, sign):
    shown = tell("--token", sign(session_limit=3), "/cam1/index.m3u8")
    assert shown.startswith("SESSION: a session would be opened")
    assert "  rule     streams[4]: /{resource}/** (access private)\n" in shown
    assert "  origin   http://127.0.0.1:9000/base/cam1/index.m3u8\n" in shown
    assert "Not asked here (it takes the store)\n  - whether" in shown


def test_a_request_refused_for_itself_has_no_rule(tell):
    shown = tell("/a//b")
    assert "  rule     none: the request itself is refused\n" in shown
