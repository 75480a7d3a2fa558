"""From an application of a policy file to the core's: what its tokens are, and how much they may give."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gate.config.models import Application
from gate.core import policy as core
from gate.core.credentials import Sources
from gate.core.keys import Keyring
from gate.core.published import KeySource
from gate.core.room import RoomRules
from gate.core.token import Format, Rights
from gate.formats.ziggeo import derive_key

# Where each system's clients put their tokens.
_QUERY: Final[Mapping[Format, frozenset[str]]] = {
    Format.JWT: frozenset({"token"}),
    # A player's first question about a video names them the longer way.
    Format.ZIGGEO: frozenset({"client_auth", "server_auth", "auth_client_auth", "auth_server_auth"}),
    # Its clients say so to the server of a room.
    Format.VIDEOSDK: frozenset({"token", "secret"}),
}
# How long a session of VideoSDK's lives where the policy does not say: a day, as the vendor's tokens do.
_VIDEOSDK_USAGE_S: Final = 86400


def compile_application(name: str, application: Application, keyring: Keyring) -> core.Application:
    """The application as the core has it. `keyring` holds its own keys."""
    return core.Application(
        name=name,
        keyring=keyring,
        formats=frozenset(application.formats),
        sources=Sources(
            query=_parameters(application),
            headers=frozenset(header.lower() for header in application.sources.headers),
            cookies=frozenset(application.sources.cookies),
        ),
        max_ttl_s=application.max_ttl,
        unlimited_ttl=application.unlimited_ttl,
        leeway_s=application.leeway,
        on_limit=application.on_limit,
        session_end=_session_end(application),
        max_usage_s=_max_usage_s(application),
        max_session_limit=application.max_session_limit,
        max_concurrent=application.max_concurrent,
        issuers=frozenset(application.issuers),
        audiences=frozenset(application.audiences),
        required_claims=application.required_claims,
        require_bind=frozenset(application.require_bind),
        key_sources=tuple(
            KeySource(source.url, source.algorithm, source.refresh, source.cooldown)
            for source in application.jwks
        ),
        rights=Rights(**dict.fromkeys(application.rights, True)),
        auth_required_for=frozenset(application.auth_required_for),
        ziggeo=_ziggeo(application),
        videosdk=_videosdk(application),
    )


def _parameters(application: Application) -> frozenset[str]:
    """The query parameters that carry a token."""
    if application.sources.query is not None:
        return frozenset(application.sources.query)
    return frozenset().union(*(_QUERY[each] for each in application.formats))


def _ziggeo(application: Application) -> core.Ziggeo | None:
    said = application.ziggeo
    if said is None:
        return None
    return core.Ziggeo(
        application_token=said.application_token,
        private_key=said.private_key.get_secret_value(),
        key=derive_key(said.encryption_key.get_secret_value()),
        volatile_grace_s=said.volatile_grace,
    )


def _videosdk(application: Application) -> core.VideoSdk | None:
    said = application.videosdk
    if said is None:
        return None
    keys = (core.ApiKey(each.key, each.secret.get_secret_value().encode()) for each in said.keys)
    return core.VideoSdk(
        keys=MappingProxyType({key.id: key for key in keys}),
        rooms=RoomRules(
            entry_timeout_s=said.entry_timeout,
            entry_pause_s=said.entry_pause,
            consent=said.consent == "required",
            most_people=said.max_participants,
        ),
        endless_s=None if said.without_exp is None else int(said.without_exp),
        single_use=said.single_use_jti,
        sealing=tuple(
            hashlib.sha256(b"gate api key secret" + secret.get_secret_value().encode()).digest()
            for secret in said.key_secrets
        ),
    )


def _session_end(application: Application) -> core.SessionEnd:
    """VideoSDK's tokens are checked at joining only, so that their sessions outlive them."""
    if application.session_end is not None:
        return application.session_end
    return core.SessionEnd.USAGE if Format.VIDEOSDK in application.formats else core.SessionEnd.TOKEN


def _max_usage_s(application: Application) -> int | None:
    if application.max_usage is not None:
        return int(application.max_usage)
    ends = _session_end(application) is core.SessionEnd.USAGE
    return _VIDEOSDK_USAGE_S if ends and Format.VIDEOSDK in application.formats else None
