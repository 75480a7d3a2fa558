from __future__ import annotations

import hashlib
import textwrap
from ipaddress import ip_network
from pathlib import Path

import pytest

from gate.cli.keys import make_key
from gate.config.compile import Config, compile_config, load_config
from gate.config.models import PolicyFile
from gate.config.values import TcpAddress, UnixAddress
from gate.core.credentials import Carrier
from gate.core.grants import Action
from gate.core.keys import Algorithm, Key
from gate.core.media import Facts, Kind, Role
from gate.core.policy import (
    METHODS,
    Access,
    Foreign,
    ForwardedHeader,
    OnLimit,
    Proxies,
    RpcRules,
    SessionEnd,
)
from gate.core.published import KeySource
from gate.core.target import Target, parse_target
from gate.core.token import Bound, Format
from gate.core.windows import Moving, Span
from gate.errors import ConfigError
from gate.formats.pem import write_pem

SECRET = "0123456789abcdef0123456789abcdef"
SHORTEST = f"""\
origins: {{archive: {{url: "http://127.0.0.1:9000/"}}}}
applications: {{demo: {{keys: [{{kid: k1, secret: {SECRET}}}]}}}}
"""
# The example that people are shown first.
EXAMPLE = """\
listen: 127.0.0.1:8080
admin:
  listen: 127.0.0.1:8081
  token: !env GATE_ADMIN_TOKEN
store: embedded                     # or redis://..., rediss://..., unix://...
state_dir: ./state
origins:
  archive: {url: "http://127.0.0.1:9000"}
applications:
  demo:
    keys:
      - {kid: k1, algorithm: HS256, secret: !env GATE_SECRET}
    formats: [jwt]
streams:                            # first match wins
  - match: /public/**
    access: public
    origin: archive
  - match: /{resource}/**
    access: private                 # private | public | protected | none
    application: demo
    origin: archive
    layout: flussonic
sessions:
  carrier: path
  idle: 60s
  store_outage: {running: 120s, new: deny}
"""


@pytest.fixture
def compile_text(tmp_path: Path):
    def call(text: str, **environ: str) -> Config:
        path = tmp_path / "gate.yaml"
        path.write_text(textwrap.dedent(text), "utf-8")
        return load_config(path, environ)

    return call


def test_the_example_loads_as_it_is_written(compile_text, tmp_path):
    config = compile_text(EXAMPLE, GATE_SECRET=SECRET, GATE_ADMIN_TOKEN="for operators")
    assert config.listen == TcpAddress("127.0.0.1", 8080)
    assert config.admin_listen == TcpAddress("127.0.0.1", 8081)
    assert config.admin_token == "for operators"
    assert config.store is None
    assert config.state_dir == tmp_path / "state"
    policy = config.policy
    assert [rule.access for rule in policy.rules] == [Access.PUBLIC, Access.PRIVATE]
    assert policy.rules[1].origin.url == "http://127.0.0.1:9000"
    assert policy.rules[1].layout.name == "flussonic"
    assert policy.applications["demo"].formats == {Format.JWT}
    assert list(policy.applications["demo"].keyring) == [Key("k1", Algorithm.HS256, SECRET.encode())]
    assert (policy.sessions.idle_s, policy.sessions.outage_grace_s) == (60, 120)


def test_without_its_secrets_the_example_says_which(compile_text, tmp_path):
    with pytest.raises(ConfigError) as caught:
        compile_text(EXAMPLE)
    lines = str(caught.value).splitlines()
    path = tmp_path / "gate.yaml"
    assert f"{path}:4:10: admin.token: the environment variable GATE_ADMIN_TOKEN is not set" in lines
    place = f"{path}:12:45: applications.demo.keys[0].secret"
    assert f"{place}: the environment variable GATE_SECRET is not set" in lines


