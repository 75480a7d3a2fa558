"""Steering manifests: what leads to the origin leads to the session, and every other byte stays."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.media.hls import rebase_under
from gate.media.steering import steered

ORIGINS = frozenset({b"https://origin.example", b"https://gate.example"})
UNDER = rebase_under(b"/_s/T", ORIGINS, b"")
BASE = b"https://gate.example"


def steer(text: str) -> str:
    found = steered(text.encode(), UNDER, BASE)
    assert found is not None
    json.loads(found.decode().removeprefix("\ufeff"))
    return found.decode()


WHOLE = """{
  "VERSION": 1, "TTL": 300.5,
  "RELOAD-URI": "https://origin.example/steer?a=%s",
  "PATHWAY-PRIORITY": ["a", "b", "https://origin.example/"],
  "PATHWAY-CLONES": [
    {"BASE-ID": "a", "ID": "c", "URI-REPLACEMENT": {
      "HOST": "cdn.example",
      "PARAMS": {"u": "https://origin.example/"},
      "PER-VARIANT-URIS": {"v1": "https://origin.example/v1.m3u8", "v2": "https://cdn.example/v2.m3u8"},
      "PER-RENDITION-URIS": {"r": "\\/r.m3u8", "HOST": "origin.example"} }}
  ],
  "HOST": "origin.example", "X-NEW": {"RELOAD-URI": "https://origin.example/"}
}
"""


def test_only_what_leads_to_the_origin_changes() -> None:
    assert steer(WHOLE) == (
        WHOLE.replace("https://origin.example/steer", "/_s/T/steer")
        .replace("https://origin.example/v1", "https://gate.example/_s/T/v1")
        .replace("\\/r.m3u8", "https://gate.example/_s/T/r.m3u8")
    )
    left = WHOLE.replace("https://origin.example/steer", "next").replace("https://origin.example/v1", "v1")
    left = left.replace("\\/r.m3u8", "r.m3u8")
    assert steer(left) == left


def test_without_the_gates_address_paths_stay_paths() -> None:
    found = steered(WHOLE.encode(), UNDER)
    assert found is not None
    assert b'"v1": "/_s/T/v1.m3u8"' in found


def test_a_body_that_does_not_change_is_the_body() -> None:
    body = b'{"VERSION":1,"TTL":300,"RELOAD-URI":"next","PATHWAY-PRIORITY":["a"]}'
    assert steered(body, UNDER) is body


def clone(replacement: str) -> str:
    return f'{{"VERSION":1,"TTL":1,"PATHWAY-CLONES":[{{"URI-REPLACEMENT":{replacement}}},{{"HOST":"x"}}]}}'


@pytest.mark.parametrize(
    "host",
    [
        *("origin.example", "ORIGIN.example", "origin.example:443", "gate.example", "u@origin.example"),
        *(
            "https://origin.example",
            "//origin.example/",
            "origin.example/x",
            r"origin.example\\x",
            "origin.example?",
        ),
        *(r"origin\texample".replace(r"\t", r".\t"), r" origin.example\n", r"\u006frigin.example"),
    ],
)
def test_the_origins_host_goes(host: str) -> None:
    for before, after in [
        ('{"HOST":"%s"}', "{}"),
        ('{ "HOST" : "%s" , "PARAMS":{"a":"b"}}', '{ "PARAMS":{"a":"b"}}'),
        ('{"PARAMS":{"a":"b"},\n"HOST":"%s"}', '{"PARAMS":{"a":"b"}}'),
        ('{"A":1,"HOST":"%s","B":2}', '{"A":1,"B":2}'),
    ]:
        assert steer(clone(before % host)) == clone(after)


@pytest.mark.parametrize(
    "host", ["cdn.example", "origin.example.org", "origin.example:444", "", "/", "9000", "[]", "x:"]
)
def test_a_foreign_host_stays(host: str) -> None:
    text = clone(f'{{"HOST":"{host}"}}')
    assert steer(text) == text


def test_two_of_one_name() -> None:
    assert steer(clone('{"HOST":"origin.example","HOST":"gate.example"}')) == clone("{}")
    assert steer(clone('{"HOST":"origin.example","A":[{},[]],"HOST":"gate.example"}')) == clone('{"A":[{},[]]}')
    assert steer(clone('{"HOST":"origin.example","HOST":"cdn.example"}')) == clone('{"HOST":"cdn.example"}')
    twice = '{"RELOAD-URI":"/a","VERSION":1,"RELOAD-URI":"/b"}'
    assert steer(twice) == twice.replace("/", "/_s/T/")


def test_names_may_be_spelled_and_nested_in_odd_ways() -> None:
    for name in ("[]", "", 'a\\"b', "{", "RELOAD-URI\\u0020"):
        text = f'{{"{name}":["x",{{"y":"z"}}],"VERSION":1,"RELOAD\\u002dURI":"/a"}}'
        assert steer(text) == text.replace('"/a"', '"/_s/T/a"')
    text = '\ufeff{"VERSION":1,"RELOAD-URI":"\\ud83d\\ude00/é//","TTL":[["/a"],{"RELOAD-URI":"/a"}]}'
    assert steer(text) == text
    text = '{"VERSION":1,"RELOAD-URI":"/é\\u00e9"}'
    assert json.loads(steer(text))["RELOAD-URI"] == "/_s/T/éé"
    assert steer('{"VERSION":1,"RELOAD-URI":"/\\ud83d"}') == '{"VERSION":1,"RELOAD-URI":"/\\ud83d"}'
    assert steer('{"VERSION":1,"RELOAD-URI":"data:/a"}') == '{"VERSION":1,"RELOAD-URI":"data:/a"}'
    assert steer('{"VERSION":1,"RELOAD-URI":["/a"]}') == '{"VERSION":1,"RELOAD-URI":["/a"]}'


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{}", b"1", b'"RELOAD-URI"', b"null", b"<html>", b"\xff", b"#EXTM3U\n"),
        b'{"VERSION":1}',
        b'{"VERSION":"1","TTL":1}',
        b'{"VERSION":true,"TTL":1}',
        b'{"VERSION":1.0,"TTL":1}',
        b'{"VERSION":1,"PATHWAY-PRIORITY":"a"}',
        b'{"VERSION":1,"RELOAD-URI":"/a"',
        b'{"VERSION":1,"TTL":NaN}',
        b'{"VERSION":1,"TTL":1}}',
        b'{"VERSION":%s,"TTL":1}' % (b"9" * 5000),
        b'{"VERSION":1,"TTL":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    ],
)
def test_what_is_no_steering_manifest(body: bytes) -> None:
    assert steered(body, UNDER) is None


@pytest.mark.parametrize(
    "said", ['"PATHWAY-PRIORITY":[]', '"RELOAD-URI":"/a"', '"TTL":%s' % ("9" * 5000), '"TTL":1e999']
)
def test_what_is_one(said: str) -> None:
    assert steered(b'{"VERSION":1,%s}' % said.encode(), UNDER) is not None


def test_a_big_one_takes_no_longer_than_it_must() -> None:
    clones = ",".join('{"URI-REPLACEMENT":{"A":"b" ,\t"HOST":"origin.example"}}' for _ in range(20_000))
    body = f'{{"VERSION":1,"TTL":1,"PATHWAY-CLONES":[{clones}]}}'.encode()
    started = time.process_time()
    found = steered(body, UNDER)
    assert found is not None
    assert b"HOST" not in found
    assert time.process_time() - started < 20


NAMES = st.sampled_from(
    [
        *("VERSION", "TTL", "RELOAD-URI", "PATHWAY-PRIORITY", "PATHWAY-CLONES", "URI-REPLACEMENT", "HOST"),
        *("PARAMS", "PER-VARIANT-URIS", "x", ""),
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        ["https://origin.example/a", "/a", "origin.example", "cdn.example", "https://cdn.example/", "é\n"]
    ),
    st.none() | st.booleans() | st.integers(0, 3) | st.floats(allow_nan=False, allow_infinity=False),
)
OBJECTS = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


def expected(said: Any) -> Any:
    """The manifest by the rules, on values instead of text."""

    def uri(value: Any, base: str = "") -> Any:
        ours = {"https://origin.example/a", "/a"}
        return base + "/_s/T/a" if isinstance(value, str) and value in ours else value

    new = {name: uri(value) if name == "RELOAD-URI" else value for name, value in said.items()}
    clones = new.get("PATHWAY-CLONES")
    if isinstance(clones, list):
        new["PATHWAY-CLONES"] = [cloned(one, uri) for one in clones]
    return new


def cloned(one: Any, uri: Any) -> Any:
    if not isinstance(one, dict) or not isinstance(one.get("URI-REPLACEMENT"), dict):
        return one
    replacement = dict(one["URI-REPLACEMENT"])
    if replacement.get("HOST") in ("origin.example", "https://origin.example/a"):
        del replacement["HOST"]
    if isinstance(replacement.get("PER-VARIANT-URIS"), dict):
        variants = replacement["PER-VARIANT-URIS"].items()
        replacement["PER-VARIANT-URIS"] = {name: uri(value, BASE.decode()) for name, value in variants}
    return {**one, "URI-REPLACEMENT": replacement}


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(NAMES, OBJECTS, max_size=4),
    st.lists(
        st.fixed_dictionaries({"URI-REPLACEMENT": st.dictionaries(NAMES, OBJECTS, max_size=5)}), max_size=3
    ),
    st.sampled_from([None, 1]),
)
def test_any_manifest(said: dict[str, Any], clones: list[Any], indent: int | None) -> None:
    said = {**said, "PATHWAY-CLONES": clones, "VERSION": 1, "TTL": 1}
    assert json.loads(steer(json.dumps(said, indent=indent))) == expected(said)


@settings(deadline=None)
@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:\\1aé \ufeff', max_size=40).map(str.encode))
def test_any_bytes(body: bytes) -> None:
    assert steered(body, UNDER) in (None, body)
