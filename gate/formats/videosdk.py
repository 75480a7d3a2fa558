"""VideoSDK's access token: a JWT under HS256 that names the API key whose secret signs it.

    apikey                mandatory: which of the application's keys
    permissions           mandatory: allow_join, ask_join (alone), allow_mod
    version               1 or 2
    roomId participantId  the only room, and the only participant, that it is good for
    roles                 what it is good for: crawler (the API), rtc (rooms); both where it does not say
    iat nbf exp jti       RFC 7519, section 4.1

The key is named in the payload, which is therefore parsed before the signature is checked; nothing of it is
believed, or told, before that. All keys are secrets of HS256, whatever a header says.

The vendor asks for version 2 wherever roomId, participantId or roles are signed. Here they hold whatever the
version: a restriction that is ignored would be a permission. An unknown role permits nothing, so that a list
without a known one is good for nothing. An unknown permission is refused: it may be a mistyped one.

Sources: the vendor's "Authentication and Tokens", and what its server SDK 0.1 signs. Claims that are not in
this list are other people's and are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gate.core.grants import Action, Grant, Grants
from gate.core.keys import Algorithm, Key, Keyring
from gate.core.policy import Application, VideoSdk
from gate.core.reasons import Deny, Reason
from gate.core.room import LONGEST_ID, Permission, RoomPass, Use
from gate.core.target import fits_segment
from gate.core.token import Format, Token, Warrant, subject_owner, token_id, unnamed_token_id
from gate.core.windows import LAST_SECOND
from gate.formats import base64url
from gate.formats.jws import Jws, read_jws
from gate.formats.signatures import verifies
from gate.formats.strict_json import read_object
from gate.formats.validators import InvalidClaimError, read_seconds, read_text

VERSIONS: Final = (1, 2)
# What may be done to a room's tracks the room says, and not the token's grants.
_EVERYTHING: Final = Grants(MappingProxyType(dict.fromkeys(Action, Grant(all=True))))
_PERMISSIONS: Final[Mapping[str, Permission]] = MappingProxyType({each.value: each for each in Permission})
_USES: Final[Mapping[str, Use]] = MappingProxyType({each.value: each for each in Use})


def read(text: str, application: Application) -> Token | Deny:
    """The token that `text` is, verified with one of the application's API keys, or a refusal. Total.

    UNKNOWN_KEY or KEY_DISABLED where its key is; the latter is told only to who has signed with that. Expiry is
    not checked here: what verifies once verifies for as long as its key is enabled.
    """
    videosdk = application.videosdk
    if videosdk is None:
        return Deny(Reason.TOKEN_MALFORMED)
    jws = read_jws(text)
    if isinstance(jws, Deny):
        return jws
    if jws.header["alg"] != Algorithm.HS256.value:
        return Deny(Reason.TOKEN_ALGORITHM)
    claims = read_object(jws.payload)
    if claims is None:
        return Deny(Reason.TOKEN_MALFORMED, "the claims are not one JSON object with every key once")
    try:
        if (refusal := _verify(claims, jws, videosdk)) is not None:
            return refusal
        return _read(claims, jws.signing_input, application, videosdk)
    except InvalidClaimError as invalid:
        return Deny(Reason.CLAIM_INVALID, str(invalid))


def names_api_key(text: str) -> bool:
    """Whether `text` is written as a token of VideoSDK's: a payload that names an API key, whichever."""
    payload = base64url.decode(text.partition(".")[2].partition(".")[0])
    claims = None if payload is None else read_object(payload)
    return claims is not None and "apikey" in claims


def _verify(claims: Mapping[str, Any], jws: Jws, videosdk: VideoSdk) -> Deny | None:
    """None where the key that the claims name has signed them, and is enabled. Raises InvalidClaimError."""
    name = read_text(claims, "apikey")
    if name is None:
        return Deny(Reason.CLAIM_MISSING, "the token must have apikey")
    key = videosdk.keys.get(name)
    if key is None:
        return Deny(Reason.UNKNOWN_KEY)
    if not verifies(Key(key.id, Algorithm.HS256, key.secret), jws.signing_input, jws.signature):
        return Deny(Reason.TOKEN_SIGNATURE)
    return None if key.enabled else Deny(Reason.KEY_DISABLED)


