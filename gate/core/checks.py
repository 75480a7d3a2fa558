"""The single questions that a decision asks of a token, one function each: life, grant, binding.

The question of time is a matter of its own: `timeline`.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from gate.core.credentials import Headers
from gate.core.grants import Action
from gate.core.policy import Application, Network
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.room import RoomPass, Track, Use
from gate.core.token import Bind, Token, Warrant


def check_life(token: Token, application: Application, now: float) -> Deny | None:
    """None while the token is alive and lives no longer than the application allows.

    The leeway is for clocks that run ahead (``nbf``, ``iat``); an end is an end (RFC 7519, section 4.1.4).
    """
    if token.not_before is not None and now < token.not_before - application.leeway_s:
        return Deny(Reason.TOKEN_NOT_YET_VALID)
    if token.issued_at is not None and now < token.issued_at - application.leeway_s:
        return Deny(Reason.TOKEN_NOT_YET_VALID, "the token was issued in the future")
    if token.expires_at is None:
        if token.single_use:
            # What opens once must be remembered for as long as it could be tried again.
            return Deny(Reason.EXPIRY_REQUIRED, "a single-use token must have an end")
        return None if application.unlimited_ttl else Deny(Reason.EXPIRY_REQUIRED)
    if token.expires_at <= now:
        return Deny(Reason.TOKEN_EXPIRED)
    issued_at = now if token.issued_at is None else token.issued_at
    if application.max_ttl_s is not None and token.expires_at - issued_at > application.max_ttl_s:
        return Deny(Reason.LIFETIME_TOO_LONG)
    return None


def check_token(token: Token, application: Application, revoked: Revocations, now: float) -> Deny | None:
    """None where the token, as such, is good now."""
    if (refusal := check_life(token, application, now)) is not None:
        return refusal
    if revoked.cover(token.application, token.id, token.owner, None, token.issued_at):
        return Deny(Reason.REVOKED)
    return None


def check_grant(warrant: Warrant, action: Action, resource: str, owned: bool = False) -> Deny | None:
    """None where the warrant grants the action on this very resource.

    `owned` tells that the session created it. What is only being created belongs to nobody yet: a grant to
    create what the session will own is a grant to create (Ziggeo's ``"create": {"session_owned": true}``).
    """
    grant = warrant.grants.get(action)
    if grant is None:
        return Deny(Reason.ACTION_NOT_GRANTED, f"{action.value} is not granted")
    if not grant.covers(resource, owned or action is Action.CREATE):
        return Deny(Reason.RESOURCE_NOT_GRANTED, facts=(("resource", resource),))
    return None


def check_pass(room_pass: RoomPass | None, track: Track | None, *, writes: bool) -> Deny | None:
    """None where a warrant with this pass, or with none, is for this track of a room, or for what is none.

    Whether its holder is in the room, and what they may do there now, the room says (`gate.core.room`).
    """
    if room_pass is None:
        return None
    if track is None:
        return Deny(Reason.RESOURCE_NOT_GRANTED, "the token opens tracks of rooms only")
    if Use.MEDIA not in room_pass.uses:
        return Deny(Reason.ROLE_NOT_GRANTED, f"the token's roles lack {Use.MEDIA.value}")
    if room_pass.room not in {None, track.room}:
        return Deny(Reason.ROOM_NOT_GRANTED)
    if writes and room_pass.participant not in {None, track.participant}:
        return Deny(Reason.TRACK_NOT_YOURS)
    return None


def check_binding(bind: Bind | None, headers: Headers, address: str) -> Deny | None:
    """None where the token is bound to nobody, or to this client."""
    if bind is None or (
        (bind.network is None or address_in(address, (bind.network,)))
        and (bind.user_agent is None or list(headers.getall("user-agent", ())) == [bind.user_agent])
        and (bind.origin is None or list(headers.getall("origin", ())) == [bind.origin])
    ):
        return None
    return Deny(Reason.BINDING_MISMATCH)


def address_in(address: str, networks: Iterable[Network]) -> bool:
    """Whether the address lies in one of the networks; an IPv4-mapped IPv6 address is its IPv4 one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)
