"""The native vocabulary: what each claim must look like, one small validator per claim.

    iss sub aud exp nbf iat jti     RFC 7519, section 4.1
    grants                          {action: {"resources": [...], "session_owned": bool, "all": bool}}
    live dvr copy                   what may be watched on a timeline
    from to | windows               DVR bounds, Unix seconds, half-open, 0 = unbounded on that side
    expiration_date                 the same as exp (Ziggeo's name); the earlier of both wins
    usage_expiration_time           seconds that a session lives from its opening
    session_limit                   how many sessions the token may ever open
    max_concurrent                  how many playbacks may be live at once
    nonce single_use                the token's name, given by its maker, and that it opens one session ever
    bind                            {"ip": ..., "user_agent": ..., "origin": ...}

Claims that are not in this list are other people's and are ignored; within those that are, everything is
checked, because a mistyped restriction must not become a permission.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from types import MappingProxyType
from typing import Any, Final

from gate.core.grants import Action, Grant, Grants
from gate.core.reasons import Deny, Reason
from gate.core.token import (
    Bind,
    Format,
    Rights,
    Token,
    Warrant,
    subject_owner,
    token_id,
    unnamed_token_id,
)
from gate.core.windows import UNBOUNDED, Windows, span_of_seconds
from gate.formats.validators import (
    LONGEST_TEXT,
    InvalidClaimError,
    read_count,
    read_flag,
    read_seconds,
    read_text,
)

MOST_RESOURCES: Final = 10_000
MOST_WINDOWS: Final = 100
MOST_AUDIENCES: Final = 100


def read_claims(
    claims: Mapping[str, Any],
    application: str,
    form: Format,
    signing_input: bytes,
    required: Iterable[str] = (),
) -> Token | Deny:
    """The token that verified `claims` describe, or CLAIM_INVALID with a sentence naming the claim.

    `signing_input` identifies a token that has neither ``jti`` nor ``nonce``. Without one of the claims that
    are `required` it is CLAIM_MISSING; null is nothing.
    """
    if (lacking := next((name for name in required if claims.get(name) is None), None)) is not None:
        return Deny(Reason.CLAIM_MISSING, f"the token must have {lacking}")
    try:
        return _read(claims, application, form, signing_input)
    except InvalidClaimError as invalid:
        return Deny(Reason.CLAIM_INVALID, str(invalid))


def check_claims(claims: Mapping[str, Any]) -> str | None:
    """What is wrong with `claims`, in a sentence, before they are signed; None where nothing is."""
    token = read_claims(claims, "", Format.JWT, b"")
    return token.detail if isinstance(token, Deny) else None


def _read(claims: Mapping[str, Any], application: str, form: Format, signing_input: bytes) -> Token:
    issuer = read_text(claims, "iss")
    audiences = _audiences(claims)
    subject = read_text(claims, "sub")
    name = _name(claims)
    identity = token_id(application, name) if name is not None else unnamed_token_id(application, signing_input)
    session_limit = read_count(claims, "session_limit")
    single_use = read_flag(claims, "single_use")
    if single_use:
        session_limit = 1
    return Token(
        application=application,
        format=form,
        id=identity,
        owner=identity if subject is None else subject_owner(application, subject),
        subject=subject,
        warrant=Warrant(
            grants=_grants(claims),
            rights=Rights(read_flag(claims, "live"), read_flag(claims, "dvr"), read_flag(claims, "copy")),
            windows=_windows(claims),
            bind=_bind(claims),
        ),
        issued_at=read_seconds(claims, "iat"),
        not_before=read_seconds(claims, "nbf"),
        expires_at=_expiry(claims),
        usage_s=read_count(claims, "usage_expiration_time"),
        session_limit=session_limit,
        max_concurrent=read_count(claims, "max_concurrent"),
        single_use=single_use,
        issuer=issuer,
        audiences=audiences,
    )


def _name(claims: Mapping[str, Any]) -> str | None:
    jti, nonce = read_text(claims, "jti"), read_text(claims, "nonce")
    if jti is not None and nonce is not None and jti != nonce:
        raise InvalidClaimError("jti and nonce both name the token and differ")
    return nonce if jti is None else jti


def _audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """One text or an array of texts (RFC 7519, section 4.1.3); an empty array would address nobody."""
    value = claims.get("aud")
    if not isinstance(value, list):
        name = read_text(claims, "aud")
        return () if name is None else (name,)
    if not 0 < len(value) <= MOST_AUDIENCES or not all(isinstance(name, str) and name for name in value):
        raise InvalidClaimError(f"aud must be text or an array of 1 to {MOST_AUDIENCES} texts")
    return tuple(value)


def _expiry(claims: Mapping[str, Any]) -> int | None:
    ends = [end for name in ("exp", "expiration_date") if (end := read_seconds(claims, name)) is not None]
    return min(ends, default=None)


def _grants(claims: Mapping[str, Any]) -> Grants:
    raw = claims.get("grants")
    if raw is None:
        return Grants()
    if not isinstance(raw, dict):
        raise InvalidClaimError("grants must be an object")
    by_action = {}
    for word, grant in raw.items():
        try:
            action = Action(word)
        except ValueError:
            raise InvalidClaimError("grants knows read, create, update and destroy") from None
        by_action[action] = _grant(f"grants.{action.value}", grant)
    return Grants(MappingProxyType(by_action))


def _grant(place: str, raw: object) -> Grant:
    if not isinstance(raw, dict):
        raise InvalidClaimError(f"{place} must be an object")
    if not raw.keys() <= {"all", "resources", "session_owned"}:
        raise InvalidClaimError(f"{place} knows all, resources and session_owned")
    resources = raw.get("resources", [])
    if not isinstance(resources, list) or len(resources) > MOST_RESOURCES:
        raise InvalidClaimError(f"{place}.resources must be an array of at most {MOST_RESOURCES} names")
    if not all(isinstance(name, str) and 0 < len(name) <= LONGEST_TEXT for name in resources):
        raise InvalidClaimError(f"{place}.resources must hold names of 1 to {LONGEST_TEXT} characters")
    return Grant(read_flag(raw, "all", place), frozenset(resources), read_flag(raw, "session_owned", place))


def _windows(claims: Mapping[str, Any]) -> Windows:
    if (raw := claims.get("windows")) is None:
        start, end = _bounds(claims, "")
        return UNBOUNDED if not start and not end else Windows.of([span_of_seconds(start, end)])
    if "from" in claims or "to" in claims:
        raise InvalidClaimError("windows stands instead of from and to, not beside them")
    if not isinstance(raw, list) or not 0 < len(raw) <= MOST_WINDOWS:
        raise InvalidClaimError(f"windows must be an array of 1 to {MOST_WINDOWS} windows")
    spans = []
    for at, window in enumerate(raw):
        if not isinstance(window, dict) or not window.keys() <= {"from", "to"}:
            raise InvalidClaimError(f"windows[{at}] must be an object with from and to")
        spans.append(span_of_seconds(*_bounds(window, f"windows[{at}].")))
    return Windows.of(spans)


def _bounds(raw: Mapping[str, Any], place: str) -> tuple[int, int]:
    start, end = read_seconds(raw, "from", place) or 0, read_seconds(raw, "to", place) or 0
    if start and end and end < start:
        raise InvalidClaimError(f"{place}to must not lie before {place}from")
    return start, end


def _bind(claims: Mapping[str, Any]) -> Bind | None:
    if (raw := claims.get("bind")) is None:
        return None
    if not isinstance(raw, dict) or not raw.keys() <= {"ip", "user_agent", "origin"}:
        raise InvalidClaimError("bind must be an object that knows ip, user_agent and origin")
    address = read_text(raw, "ip", "bind.")
    try:
        network = None if address is None else ip_network(address)
    except ValueError:
        raise InvalidClaimError("bind.ip must be an address or a network, such as 192.0.2.0/24") from None
    return Bind(network, read_text(raw, "user_agent", "bind."), read_text(raw, "origin", "bind."))
