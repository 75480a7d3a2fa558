"""The text of an added stream says all of it, and what is no such text is refused with a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.core.policy import Access
from gate.core.stream import (
    CHANGEABLE,
    LONGEST_URL,
    MOST_NETWORKS,
    Stream,
    check_access,
    check_application,
    check_dvr_depth,
    check_enabled,
    check_layout,
    check_origin,
    check_place,
    check_uid,
    check_whitelist,
    dump_changes,
    dump_stream,
    load_stream,
)

CAM = Stream("cam1", "http://10.0.0.1:80/a", "aipix", True, Access.PRIVATE, (), 60, "demo", 1.5, 2.25)
UIDS = st.from_regex("[A-Za-z0-9._~:-]{1,255}", fullmatch=True).filter(lambda uid: uid not in {".", ".."})
NETWORKS = st.one_of(
    st.builds(
        lambda n, bits: ip_network(((n >> bits) << bits, 32 - bits)),
        st.integers(0, 2**32 - 1),
        st.integers(0, 32),
    ),
    st.builds(
        lambda n, bits: ip_network(((n >> bits) << bits, 128 - bits)),
        st.integers(2**64, 2**128 - 1),
        st.integers(0, 60),
    ),
)
STREAMS = st.builds(
    Stream,
    uid=UIDS,
    origin=st.sampled_from(["http://a", "https://[::1]:9000/a%20b", "http://a.example:1"]),
    layout=st.sampled_from(["aipix", "flussonic", "my-own.layout"]),
    enabled=st.booleans(),
    access=st.sampled_from(Access),
    whitelist=st.lists(NETWORKS, max_size=5, unique=True).map(tuple),
    dvr_depth_s=st.none() | st.integers(0, 36500 * 86400),
    application=st.sampled_from(["demo", "a"]),
    made_at=st.integers(0, 2**42).map(lambda ms: ms / 1000),
    changed_at=st.integers(0, 2**42).map(lambda ms: ms / 1000),
).filter(lambda stream: stream.uid not in {"live", "dvr"} or stream.layout == "aipix")  # fmt: skip


@given(STREAMS)
def test_what_is_written_is_read(stream: Stream) -> None:
    text = dump_stream(stream)
    assert load_stream(text) == load_stream(text.encode()) == stream
    assert not any(isinstance(value, list | dict) for value in json.loads(text).values())


@given(STREAMS, STREAMS)
def test_changes_that_take_the_place_of_fields_make_the_other_stream(one: Stream, other: Stream) -> None:
    other = replace(other, uid="x", made_at=one.made_at, changed_at=one.changed_at)
    one = replace(one, uid="x")
    changes = {name: getattr(other, name) for name in CHANGEABLE}
    fields = {**json.loads(dump_stream(one)), **json.loads(dump_changes("x", changes))}
    assert load_stream(json.dumps(fields)) == other


@pytest.mark.parametrize("uid", ["a", "x" * 255, "A.b_c~d:e-f", "...", "live1", "-", "192.0.2.1:80"])
def test_a_uid(uid: str) -> None:
    assert check_uid(uid) == uid


@pytest.mark.parametrize(
    "uid",
    ["", ".", "..", "a/b", "a%2Fb", "a b", "é", "a\n", "x" * 256, "a;b", "*", "{a}", "_gate.x", "\ud800", "a\0",
     None, 1, True, ["a"], b"a"],
)  # fmt: skip
def test_not_a_uid(uid: object) -> None:
    with pytest.raises(ValueError, match="a uid is"):
        check_uid(uid)
    with pytest.raises(ValueError, match="a uid is"):
        dump_changes(uid, {})  # type: ignore[arg-type]


def test_an_origin_is_a_base_url() -> None:
    assert check_origin("HTTP://A.example:80/x/") == "http://a.example:80/x"
    for wrong in ("ftp://a", "http://u:p@a", "http://a?x", "http://a#x", "http://a/../b", None, 1, b"http://a"):
        with pytest.raises(ValueError, match="URL"):
            check_origin(wrong)
    with pytest.raises(ValueError, match=f"at most {LONGEST_URL}"):
        check_origin("http://a/" + "x" * LONGEST_URL)


def test_a_layout_is_a_name_and_may_have_to_be_known() -> None:
    assert check_layout("aipix") == "aipix"
    assert check_layout("aipix", {"aipix": 1}) == "aipix"
    with pytest.raises(ValueError, match="no such layout"):
        check_layout("aipix", ())
    for wrong in ("", "a b", ".a", "x" * 65, None, 1):
        with pytest.raises(ValueError, match="a layout is named"):
            check_layout(wrong)


def test_the_plain_fields() -> None:
    assert check_enabled(False) is False
    for wrong in (0, "true", None):
        with pytest.raises(ValueError, match="enabled is true or false"):
            check_enabled(wrong)
    assert check_access("none") is check_access(Access.NONE) is Access.NONE
    for wrong in ("all", "PUBLIC", "", None, 1, ["none"]):
        with pytest.raises(ValueError, match="access is one of public, private, protected, none"):
            check_access(wrong)
    assert (check_dvr_depth(None), check_dvr_depth(0), check_dvr_depth(60)) == (None, 0, 60)
    for wrong in (-1, 1.0, True, "60", 2**63):
        with pytest.raises(ValueError, match="depth of an archive"):
            check_dvr_depth(wrong)
    assert check_application("demo") == "demo"
    for wrong in ("", "a b", None, 1, "x" * 65):
        with pytest.raises(ValueError, match="an application is named"):
            check_application(wrong)


def test_a_whitelist_has_each_network_once_and_an_end() -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert check_whitelist(["10.0.0.0/8", "::1", "10.0.0.0/8"]) == check_whitelist(networks) == networks
    assert check_whitelist([]) == ()
    assert len(check_whitelist([f"10.0.{n // 250}.{n % 250}" for n in range(MOST_NETWORKS)])) == MOST_NETWORKS
    with pytest.raises(ValueError, match=f"at most {MOST_NETWORKS}"):
        check_whitelist(["10.0.0.0/8"] * (MOST_NETWORKS + 1))
    for wrong in ("10.0.0.0/8", None, {"a": 1}):
        with pytest.raises(ValueError, match="a whitelist is a list"):
            check_whitelist(wrong)
    with pytest.raises(ValueError, match="bits set"):
        check_whitelist(["10.0.0.1/8"])


@pytest.mark.parametrize("uid", ["live", "dvr"])
def test_no_other_stream_is_called_like_a_folder_of_aipix(uid: str) -> None:
    check_place(uid, "aipix")
    check_place("cam1", "flussonic")
    wrong = replace(CAM, uid=uid, layout="flussonic")
    text = dump_stream(replace(wrong, layout="aipix")).replace("aipix", "flussonic")
    for act in (
        lambda: check_place(uid, "flussonic"),
        lambda: dump_stream(wrong),
        lambda: dump_changes(uid, {"layout": "flussonic"}),
        lambda: load_stream(text),
    ):
        with pytest.raises(ValueError, match="live and dvr name folders of the layout aipix"):
            act()


def test_what_is_not_changed_is_not_written() -> None:
    assert json.loads(dump_changes("live", {"enabled": False})) == {"enabled": False}
    assert json.loads(dump_changes("live", {"access": "none", "whitelist": ["::1"]})) == {
        "access": "none",
        "whitelist": "::1",
    }
    assert dump_changes("live", {}) == "{}"


@pytest.mark.parametrize("name", ["uid", "v", "made_ms", "changed_ms", "made_at", "", "Origin"])
def test_what_cannot_be_changed(name: str) -> None:
    with pytest.raises(ValueError, match="no such field"):
        dump_changes("cam1", {name: 1})


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"v": "1"}, {"more": 1}, {"uid": "a/b"}, {"origin": "ftp://a"}, {"layout": ""},
        {"enabled": 1}, {"access": "all"}, {"whitelist": []}, {"whitelist": "x"}, {"whitelist": None},
        {"dvr_depth_s": 1.5},
        {"application": ""}, {"made_ms": -1}, {"made_ms": 1.5}, {"made_ms": True}, {"changed_ms": "1"},
        {"whitelist": " ".join(["10.0.0.1"] * 1001)},
    ],
)  # fmt: skip
def test_a_text_with_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    fields = json.loads(dump_stream(CAM))
    assert load_stream(json.dumps(fields)) == CAM
    with pytest.raises(ValueError, match=r"[a-z]"):
        load_stream(json.dumps({**fields, **change}))


@pytest.mark.parametrize("name", sorted({"v", "made_ms", "changed_ms", "uid", *CHANGEABLE}))
def test_a_text_that_lacks_a_field_is_refused(name: str) -> None:
    fields = json.loads(dump_stream(CAM))
    del fields[name]
    with pytest.raises(ValueError, match="no stream of this version"):
        load_stream(json.dumps(fields))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"x"', "[" * 100_000, b"\xff", b'{"v":1}', "{}"])
def test_what_is_no_stream(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"it is no (JSON|stream)"):
        load_stream(text)


@given(st.text() | st.binary())
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"it is no (JSON|stream)"):
        load_stream(text)
