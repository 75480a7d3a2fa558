"""A client-side token of Ziggeo's, for `gate token`: what `auth().generate()` of its SDKs makes."""

from __future__ import annotations

import secrets
from typing import Any, Final

from gate.cli.wanted import Wanted, refused
from gate.core.checks import check_life
from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.token import Token
from gate.errors import UsageError
from gate.formats import Reference, read_token
from gate.formats.ziggeo import BLOCK, is_server_side, token_of, write

_WATCHED: Final = "what they may watch is the application's rights"
_TIMELESS: Final = "they know nothing of time"
_ENCRYPTED: Final = "they are encrypted, with the application's encryption_key"


def mint(wanted: Wanted, application: Application, encryption_key: str, now: float) -> str:
    """The token that is wanted, as `application` accepts it at `now`. Raises UsageError where it would not.

    What the server-side token says that it goes by, if any, is not known here.
    """
    _refuse_foreign(wanted)
    ziggeo = application.ziggeo
    assert ziggeo is not None  # its formats have it
    claims = _claims(wanted, application, int(now))
    nonce = claims.pop("nonce", None) or secrets.token_urlsafe(12)
    try:
        text = write(
            claims, ziggeo.application_token, encryption_key, iv=secrets.token_bytes(BLOCK // 2), nonce=nonce
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    refusal = _check(read_token(text, application), application, now)
    if refusal is not None:
        raise refused(refusal, application)
    return text


def _claims(wanted: Wanted, application: Application, now: int) -> dict[str, Any]:
    extra = wanted.extra()
    claims = {
        "grants": wanted.grants(extra),
        "expiration_date": wanted.end_s(application, now),
        "usage_expiration_time": wanted.usage_s,
        "session_limit": wanted.session_limit,
        "token": wanted.reference,
        **extra,
    }
    return {name: value for name, value in claims.items() if value is not None}


def _check(read: Token | Reference | Deny, application: Application, now: float) -> Deny | None:
    """Why the gate would refuse the token, as far as it says itself."""
    if isinstance(read, Deny):
        return read
    if isinstance(read, Token):
        return _say_zero(check_life(read, application, now), read)
    assert read.client is not None  # a server-side one is shorter than any that is written
    if not is_server_side(read.name):
        raise UsageError("--reference takes the token of a server-side one: 32 hex digits, as create answers")
    # Its end may be that of the other one, of which nothing is known here.
    own = token_of(read.client, application.name, application.rights)
    if own.expires_at is None or own.expires_at > now:
        return None
    return _say_zero(Deny(Reason.TOKEN_EXPIRED), own)


def _say_zero(refusal: Deny | None, token: Token) -> Deny | None:
    if refusal is None or refusal.reason is not Reason.TOKEN_EXPIRED or token.expires_at != 1:
        return refusal
    return Deny(refusal.reason, "a limit or an end of 0 leaves nothing")


def _refuse_foreign(wanted: Wanted) -> None:
    """Raises UsageError for the first option that the format has no word for."""
    for option, given, why in (
        ("--live", wanted.live, _WATCHED),
        ("--dvr", wanted.dvr, _WATCHED),
        ("--copy", wanted.copy, _WATCHED),
        ("--from", wanted.start is not None, _TIMELESS),
        ("--to", wanted.end is not None, _TIMELESS),
        ("--subject", wanted.subject is not None, "they name nobody"),
        ("--max-concurrent", wanted.max_concurrent is not None, "the application's max_concurrent holds them"),
        ("--single-use", wanted.single_use, "--session-limit 1 is what they have"),
        ("--kid", wanted.kid is not None, _ENCRYPTED),
        ("--key", wanted.key_path is not None, _ENCRYPTED),
    ):
        if given:
            raise UsageError(f"tokens of Ziggeo's cannot say {option}: {why}")
