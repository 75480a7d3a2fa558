from __future__ import annotations

import pytest
from pydantic import ValidationError

from gate.config.values import TcpAddress
from gate.core.policy import Access

SECRET = "0123456789abcdef0123456789abcdef"
SHORTEST = f"""\
origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
applications: {{demo: {{keys: [{{kid: k1, secret: {SECRET}}}]}}}}
"""


def test_the_shortest_file_has_defaults_for_everything_else(read):
    policy = read(SHORTEST)
    assert policy.listen == TcpAddress("127.0.0.1", 8080)
    assert policy.admin.listen == TcpAddress("127.0.0.1", 8081)
    assert policy.store == "embedded"
    (key,) = policy.applications["demo"].keys
    assert (key.kid, key.algorithm, key.file, key.jwks_file) == ("k1", None, None, None)
    (stream,) = policy.streams
    assert (stream.match, stream.access, stream.layout) == ("/{resource}/**", Access.PRIVATE, "flussonic")
    assert policy.sessions.idle == 60
    assert policy.sessions.store_outage.running == 120


def test_a_secret_shows_itself_nowhere(read):
    policy = read(SHORTEST)
    assert SECRET not in repr(policy)
    assert SECRET not in policy.model_dump_json()


def test_a_model_cannot_be_changed(read):
    with pytest.raises(ValidationError, match="frozen"):
        read(SHORTEST).store = "redis://"


@pytest.mark.parametrize("store", ["embedded", "redis://h/0", "rediss://h", "unix:///run/valkey.sock"])
def test_stores(read, store):
    assert read(f"store: {store}\n{SHORTEST}").store == store


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("store: memcached://h", "1:8: store: expected embedded, redis://..., rediss://... or unix://..."),
        ("stor: embedded", '1:1: stor: unknown key, did you mean "store"?'),
        ("drain: soon", "1:8: drain: expected a duration such as 90s, 15m or 2h, or a number of seconds"),
        ("listen: 80", "1:9: listen: expected an address such as 127.0.0.1:8080"),
        ("sessions: {idle: 100ms}", "1:18: sessions.idle: expected at least 1s"),
        ("sessions: {provisional: 0}", "1:25: sessions.provisional: expected at least 1s"),
        ("sessions: {prefix: _s}", "1:20: sessions.prefix: expected a text of the form"),
        ("sessions: {carrier: header}", "1:21: sessions.carrier: expected"),
        ("sessions: {carrier: Cookie}", "1:21: sessions.carrier: expected"),
        ("sessions: {store_outage: {new: maybe}}", "1:32: sessions.store_outage.new: expected"),
        ("sessions: {ticket_rotation: 0}", "1:29: sessions.ticket_rotation: expected at least 1s"),
        ("limits: {upload: much}", "1:18: limits.upload: expected a size such as 512B"),
        ("streams: [{match: /**, created_field: ''}]", "1:39: streams[0].created_field: expected at least 1"),
        ("streams: [{match: /**, methods: {GET: look}}]", "1:39: streams[0].methods.GET: expected"),
        ("streams: [{match: /**, methods: {TRACE: read}}]", "1:34: streams[0].methods.TRACE: expected"),
        ("streams: [{match: /**, methods: {get: read}}]", "1:34: streams[0].methods.get: expected"),
        (
            "streams: [{match: /**, methods: {GET: destroy}}]",
            "1:33: streams[0].methods: GET cannot destroy: GET, HEAD and OPTIONS read, no other does",
        ),
        (
            "streams: [{match: /**, methods: {GET: read, POST: read}}]",
            "1:33: streams[0].methods: POST cannot read: GET, HEAD and OPTIONS read, no other does",
        ),
        ("limits: {headers: 5}", "1:19: limits.headers: expected a number of at least 10"),
        ("limits: {connections: 0}", "1:23: limits.connections: expected a number of at least 1"),
        ("limits: {target: 1 MB}", "1:18: limits.target: expected a size such as 512B"),
        ("cors: {origins: '*'}", "1:17: cors.origins: expected a list, found a string"),
        ("admin: {token: ''}", "1:16: admin.token: expected a secret"),
        ("streams: []", "1:10: streams: expected at least 1 entries"),
        ("streams: [{match: cam1}]", "1:19: streams[0].match: a pattern begins with a slash"),
        ("streams: [{match: '/a/**/b'}]", "1:19: streams[0].match: a segment of a pattern is text"),
        ("streams: [{match: /**, access: open}]", "1:32: streams[0].access: expected"),
        ("streams: [{match: /**, window_edge: soft}]", "1:37: streams[0].window_edge: expected"),
        ("streams: [{match: /**, on_overrun: cut}]", "1:36: streams[0].on_overrun: expected"),
        ("streams: [{match: /**, foreign_uris: drop}]", "1:38: streams[0].foreign_uris: expected"),
        ("limits: {manifest: many}", "1:20: limits.manifest: expected a size such as 512B"),
        ("streams: [{match: /**, timeline: dvr}]", "1:34: streams[0].timeline: expected"),
        ("layouts: {own: []}", "1:16: layouts.own: expected at least 1"),
        ("layouts: {own: [{url: a, role: manifest, kind: live}]}", "1:23: layouts.own[0].url: expected"),
        ("layouts: {own: [{url: /a, kind: live}]}", "1:17: layouts.own[0].role: required"),
        ("layouts: {own: [{url: /a, role: object, kind: live}]}", "1:33: layouts.own[0].role: expected"),
        ("layouts: {own: [{url: '/{form}', role: image}]}", "1:17: layouts.own[0]: there is no part {form}"),
        (
            "layouts: {own: [{url: '/{from}', role: image}]}",
            "1:17: layouts.own[0]: what has a time begins once",
        ),
        ("layouts: {own: [{url: /a, role: manifest}]}", "1:17: layouts.own[0]: only a segment or an image may"),
        ("streams: [{access: public}]", "1:11: streams[0].match: required"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(problems, line, problem):
    found = problems(f"{line}\n{SHORTEST}")
    assert any(one.startswith(problem) for one in found), found


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            "origins: {}\napplications: {}\n",
            ["1:10: origins: expected at least 1", "2:15: applications: expected at"],
        ),
        ("listen: :80\n", ["1:1: origins: required", "1:1: applications: required"]),
        (SHORTEST.replace("demo", "de mo"), ["2:16: applications['de mo']: expected a text"]),
        (
            SHORTEST.replace("kid: k1", "kid: ''"),
            ["2:36: applications.demo.keys[0].kid: expected at least 1 char"],
        ),
    ],
)
def test_what_must_be_there(problems, document, expected):
    found = problems(document)
    for start in expected:
        assert any(one.startswith(start) for one in found), found


