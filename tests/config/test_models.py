from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from pydantic import ValidationError

from gate.config.document import load
from gate.config.keys import read_keyrings
from gate.config.models import PolicyFile, complaints
from gate.config.values import TcpAddress
from gate.core.policy import Access
from gate.errors import ConfigError

SECRET = "0123456789abcdef0123456789abcdef"
SHORTEST = f"""\
origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
applications: {{demo: {{keys: [{{kid: k1, secret: {SECRET}}}]}}}}
"""


@pytest.fixture
def read(tmp_path: Path):
    def call(text: str) -> PolicyFile:
        path = tmp_path / "gate.yaml"
        path.write_text(textwrap.dedent(text), "utf-8")

        def check(file: PolicyFile):
            yield from complaints(file)
            yield from read_keyrings(file, tmp_path)[1]

        return load(path, PolicyFile, environ={"SECRET": SECRET}, check=check)

    return call


@pytest.fixture
def problems(read, tmp_path: Path):
    """What is wrong with a file: a line for each problem, without the file's name."""

    def call(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text)
        return [str(problem).removeprefix(f"{tmp_path}/gate.yaml:") for problem in caught.value.problems]

    return call


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
        ("sessions: {carrier: cookie}", "1:21: sessions.carrier: expected"),
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


class TestComplaints:
    """What is wrong between values that are each right by themselves."""

    TWO = f"""\
        origins:
          one: {{url: "http://127.0.0.1:9000"}}
          two: {{url: "http://127.0.0.1:9001"}}
        applications:
          red: {{keys: [{{kid: k1, secret: {SECRET}}}]}}
          blue: {{keys: [{{kid: k1, secret: {SECRET}}}]}}
        streams:
        """

    def stream(self, line: str) -> str:
        return textwrap.dedent(self.TWO) + f"  - {line}\n"

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("{match: /**, application: red, origin: one}", []),
            ("{match: /**, access: public, origin: one}", []),
            ("{match: /**, origin: one}", ["8:5: streams[0]: there are several applications: name one"]),
            ("{match: /**, application: red}", ["8:5: streams[0]: there are several origins: name one"]),
            (
                "{match: /**, application: green, origin: three}",
                [
                    "8:31: streams[0].application: there is no application of this name; known are red, blue",
                    "8:46: streams[0].origin: there is no origin of this name; known are one, two",
                ],
            ),
            (
                "{match: /**, access: protected, origin: one}",
                ["8:5: streams[0]: networks go with access protected, and it needs them"],
            ),
            (
                "{match: /**, access: public, origin: one, networks: [10.0.0.0/8]}",
                ["8:5: streams[0]: networks go with access protected, and it needs them"],
            ),
            ("{match: /**, access: protected, origin: one, networks: [10.0.0.0/8]}", []),
            ("{match: '/{resource}/**', application: red, origin: one, layout: hls, timeline: live}", []),
            (
                "{match: /**, application: red, origin: one, layout: hls}",
                [
                    "8:5: streams[0]: timeline goes with layout hls, and it needs one: live, archive or none",
                    "8:13: streams[0].match: with layout hls it names the {resource}: /{resource}/**",
                ],
            ),
            (
                "{match: /**, application: red, origin: one, timeline: none}",
                ["8:5: streams[0]: timeline goes with layout hls, and it needs one: live, archive or none"],
            ),
            (
                "{match: /**, application: red, origin: one, layout: nimble}",
                ["8:57: streams[0].layout: there is no such layout; known are flussonic, object, hls"],
            ),
            (
                "{match: /_s/x/**, application: red, origin: one}",
                ["8:13: streams[0].match: /_s/ is the gate's own path"],
            ),
        ],
    )
    def test_streams(self, read, problems, line, expected):
        if expected:
            assert problems(self.stream(line)) == expected
        else:
            assert read(self.stream(line)).streams[0].match

    LAYOUTS = """\
        layouts:
          own:
            - {url: "/{resource}/a.m3u8", role: manifest, kind: live}
            - {url: "/x/b.m3u8", role: manifest, kind: live}
        """

    def test_layouts(self, read, problems):
        layouts = textwrap.dedent(self.LAYOUTS)
        rest = SHORTEST + layouts
        named = read(f"streams: [{{match: '/{{resource}}/*', layout: own}}]\n{rest}")
        assert [form.url for form in named.layouts["own"]] == ["/{resource}/a.m3u8", "/x/b.m3u8"]
        assert problems(f"streams: [{{match: /**, layout: own}}]\n{rest}") == [
            "1:19: streams[0].match: neither it nor /x/b.m3u8 names the {resource}"
        ]
        assert problems(f"{SHORTEST}{layouts.replace('own', 'hls')}")[0].endswith(
            "layouts.hls: this is the name of a layout that is built in"
        )

    def test_all_are_told_at_once_in_file_order(self, problems):
        assert problems(f"""\
            admin: {{listen: ":8081"}}
            sessions: {{ticket_keys: [{SECRET}, short]}}
            origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
            applications:
              demo:
                keys:
                  - {{kid: k1, secret: {SECRET}}}
                  - {{kid: k1, algorithm: HS512, secret: !env SECRET}}
            streams:
              - {{match: /**, origin: archiv}}
            """) == [
            "1:17: admin.listen: beyond the loopback interface the admin listener needs a token",
            "2:60: sessions.ticket_keys[1]: a secret for tickets needs at least 32 bytes",
            "8:15: applications.demo.keys[1].kid: this kid names another key of the application",
            "8:45: applications.demo.keys[1].secret: HS512 needs at least 64 bytes",
            "10:26: streams[0].origin: there is no origin of this name; known are archive",
        ]

    @pytest.mark.parametrize(
        ("admin", "fine"),
        [
            ('{listen: "127.0.0.2:1"}', True),
            ('{listen: "[::1]:1"}', True),
            ('{listen: "localhost:1"}', True),
            ("{listen: unix:/run/x.sock}", True),
            ('{listen: ":1", token: t}', True),
            ('{listen: "0.0.0.0:1"}', False),
            ('{listen: "[::]:1"}', False),
            ('{listen: "localhost.evil.example:1"}', False),
        ],
    )
    def test_beyond_loopback_the_admin_listener_needs_a_token(self, read, problems, admin, fine):
        text = f"admin: {admin}\n{SHORTEST}"
        if fine:
            assert read(text).admin.listen
        else:
            assert problems(text) == [
                "1:17: admin.listen: beyond the loopback interface the admin listener needs a token"
            ]

    @pytest.mark.parametrize(
        ("lines", "fine"),
        [
            ("", True),
            (", session_end: usage, max_usage: 4h", True),
            (", session_end: token", True),
            (", session_end: usage", False),
            (", max_usage: 4h", True),
            (", session_end: token, max_usage: 4h", True),
        ],
    )
    def test_a_session_that_its_usage_ends_has_a_longest_one(self, read, problems, lines, fine):
        text = SHORTEST.replace("}]}}", f"}}]{lines}}}}}")
        if fine:
            assert read(text).applications["demo"].keys
        else:
            assert problems(text) == ["2:22: applications.demo: session_end usage needs max_usage"]

    @pytest.mark.parametrize(("algorithm", "length"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
    def test_keys_are_as_long_as_their_hash(self, read, problems, algorithm, length):
        def text(count: int) -> str:
            return SHORTEST.replace(SECRET, f"{'x' * count}, algorithm: {algorithm}")

        assert read(text(length))
        assert problems(text(length - 1)) == [
            f"2:48: applications.demo.keys[0].secret: {algorithm} needs at least {length} bytes"
        ]


def test_a_missing_secret_is_one_problem(problems):
    assert problems(SHORTEST.replace(SECRET, "!env NOWHERE")) == [
        "2:48: applications.demo.keys[0].secret: the environment variable NOWHERE is not set"
    ]


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("{kid: k1}", "2:30: applications.demo.keys[0]: a key is one of secret, file and jwks_file"),
        (
            f"{{kid: k1, secret: {SECRET}, file: k.pem}}",
            "2:30: applications.demo.keys[0]: a key is one of secret, file and jwks_file",
        ),
        (f"{{secret: {SECRET}}}", "2:30: applications.demo.keys[0]: a secret needs a kid"),
        (
            f"{{kid: k1, algorithm: RS256, secret: {SECRET}}}",
            "2:51: applications.demo.keys[0].algorithm: RS256 needs a public key: bring it in with file",
        ),
        ("{file: ''}", "2:37: applications.demo.keys[0].file: expected at least 1 characters"),
        (
            "{kid: k1, algorithm: RS512, file: k.pem}",
            "2:51: applications.demo.keys[0].algorithm: expected HS256, HS384, HS512, RS256, PS256, ES256 or",
        ),
    ],
)
def test_a_key_is_one_of_three_things(problems, key, problem):
    text = SHORTEST.replace(f"{{kid: k1, secret: {SECRET}}}", key)
    found = problems(text)
    assert [one for one in found if one.startswith(problem)], found
    assert len(found) == 1


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
