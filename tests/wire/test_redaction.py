from __future__ import annotations

import pytest

from gate.wire.redaction import redact

HEADER = "eyJhbGciOiJIUzI1NiJ9"


@pytest.mark.parametrize(
    "credential",
    [
        f"{HEADER}.eyJhIjoxfQ.c2lnbmF0dXJl",
        f"{HEADER}.eyJhIjoxfQ",
        HEADER,
        f"{HEADER}.eyJhIjoxfQ==.x.y.z",
        f"abcdefgh-.{'p' * 30}.{'s' * 43}",
        "t" * 120,
    ],
)
def test_what_looks_like_a_credential_is_taken_out(credential):
    assert redact(f"GET /cam1?token={credential}&x=1 'quoted'") == "GET /cam1?token=[credential]&x=1 'quoted'"


@pytest.mark.parametrize(
    "text",
    [
        "gate.proxy.gatekeeper refused: token_missing",
        "/srv/gate/archive/2026/05/04/13/00/00-02000.ts",
        "edge-7.cdn.customer-with-a-name.example.org",
        "cam1-2f6c0c6e-1d2b-4f0b-9a44-1b0f6d1f4c11",
        "6646cb1f0a7b44d2b3b0a7a0c0ffee00",
    ],
)
def test_plain_text_stays(text):
    assert redact(text) == text
