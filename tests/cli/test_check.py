from __future__ import annotations

import json
from itertools import product

import pytest

from gate.cli.check import covers
from gate.core.policy import Pattern

ONE = {"keys": [{"kid": "k1", "secret": "one secret of more than thirty-two bytes!"}]}
TWO = {"keys": [{"kid": "k1", "secret": "two secrets of more than thirty-two bytes"}]}


def test_a_right_file_is_ok_and_summed_up(run, policy):
    result = run("check", "--config", policy)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"{policy}: ok"
    assert "  application demo: jwt, keys k1 (HS256)" in lines
    assert "  streams[0] /public/**: public -> origin (object)" in lines
    assert "  streams[1] /closed/**: none" in lines
    assert "  streams[4] /{resource}/**: private, tokens of demo -> origin (flussonic)" in lines
    assert not any("warning" in line for line in lines)


def test_every_problem_is_a_line_on_stderr(run, write_policy):
    path = write_policy(stream=[], streams=[{"match": "cam1", "window_edge": "overlaps"}, {"match": "/**"}])
    result = run("check", "--config", path)
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{path}:") for line in lines)
    assert "did you mean" in result.stderr


def test_json_of_a_right_file(run, policy):
    result = run("check", "--config", policy, "--json")
    shown = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert shown["ok"] is True
    assert shown["problems"] == []
    assert len(shown["version"]) == 12
    assert shown["store"] == "embedded"
    assert shown["streams"][4] == {
        "name": "streams[4]",
        "match": "/{resource}/**",
        "access": "private",
        "application": "demo",
        "origin": "origin",
        "layout": "flussonic",
    }


def test_where_keys_are_published_is_said_and_not_asked(run, write_policy):
    jwks = [{"url": "https://id.example/keys?tenant=1"}, {"url": "http://127.0.0.1:9/keys"}]
    path = write_policy(applications={"demo": {**ONE, "jwks": jwks, "audiences": ["tv"]}})
    lines = run("check", "--config", path).stdout.splitlines()
    places = "those at https://id.example/keys, those at http://127.0.0.1:9/keys"
    assert f"  application demo: jwt, keys k1 (HS256), {places}" in lines
    shown = json.loads(run("check", "--config", path, "--json").stdout)["applications"]["demo"]
    assert shown["jwks"] == ["https://id.example/keys", "http://127.0.0.1:9/keys"]


def test_json_of_a_wrong_file(run, write_policy):
    path = write_policy(colour="red")
    result = run("check", "--config", path, "--json")
    shown = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (2, "")
    assert shown["ok"] is False
    (problem,) = shown["problems"]
    assert problem["file"] == str(path)
    assert problem["line"] > 1
    assert problem["column"] == 1
    assert problem["key"] == "colour"
    assert "unknown key" in problem["text"]


def test_secrets_are_shown_nowhere(run, write_policy):
    path = write_policy(
        store="redis://user:hunter2hunter2@127.0.0.1/0",
        admin={"token": "correct horse battery staple"},
        sessions={"ticket_keys": ["a ticket secret of at least thirty-two bytes"]},
    )
    for arguments in ([], ["--json"]):
        shown = run("check", "--config", path, *arguments).output
        assert not any(word in shown for word in ("hunter2", "horse", "ticket secret", "for tests"))


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        ({"applications": {"demo": {**ONE, "unlimited_ttl": True}}}, "applications.demo.unlimited_ttl: "),
        (
            {
                "applications": {"demo": ONE, "spare": TWO},
                "streams": [{"match": "/{resource}/**", "application": "demo"}],
            },
            "applications.spare: no stream takes its tokens",
        ),
        (
            {
                "applications": {"demo": ONE, "other": ONE},
                "streams": [
                    {"match": "/a/**", "application": "demo"},
                    {"match": "/b/**", "application": "other"},
                ],
            },
            "applications.demo, applications.other: they share a key",
        ),
        (
            {"streams": [{"match": "/{resource}/**"}, {"match": "/cam1/index.m3u8", "access": "none"}]},
            "streams[1]: /cam1/index.m3u8 is never reached: streams[0] takes all that it matches",
        ),
        (
            {"applications": {"demo": {"jwks": [{"url": "https://id.example/keys"}]}}},
            "applications.demo.jwks: without audiences, what its issuers sign for others opens it too",
        ),
        (
            {
                "applications": {
                    "demo": {"jwks": [{"url": "https://id.example/keys"}], "audiences": ["tv", "radio"]},
                    "other": {"jwks": [{"url": "https://id.example/keys"}], "audiences": ["tv"]},
                },
                "streams": [
                    {"match": "/a/**", "application": "demo"},
                    {"match": "/b/**", "application": "other"},
                ],
            },
            "applications.demo, applications.other: they share a key",
        ),
        ({"admin": {"listen": "127.0.0.1:8080"}}, "listen, admin.listen: both name the same address"),
    ],
)
def test_what_may_not_be_meant_is_a_warning(run, write_policy, keys, warning):
    path = write_policy(**keys)
    result = run("check", "--config", path)
    assert result.exit_code == 0
    (line,) = [line for line in result.stdout.splitlines() if "warning" in line]
    assert line.startswith(f"  warning: {warning}")
    (text,) = json.loads(run("check", "--config", path, "--json").stdout)["warnings"]
    assert text.startswith(warning)


