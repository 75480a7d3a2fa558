"""The grammar: whatever is not exactly one spelling of one path is refused, and what passes is untouched."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gate.core.reasons import Deny, Reason
from gate.core.target import Target, fits_segment, parse_target

FAST = settings(max_examples=200, deadline=None)
LITERAL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@")
CREDENTIALS = frozenset({"token", "client_auth", "with space"})

tricky = st.text(alphabet="/.%;?#\\&=+ab25cCeEfF08:@é\x00\x7f\u0660 ~", max_size=24)
texts = st.one_of(st.text(), tricky, tricky.map("/".__add__), tricky.map("/a/%".__add__))
names = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
pieces = st.sampled_from([*sorted(LITERAL - {"&", "=", "+"}), "%41", "%26", "%3d", "%25"])
plain = st.lists(pieces, max_size=5).map("".join)


def accepted(raw: str) -> Target:
    target = parse_target(raw)
    assert isinstance(target, Target), raw
    return target


def canonical(segment: str) -> str:
    """The one spelling of a decoded segment: literal where RFC 3986 has a literal form, else escaped."""
    return "".join(
        char if char in LITERAL else "".join(f"%{byte:02X}" for byte in char.encode()) for char in segment
    )


def upper_escapes(path: str) -> str:
    return re.sub("%..", lambda escape: escape[0].upper(), path)


@st.composite
def spelled(draw: st.DrawFn, name: str) -> str:
    """`name` as it may stand in a query: any of its characters escaped, in either case."""
    spellings = []
    for byte in name.encode():
        escapes = [f"%{byte:02x}", f"%{byte:02X}"] + (["+"] if byte == 32 else [])
        spellings.append(draw(st.sampled_from(escapes if byte == 32 else [chr(byte), *escapes])))
    return "".join(spellings)


@FAST
@given(texts)
@example("/\ud800")
@example("/a%")
@example("/%ff")
@example("/%ed%a0%80")
def test_any_text_is_a_target_or_a_refusal(raw: str) -> None:
    target = parse_target(raw)
    if isinstance(target, Deny):
        assert target.reason is Reason.MALFORMED_TARGET
        assert target.detail
        return
    assert target.raw == raw
    assert raw.isascii()
    *front, last = target.segments
    assert all(front)
    for segment in [*front, *([last] if last else [])]:
        assert segment.partition(";")[0] not in {"", ".", ".."}
        assert not set(segment) & {"/", "\\", "%", "?", "#", "\x7f"}
        assert all(ord(char) >= 0x20 and not 0x80 <= ord(char) < 0xA0 for char in segment)
    assert "/" + "/".join(map(canonical, target.segments)) == upper_escapes(target.path)


@FAST
@given(st.lists(names, min_size=1), st.booleans())
def test_the_canonical_spelling_of_ordinary_names_is_accepted(segments: list[str], slash: bool) -> None:
    path = "/" + "/".join(map(canonical, segments)) + "/" * slash
    target = parse_target(path)
    if any(set(name) & set("/\\%?#") or name.partition(";")[0] in {"", ".", ".."} for name in segments):
        assert isinstance(target, Deny)
    else:
        assert isinstance(target, Target)
        assert target.segments == (*segments, *([""] if slash else []))


@pytest.mark.parametrize(
    ("raw", "segments", "query"),
    [
        ("/", ("",), None),
        ("/?", ("",), ""),
        ("/a?&", ("a",), "&"),
        ("/a/", ("a", ""), None),
        ("/a/b.m3u8?x=/../%2e&y=%2F??", ("a", "b.m3u8"), "x=/../%2e&y=%2F??"),
        ("/.a/..b/.../a..", (".a", "..b", "...", "a.."), None),
        ("/a;v=1/b;", ("a;v=1", "b;"), None),
        ("/caf%C3%A9%20%5B1%5D", ("café [1]",), None),
        ("/caf%c3%a9%20%5b1%5d", ("café [1]",), None),
        ("/a:b@c!$&'()*+,=~", ("a:b@c!$&'()*+,=~",), None),
        ('/a?q="<>[]^`{|}', ("a",), 'q="<>[]^`{|}'),
    ],
)
def test_what_the_grammar_accepts(raw: str, segments: tuple[str, ...], query: str | None) -> None:
    target = accepted(raw)
    assert (target.raw, target.segments, target.query) == (raw, segments, query)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "?",
        "a",
        "*",
        "http://host/a",
        "host:443",
        "//host/a",
        "/a//b",
        "/a//",
        "/.",
        "/..",
        "/./a",
        "/a/..",
        "/a/../b",
        "/a/./b",
        "/a/.?x",
        "/a/..;x/b",
        "/a/.;/b",
        "/;x/host",
        "/a/;/b",
        "/a/;x",
        "/a/%2e%2e/b",
        "/a/%2E./b",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a%5Cb",
        "/a\\b",
        "/a%00",
        "/a%0a",
        "/a%7f",
        "/a%c2%85",
        "/a%C2%9B",
        "/a%25b",
        "/a%255Fb",
        "/%63h2",
        "/a%5F",
        "/a%3Fb",
        "/a%23b",
        "/a%3Bb",
        "/a%2Bb",
        "/a%40b",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a%\u0661\u0661",
        "/a%c3",
        "/a%c0%af",
        "/a%ed%a0%80",
        "/a b",
        "/a\tb",
        "/a\r\nb",
        "/a\n",
        "/caf\u00e9",
        "/a\udcff",
        "/a#f",
        "/a?b#f",
        "/a?b c",
        "/a?b\\c",
        "/a?%",
        "/a?%0",
        "/a?%00",
        "/a?\u00e9",
        "/a?x\n",
        "/[a]",
        "/{a}",
    ],
)
def test_what_the_grammar_refuses(raw: str) -> None:
    refusal = parse_target(raw)
    assert isinstance(refusal, Deny)
    assert refusal.reason is Reason.MALFORMED_TARGET


def test_the_limit_is_inclusive() -> None:
    assert isinstance(parse_target("/" + "a" * 99, 100), Target)
    assert isinstance(parse_target("/" + "a" * 100, 100), Deny)


def test_pairs_are_decoded_as_forms_are() -> None:
    assert accepted("/a").pairs() == []
    assert accepted("/a?").pairs() == []
    assert accepted("/a?&&").pairs() == []
    assert accepted("/a?b=1&b=2&&c&d=e=f&%74oken=x+y%2B&=z&u=%ff").pairs() == [
        ("b", "1"),
        ("b", "2"),
        ("c", ""),
        ("d", "e=f"),
        ("token", "x y+"),
        ("", "z"),
        ("u", "\ufffd"),
    ]


@FAST
@given(st.data())
def test_without_leaves_no_spelling_of_a_credential_and_every_other_byte(data: st.DataObject) -> None:
    credential = st.sampled_from(sorted(CREDENTIALS)).flatmap(spelled)
    other = st.builds("{}{}{}".format, plain, st.sampled_from(["", "="]), plain).filter(
        lambda piece: unquote_plus(piece.partition("=")[0]) not in CREDENTIALS
    )
    drawn = data.draw(
        st.lists(
            st.one_of(
                st.tuples(st.just(True), st.builds("{}{}".format, credential, plain.map("={}".format))),
                st.tuples(st.just(True), credential),
                st.tuples(st.just(False), other),
                st.tuples(st.just(False), st.just("")),
            )
        )
    )
    target = accepted("/a/b?" + "&".join(piece for _, piece in drawn))
    left = target.without(CREDENTIALS)
    kept = [piece for is_credential, piece in drawn if not is_credential]
    assert left.path == target.path
    assert left.segments == target.segments
    assert not {name for name, _ in left.pairs()} & CREDENTIALS
    assert left.query == ("&".join(kept) if kept or not drawn else None)
    assert isinstance(parse_target(left.raw), Target)


def test_without_is_the_target_itself_where_nothing_goes() -> None:
    for raw in ("/a", "/a?", "/a?&", "/a?tokens=1&x=token"):
        target = accepted(raw)
        assert target.without(CREDENTIALS) is target
    assert accepted("/a?token=1").without(CREDENTIALS).raw == "/a"
    assert accepted("/a?%2574oken=1").without(CREDENTIALS).raw == "/a?%2574oken=1"


def test_below_takes_whole_segments() -> None:
    target = accepted("/_s/ticket/a/b?x=1")
    assert target.below(0) == target
    assert target.below(2) == accepted("/a/b?x=1")
    assert target.below(3) == accepted("/b?x=1")
    assert target.below(4) is None
    assert accepted("/_s/ticket").below(2) is None
    assert accepted("/_s/").below(2) is None
    assert accepted("/_s/ticket/").below(2) == accepted("/")


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        *((text, True) for text in ("a", "...", "a;b", "a b", "é", "\u200b", "a:b@c", "<>[]^`{|}")),
        *((text, False) for text in ("", ".", "..", ";", ".;a", "a/b", "a\\b", "a%b", "a?b", "a#b")),
        *((text, False) for text in ("\x00", "\n", "\x7f", "\x85", "\ud800")),
    ],
)
def test_whether_a_text_can_be_a_segment(text: str, fits: bool) -> None:
    assert fits_segment(text) is fits


@FAST
@given(texts)
def test_what_can_be_a_segment_is_one_however_it_is_spelled(text: str) -> None:
    if "\ud800" <= max(text, default="") <= "\udfff":
        return
    target = parse_target(f"/{canonical(text)}")
    assert fits_segment(text) is (bool(text) and isinstance(target, Target) and target.segments == (text,))
