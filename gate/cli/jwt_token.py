"""A token in the native format, for `gate token`: signed with a key of the policy, or with one beside it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gate.cli.wanted import Wanted, refused
from gate.config.keys import read_key_file
from gate.core.checks import check_life
from gate.core.keys import Key
from gate.core.policy import Application
from gate.core.token import Token
from gate.errors import UsageError
from gate.formats import Reference, jws, jwt, read_token
from gate.formats.claims import check_claims
from gate.formats.signatures import UnfitKeyError


def mint(wanted: Wanted, application: Application, now: float) -> str:
    """The token that is wanted, as `application` accepts it at `now`. Raises UsageError where it would not."""
    if wanted.reference is not None:
        raise UsageError("--reference is for tokens of Ziggeo's: leave it out, or add --format ziggeo")
    if wanted.key_path is None:
        key = _find_key(application, wanted.kid)
    else:
        key = _read_key(application, wanted.kid, wanted.key_path)
        # A gate knows it from where it is published; here it is taken for that.
        application = replace(application, keyring=application.keyring.joined([key]))
    claims = _claims(wanted, application, int(now))
    if (problem := check_claims(claims)) is not None:
        raise UsageError(problem)
    text = _sign(claims, key)
    token = read_token(text, application)
    assert not isinstance(token, Reference)  # what has dots in it names no other
    refusal = check_life(token, application, now) if isinstance(token, Token) else token
    if refusal is not None:
        raise refused(refusal, application)
    if isinstance(token, Token) and not token.warrant.windows.spans:
        raise UsageError("the token would open nothing: from and to are the same instant")
    return text


def _sign(claims: Mapping[str, Any], key: Key) -> str:
    try:
        text = jwt.sign(claims, key)
    except UnfitKeyError as error:
        raise UsageError(f"the key {key.kid} cannot sign: {error}") from None
    if len(text) > jws.LONGEST:
        raise UsageError(
            f"the token is {len(text)} characters long and may have {jws.LONGEST}: name fewer resources"
        )
    return text


def _claims(wanted: Wanted, application: Application, issued_at: int) -> dict[str, Any]:
    extra = wanted.extra()
    grants = wanted.grants(extra)
    if wanted.single_use and wanted.session_limit not in (None, 1):
        raise UsageError("--single-use is a limit of one session: leave out --session-limit")
    claims: dict[str, Any] = {
        "iat": issued_at,
        "exp": wanted.end_s(application, issued_at),
        "iss": min(application.issuers, default=None),
        "aud": min(application.audiences, default=None),
        "sub": wanted.subject,
        "grants": grants,
        "live": wanted.live or None,
        "dvr": wanted.dvr or None,
        "copy": wanted.copy or None,
        "from": wanted.start,
        "to": wanted.end,
        "session_limit": wanted.session_limit,
        "max_concurrent": wanted.max_concurrent,
        "usage_expiration_time": wanted.usage_s,
        "single_use": wanted.single_use or None,
        # Each token has an identity of its own: else two that say the same would count as one.
        "nonce" if wanted.single_use else "jti": secrets.token_urlsafe(12),
    }
    if "jti" in extra or "nonce" in extra:
        claims.pop("jti", None)
        claims.pop("nonce", None)
    return {name: value for name, value in {**claims, **extra}.items() if value is not None}


def _find_key(application: Application, kid: str | None) -> Key:
    keys = {key.kid: key for key in application.keyring}
    if application.key_sources and (kid not in keys if kid is not None else not keys):
        raise UsageError(
            f"the keys of {application.name} are published ({_places(application)}), and what signs is not: "
            "name the private key with --key FILE"
        )
    if kid is not None and kid not in keys:
        raise UsageError(f"the application {application.name} has no key {kid!r}; known are: {', '.join(keys)}")
    able = [key for key in keys.values() if key.signs and kid in (None, key.kid)]
    if not able:
        held = "no key that signs" if kid is None else f"only the public half of {kid!r}"
        raise UsageError(f"the policy holds {held}: name the private key with --key FILE")
    return able[0]


def _read_key(application: Application, kid: str | None, path: Path) -> Key:
    """The private key in a file, as the key of the application that it belongs to."""
    mine = [key for key in application.keyring if not key.algorithm.symmetric and kid in (None, key.kid)]
    try:
        private = read_key_file(path)
    except UnfitKeyError as error:
        raise UsageError(f"{path}: {error}") from None
    if private.signing is None:
        raise UsageError(f"{path}: this is not a private key")
    for key in mine:
        if key.material == private.material:
            return replace(key, signing=private.signing)
    if application.key_sources and private.kid not in application.keyring and kid in (None, private.kid):
        return private
    raise UsageError(f"{path}: its public half is no key of the application {application.name}")


def _places(application: Application) -> str:
    return ", ".join(source.place for source in application.key_sources)
