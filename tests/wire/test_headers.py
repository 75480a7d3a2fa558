"""Header fields on their way: as rules, and as bytes through a real gate."""

from __future__ import annotations

from typing import Any

import pytest

from gate.core.credentials import Sources
from gate.wire.headers import for_client, for_origin
from gate.wire.peers import Peer


def to_origin(*raw: tuple[bytes, bytes], sources: Sources | None = None, **options: Any) -> dict[str, str]:
    known = {"peer": Peer("192.0.2.7", "http", "gate.example", "192.0.2.7"), "request_id": "r1"}
    fields = for_origin(raw, sources or Sources(), **{**known, "whole": False, **options})
    assert len({name.lower() for name, _ in fields}) == len(fields)
    return dict(fields)


def to_client(*raw: tuple[bytes, bytes], public: bool = False) -> list[tuple[str, str]]:
    return for_client(raw, public=public)


OWN = {
    "X-Forwarded-For": "192.0.2.7",
    "X-Forwarded-Host": "gate.example",
    "X-Forwarded-Proto": "http",
    "X-Request-Id": "r1",
}


class TestToTheOrigin:
    def test_what_the_gate_says_replaces_what_the_client_said(self) -> None:
        assert to_origin(
            (b"X-Forwarded-For", b"203.0.113.1"),
            (b"x-forwarded-host", b"evil"),
            (b"X-FORWARDED-PROTO", b"https"),
            (b"X-Forwarded-Port", b"1"),
            (b"X-Real-IP", b"203.0.113.1"),
            (b"Forwarded", b"for=203.0.113.1"),
            (b"X-Request-Id", b"mine"),
            (b"X_Forwarded_For", b"203.0.113.1"),
            (b"Host", b"gate.example"),
        ) == OWN  # fmt: skip

    def test_what_is_not_known_is_not_said(self) -> None:
        assert to_origin(peer=Peer("", "http", "", "")) == {"X-Forwarded-Proto": "http", "X-Request-Id": "r1"}

    def test_hop_by_hop_fields_and_those_that_connection_names_end_here(self) -> None:
        assert to_origin(
            (b"Connection", b"X-Secret , close"),
            (b"connection", b"X-Other"),
            (b"X-Secret", b"1"),
            (b"X-Other", b"1"),
            (b"Keep-Alive", b"1"),
            (b"TE", b"trailers"),
            (b"Trailer", b"X"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Upgrade", b"h2c"),
            (b"HTTP2-Settings", b"AAMAAABkAAQAAP__"),
            (b"Proxy-Authorization", b"Basic x"),
            (b"Expect", b"100-continue"),
            (b"Content-Length", b"0"),
            (b"Accept", b"*/*"),
        ) == {"Accept": "*/*", **OWN}  # fmt: skip

    def test_credentials_never_leave(self) -> None:
        sources = Sources(headers=frozenset({"x-token"}), cookies=frozenset({"token"}))
        assert to_origin(
            (b"Authorization", b"Bearer t"),
            (b"X-Token", b"t"),
            (b"Cookie", b"a=1; token=t; b=2"),
            (b"Referer", b"https://gate/?token=t"),
            sources=sources,
        ) == {"Cookie": "a=1; b=2", **OWN}  # fmt: skip
        assert to_origin((b"Cookie", b"token=t"), sources=sources) == OWN
        assert to_origin((b"Cookie", b"token=t"))["Cookie"] == "token=t"

    def test_a_manifest_is_asked_for_whole_and_plain(self) -> None:
        raw = [
            (b"Range", b"bytes=0-"),
            (b"If-Range", b"x"),
            (b"Accept-Encoding", b"br"),
            (b"If-None-Match", b'"e"'),
        ]
        assert to_origin(*raw, whole=True) == {"If-None-Match": '"e"', "Accept-Encoding": "identity", **OWN}
        assert to_origin(*raw) == {**{name.decode(): value.decode() for name, value in raw}, **OWN}

    def test_the_ticket_in_a_cookie_never_leaves(self) -> None:
        """Whatever the policy says of how tickets travel: it may have said something else before."""
        for sources in (Sources(), Sources(cookies=frozenset({"token"}))):
            sent = to_origin((b"Cookie", b"a=1; _gate_session=TICKET; b=2"), sources=sources)
            assert sent == {"Cookie": "a=1; b=2", **OWN}
            assert to_origin((b"cookie", b"_gate_session=TICKET"), sources=sources) == OWN
            assert to_origin((b"Cookie", b" _gate_session=T ;_gate_session=U"), sources=sources) == OWN
            # Another one that is called nearly so is the origin's own, and is left as it was written.
            for own in ("a=1;b=2; ;", "x_gate_session=1", "_gate_sessions=1", "_GATE_SESSION=1"):
                assert to_origin((b"Cookie", own.encode()), sources=sources) == {"Cookie": own, **OWN}

    def test_what_is_cut_to_what_may_be_seen_is_asked_for_whatever_the_client_has(self) -> None:
        raw = [
            (b"If-None-Match", b'"e"'),
            (b"If-Modified-Since", b"Thu, 01 Jan 1970 00:00:00 GMT"),
            (b"If-Match", b'"e"'),
            (b"If-Unmodified-Since", b"Thu, 01 Jan 1970 00:00:00 GMT"),
            (b"Accept", b"*/*"),
        ]
        assert to_origin(*raw, anew=True) == {"Accept": "*/*", **OWN}
        whole = to_origin(*raw, (b"Range", b"bytes=0-"), whole=True, anew=True)
        assert whole == {"Accept": "*/*", "Accept-Encoding": "identity", **OWN}
        assert to_origin(*raw) == {**{name.decode(): value.decode() for name, value in raw}, **OWN}

    @pytest.mark.parametrize(
        ("value", "text"), [(b"\xc3\xa9", "é"), (b"\xe9", "é"), (b"a\xff", "aÿ"), (b"a\tb\x01\x7fc", "a\tb  c")]
    )
    def test_bytes_are_text_that_is_written_as_the_same_bytes_where_they_are_utf_8(
        self, value: bytes, text: str
    ) -> None:
        assert to_origin((b"X-Text", value))["X-Text"] == text


class TestToTheClient:
    @pytest.mark.parametrize(
        ("given", "private", "public"),
        [
            ([], "private", None),
            ([b"public, max-age=60"], "private, max-age=60", "public, max-age=60"),
            ([b"PUBLIC", b"S-MaxAge=9, no-cache"], "private, no-cache", "PUBLIC"),
            ([b"no-store"], "private, no-store", "no-store"),
            ([b'private="a, b", max-age=5'], "private, max-age=5", 'private="a, b", max-age=5'),
            ([b'no-cache="a, public", x="'], 'private, no-cache="a, public", x="', 'no-cache="a, public", x="'),
        ],
    )
    def test_caching(self, given: list[bytes], private: str, public: str | None) -> None:
        raw = [(b"Cache-Control", value) for value in given]
        raw += [
            (b"CDN-Cache-Control", b"max-age=9"),
            (b"Surrogate-Control", b"max-age=9"),
            (b"Surrogate-Key", b"k"),
        ]
        assert to_client(*raw) == [("Cache-Control", private), ("Referrer-Policy", "no-referrer")]
        kept = [value for name, value in to_client(*raw, public=True) if name == "Cache-Control"]
        assert kept[:1] == ([public] if public else [])

    def test_what_belongs_to_the_gate_or_to_the_hop_ends_here(self) -> None:
        assert to_client(
            (b"Connection", b"X-Hop"),
            (b"X-Hop", b"1"),
            (b"Keep-Alive", b"timeout=5"),
            (b"Transfer-Encoding", b"chunked"),
            (b"Upgrade", b"h2c"),
            (b"Proxy-Authenticate", b"Basic"),
            (b"Access-Control-Allow-Origin", b"https://o"),
            (b"Access-Control-Allow-Credentials", b"true"),
            (b"Access-Control-Expose-Headers", b"X"),
            (b"Gate-Reason", b"token_expired"),
            (b"X-Accel-Redirect", b"/internal"),
            (b"X-Request-Id", b"theirs"),
            (b"Referrer-Policy", b"unsafe-url"),
            (b"Set-Cookie", b"a=1"),
            (b"Set-Cookie", b"b=2"),
            (b"Vary", b"Accept"),
            public=True,
        ) == [
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("Vary", "Accept"),
            ("Referrer-Policy", "no-referrer"),
        ]


class TestThroughAGate:
    async def test_both_ways(self, start_gate: Any, start_raw_origin: Any, send_raw: Any) -> None:
        heads: list[bytes] = []

        async def script(head: bytes, reader: Any, writer: Any) -> None:
            heads.append(head)
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n"
                b"Server: origin\r\n"
                b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nAccess-Control-Allow-Origin: https://o\r\n"
                b"Access-Control-Allow-Credentials: true\r\nCache-Control: public, s-maxage=5, max-age=3\r\n"
                b"CDN-Cache-Control: max-age=9\r\nX-Name: \xc3\xa9\r\nGate-Reason: fake\r\n"
                b"Vary: Accept\r\n\r\nok"
            )

        gate = await start_gate(await start_raw_origin(script))
        token = gate.token("ch1", live=True, dvr=True, copy=True)
        answer = await send_raw(
            gate.port,
            b"GET /ch1/hls/segment1.ts?x=1 HTTP/1.1\r\nHost: gate.example\r\nAuthorization: Bearer "
            + token.encode()
            + b"\r\nOrigin: https://p.example\r\nX-Forwarded-For: 203.0.113.1\r\n"
            b"X_Forwarded_For: 203.0.113.1\r\n"
            b"Referer: https://gate.example/?token=t\r\nX-Name: \xc3\xa9\r\nConnection: close, X-Hop\r\n"
            b"X-Hop: 1\r\nUser-Agent: player\r\n\r\n",
        )
        lines = heads[0].removesuffix(b"\r\n\r\n").split(b"\r\n")
        request_ids = [line for line in lines if line.startswith(b"X-Request-Id: ")]
        assert len(request_ids) == 1
        assert lines[0] == b"GET /ch1/hls/segment1.ts?x=1 HTTP/1.1"
        assert sorted(
            line for line in lines[1:] if line not in request_ids and not line.startswith(b"Host: ")
        ) == [
            b"Origin: https://p.example",
            b"User-Agent: player",
            b"X-Forwarded-For: 127.0.0.1",
            b"X-Forwarded-Host: gate.example",
            b"X-Forwarded-Proto: http",
            b"X-Name: \xc3\xa9",
        ]
        head, _, body = answer.partition(b"\r\n\r\n")
        fields = [line for line in head.split(b"\r\n")[1:] if not line.startswith(b"Date: ")]
        exposed = [line for line in fields if line.startswith(b"Access-Control-Expose-Headers: ")]
        assert len(exposed) == 1
        assert body == b"ok"
        assert sorted(line for line in fields if line not in exposed) == [
            b"Access-Control-Allow-Origin: *",
            b"Cache-Control: private, max-age=3",
            b"Connection: close",
            b"Content-Length: 2",
            b"Referrer-Policy: no-referrer",
            b"Server: origin",
            b"Set-Cookie: a=1",
            b"Set-Cookie: b=2",
            b"Vary: Accept",
            b"X-Name: \xc3\xa9",
        ]

    async def test_the_name_of_this_machine_is_not_told(
        self, start_gate: Any, media: Any, send_raw: Any
    ) -> None:
        url, seen = media
        gate = await start_gate(url)
        assert b" 200 " in await send_raw(gate.port, b"GET /public/x HTTP/1.0\r\n\r\n")
        assert "X-Forwarded-Host" not in seen[0].headers

    async def test_what_is_public_may_be_kept_by_all(
        self, start_gate: Any, start_raw_origin: Any, ask: Any
    ) -> None:
        async def script(head: bytes, reader: Any, writer: Any) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCache-Control: public, s-maxage=5\r\n\r\n")

        gate = await start_gate(await start_raw_origin(script))
        assert (await ask(gate, "/public/x")).headers["Cache-Control"] == "public, s-maxage=5"
