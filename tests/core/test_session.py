"""Session ids, client keys, and what opens a session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gate.core.media import OPENING, Facts, Kind, Role
from gate.core.session import (
    SHARDS,
    Known,
    Resume,
    client_key,
    network_of,
    opened_ms,
    opens,
    page_key,
    peeks,
    probes,
    resumes,
    session_id,
    shard_of,
    shard_of_session,
)
from gate.core.target import Target, parse_target

FAST = settings(max_examples=200, deadline=None)
times_ms = st.integers(0, 2**45 - 1)
entropies = st.binary(min_size=8, max_size=8)


def key(raw: str = "/a", address: str = "192.0.2.1", **fields: str) -> str:
    target = parse_target(raw)
    assert isinstance(target, Target)
    return client_key(
        target, CIMultiDict({name.replace("_", "-"): value for name, value in fields.items()}), address
    )


@FAST
@given(st.text(st.characters(codec="utf-8")), times_ms, times_ms, entropies, entropies)
def test_ids_of_one_owner_sort_by_time(owner: str, one: int, other: int, a: bytes, b: bytes) -> None:
    first, second = session_id(owner, one, a), session_id(owner, other, b)
    assert len(first) == 24
    assert 0 <= shard_of(owner) < SHARDS
    assert shard_of_session(first) == shard_of_session(second) == shard_of(owner)
    if one != other:
        assert (first < second) == (one < other)
    else:
        assert (first == second) == (a == b)


@FAST
@given(st.text(st.characters(codec="utf-8")), times_ms, entropies)
def test_an_id_says_when_it_was_made(owner: str, at_ms: int, drawn: bytes) -> None:
    assert opened_ms(session_id(owner, at_ms, drawn)) == at_ms


@pytest.mark.parametrize("text", ["", "x", "0" * 23, "00" + "U" * 22, "00" + "u" * 22, "40" + "0" * 22])
def test_what_is_no_session_id_was_never_made(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a session id|not found"):
        opened_ms(text)


@pytest.mark.parametrize("size", [0, 7, 9])
def test_an_id_takes_eight_random_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="8 random bytes"):
        session_id("owner", 0, bytes(size))


@FAST
@given(st.text())
def test_what_is_no_session_id_names_no_shard(text: str) -> None:
    with pytest.raises(ValueError, match="not a session id"):
        shard_of_session(text)


@pytest.mark.parametrize(
    "change", [lambda i: i[:-1], lambda i: i + "0", lambda i: "40" + i[2:], str.upper, lambda i: i + "\n"]
)
def test_a_session_id_has_one_shape(change: Callable[[str], str]) -> None:
    good = session_id("owner", 1_800_000_000_000, b"\xff" * 8)
    assert shard_of_session(good) == shard_of("owner")
    with pytest.raises(ValueError, match="not a session id"):
        shard_of_session(change(good))


def test_one_player_is_one_client() -> None:
    assert key(User_Agent="VLC") == key("/b?x=1", "192.0.2.99", User_Agent="VLC")
    assert key(User_Agent="VLC") != key(User_Agent="mpv")
    assert key(User_Agent="VLC") != key(address="192.0.3.1", User_Agent="VLC")
    assert key() != key(User_Agent="VLC")
    assert len(key()) == 22
    assert len(key(User_Agent="\udcff", address="\udcff")) == 22


def test_what_the_player_announces_goes_before_its_address() -> None:
    announced = key(X_Playback_Session_Id="P")
    assert announced == key(address="203.0.113.5", User_Agent="other", X_Playback_Session_Id="P")
    assert announced == key('/a?CMCD=sid%3D"Q"', X_Playback_Session_Id="P")
    assert announced != key(X_Playback_Session_Id="R")
    assert key(X_Playback_Session_Id="") == key()


def test_cmcd_names_the_playback_in_the_query_or_a_field() -> None:
    sid = key('/a?CMCD=bl%3D21300%2Csid%3D"6e2fb550"%2Cst%3Dv')
    assert sid == key('/b?x&CMCD=sid%3D"6e2fb550"', address="203.0.113.5")
    assert sid == key(CMCD_Session='cid="x", sid="6e2fb550"')
    assert sid != key('/a?CMCD=sid%3D"other"')
    # Neither another key that ends alike, nor a text without quotes, nor another parameter is a sid.
    for raw in ('/a?CMCD=xsid%3D"6e2fb550"', "/a?CMCD=sid%3D6e2fb550", '/a?XCMCD=sid%3D"6e2fb550"', "/a?x"):
        assert key(raw) == key()
    assert key(X_Playback_Session_Id="6e2fb550") != sid


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.254", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("::ffff:192.0.2.7", "192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("", "", True),
        ("unix", "unix", True),
        ("unix", "192.0.2.1", False),
    ],
)
def test_a_network_is_one_place(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_only_a_get_of_a_manifest_or_an_object_opens(method: str, role: Role) -> None:
    facts = Facts("cam1", role)
    assert opens(method, CIMultiDict(), facts) is (method == "GET" and role in OPENING)
    # From any other byte on it is media, and an endless stream has no ranges at all.
    assert opens(method, CIMultiDict(Range="bytes=0-"), facts) is (method == "GET" and role in OPENING)
    probed = opens(method, CIMultiDict(Range="bytes=0-1"), facts)
    assert probed is (method == "GET" and role is Role.STREAM)


@pytest.mark.parametrize("value", ["bytes=0-0", "bytes=0-1"])
def test_a_probe_is_the_first_byte_or_two_exactly(value: str) -> None:
    assert probes(CIMultiDict(Range=value))
    assert peeks("GET", CIMultiDict(Range=value), Facts("f", Role.OBJECT, Kind.OBJECT))


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("Range", "")],
        [("Range", "bytes=0-")],
        [("Range", "bytes=0-2")],
        [("Range", "bytes=0-10")],
        [("Range", "bytes=1-1")],
        [("Range", "bytes=-1")],
        [("Range", "bytes=0-1,2-")],
        [("Range", "items=0-1")],
        # An origin ignores what it cannot read as a range, and then sends all of the file.
        [("Range", "bytes = 0 - 1")],
        [("Range", "Bytes=0-1")],
        [("Range", "bytes=0-\u0661")],
        [("Range", "bytes=0-1"), ("Range", "bytes=0-")],
        [("Range", "bytes=0-1"), ("If-Range", '"no such version"')],
        [("Range", "bytes=0-1"), ("Connection", "keep-alive, RANGE")],
    ],
)
def test_what_could_be_answered_with_the_whole_file_is_no_probe(fields: list[tuple[str, str]]) -> None:
    assert not probes(CIMultiDict(fields))
    assert opens("GET", CIMultiDict(fields), Facts("f", Role.OBJECT, Kind.OBJECT))


def page(raw: str, client: str = "c") -> str:
    target = parse_target(raw)
    assert isinstance(target, Target)
    return page_key(client, target)


def test_a_page_key_is_a_client_on_one_path() -> None:
    assert page("/a/b") == page("/a/b?x=1")
    assert page("/a/b") != page("/a/c")
    assert page("/a/b") != page("/a/b", "another")
    # The two parts stay apart.
    assert page("/a/b", "c/a") != page("/a/a/b", "c")
    assert len(page("/a")) == 22
    assert page("/a") != key("/a")


ANNOUNCED = [
    ("/a/file.mp4", [("X-Playback-Session-Id", "P")]),
    ("/a/index.m3u8", [("CMCD-Session", 'sid="6e2fb550"')]),
    ('/a/index.m3u8?CMCD=sid%3D"6e2fb550"', []),
]


def how(raw: str, role: Role, *fields: tuple[str, str]) -> Resume:
    target = parse_target(raw)
    assert isinstance(target, Target)
    return resumes(target, CIMultiDict(fields), Facts("cam1", role))


@pytest.mark.parametrize("role", sorted(OPENING, key=lambda role: role.value))
@pytest.mark.parametrize("ranges", [[], [("Range", "bytes=0-")], [("Range", "bytes=100-")]])
@pytest.mark.parametrize(("raw", "fields"), ANNOUNCED)
def test_an_announced_playback_is_resumed_wherever_it_goes(
    role: Role, ranges: list[tuple[str, str]], raw: str, fields: list[tuple[str, str]]
) -> None:
    assert how(raw, role, *fields, *ranges) is Resume.CLIENT


@pytest.mark.parametrize("role", sorted(OPENING, key=lambda role: role.value))
@pytest.mark.parametrize("value", ["bytes=0-", "bytes=000-", "bytes=0-99", "bytes=00-1"])
def test_from_the_start_again_is_the_same_playback_while_that_is_active(role: Role, value: str) -> None:
    assert how("/a/b", role, ("Range", value)) is Resume.ACTIVE


@pytest.mark.parametrize("value", ["bytes=1-", "bytes=4096-8191", "bytes=-500", "bytes=10-", "bytes=0-1,5-"])
def test_a_seek_resumes_the_playback_of_its_path(value: str) -> None:
    for role in (Role.OBJECT, Role.DOWNLOAD, Role.STREAM):
        assert how("/a/file.mp4", role, ("Range", value)) is Resume.PATH
    # No player seeks in a playlist.
    assert how("/a/index.m3u8", Role.MANIFEST, ("Range", value)) is Resume.ACTIVE


def test_a_dash_manifest_is_refreshed_at_its_own_url() -> None:
    assert how("/a/manifest.mpd", Role.MANIFEST) is Resume.ACTIVE
    assert how("/a/manifest.mpd?x=1", Role.MANIFEST) is Resume.ACTIVE
    for raw in ("/a/manifest.mpd/", "/a/index.m3u8?x=.mpd", "/a/xmpd"):
        assert how(raw, Role.MANIFEST) is Resume.NEVER


@pytest.mark.parametrize("role", sorted(OPENING, key=lambda role: role.value))
def test_any_other_use_is_a_new_one(role: Role) -> None:
    assert how("/a/b", role) is Resume.NEVER
    assert how("/a/b", role, ("X-Playback-Session-Id", ""), ("Sec-Purpose", "prefetch")) is Resume.NEVER


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_writing_opens_nothing(method: str, role: Role) -> None:
    assert not opens(method, CIMultiDict(), Facts("cam1", role))


def test_a_known_session_is_a_value() -> None:
    assert Known("s", 1.0) == Known("s", 1.0, token=None)
