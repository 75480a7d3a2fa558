"""A line of the access log: what it shows, and that no credential is in it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.wire.access import Entry, clean, shown_agent, shown_method, shown_target

SECRET = frozenset({"token", "client_auth"})
ENTRY = Entry(
    request_id="0123456789abcdef",
    address="192.0.2.1",
    method="GET",
    path="/cam1/index.m3u8",
    status=200,
    bytes_sent=1234,
    bytes_received=0,
    duration_ms=5.2,
    decision="permit",
    reason=None,
    detail=None,
    application="demo",
    resource="cam1",
    kind="live",
    session="0a1b2c",
    origin_status=206,
    user_agent='VLC/3.0 "x"',
)


def target(raw: str) -> str:
    return shown_target(raw, "/_s/", SECRET)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("/cam1/index.m3u8", "/cam1/index.m3u8"),
        ("/cam1/index.m3u8?", "/cam1/index.m3u8?"),
        ("/_s/short/cam1/index.m3u8?from=1700000000", "/_s/[ticket]/cam1/index.m3u8?from=1700000000"),
        ("/_s/short", "/_s/[ticket]"),
        ("/_s/short/renew", "/_s/[ticket]/renew"),
        ("/_s/", "/_s/"),
        ("/v1/authtokens/0123?x", "/v1/authtokens/[token]?[...]"),
        ("/v1/authtokens/", "/v1/authtokens/"),
        ("/cam1?token=opaque&x=1", "/cam1?token=[token]&x=1"),
        ("/cam1?token=1234&token=5", "/cam1?token=[token]&token=[token]"),
        ("/cam1?t%6fken=1234", "/cam1?[...]"),
        ("/cam1?auth=opaque&_HLS_msn=12&from=1.5&to=-60", "/cam1?auth=[...]&_HLS_msn=12&from=1.5&to=-60"),
        ("/cam1?opaque", "/cam1?[...]"),
        ("/cam1?a=&&b=1#opaque", "/cam1?a=&&b=1"),
        ("/cam1#opaque", "/cam1"),
        ("http://evil/x?token=opaque", "http://evil/x?token=[token]"),
        (f"/{'a' * 80}/x", "/[credential]/x"),
        ("/a\x00\x1b[31m\udcff", "/a��[31m�"),
        ("*", "*"),
        ("", ""),
    ],
)
def test_a_target_is_shown_without_credentials(raw: str, shown: str) -> None:
    assert target(raw) == shown


@given(st.text(max_size=60))
def test_any_text_is_shown_printable_and_the_ticket_is_not(text: str) -> None:
    assert target(text).isprintable()
    ticket = "tickettickettick"
    assert ticket not in target(f"/_s/{ticket}/{text}")
    assert ticket not in target(f"/cam1?{text}&token={ticket}")


def test_what_is_long_is_cut_after_it_was_redacted() -> None:
    assert len(target("/" + "a/" * 5000)) == 512
    assert clean("x " * 200, 100).endswith("…")
    assert "eyJ" not in clean("y" * 60 + " eyJhbGciOiJIUzI1NiJ9.eyJh", 70)
    assert len(target("/x?" + "a=1&" * 5000)) == 512


def test_a_method_is_a_word() -> None:
    assert shown_method("PROPFIND") == "PROPFIND"
    assert shown_method("eyJhbGciOiJIUzI1NiJ9") == shown_method("") == "?"


def test_an_agent_is_bounded() -> None:
    assert shown_agent("") is None
    assert len(shown_agent("a b " * 100) or "") == 128


def test_an_entry_for_people() -> None:
    assert str(ENTRY) == (
        "0123456789abcdef: 192.0.2.1 GET /cam1/index.m3u8 200 1234B 5.2ms permit application=demo "
        'resource=cam1 kind=live session=0a1b2c origin=206 "VLC/3.0 \\"x\\""'
    )
    refused = replace(
        ENTRY,
        status=None,
        address="",
        decision="deny",
        reason="token_missing",
        detail="no token",
        application=None,
        resource="a b",
        kind=None,
        session=None,
        origin_status=None,
        bytes_received=7,
        user_agent=None,
    )
    assert str(refused) == (
        "0123456789abcdef: - GET /cam1/index.m3u8 - 1234B 5.2ms deny token_missing (no token) "
        'resource="a b" received=7'
    )


def test_an_entry_for_programs() -> None:
    fields = json.loads(json.dumps(ENTRY.fields()))
    assert fields["status"] == 200
    assert fields["reason"] is None
    assert list(fields)[:5] == ["request_id", "address", "method", "path", "status"]