def test_defaults(compile_text):
    config = compile_text(SHORTEST)
    (rule,) = config.policy.rules
    assert rule.name == "streams[0]"
    assert rule.origin.url == "http://127.0.0.1:9000"
    assert rule.application is config.policy.applications["demo"]
    assert rule.live_edge_s == 60
    assert (rule.methods, rule.created_field) == (METHODS, None)
    application = config.policy.applications["demo"]
    assert (application.on_limit, application.session_end) == (OnLimit.REJECT, SessionEnd.TOKEN)
    assert application.max_usage_s is None
    assert (config.policy.sessions.outage_admits, config.policy.sessions.ticket_rotation_s) == (False, 2592000)
    assert config.policy.limits.upload == 8 * 2**30
    assert (config.policy.sessions.prefix, config.policy.sessions.carrier) == ("/_s/", Carrier.PATH)
    assert (config.policy.limits.manifest, rule.foreign) == (8 * 2**20, Foreign.LEAVE)
    assert not config.policy.cors.credentials
    assert config.policy.cors.origins == {"*"}
    assert config.policy.limits.target == 16384
    assert config.ticket_keys == ()
    assert config.admin_token is None
    assert config.drain_s == 10


def test_every_value_arrives(compile_text):
    config = compile_text(f"""\
        listen: unix:/run/gate.sock
        admin: {{listen: "[::1]:9"}}
        store: redis://h/1
        state_dir: /var/lib/gate
        origins:
          near: {{url: "http://near", connect_timeout: 1s, response_timeout: 2s}}
          far: {{url: "https://far/base"}}
        applications:
          red:
            keys:
              - {{kid: a, secret: {SECRET}}}
              - {{kid: b, algorithm: HS384, secret: {SECRET}{SECRET}}}
            sources: {{query: [t, auth], headers: [X-Token], cookies: [c]}}
            max_ttl: 1h
            unlimited_ttl: true
            leeway: 5s
            on_limit: evict_idle
            session_end: usage
            max_usage: 90m
        streams:
          - {{match: /in/**, access: protected, networks: [10.0.0.0/8], origin: near}}
          - {{match: "/{{resource}}/**", layout: object, live_edge: 90s, origin: far, window_edge: strict,
             on_overrun: clip, foreign_uris: adopt,
             methods: {{GET: read, PUT: update}}, created_field: id}}
        sessions:
          prefix: /watch/
          carrier: query
          idle: 30s
          provisional: 20s
          store_outage: {{running: 10s, new: allow}}
          ticket_rotation: 1d
          ticket_keys: [{SECRET}, {SECRET}2]
        cors: {{origins: ["https://a.example"], max_age: 1m}}
        limits:
          target: 8KiB
          header_field: 4KiB
          headers: 50
          header_timeout: 3s
          keepalive: 4s
          stall: 5s
          upload: 1MiB
          manifest: 64KiB
          connections: 7
          tokens_cached: 8
        drain: 1s
        """)
    assert config.listen == UnixAddress("/run/gate.sock")
    assert config.admin_listen == TcpAddress("::1", 9)
    assert (config.store, config.state_dir, config.drain_s) == ("redis://h/1", Path("/var/lib/gate"), 1)
    policy = config.policy
    inside, rest = policy.rules
    assert (inside.origin.url, inside.origin.connect_timeout_s, inside.origin.response_timeout_s) == (
        "http://near",
        1,
        2,
    )
    assert inside.networks == (ip_network("10.0.0.0/8"),)
    assert (rest.layout.name, rest.live_edge_s, rest.origin.url) == ("object", 90, "https://far/base")
    assert (rest.strict_windows, inside.strict_windows) == (True, False)
    assert (rest.clips_overrun, inside.clips_overrun) == (True, False)
    assert (rest.foreign, inside.foreign) == (Foreign.ADOPT, Foreign.LEAVE)
    red = policy.applications["red"]
    assert rest.application is red
    assert [(key.kid, key.algorithm) for key in red.keyring] == [("a", Algorithm.HS256), ("b", Algorithm.HS384)]
    assert (red.sources.query, red.sources.headers, red.sources.cookies) == ({"t", "auth"}, {"x-token"}, {"c"})
    assert (red.max_ttl_s, red.unlimited_ttl, red.leeway_s) == (3600, True, 5)
    assert (red.on_limit, red.session_end, red.max_usage_s) == (OnLimit.EVICT_IDLE, SessionEnd.USAGE, 5400)
    assert rest.methods == {"GET": Action.READ, "PUT": Action.UPDATE}
    assert (rest.created_field, inside.created_field) == ("id", None)
    assert inside.methods == METHODS
    sessions = policy.sessions
    assert (sessions.prefix, sessions.idle_s, sessions.provisional_s, sessions.outage_grace_s) == (
        "/watch/",
        30,
        20,
        10,
    )
    assert sessions.carrier is Carrier.QUERY
    assert (sessions.outage_admits, sessions.ticket_rotation_s) == (True, 86400)
    assert (policy.cors.origins, policy.cors.max_age_s) == ({"https://a.example"}, 60)
    limits = policy.limits
    assert (limits.target, limits.header_field, limits.headers, limits.connections) == (8192, 4096, 50, 7)
    assert (limits.upload, limits.manifest) == (2**20, 65536)
    assert (limits.header_timeout_s, limits.keepalive_s, limits.stall_timeout_s, limits.tokens_cached) == (
        3,
        4,
        5,
        8,
    )