def test_a_missing_secret_is_one_problem(problems):
    assert problems(SHORTEST.replace(SECRET, "!env NOWHERE")) == [
        "2:48: applications.demo.keys[0].secret: the environment variable NOWHERE is not set"
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("issuers: ['']", "issuers[0]: expected at least 1 characters"),
        ("audiences: tv", "audiences: expected a list, found a string"),
        ("required_claims: [1]", "required_claims[0]: expected a string, found a whole number"),
        ("require_bind: [mac]", "require_bind[0]: expected ip, user_agent or origin"),
        ("max_session_limit: 0", "max_session_limit: expected a number of at least 1"),
        ("max_concurrent: many", "max_concurrent: expected a whole number"),
        ("max_usage: 10ms", "max_usage: expected at least 1s"),
    ],
)
def test_terms_that_are_none(problems, line, problem):
    (found,) = problems(SHORTEST.replace("}]}}", f"}}], {line}}}}}"))
    assert f"applications.demo.{problem}" in found


JWKS = """\
origins: {archive: {url: "http://127.0.0.1:9000"}}
applications:
  demo:
    jwks:
"""


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ("      - url: http://id.example/keys", "5:14: jwks[0].url: keys come over https: only"),
        ("      - url: https://me:pw@id.example/", "5:14: jwks[0].url: a URL here cannot hold a"),
        ("      - {url: https://a, algorithm: HS256}", "5:37: jwks[0].algorithm: HS256 needs a"),
        ("      - {url: https://a, refresh: 10ms}", "5:35: jwks[0].refresh: expected at least 1s"),
        ("      - {url: https://a, cooldown: 0s}", "5:36: jwks[0].cooldown: expected at least"),
        ("      - {url: https://a}\n      - {url: https://A}", "6:9: jwks[1]: this URL is there"),
        ("      - {algorithm: RS256}", "5:9: jwks[0]"),
        ("      - {url: https://a, refesh: 10m}", "5:26: jwks[0].refesh"),
        ("      []", "4:5: applications.demo: an application needs keys: name some"),
    ],
)
def test_where_keys_are_published(problems, entries, problem):
    (line,) = problems(JWKS + entries + "\n")
    assert line.replace("applications.demo.", "").startswith(problem)
    assert "pw" not in line


def test_published_keys_do_without_others_and_have_defaults(read):
    (source,) = read(JWKS + "      - url: https://a").applications["demo"].jwks
    assert (source.algorithm, source.refresh, source.cooldown) == (None, 600, 30)
    both = JWKS + f"      - url: https://a\n    keys: [{{kid: k1, secret: {SECRET}}}]"
    assert len(read(both).applications["demo"].keys) == 1
