"""Marks say what a manifest said, for one URL of one session, and nobody else can say it."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gate.core.marks import (
    MARK_NAME,
    SEAL_FRONT,
    ByteRange,
    Mark,
    check_range,
    read_mark,
    read_seal,
    rounded,
    rounded_lag,
    take_mark,
    take_seal,
    vouch,
    write_mark,
    write_seal,
)
from gate.core.media import Facts, Kind, Role
from gate.core.reasons import Deny, Reason
from gate.core.target import Target, parse_target
from gate.core.windows import ALWAYS_MS, Span

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
NOW_MS = 1_800_000_000_000


def target(raw: str) -> Target:
    parsed = parse_target(raw)
    assert isinstance(parsed, Target), raw
    return parsed


SEG17 = target("/cam1/seg17.ts")

instants = st.integers(-ALWAYS_MS, ALWAYS_MS)
near = st.integers(NOW_MS - 10**10, NOW_MS + 10**10)
spans = st.builds(lambda one, other: Span(*sorted((one, other))), instants, instants)
ranges = st.builds(ByteRange, st.integers(0, 10**19), st.none() | st.integers(0, 10**19))
marks = st.builds(
    Mark,
    st.sampled_from((Role.OTHER, Role.SEGMENT, Role.MANIFEST)),
    st.none() | st.sampled_from(Kind),
    st.none() | spans,
    st.none() | ranges,
    st.integers(-(10**14), 10**14),
)
names = st.text("abcxyz019_-.", min_size=1, max_size=9).filter(lambda name: name.strip("."))
paths = st.lists(names, min_size=1, max_size=4).map(lambda found: "/" + "/".join(found))
pieces = st.text("abxy=%2B.'&;", max_size=12).filter(lambda text: "%" not in text.replace("%2B", ""))
targets = st.builds(lambda path, query: f"{path}?{query}" if query else path, paths, pieces).map(target)


@settings(deadline=None)
@given(marks, targets, st.binary(min_size=32, max_size=32))
def test_what_is_marked_is_read_as_it_was(mark: Mark, at: Target, key: bytes) -> None:
    text = write_mark(mark, key, at)
    assert read_mark(text, key, at) == mark
    assert write_mark(mark, key, at) == text
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@settings(deadline=None)
@given(marks, targets, targets)
def test_a_mark_is_of_one_url(mark: Mark, at: Target, elsewhere: Target) -> None:
    text = write_mark(mark, KEY, at)
    assert read_mark(text, OTHER_KEY, at) is None
    if at.path != elsewhere.path:
        assert read_mark(text, KEY, elsewhere) is None


@given(marks, marks)
def test_two_marks_differ_where_they_say_two_things(one: Mark, other: Mark) -> None:
    assert (write_mark(one, KEY, SEG17) == write_mark(other, KEY, SEG17)) == (one == other)


@given(st.text(max_size=120) | st.binary(max_size=90).map(lambda raw: urlsafe_b64encode(raw).decode()))
@example("")
@example("A")
@example("A" * 16)
@example("AAAAAAAAAAAAAAAAAAAAAA==")
@example("é" * 20)
@example("\ud800")
@example("A" * 97)
def test_any_other_text_is_no_mark(text: str) -> None:
    assert read_mark(text, KEY, SEG17) is None


@given(marks, st.data())
def test_a_mark_has_one_spelling(mark: Mark, data: st.DataObject) -> None:
    text = write_mark(mark, KEY, SEG17)
    at = data.draw(st.integers(0, len(text)))
    for changed in (
        text[:at] + data.draw(st.sampled_from("!.~ =\n+/A")) + text[at:],
        text[:at] + text[at + 1 :],
        text[:at] + ("B" if text[at : at + 1] == "A" else "A") + text[at + 1 :],
        text + "=",
    ):
        assert changed == text or read_mark(changed, KEY, SEG17) is None


@given(marks, st.integers(0, 60 * 8 - 1))
def test_no_bit_of_it_can_be_changed(mark: Mark, bit: int) -> None:
    text = write_mark(mark, KEY, SEG17)
    raw = bytearray(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    assert read_mark(urlsafe_b64encode(raw).rstrip(b"=").decode(), KEY, SEG17) is None


MARK = Mark(Role.SEGMENT, None, Span(NOW_MS, NOW_MS + 4000))


@pytest.mark.parametrize(
    ("handed", "asked"),
    [
        ("/cam1/seg17.ts", "/cam1/seg17.ts?_HLS_msn=17&_HLS_part=3&_HLS_skip=YES"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts?CMCD=br%3D3200%2Csid%3D%22x%22"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts?CMCD"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts?&&"),
        ("/cam1/seg17.ts?a=1&b=2", "/cam1/seg17.ts?a=1&CMCD=x&b=2&_HLS_push=0"),
        ("/cam1/seg17.ts?a=1&b=2", "/cam1/seg17.ts?a=1&&b=2&"),
        ("/cam1/se%C3%A9.ts", "/cam1/se%c3%a9.ts"),
        # Players escape what they like to, as long as it parts nothing.
        ("/cam1/seg17.ts?a='x'", "/cam1/seg17.ts?a=%27x%27"),
        ("/cam1/seg17.ts?a=x|y^z{}", "/cam1/seg17.ts?a=x%7Cy%5Ez%7B%7d"),
        ("/cam1/seg17.ts?a=%C3%A9%20b", "/cam1/seg17.ts?a=%c3%a9%20b"),
        ("/cam1/seg17.ts?a=/b", "/cam1/seg17.ts?a=%2Fb"),
    ],
)
def test_what_players_add_or_escape_does_not_matter(handed: str, asked: str) -> None:
    assert read_mark(write_mark(MARK, KEY, target(handed)), KEY, target(asked)) == MARK


@pytest.mark.parametrize(
    ("handed", "asked"),
    [
        ("/cam1/seg17.ts", "/cam1/seg18.ts"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts/"),
        ("/cam1/seg17.ts", "/cam2/seg17.ts"),
        ("/cam1/seg17.ts", "/cam1/SEG17.ts"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts?a=1"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts?hls_msn=1"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts?_HLS_=1"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts?x_HLS_msn=1"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts?_HLS_m5n=1"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts?CMCDX=1"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts?cmcd=1"),
        ("/cam1/seg17.ts", "/cam1/seg17.ts?%43MCD=1"),
        ("/cam1/seg17.ts?a=1", "/cam1/seg17.ts"),
        ("/cam1/seg17.ts?a=1", "/cam1/seg17.ts?a=2"),
        ("/cam1/seg17.ts?a=1&b=2", "/cam1/seg17.ts?b=2&a=1"),
        ("/cam1/seg17.ts?a=1&b=2", "/cam1/seg17.ts?a=1&b=2&b=2"),
        # What parts a query's pieces, or might where the origin reads it, is not the same escaped.
        ("/cam1/seg17.ts?a=1%26b=2", "/cam1/seg17.ts?a=1&b=2"),
        ("/cam1/seg17.ts?a=1%3Bb=2", "/cam1/seg17.ts?a=1;b=2"),
        ("/cam1/seg17.ts?a%3D1", "/cam1/seg17.ts?a=1"),
        ("/cam1/seg17.ts?a=1%2B2", "/cam1/seg17.ts?a=1+2"),
        ("/cam1/seg17.ts?a=1%252B2", "/cam1/seg17.ts?a=1%2B2"),
        ("/cam1/seg17.ts?a=%FF", "/cam1/seg17.ts?a=%FE"),
        ("/cam1/seg17.ts?a=%C3%A9", "/cam1/seg17.ts?a=%E9"),
    ],
)
def test_any_other_change_does(handed: str, asked: str) -> None:
    assert read_mark(write_mark(MARK, KEY, target(handed)), KEY, target(asked)) is None
    assert read_mark(write_mark(MARK, KEY, target(asked)), KEY, target(handed)) is None


@given(near, st.integers(0, 120_000))
def test_times_are_rounded_outwards(start: int, length: int) -> None:
    span = Span(start, start + length)
    found = rounded(span)
    assert found.start_ms < span.start_ms
    assert found.end_ms > span.end_ms
    assert found.start_ms % 1000 == found.end_ms % 1000 == 0
    assert found.start_ms > span.start_ms - 1317 - 1
    assert found.end_ms < span.end_ms + 1317 + 1


@given(
    near.map(lambda at: at // 1000 * 1000), st.integers(1, 20), st.integers(-300, 300), st.integers(-300, 300)
)
def test_small_shifts_make_no_other_time(start: int, length_s: int, one: int, other: int) -> None:
    """A packager that dates its first entry anew at every reload is a few milliseconds off each time."""
    end = start + length_s * 1000
    assert rounded(Span(start + one, end + other)) == rounded(Span(start, end))


@given(near, st.integers(1, 600))
def test_a_grid_holds_what_happens_within_it(at: int, grid_s: int) -> None:
    found = rounded(Span(at, at), grid_s)
    assert found.start_ms < at < found.end_ms
    assert found.start_ms % (grid_s * 1000) == found.end_ms % (grid_s * 1000) == 0
    assert found.end_ms - found.start_ms <= 2 * grid_s * 1000


@given(st.integers(-(10**9), 10**9))
def test_a_lag_is_rounded_to_the_minute(lag_ms: int) -> None:
    found = rounded_lag(lag_ms)
    assert found % 60_000 == 0
    assert -30_000 < found - lag_ms <= 30_000
    assert rounded_lag(found) == found


@pytest.mark.parametrize("lag_ms", [-30_000, -1, 0, 1, 12_345, 29_999])
def test_a_clock_that_is_about_right_is_right(lag_ms: int) -> None:
    assert rounded_lag(lag_ms) == 0


@pytest.mark.parametrize(
    ("raw", "left", "mark"),
    [
        ("/cam1/a.ts", "/cam1/a.ts", None),
        ("/cam1/a.ts?", "/cam1/a.ts?", None),
        ("/cam1/a.ts?_gateway=1", "/cam1/a.ts?_gateway=1", None),
        ("/cam1/a.ts?x=_gate", "/cam1/a.ts?x=_gate", None),
        ("/cam1/a.ts?_gate=M", "/cam1/a.ts", "M"),
        ("/cam1/a.ts?_gate", "/cam1/a.ts", ""),
        ("/cam1/a.ts?x=1&_gate=M", "/cam1/a.ts?x=1", "M"),
        ("/cam1/a.ts?_gate=M&x=%2F..&&y", "/cam1/a.ts?x=%2F..&&y", "M"),
        ("/cam1/a.ts?_gate=M&x=1&_gate=N", "/cam1/a.ts?x=1", "N"),
        ("/cam1/a.ts?_gate=M&_%67ate=N", "/cam1/a.ts", "N"),
    ],
)
def test_a_mark_is_taken_off(raw: str, left: str, mark: str | None) -> None:
    taken, found = take_mark(target(raw))
    assert (taken.raw, found) == (left, mark)


@settings(deadline=None)
@given(targets, marks)
def test_a_mark_that_is_put_on_comes_off(at: Target, mark: Mark) -> None:
    text = write_mark(mark, KEY, at)
    asked = target(f"{at.raw}{'?' if at.query is None else '&'}{MARK_NAME}={text}")
    assert take_mark(asked) == (at, text)


def test_a_mark_vouches_for_what_the_url_does_not_say() -> None:
    mark = Mark(Role.SEGMENT, None, Span(1000, 5000), lag_ms=60_000)
    for role in set(Role) - {Role.MANIFEST}:
        found = vouch(Facts("cam1", role), mark)
        assert found == Facts("cam1", Role.SEGMENT, None, Span(1000, 5000), lag_ms=60_000, vouched=True)


def test_what_a_manifest_lists_is_held_to_the_windows_whatever_it_was_handed_out_as() -> None:
    facts = Facts("cam1", Role.MANIFEST)
    assert vouch(facts, Mark(Role.SEGMENT, None, Span(1000, 5000))) is facts
    assert vouch(facts, Mark(Role.OTHER, Kind.OBJECT)) is facts
    assert vouch(facts, Mark(Role.MANIFEST, Kind.DVR)) == Facts("cam1", Role.MANIFEST, Kind.DVR, vouched=True)


@pytest.mark.parametrize(("said", "found"), [(Kind.DVR, Kind.DVR), (Kind.LIVE, None)])
def test_where_the_url_says_no_more_it_says_when(said: Kind, found: Kind | None) -> None:
    facts, span = Facts("cam1", Role.SEGMENT, said), Span(1000, 5000)
    dated = vouch(facts, Mark(Role.SEGMENT, None, span))
    assert dated == Facts("cam1", Role.SEGMENT, found, span, vouched=True)
    assert vouch(facts, Mark(Role.OTHER, Kind.OBJECT)) == Facts("cam1", Role.OTHER, Kind.OBJECT, vouched=True)


@pytest.mark.parametrize(
    "facts",
    [
        Facts("cam1", Role.DOWNLOAD, Kind.COPY),
        Facts("cam1", Role.OBJECT, Kind.OBJECT),
        Facts("cam1", Role.SEGMENT, None, Span(0, 1000)),
        Facts("cam1", Role.MANIFEST, Kind.DVR, Span(0, 1000)),
    ],
)
def test_what_the_url_says_counts(facts: Facts) -> None:
    assert vouch(facts, Mark(Role.OTHER, Kind.OBJECT)) is facts


def ask(held: ByteRange, *fields: tuple[str, str]) -> bool:
    found = check_range(held, CIMultiDict(fields))
    assert found is None or (isinstance(found, Deny) and found.reason is Reason.OUTSIDE_RANGE)
    return found is None


HELD = ByteRange(100, 50)


@pytest.mark.parametrize(
    ("value", "within"),
    [
        ("bytes=100-149", True),
        ("bytes=100-100", True),
        ("bytes=149-149", True),
        ("bytes=120-130", True),
        (" bytes=100-149 ", True),
        ("bytes=00100-0000149", True),
        ("bytes=99-149", False),
        ("bytes=100-150", False),
        ("bytes=0-0", False),
        ("bytes=0-", False),
        ("bytes=100-", False),
        ("bytes=150-199", False),
        # A last byte before the first: an origin ignores the field, and sends everything.
        ("bytes=120-110", False),
        ("bytes=-50", False),
        ("bytes=-", False),
        ("bytes=", False),
        ("bytes=100-149,0-10", False),
        ("bytes=100-120,121-149", False),
        ("bytes=100-149,", False),
        ("bytes=,100-149", False),
        ("bytes = 100-149", False),
        ("bytes=100 - 149", False),
        ("bytes=+100-149", False),
        ("bytes=0x64-149", False),
        ("bytes=１００-149", False),
        ("Bytes=100-149", False),
        ("items=100-149", False),
        ("100-149", False),
        ("", False),
        ("bytes=100-9999999999999999999", False),
        ("bytes=9999999999999999999-", False),
        (f"bytes=100-{10**40}", False),
    ],
)
def test_a_range_lies_within_the_one_handed_out(value: str, within: bool) -> None:
    assert ask(HELD, ("Range", value)) is within


def test_what_asks_for_no_range_asks_for_all() -> None:
    assert not ask(HELD)
    assert not ask(ByteRange(0, None))
    assert not ask(HELD, ("Range", "bytes=100-149"), ("range", "bytes=100-149"))


def test_what_goes_on_to_the_end_has_no_last_byte() -> None:
    assert ask(ByteRange(100, None), ("Range", "bytes=100-"))
    assert ask(ByteRange(100, None), ("Range", "bytes=500-600"))
    assert not ask(ByteRange(100, None), ("Range", "bytes=99-"))


def test_a_range_of_no_bytes_is_none() -> None:
    assert not ask(ByteRange(100, 0), ("Range", "bytes=100-100"))


@pytest.mark.parametrize(
    "field", [("If-Range", '"x"'), ("If-Range", ""), ("Connection", "close, Range"), ("Connection", "range")]
)
def test_a_range_that_the_origin_may_ignore_is_none(field: tuple[str, str]) -> None:
    assert not ask(HELD, ("Range", "bytes=100-149"), field)


def test_other_fields_do_not_matter() -> None:
    assert ask(HELD, ("Range", "bytes=100-149"), ("Connection", "keep-alive"), ("Accept", "*/*"))


@given(st.integers(0, 400), st.none() | st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_no_byte_beside_them_is_asked_for(offset: int, length: int | None, first: int, last: int) -> None:
    within = first >= offset and (length is None or last < offset + length) and first <= last
    assert ask(ByteRange(offset, length), ("Range", f"bytes={first}-{last}")) is within


# Seals.


@given(st.binary(max_size=60), st.integers(-(10**6), 10**6))
def test_what_is_sealed_is_read_as_it_was(said: bytes, minutes: int) -> None:
    text = write_seal(said, minutes * 60_000, KEY)
    assert text.startswith(SEAL_FRONT)
    assert read_seal(text, KEY) == (said, minutes * 60_000)
    assert write_seal(said, minutes * 60_000, KEY) == text
    assert read_seal(text, OTHER_KEY) is None


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: urlsafe_b64encode(raw).decode()))
@example("")
def test_any_other_text_is_no_seal(text: str) -> None:
    assert read_seal(text, KEY) is None
    assert read_seal(SEAL_FRONT + text, KEY) is None


@given(st.data())
def test_a_seal_has_one_spelling(data: st.DataObject) -> None:
    text = write_seal(b"said", 60_000, KEY)
    at = data.draw(st.integers(len(SEAL_FRONT), len(text)))
    assert read_seal(text[:at] + data.draw(st.sampled_from("!.~ =\n+/A")) + text[at:], KEY) is None
    assert read_seal(text + "=", KEY) is None


def test_a_mark_is_no_seal() -> None:
    """Both are made with the session's one key."""
    assert read_seal(write_mark(Mark(Role.OTHER), KEY, SEG17), KEY) is None
    assert read_mark(write_seal(b"said", 0, KEY).removeprefix(SEAL_FRONT), KEY, SEG17) is None


@pytest.mark.parametrize(
    ("raw", "left", "seal"),
    [
        ("/cam1/a.m4s", "/cam1/a.m4s", None),
        ("/cam1/_gate.S/a.m4s?x=%2F", "/cam1/a.m4s?x=%2F", "_gate.S"),
        ("/cam1/_gate.S/v%C3%A9/a.m4s", "/cam1/v%C3%A9/a.m4s", "_gate.S"),
        ("/cam1/v%C3%A9/_gate.S/a.m4s", "/cam1/v%C3%A9/a.m4s", "_gate.S"),
    ],
)
def test_a_seal_is_taken_off(raw: str, left: str, seal: str | None) -> None:
    assert take_seal(target(raw)) == (target(left), seal)


def test_two_seals_are_one_too_many() -> None:
    found = take_seal(target("/cam1/_gate.S/_gate.T/a.m4s"))
    assert isinstance(found, Deny)
    assert found.reason is Reason.MARK_INVALID


@pytest.mark.parametrize("raw", ["/cam1/seg.ts", "/cam1/my_gate.ts", "/cam1/a?_gate.x"])
def test_a_path_without_a_seal_stays(raw: str) -> None:
    assert take_seal(target(raw)) == (target(raw), None)