def warnings(run, path):
    return json.loads(run("check", "--config", path, "--json").stdout)["warnings"]


def test_ziggeos_tokens_have_no_end_mostly(run, write_policy, ziggeo):
    assert warnings(run, write_policy(applications={"demo": ziggeo})) == []
    strict = {**ziggeo, "unlimited_ttl": False}
    assert warnings(run, write_policy(applications={"demo": strict})) == [
        "applications.demo.unlimited_ttl: most of Ziggeo's tokens have no end: they are refused without it"
    ]
    # With tokens of both systems the native ones need no end either.
    both = {**ONE, **ziggeo, "formats": ["jwt", "ziggeo"]}
    assert warnings(run, write_policy(applications={"demo": both})) == [
        "applications.demo.unlimited_ttl: tokens without an end can only be revoked, one by one"
    ]


@pytest.mark.parametrize(
    ("required", "warning"),
    [
        (["create", "update", "destroy"], None),
        (["read", "create", "update"], "everybody may destroy, without a token"),
        (["update"], "everybody may create and destroy, without a token"),
        ([], "everybody may create and update and destroy, without a token"),
    ],
)
def test_what_everybody_may_write(run, write_policy, ziggeo, required, warning):
    path = write_policy(applications={"demo": {**ziggeo, "auth_required_for": required}})
    expected = [] if warning is None else [f"applications.demo.auth_required_for: {warning}"]
    assert warnings(run, path) == expected


def test_ziggeos_layout_goes_with_any_tokens(run, write_policy):
    path = write_policy(streams=[{"match": "/v1/applications/app1/**", "layout": "ziggeo"}])
    assert warnings(run, path) == []


PATTERNS = [
    "/a",
    "/a/b",
    "/*",
    "/{x}",
    "/*/b",
    "/a/*",
    "/**",
    "/a/**",
    "/*/**",
    "/a/b/**",
    "/{x}/*/**",
    "/b/**",
]
PATHS = [
    (*front, last)
    for count in range(4)
    for front in product("abc", repeat=count)
    for last in ("a", "b", "c", "")
]


@pytest.mark.parametrize("ours", PATTERNS)
@pytest.mark.parametrize("theirs", PATTERNS)
def test_a_pattern_that_covers_another_matches_all_that_it_matches(ours, theirs):
    one, other = Pattern(ours), Pattern(theirs)
    missed = [path for path in PATHS if other.match(path) is not None and one.match(path) is None]
    assert covers(one, other) == (not missed)


def test_an_application_of_videosdks(run, write_policy):
    secret = "0123456789abcdef" * 4
    videosdk = {"keys": [{"key": "AK", "secret": secret}]}
    application = {"formats": ["videosdk"], "videosdk": videosdk, "unlimited_ttl": True}
    path = write_policy(applications={"rooms": application}, streams=[{"match": "/{resource}/**"}])
    result = run("check", "--config", path)
    assert result.exit_code == 0
    assert "  application rooms: videosdk, keys AK (VideoSDK)\n" in result.stdout
    assert "applications.rooms.unlimited_ttl: tokens without an end" in result.stdout
    assert secret not in result.stdout
    told = json.loads(run("check", "--config", path, "--json").stdout)
    assert told["applications"]["rooms"]["api_keys"] == ["AK"]
