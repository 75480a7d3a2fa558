"""Bug classes of path and host: what was decided on one spelling and served by another. One test each."""

from __future__ import annotations

import pytest

from gate.core.decision import locate
from gate.core.grants import Action, Grant
from gate.core.keys import Keyring
from gate.core.media import Role
from gate.core.policy import Access, Application, Origin, Pattern, Policy, StreamRule
from gate.core.reasons import Deny, Reason
from gate.core.target import Target, parse_target
from gate.core.token import Format, Token
from gate.core.verdicts import Ask, Place
from gate.formats.claims import read_claims
from gate.media.layouts import LAYOUTS


class NoHeaders:
    """A request without header fields."""

    def getall(self, key: str, default: tuple[str, ...], /) -> tuple[str, ...]:
        return default


DEMO = Application("demo", Keyring([]))
ORIGIN = Origin("archive", "http://origin:9000")


def rule(pattern: str, access: Access, layout: str = "flussonic") -> StreamRule:
    return StreamRule(pattern, Pattern(pattern), access, ORIGIN, LAYOUTS[layout], DEMO)


POLICY = Policy((rule("/public/**", Access.PUBLIC), rule("/**", Access.PRIVATE)), {"demo": DEMO})


def place(raw: str) -> Place:
    answer = locate(Ask("GET", raw, NoHeaders(), "192.0.2.1"), POLICY)
    assert isinstance(answer, Place), answer
    return answer


def malformed(raw: str) -> bool:
    """Whether the target is refused, both as a target and on a request's way."""
    parsed = parse_target(raw)
    answer = locate(Ask("GET", raw, NoHeaders(), "192.0.2.1"), POLICY)
    return (
        isinstance(parsed, Deny)
        and isinstance(answer, Deny)
        and parsed.reason is answer.reason is Reason.MALFORMED_TARGET
    )


def test_prefix_without_a_segment_boundary() -> None:
    """A grant on ``/ch1`` that is compared as the beginning of a text opens ``/ch10`` as well."""
    grant = Grant(resources=frozenset({"ch1"}))
    assert grant.covers(place("/ch1/index.m3u8").facts.resource)
    for raw in (
        "/ch10/index.m3u8",
        "/ch1.bak/index.m3u8",
        "/ch1;x/index.m3u8",
        "/ch/index.m3u8",
        "/CH1/index.m3u8",
    ):
        assert not grant.covers(place(raw).facts.resource)
    assert not grant.covers(place("/ch1/sub/index.m3u8").facts.resource)
    assert place("/public/x").rule.access is Access.PUBLIC
    assert place("/publicity/x").rule.access is Access.PRIVATE


@pytest.mark.parametrize(
    "raw",
    [
        *(
            "/public/../cam1/index.m3u8",
            "/public/./index.m3u8",
            "/..",
            "/.",
            "/public/..",
            "/../cam1/index.m3u8",
        ),
        *(
            "/public/%2e%2e/cam1/index.m3u8",
            "/public/%2E%2E/cam1/index.m3u8",
            "/public/.%2e/cam1",
            "/public/%2e./cam1",
        ),
        *("/public/..;/cam1/index.m3u8", "/public/..;a=b/cam1", "/public/.;/cam1"),
        *("/public/..%2fcam1/index.m3u8", "/public/..%5ccam1", "/public\\..\\cam1"),
    ],
)
def test_cve_2019_9901_and_cve_2021_31920_and_cve_2025_66490_dot_segments(raw: str) -> None:
    """Decided as ``/public/...``, forwarded, and resolved to ``/cam1`` by the server behind.

    Envoy, Istio and Traefik each matched one form and forwarded another, plain or encoded.
    """
    assert malformed(raw)


@pytest.mark.parametrize("raw", ["/cam1%252Findex.m3u8", "/public/%252e%252e/cam1", "/%255F", "/%2525", "/%25"])
def test_double_decoding(raw: str) -> None:
    """``%255F`` is decoded by the proxy, and once more by what stands behind it [HA supervisor, PR 7225]."""
    assert malformed(raw)


@pytest.mark.parametrize(
    "escape", ["%2f", "%2F", "%5c", "%5C", "%3b", "%3B", "%3f", "%3F", "%23", "%2e", "%2E", "%00"]
)
def test_cve_2026_42272_hex_case(escape: str) -> None:
    """A filter that knew ``%2F`` let ``%2f`` pass. Here no delimiter may be escaped in either case."""
    assert malformed(f"/public{escape}cam1/index.m3u8")


@pytest.mark.parametrize(
    "raw", ["/%63am1/index.m3u8", "/c%61m1/index.m3u8", "/cam%31/index.m3u8", "/cam1/index%2Em3u8"]
)
def test_needless_escapes(raw: str) -> None:
    """An escaped letter is the same letter to the origin, and another one to a rule that compares bytes."""
    assert malformed(raw)


@pytest.mark.parametrize(
    "raw",
    [
        *("//evil.example/cam1", "///cam1", "/cam1//index.m3u8", "/public//cam1/x", "/cam1//"),
        *(
            "http://evil.example/cam1",
            "https://evil.example/",
            "HTTP://evil.example/cam1",
            "evil.example:443",
            "*",
        ),
        *(
            "/\\evil.example/cam1",
            "\\\\evil.example",
            "",
            "cam1/index.m3u8",
            "?token=a",
            "#x",
            "/cam1#x",
            "/cam1?x#y",
        ),
    ],
)
def test_cve_2026_26205_authority_in_the_target(raw: str) -> None:
    """``//host/x`` or an absolute form was read as an authority by one side and as a path by the other."""
    assert malformed(raw)


