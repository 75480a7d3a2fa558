from __future__ import annotations

import textwrap

import pytest

from gate.config.complaints import signing_complaints
from gate.core.keys import Algorithm, Key, Keyring

SECRET = "0123456789abcdef0123456789abcdef"
SHORTEST = f"""\
origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
applications: {{demo: {{keys: [{{kid: k1, secret: {SECRET}}}]}}}}
"""


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
            ("{match: '/{resource}/**', application: red, origin: one, layout: hls}", []),
            (
                "{match: /**, application: red, origin: one, layout: hls}",
                ["8:13: streams[0].match: with layout hls it names the {resource}: /{resource}/**"],
            ),
            (
                "{match: /**, application: red, origin: one, timeline: none}",
                ["8:59: streams[0].timeline: timeline goes with layout hls only"],
            ),
            *(
                (
                    f"{{match: /**, application: red, origin: one, layout: {name}}}",
                    [f"8:13: streams[0].match: with layout {name} it names the {{resource}}: /{{resource}}/**"],
                )
                for name in ("mediapackage", "akamai", "swift", "unified")
            ),
            *(
                (f"{{match: /**, application: red, origin: one, layout: {name}}}", [])
                for name in ("shift", "aipix", "mediamtx", "xtream", "ziggeo")
            ),
            ("{match: '/{resource}/**', application: red, origin: one, layout: akamai}", []),
            (
                "{match: /**, application: red, origin: one, layout: nimble}",
                [
                    "8:57: streams[0].layout: there is no such layout; known are flussonic, shift, aipix, "
                    "mediamtx, mediapackage, akamai, swift, unified, xtream, ziggeo, object, hls, "
                    "room"
                ],
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


class TestRpc:
    TOKENS = "tokens: [a-token-of-the-api]"
    TWO = f"""\
        origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
        applications:
          red: {{keys: [{{kid: k1, secret: {SECRET}}}], require_bind: [ip], required_claims: [sub, jti, iss]}}
          blue: {{keys: [{{kid: k1, secret: {SECRET}}}], issuers: [us], required_claims: [iss, iat, grants]}}
          shop:
            formats: [ziggeo]
            ziggeo: {{application_token: a, private_key: {SECRET}, encryption_key: {SECRET}}}
        streams: [{{match: /**, access: none}}]
        """

    @pytest.mark.parametrize(
        ("rpc", "expected"),
        [
            (TOKENS, []),
            ("listener: public", ["nobody could call it: name some tokens"]),
            ("tokens: [short]", ["expected at least 16 characters of ASCII that can be seen"]),
            ("tokens: ['a token with blanks in it']", ["expected at least 16 characters"]),
            (f"{TOKENS}, application: nobody", ["there is no application of this name; known are demo"]),
            (f"{TOKENS}, public_url: tv.example", ["expected a URL such as"]),
            (f"{TOKENS}, envelope: soap", ["envelope"]),
        ],
    )
    def test_of_one_application(self, read, problems, rpc, expected):
        text = f"{SHORTEST}rpc: {{{rpc}}}\n"
        if not expected:
            assert read(text).rpc.listener == "admin"
            return
        found = problems(text)
        assert len(found) == len(expected)
        assert all(part in problem for part, problem in zip(expected, found, strict=True))

    @pytest.mark.parametrize("admin", ["{listen: unix:/run/admin.sock}", "{token: a token}"])
    def test_operators_can_call_one_without_tokens(self, read, admin):
        assert read(f"admin: {admin}\n{SHORTEST}rpc: {{}}\n").rpc.tokens == ()

    @pytest.mark.parametrize(
        ("application", "expected"),
        [
            ("", ["rpc: there are several applications: name one"]),
            ("blue", []),
            (
                "red",
                [
                    "rpc: its application requires tokens to be bound (require_bind), and those are not",
                    "rpc: its application requires claims that the tokens that it makes have not: iss, sub",
                ],
            ),
            (
                "shop",
                ["rpc: the tokens that it makes are of the format jwt, which its application does not accept"],
            ),
        ],
    )
    def test_of_several(self, read, problems, application, expected):
        named = f", application: {application}" if application else ""
        text = f"{textwrap.dedent(self.TWO)}rpc: {{{self.TOKENS}{named}}}\n"
        if expected:
            assert sorted(problem.split(": ", 1)[1] for problem in problems(text)) == sorted(expected)
        else:
            assert read(text).rpc.application == "blue"

    @pytest.mark.parametrize(("listener", "fine"), [("admin", True), ("public", False)])
    @pytest.mark.parametrize("match", ["/api", "/api/**"])
    def test_its_path_is_the_gates_own(self, read, problems, listener, fine, match):
        text = f"{SHORTEST}rpc: {{{self.TOKENS}, listener: {listener}}}\nstreams: [{{match: {match}}}]\n"
        if fine:
            assert read(text)
        else:
            assert problems(text) == ["4:19: streams[0].match: /api/ is the gate's own path"]

    def test_it_needs_a_key_that_signs(self, read):
        file = read(f"{SHORTEST}rpc: {{{self.TOKENS}}}\n")
        public = Keyring([Key("k", Algorithm.ES256, b"der")])
        secret = Keyring([*public, Key("s", Algorithm.HS256, b"s" * 32)])
        [(place, text)] = signing_complaints(file, {"demo": public})
        assert (place, text) == (
            ("rpc",),
            "no key of the application demo can sign: access tokens cannot be made",
        )
        assert not list(signing_complaints(file, {"demo": secret}))
        assert not list(signing_complaints(file, {}))
        assert not list(signing_complaints(read(SHORTEST), {"demo": public}))
