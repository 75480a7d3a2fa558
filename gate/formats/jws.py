"""A signed JWT in compact serialization (RFC 7515, section 7.1), taken apart as strictly as its readers need.

Shape and one spelling of base64url first, then the header. The reading is ours, because a general library
accepts second spellings (a trailing ``=``, altered trailing bits), UTF-16, repeated keys and more, and each of
those is a way around counting or revocation.

A token that carries or points to a key (``jwk``, ``jku``, ``x5u``, ``x5c``) is refused: a key comes from the
policy or not at all. So is one with an extension that must be understood (``crit``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gate.core.reasons import Deny, Reason
from gate.formats import base64url
from gate.formats.strict_json import read_object

LONGEST: Final = 16384
# A payload may be empty, as far as a signature goes.
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+", re.ASCII)
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
_BROUGHT_KEYS: Final = frozenset({"jwk", "jku", "x5u", "x5c"})


@dataclass(frozen=True, slots=True)
class Jws:
    """The parts of a token that nobody has verified yet. `header` is one that the gate reads."""

    header: Mapping[str, Any]
    payload: bytes
    signing_input: bytes
    signature: bytes


def read_jws(text: str) -> Jws | Deny:
    """The parts of `text`, or TOKEN_MALFORMED. Total. Nothing in them may be believed yet."""
    if len(text) > LONGEST or _SHAPE.fullmatch(text) is None:
        return Deny(Reason.TOKEN_MALFORMED)
    signing_input, _, signature_text = text.rpartition(".")
    header_text, _, payload_text = signing_input.partition(".")
    raw_header, payload = base64url.decode(header_text), base64url.decode(payload_text)
    signature = base64url.decode(signature_text)
    header = None if raw_header is None else read_object(raw_header)
    if header is None or payload is None or signature is None:
        return Deny(Reason.TOKEN_MALFORMED)
    if (refusal := check_header(header)) is not None:
        return refusal
    return Jws(header, payload, signing_input.encode(), signature)


def check_header(header: Mapping[str, Any]) -> Deny | None:
    """None where the header is one that the gate reads, whatever key and algorithm it names."""
    kind = header.get("typ", "JWT")
    if not isinstance(header.get("alg"), str) or not isinstance(kind, str):
        return Deny(Reason.TOKEN_MALFORMED)
    if "kid" in header and not isinstance(header["kid"], str):
        return Deny(Reason.TOKEN_MALFORMED)
    if kind.lower() not in _TYPES:
        return Deny(Reason.TOKEN_MALFORMED, "the token is of another type (typ)")
    if "crit" in header or "b64" in header:
        return Deny(Reason.TOKEN_MALFORMED, "the token uses an extension that the gate does not know (crit)")
    if not _BROUGHT_KEYS.isdisjoint(header):
        return Deny(Reason.TOKEN_MALFORMED, "the token brings a key of its own (jwk, jku, x5u, x5c)")
    return None
