"""What the log says of one answered request: who asked for what, what was decided, and why.

No credential is in it. A session link's ticket and a query's values are replaced, whatever they are: a token
in the wrong place is a token still. Only numbers stay, which say what time was asked for. Referer and Cookie
are not there at all, and what came from the client otherwise is cut short and redacted.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

from gate.core.policy import AUTHTOKENS
from gate.wire.redaction import redact

_TARGET: Final = 512
_AGENT: Final = 128
_METHOD: Final = re.compile(r"[A-Z]{1,16}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,10}(?:\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the access log; empty or None is what does not apply or is not known.

    `status` is None where the client left before an answer. `bytes_sent` counts the bodies' bytes, as they were
    handed to the connection; `duration_ms` is from the request's head to the end of its answer.
    """

    request_id: str
    address: str
    method: str
    path: str
    status: int | None
    bytes_sent: int
    bytes_received: int
    duration_ms: float
    decision: str | None
    reason: str | None
    detail: str | None
    application: str | None
    resource: str | None
    kind: str | None
    session: str | None
    origin_status: int | None
    user_agent: str | None

    def fields(self) -> dict[str, Any]:
        """The entry as JSON has it."""
        return asdict(self)

    def __str__(self) -> str:
        """The entry in one line, for people."""
        named = {
            "application": self.application,
            "resource": self.resource,
            "kind": self.kind,
            "session": self.session,
            "origin": self.origin_status,
            "received": self.bytes_received or None,
        }
        why = self.decision or "undecided"
        if self.reason:
            why += f" {self.reason}"
        if self.detail:
            why += f" ({self.detail})"
        return " ".join(
            [
                f"{self.request_id}: {self.address or '-'} {self.method} {self.path} {self.status or '-'}",
                f"{self.bytes_sent}B {self.duration_ms:.1f}ms {why}",
                *(f"{name}={_word(value)}" for name, value in named.items() if value is not None),
                *([f'"{_quoted(self.user_agent)}"'] if self.user_agent else []),
            ]
        )


def shown_method(method: str) -> str:
    """The method, if it is a word such as methods are: a client may write anything there."""
    return method if _METHOD.fullmatch(method) else "?"


def shown_target(raw: str, prefix: str, secret: frozenset[str]) -> str:
    """A request target as it may be logged. `prefix` is what session links begin with, `secret` the names of
    query parameters that hold tokens."""
    path, mark, query = raw.partition("#")[0].partition("?")
    for front, shown in ((prefix, "[ticket]"), (AUTHTOKENS, "[token]")):
        if path.startswith(front) and path != front:
            _, slash, rest = path[len(front) :].partition("/")
            path = f"{front}{shown}{slash}{rest}"
    if query:
        # More than can be shown need not be looked at.
        query = "&".join(_shown_pair(pair, secret) for pair in query[: 4 * _TARGET].split("&"))
    return clean(f"{path}{mark}{query}", _TARGET)


def shown_agent(text: str) -> str | None:
    """A User-Agent as it may be logged, None for none."""
    return clean(text, _AGENT) or None


def clean(text: str, limit: int = 256) -> str:
    """The client's text, without what looks like a credential, in `limit` printable characters at most."""
    text = redact(text)
    if len(text) > limit:
        text = f"{text[: limit - 1]}…"
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _shown_pair(pair: str, secret: frozenset[str]) -> str:
    name, mark, value = pair.partition("=")
    if not pair:
        return ""
    if not mark or not _NAME.fullmatch(name):
        return "[...]"
    if name in secret:
        return f"{name}=[token]"
    return pair if not value or _NUMBER.fullmatch(value) else f"{name}=[...]"


def _word(value: object) -> str:
    text = str(value)
    return f'"{_quoted(text)}"' if " " in text or '"' in text or not text else text


def _quoted(text: str | None) -> str:
    return (text or "").replace("\\", "\\\\").replace('"', '\\"')
