"""base64url as JOSE writes it (RFC 7515, section 2): one spelling for each string of bytes.

Python's reader takes padding that is not needed, drops what is not of the alphabet and ignores trailing
bits: many texts for the same bytes, and each of them is a way around what is counted or revoked by text.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def encode(raw: bytes) -> str:
    """The one spelling of the bytes, without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes | None:
    """The bytes that `text` spells, or None where it is not *the* spelling of any."""
    if _ALPHABET.fullmatch(text) is None or len(text) % 4 == 1:
        return None
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return raw if encode(raw) == text else None