@pytest.mark.parametrize("carrier", Carrier)
def test_how_tickets_travel(compile_text, carrier):
    """Only what travels in a cookie needs browsers to send cookies along."""
    policy = compile_text(f"sessions: {{carrier: {carrier.value}}}\n{SHORTEST}").policy
    assert policy.sessions.carrier is carrier
    assert policy.cors.credentials == (carrier is Carrier.COOKIE)


@pytest.mark.parametrize("foreign", Foreign)
def test_what_becomes_of_uris_that_lead_elsewhere(compile_text, foreign):
    policy = compile_text(f"streams: [{{match: /**, foreign_uris: {foreign.value}}}]\n{SHORTEST}").policy
    assert [rule.foreign for rule in policy.rules] == [foreign]


def test_ticket_keys_are_digests_of_their_secrets(compile_text):
    keys = compile_text(f"{SHORTEST}sessions: {{ticket_keys: [{SECRET}, {SECRET}2]}}\n").ticket_keys
    assert [len(key) for key in keys] == [32, 32]
    assert keys[0] != keys[1]
    assert all(SECRET.encode() not in key for key in keys)


def test_the_first_match_wins(compile_text):
    policy = compile_text(EXAMPLE, GATE_SECRET=SECRET, GATE_ADMIN_TOKEN="x").policy
    rule, _ = policy.match(parse_target("/public/x", 100))
    assert rule.name == "streams[0]"
    rule, parts = policy.match(parse_target("/cam1/index.m3u8", 100))
    assert (rule.name, parts) == ("streams[1]", {"resource": "cam1"})


def test_the_version_tells_policies_apart_and_no_secret(compile_text):
    one, again = compile_text(SHORTEST), compile_text(SHORTEST)
    other = compile_text(f"{SHORTEST}drain: 11s\n")
    assert one.policy.version == again.policy.version != other.policy.version
    assert len(one.policy.version) == 12


def test_what_takes_a_restart(compile_text):
    before = compile_text(SHORTEST)
    for line in ("drain: 11s", "cors: {origins: []}", "streams: [{match: /**}]"):
        assert compile_text(f"{SHORTEST}{line}\n").fixed() == before.fixed()
    for line in (
        'listen: ":1"',
        "admin: {listen: '127.0.0.1:1'}",
        "store: redis://h",
        "state_dir: x",
        "sessions: {idle: 61s}",
    ):
        assert compile_text(f"{SHORTEST}{line}\n").fixed() != before.fixed()


