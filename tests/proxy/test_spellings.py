"""Every spelling of a path: refused, or forwarded as exactly the bytes that were decided on."""

from __future__ import annotations

from typing import Any

import pytest

FULL = {"live": True, "dvr": True, "copy": True}
SEGMENT = "/ch1/hls/segment1.ts"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


SPELLINGS = [
    (SEGMENT, 200),
    (f"{SEGMENT}?", 200),
    (f"{SEGMENT}?&", 200),
    (f"{SEGMENT}?a=%2F..%2f&&b=//x/../y&c=%E9+", 200),
    ("/ch10/hls/segment1.ts", 403),
    ("/CH1/hls/segment1.ts", 403),
    ("/ch2;x/hls/segment1.ts", 403),
    ("/ch1;x/hls/segment1.ts", 403),
    ("/ch1%20/hls/segment1.ts", 403),
    ("/%C3%A9/hls/segment1.ts", 403),
    ("/ch1/ch2/hls/segment1.ts", 403),
    ("/ch2/ch1/hls/segment1.ts", 403),
    ("/ch1/../ch2/hls/segment1.ts", 400),
    ("/ch1/./hls/segment1.ts", 400),
    ("/ch1/..;/ch2/hls/segment1.ts", 400),
    ("/%63h2/hls/segment1.ts", 400),
    ("/%63h1/hls/segment1.ts", 400),
    ("//ch2/hls/segment1.ts", 400),
    ("/ch1//hls/segment1.ts", 400),
    ("/ch1/%2e%2e/ch2/hls/segment1.ts", 400),
    ("/ch1/%252e%252e/ch2/hls/segment1.ts", 400),
    ("/ch1/%2E./ch2/hls/segment1.ts", 400),
    ("/ch1/..%2fch2/hls/segment1.ts", 400),
    ("/ch1%2f..%2fch2/hls/segment1.ts", 400),
    ("/ch1\\..\\ch2/hls/segment1.ts", 400),
    ("/ch1/hls%5csegment1.ts", 400),
    ("/ch1%00/hls/segment1.ts", 400),
    ("/ch1%0d%0aX:y/hls/segment1.ts", 400),
    ("/ch1/hls/segment1.ts#x", 400),
    ("/ch1/hls/segment1.ts?x=%zz", 400),
    ("/ch1/%ff/segment1.ts", 400),
    ("/ch1/\xe9/segment1.ts", 400),
    ("/ch1/\uff0e\uff0e/ch2/segment1.ts", 400),
    ("/;/ch2/hls/segment1.ts", 400),
    ("http://h/ch1/hls/segment1.ts", 400),
    ("http://ch2/hls/segment1.ts", 400),
    ("*", 400),
    ("ch1/hls/segment1.ts", 400),
    ("/_s/x/ch1/hls/segment1.ts", 401),
    ("/_s/ch1/hls/segment1.ts", 401),
    ("/_s/", 401),
]


class TestSpellings:
    @pytest.mark.parametrize("carried", ["by its token", "by its ticket"])
    async def test_a_target_is_refused_or_reaches_the_origin_as_the_bytes_decided_on(
        self, start_gate: Any, media: Any, send_raw: Any, open_link: Any, carried: str
    ) -> None:
        url, seen = media
        gate = await start_gate(url, sessions={"prefix": "/_s/"})
        token = gate.token("ch1", **FULL)
        front, head = "", f"Host: h\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        if carried == "by its ticket":
            front = (await open_link(gate, "/ch1/index.m3u8", token)).removesuffix("/ch1/index.m3u8")
            head = "Host: h\r\nConnection: close\r\n\r\n"
        wrong = []
        for target, expected in SPELLINGS:
            if front and not target.startswith("/"):
                continue
            if front and target.startswith("/_s/"):
                expected = 400
            del seen[:]
            answer = await send_raw(gate.port, f"GET {front}{target} HTTP/1.1\r\n{head}".encode())
            got = [request.target for request in seen]
            if status_of(answer) != expected or got != ([target] if expected == 200 else []):
                wrong.append((target, answer[:40], got))
        assert not wrong

    async def test_nothing_is_served_that_no_rule_names_or_that_is_closed(
        self, start_gate: Any, media: Any, ask: Any
    ) -> None:
        gate = await start_gate(media[0])
        assert (await ask(gate, "/")).reason == "not_served"
        assert (await ask(gate, "/closed/x")).reason == "access_none"
        assert (await ask(gate, "/public/x")).status == 200
        assert [seen.target for seen in media[1]] == ["/public/x"]