def _read(
    claims: Mapping[str, Any], signing_input: bytes, application: Application, videosdk: VideoSdk
) -> Token | Deny:
    """What verified claims say. Raises InvalidClaimError."""
    required = ("permissions", *application.required_claims)
    if (lacking := next((name for name in required if claims.get(name) is None), None)) is not None:
        return Deny(Reason.CLAIM_MISSING, f"the token must have {lacking}")
    _check_version(claims.get("version"))
    permissions = _permissions(claims["permissions"])
    if isinstance(permissions, Deny):
        return permissions
    participant = claims.get("participantId")
    if participant is not None and not is_participant(participant):
        return Deny(
            Reason.PARTICIPANT_INVALID,
            f"participantId must be 1 to {LONGEST_ID} visible characters that fit into one segment of a URL",
        )
    issued_at, jti = read_seconds(claims, "iat"), read_text(claims, "jti")
    name = application.name
    identity = unnamed_token_id(name, signing_input) if jti is None else token_id(name, jti)
    single_use = videosdk.single_use and jti is not None
    return Token(
        application=name,
        format=Format.VIDEOSDK,
        id=identity,
        owner=identity if participant is None else subject_owner(name, participant),
        subject=participant,
        warrant=Warrant(
            grants=_EVERYTHING,
            rights=application.rights,
            room=RoomPass(
                key=claims["apikey"],
                permissions=permissions,
                room=read_text(claims, "roomId"),
                participant=participant,
                uses=_uses(claims.get("roles")),
            ),
        ),
        issued_at=issued_at,
        not_before=read_seconds(claims, "nbf"),
        expires_at=_end(read_seconds(claims, "exp"), issued_at, videosdk.endless_s),
        session_limit=1 if single_use else None,
        single_use=single_use,
    )


def check_claims(claims: Mapping[str, Any]) -> Token | Deny:
    """The token that these claims would make, whoever signed them. A refusal names the claim that is wrong."""
    videosdk = VideoSdk({})
    application = Application("", Keyring([]), formats=frozenset({Format.VIDEOSDK}), videosdk=videosdk)
    try:
        if read_text(claims, "apikey") is None:
            return Deny(Reason.CLAIM_MISSING, "the token must have apikey")
        return _read(claims, b"", application, videosdk)
    except InvalidClaimError as invalid:
        return Deny(Reason.CLAIM_INVALID, str(invalid))


def is_participant(name: object) -> bool:
    """Whether `name` can be a participant's id: shown to others, and one segment of a URL.

    Stricter than the vendor, which refuses white space alone: what cannot be seen could pass for another's id.
    """
    return (
        isinstance(name, str)
        and 0 < len(name) <= LONGEST_ID
        and name.isprintable()
        and " " not in name
        and fits_segment(name)
    )


def _check_version(version: object) -> None:
    """Whole numbers only, as everywhere (`gate.formats.validators`)."""
    if version is not None and (type(version) is not int or version not in VERSIONS):
        raise InvalidClaimError("version must be 1 or 2")


def _permissions(value: object) -> frozenset[Permission] | Deny:
    names = _texts("permissions", value)
    if not names:
        return Deny(Reason.PERMISSIONS_INVALID, "permissions must name at least one")
    if not names <= _PERMISSIONS.keys():
        return Deny(Reason.PERMISSIONS_INVALID, f"permissions knows {', '.join(_PERMISSIONS)}")
    found = frozenset(_PERMISSIONS[name] for name in names)
    if Permission.ASK_JOIN in found and len(found) > 1:
        return Deny(
            Reason.PERMISSIONS_INVALID,
            "ask_join stands alone: who has to ask can have neither allow_join nor allow_mod",
        )
    return found


def _uses(value: object) -> frozenset[Use]:
    if value is None:
        return frozenset(Use)
    return frozenset(_USES[name] for name in _texts("roles", value) & _USES.keys())


def _texts(name: str, value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidClaimError(f"{name} must be an array of texts")
    return frozenset(value)


def _end(expires_at: int | None, issued_at: int | None, endless_s: int | None) -> int | None:
    """When it ends. Samples of the vendor's sign no exp: the policy may give such a token a life of its own."""
    if expires_at is not None or issued_at is None or endless_s is None:
        return expires_at
    return min(issued_at + endless_s, LAST_SECOND)
