"""aipix Mediaserver's ``Auth.CreateAccessToken``: its parameters, and the native claims that it makes.

    stream          the unique id of one stream
    ttl             seconds that the token lives, 3600 where it is not said, 0 for no end
    live dvr copy   what may be watched: the live edge, the archive, downloads; nothing where it is not said
    from to         the bounds of dvr and copy in Unix seconds, ``[from, to)``; 0 is no bound on that side

Source: the vendor's page "Auth.CreateAccessToken" (24.12 and 25.06). It does not publish what its own tokens
are, except that any server with the same secret takes them; so do gates with the same key.

A stream's id is more closely held here than there: it becomes one segment of a URL's path and the name that
grants are compared with, so it must have one spelling in both. Only what RFC 3986 calls unreserved is never
escaped (section 2.3), by nobody; so ``/`` and ``%`` are out, which would be two segments or an escape, and so
are controls, spaces and all beyond US-ASCII. ``:`` is out too: a relative reference that begins with ``cam:1``
names a scheme (section 4.2). Dots stand single and between other characters, as a segment of nothing else
goes elsewhere in the tree (section 5.2.4), and file systems drop one at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from gate.core.windows import LAST_SECOND
from gate.formats.parameters import FLAG, Parameter, Reader, Wrong, text, whole

DEFAULT_TTL_S: Final = 3600
# What is documented as unsigned has 32 bits: 136 years.
LONGEST_TTL_S: Final = 2**32 - 1
LONGEST_STREAM: Final = 255

STREAM: Final = text(
    LONGEST_STREAM,
    r"[A-Za-z0-9_~-]+(?:\.[A-Za-z0-9_~-]+)*",
    f"1 to {LONGEST_STREAM} of the characters A-Z a-z 0-9 _ ~ - and single dots between them",
)
BOUND: Final = whole("whole Unix seconds", LAST_SECOND)


def lifetime(longest_s: float | None = None, *, unlimited: bool = True) -> Reader:
    """Reads a lifetime in whole seconds, at most `longest_s`; 0 is one without end, where that is allowed.

    A cap does not hold what is allowed to have no end, as with the tokens of an application.
    """
    most = LONGEST_TTL_S if longest_s is None else math.floor(min(longest_s, LONGEST_TTL_S))
    return whole("whole seconds", most, 0 if unlimited else 1)


def access_parameters(longest_s: float | None = None, *, unlimited: bool = True) -> tuple[Parameter, ...]:
    """The parameters of ``Auth.CreateAccessToken`` in their order, where lifetimes are capped so.

    Where the cap is shorter than the documented default it is the default.
    """
    usual_s = DEFAULT_TTL_S if longest_s is None else max(1, math.floor(min(DEFAULT_TTL_S, longest_s)))
    return (
        Parameter("stream", STREAM, "The unique id of the stream.", required=True),
        Parameter(
            "ttl",
            lifetime(longest_s, unlimited=unlimited),
            "How many seconds the token lives; 0 for no end.",
            default=usual_s,
        ),
        Parameter("live", FLAG, "Whether the live stream may be watched.", default=False),
        Parameter("dvr", FLAG, "Whether the archive may be watched.", default=False),
        Parameter("copy", FLAG, "Whether the archive may be downloaded.", default=False),
        Parameter("from", BOUND, "Nothing of the archive before this Unix second; 0 for no bound.", default=0),
        Parameter("to", BOUND, "Nothing of the archive from this Unix second on; 0 for no bound.", default=0),
    )


def check_bounds(asked: Mapping[str, Any]) -> Wrong | None:
    """What is wrong with ``from`` and ``to`` together; None where nothing is, or one of them is no bound."""
    if asked["from"] and asked["to"] and asked["to"] < asked["from"]:
        return Wrong("to", "expected a time that is not before from, or 0")
    return None


def access_claims(
    stream: str,
    *,
    now: float,
    jti: str,
    ttl: int = DEFAULT_TTL_S,
    live: bool = False,
    dvr: bool = False,
    copy: bool = False,
    from_: int = 0,
    to: int = 0,
) -> dict[str, Any]:
    """The claims of a token that reads this one stream, to be signed (`gate.formats.jwt.sign`).

    Times are Unix seconds, `ttl` seconds from `now`; every value is one that its reader has read. What is
    false or 0 is left out, which means the same and keeps URLs short: without a `ttl` there is no ``exp``.
    `jti` names the token, for revoking it; no two tokens share one.
    """
    issued_at = int(now)
    claims = {
        "jti": jti,
        "iat": issued_at,
        "exp": issued_at + ttl if ttl else None,
        "grants": {"read": {"resources": [stream]}},
        "live": live or None,
        "dvr": dvr or None,
        "copy": copy or None,
        "from": from_ or None,
        "to": to or None,
    }
    return {name: value for name, value in claims.items() if value is not None}


def asked_claims(asked: Mapping[str, Any], *, now: float, jti: str) -> dict[str, Any]:
    """The claims for what was read with `access_parameters`."""
    renamed = {"from_" if name == "from" else name: value for name, value in asked.items()}
    return access_claims(**renamed, now=now, jti=jti)