@pytest.mark.parametrize(
    ("raw", "forwarded"),
    [
        ("/cam1/index.m3u8?a=/../b&c=%3F", "/cam1/index.m3u8?a=/../b&c=%3F"),
        ("/cam1/index.m3u8?a?b", "/cam1/index.m3u8?a?b"),
        ("/cam1/a%20b.ts?x=%2f", "/cam1/a%20b.ts?x=%2f"),
        ("/cam1/a+b;c=d,e.ts", "/cam1/a+b;c=d,e.ts"),
        ("/cam1/%D0%BA.ts?", "/cam1/%D0%BA.ts?"),
        ("/cam1/%d0%ba.ts?&&", "/cam1/%d0%ba.ts?&&"),
        ("/cam1/x.ts?token=abc&y=%41", "/cam1/x.ts?y=%41"),
        ("/cam1/x.ts?y=%41&%74oken=abc", "/cam1/x.ts?y=%41"),
    ],
)
def test_cve_2026_32811_re_encoding_moves_the_question_mark(raw: str, forwarded: str) -> None:
    """A target that is decoded and written anew has its ``?`` in another place, and so another path.

    The bytes decided on are the bytes forwarded, less the credential.
    """
    assert place(raw).target.raw == forwarded
    if "%3F" in raw:
        assert malformed(raw.replace("?", "%3F", 1))


@pytest.mark.parametrize(
    "name", ["../cam2", "..", "cam1/../cam2", "/cam2", "cam2/", "cam2//", "%63am2", "cam2\x00", "*"]
)
def test_ghsa_3x2w_63fp_3qvw_a_path_claim_with_dots(name: str) -> None:
    """A path in the token was normalised before it was compared, and ``..`` reached out of it.

    Names in a grant are compared whole with names in a target, and no target has a name like these.
    """
    answer = read_claims({"grants": {"read": {"resources": [name]}}}, "demo", Format.JWT, b"")
    assert isinstance(answer, Token)
    grant = answer.warrant.grants.get(Action.READ)
    assert grant is not None
    for raw in ("/cam2/index.m3u8", "/cam2", "/cam2/", "/cam1/x", "/a/cam2/index.m3u8", "/"):
        assert not grant.covers(place(raw).facts.resource)


@pytest.mark.parametrize(
    "tail",
    [
        *("xindex.m3u8", "index.m3u8x", "index-m3u8", "indexXm3u8", "mpegtsx", "xmpegts", "index.m3u8.mp4"),
        *(
            "2026/01/01/00/00/00-5000.ts.mp4",
            "x2026/01/01/00/00/00-5000.ts",
            "hls/segment1.ts.bak",
            "index.m3u8;x",
        ),
        "index.m3u8%20",
    ],
)
def test_unanchored_patterns(tail: str) -> None:
    """A pattern that matches somewhere in a path matches too much: a dot is any character, an end is no end."""
    facts = place(f"/cam1/{tail}").facts
    assert (facts.role, facts.kind, facts.span) == (Role.OTHER, None, None)


@pytest.mark.parametrize(
    "tail",
    [
        *(
            "preview.jpg",
            "2026/01/01/00/00/00.jpg",
            "2026/01/01/00/00/00-preview.mp4",
            "thumbnail.png",
            "sub.vtt",
        ),
        *(
            "key.bin",
            "init.mp4",
            "hls/segment1.ts",
            "tracks-1/hls/segment1.ts",
            "tracks-1/2026/01/01/00/00/00-5000.ts",
        ),
        *(
            "index-1700000000-3600.m3u8",
            "archive/1700000000/3600/mpegts",
            "timeshift_abs/1700000000",
            "rewind-60.m3u8",
        ),
    ],
)
def test_side_doors_of_a_stream(tail: str) -> None:
    """Playlists were checked; previews, thumbnails, subtitles, keys and archive forms were not.

    Whatever lies below a stream is that stream's, and its access is the stream's.
    """
    found = place(f"/cam1/{tail}")
    assert found.facts.resource == "cam1"
    assert found.rule.access is Access.PRIVATE


@pytest.mark.parametrize(
    "raw", ["/cam1/x\x00", "/cam1/\t", "/cam1/x\r\nHost: evil", "/cam1/\x7f", "/cam1/\u0416", "/cam1/\udcff"]
)
def test_bytes_that_no_target_holds(raw: str) -> None:
    """Control and non-ASCII bytes are dropped, cut at or translated by some reader on the way."""
    assert malformed(raw)


@pytest.mark.parametrize("raw", ["/cam1/%C0%AFx", "/cam1/%ED%A0%80", "/cam1/%FF", "/cam1/%c3"])
def test_overlong_and_broken_utf_8(raw: str) -> None:
    """``%C0%AF`` is a slash to a lenient decoder."""
    assert malformed(raw)


def test_every_target_has_one_name() -> None:
    """Two accepted targets with the same decoded segments would be two spellings of one resource.

    The case of hex digits in escapes of non-ASCII bytes is the one freedom left: the name is the same, and
    so is the decision.
    """
    upper, lower = parse_target("/%D0%BA/x"), parse_target("/%d0%ba/x")
    assert isinstance(upper, Target)
    assert isinstance(lower, Target)
    assert upper.segments == lower.segments
    assert place("/%D0%BA/x").facts == place("/%d0%ba/x").facts
