"""The path carrier: how a session link is written, and which URIs of an origin are brought under it."""

from __future__ import annotations

import pytest

from gate.core.policy import Origin
from gate.core.target import Target, parse_target
from gate.proxy.carrier import rebase_for, session_link

ORIGIN = Origin("origin", "http://media.example:9000/base")


@pytest.mark.parametrize("raw", ["/a/b.m3u8", "/a/b.m3u8?", "/a/b.m3u8?x=%2F..&&y", "/%C3%A9/b.m3u8"])
def test_a_link_is_the_ticket_before_the_same_bytes(raw: str) -> None:
    target = parse_target(raw)
    assert isinstance(target, Target)
    assert session_link("/_s/", "TICKET", target) == f"/_s/TICKET{raw}"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (b"seg.ts", b"seg.ts"),
        (b"../seg.ts", b"../seg.ts"),
        (b"/base/ch1/seg.ts", b"/_s/T/ch1/seg.ts"),
        (b"/ch1/seg.ts", b"/_s/T/ch1/seg.ts"),
        (b"http://media.example:9000/base/ch1/seg.ts?x=1", b"/_s/T/ch1/seg.ts?x=1"),
        (b"HTTP://MEDIA.example:9000/base/ch1/seg.ts", b"/_s/T/ch1/seg.ts"),
        (b"https://gate.example/ch1/seg.ts", b"/_s/T/ch1/seg.ts"),
        (b"//gate.example/ch1/seg.ts", b"/_s/T/ch1/seg.ts"),
        (b"http://media.example:9001/base/ch1/seg.ts", b"http://media.example:9001/base/ch1/seg.ts"),
        (b"http://media.example:9000.evil/x", b"http://media.example:9000.evil/x"),
        (b"https://elsewhere.example/x", b"https://elsewhere.example/x"),
        (b"data:text/plain,x", b"data:text/plain,x"),
    ],
)
def test_what_leads_to_the_origin_or_the_gate_is_brought_under_the_link(uri: bytes, expected: bytes) -> None:
    assert rebase_for("/_s/T", ORIGIN, "gate.example")(uri) == expected


def test_without_a_link_the_uris_become_the_gates_own_paths() -> None:
    rebase = rebase_for("", ORIGIN, None)
    assert rebase(b"http://media.example:9000/base/public/x") == b"/public/x"
    assert rebase(b"https://gate.example/x") == b"https://gate.example/x"