def test_a_relative_folder_is_the_files_own(compile_text, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    assert compile_text(f"{SHORTEST}state_dir: ../here\n").state_dir == tmp_path / "../here"


def test_a_secret_may_be_a_file(compile_text, tmp_path):
    (tmp_path / "secret.txt").write_text(f"{SECRET}\n")
    (key,) = compile_text(SHORTEST.replace(SECRET, "!file secret.txt")).policy.applications["demo"].keyring
    assert key.material == SECRET.encode()


def target(raw: str) -> Target:
    parsed = parse_target(raw)
    assert isinstance(parsed, Target)
    return parsed


def test_layouts_of_the_file_and_those_that_are_built_in(compile_text):
    config = compile_text(f"""\
        origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
        applications: {{demo: {{keys: [{{kid: k1, secret: {SECRET}}}]}}}}
        layouts:
          own:
            - {{url: "/own/{{resource}}/{{from}}-{{to}}.m3u8", role: manifest, kind: dvr}}
            - {{url: "/own/{{resource}}/{{utc}}.jpg", role: image, lasts: 1500ms}}
            - {{url: "/own/{{resource}}/{{ago}}.ts", role: stream, kind: dvr, open: shifted}}
        streams:
          - {{match: /own/**, layout: own}}
          - {{match: "/live/{{resource}}/**", layout: hls, timeline: live}}
          - {{match: "/vod/{{resource}}/**", layout: hls, timeline: none}}
        """)
    own, live, vod = config.policy.rules
    assert own.layout.read(target("/own/cam1/5-7.m3u8"), {}) == Facts(
        "cam1", Role.MANIFEST, Kind.DVR, Span(5000, 7000)
    )
    assert own.layout.read(target("/own/cam1/5.jpg"), {}) == Facts("cam1", Role.IMAGE, None, Span(5000, 6500))
    shifted = Moving(5000, start_moves=True, lag_ms=4999, paced=True)
    assert own.layout.read(target("/own/cam1/5.ts"), {}) == Facts("cam1", Role.STREAM, Kind.DVR, shifted)
    parts = {"resource": "cam1"}
    for rule, kind in ((live, Kind.LIVE), (vod, Kind.OBJECT)):
        assert rule.layout.read(target("/x/cam1/a.m3u8"), parts) == Facts("cam1", Role.MANIFEST, kind)


def test_a_stream_that_is_added_may_have_a_layout_that_names_it_in_front(compile_text):
    layouts = compile_text(f"""\
        origins: {{archive: {{url: "http://127.0.0.1:9000"}}}}
        applications: {{demo: {{keys: [{{kid: k1, secret: {SECRET}}}]}}}}
        layouts:
          own: [{{url: "/{{resource}}/{{from}}-{{to}}.m3u8", role: manifest, kind: dvr}}]
        """).policy.layouts
    assert {"own", "hls", "aipix", "flussonic", "object"} <= layouts.keys()
    assert not {"xtream", "ziggeo"} & layouts.keys()
    assert all(layout.name == name for name, layout in layouts.items())


def test_what_an_application_asks_of_its_tokens(compile_text):
    terms = """issuers: [a, b], audiences: [tv], required_claims: [sub], require_bind: [ip, origin],
        max_session_limit: 9, max_concurrent: 2, max_usage: 90m"""
    application = compile_text(SHORTEST.replace("}]}}", f"}}], {terms}}}}}")).policy.applications["demo"]
    assert application.issuers == {"a", "b"}
    assert application.audiences == {"tv"}
    assert application.required_claims == ("sub",)
    assert application.require_bind == {Bound.IP, Bound.ORIGIN}
    assert (application.max_session_limit, application.max_concurrent, application.max_usage_s) == (9, 2, 5400)


def test_the_version_tells_public_keys_apart(compile_text, tmp_path):
    text = SHORTEST.replace(f"kid: k1, secret: {SECRET}", "kid: k1, file: key.pem")
    versions = set()
    for _ in range(2):
        (tmp_path / "key.pem").write_bytes(write_pem(make_key(Algorithm.EDDSA, None), private=False))
        versions.add(compile_text(text).policy.version)
        assert compile_text(text).policy.version in versions
    assert len(versions) == 2


def test_where_keys_are_published(compile_text):
    plain = compile_text("""\
        origins: {archive: {url: "http://127.0.0.1:9000"}}
        applications:
          demo:
            jwks:
              - url: https://id.example/keys
              - {url: "https://id.example/keys", algorithm: PS256, refresh: 1h, cooldown: 10s}
        """).policy
    application = plain.applications["demo"]
    assert len(application.keyring) == 0
    assert application.key_sources == (
        KeySource("https://id.example/keys"),
        KeySource("https://id.example/keys", Algorithm.PS256, 3600, 10),
    )
    assert plain.rules[0].application is application


def test_a_policy_without_a_file_reads_its_keys_as_well(tmp_path):
    file = PolicyFile.model_validate_json(
        '{"origins": {"a": {"url": "http://127.0.0.1:1"}},'
        ' "applications": {"demo": {"keys": [{"file": "k.pem"}]}}}'
    )
    with pytest.raises(ConfigError, match=r"applications.demo.keys\[0\].file: cannot read the file"):
        compile_config(file, tmp_path)
    (tmp_path / "k.pem").write_bytes(write_pem(make_key(Algorithm.EDDSA, "x"), private=False))
    (key,) = compile_config(file, tmp_path).policy.applications["demo"].keyring
    assert key.algorithm is Algorithm.EDDSA


def test_proxies_and_log_arrive(compile_text):
    config = compile_text(SHORTEST)
    assert config.policy.proxies == Proxies()
    assert (config.log_format, config.log_access) == ("text", False)
    more = "\ntrusted_proxies: [10.0.0.0/8, unix]\nforwarded_header: Forwarded\n"
    more += "log: {format: json, access: true}\n"
    config = compile_text(SHORTEST + more)
    networks = (ip_network("10.0.0.0/8"),)
    assert config.policy.proxies == Proxies(networks, unix=True, header=ForwardedHeader.FORWARDED)
    assert (config.log_format, config.log_access) == ("json", True)


def test_the_files_that_it_names_are_told_also_where_it_is_wrong(tmp_path):
    path = tmp_path / "gate.yaml"
    path.write_text(
        "origins: {a: {url: 'http://127.0.0.1:1'}}\nsessions: {ticket_keys: [!file t]}\n"
        "applications: {demo: {keys: [{kid: k, secret: !file s}]}}\n"
    )
    files: set[Path] = set()
    with pytest.raises(ConfigError):
        load_config(path, {}, files)
    assert files == {tmp_path / "s", tmp_path / "t"}
    path.write_text(
        "origins: {a: {url: 'http://127.0.0.1:1'}}\n"
        "applications: {demo: {keys: [{file: k.pem}, {jwks_file: set.json}]}}\n"
    )
    files.clear()
    with pytest.raises(ConfigError):
        load_config(path, {}, files)
    assert files == {tmp_path / "k.pem", tmp_path / "set.json"}


def test_the_rpc_arrives(compile_text):
    text = SHORTEST
    assert compile_text(text).policy.rpc is None
    token = "a-token-of-the-api"
    plain = compile_text(f"{text}rpc: {{tokens: [{token}]}}\n").policy.rpc
    digests = frozenset({hashlib.sha256(token.encode()).digest()})
    assert plain == RpcRules("demo", digests)
    assert token not in repr(plain)
    full = compile_text(
        f"{text}rpc: {{tokens: [{token}], listener: public, envelope: jsonrpc, require_stream: true, "
        "whitelist_admits: true, application: demo, public_url: 'https://tv.example/'}\n"
    ).policy.rpc
    assert full == RpcRules("demo", digests, True, True, True, True, "https://tv.example")
