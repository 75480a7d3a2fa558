"""The methods on tokens: access tokens for streams, API tokens, and what became of either.

Access tokens are of one application, which the policy names, and stateless: every gate with its key takes them,
whether there is such a stream or not. API tokens are made by the keys of session links (`gate.core.api_token`).
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from gate.api.rpc_caller import NO_KEY, NO_STREAM, NOT_LOCAL, Caller, wrong
from gate.api.rpc_methods import Method
from gate.core.api_token import ENTROPY, FRONT, ApiToken, read_api_token, write_api_token
from gate.core.checks import check_token
from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.ticket import TicketKeys
from gate.core.token import Token, token_id
from gate.formats import jws, jwt, read_token
from gate.formats.aipix import access_claims, access_parameters, asked_claims, check_bounds, lifetime
from gate.formats.parameters import Parameter, text
from gate.formats.signatures import UnfitKeyError
from gate.store.control import Control
from gate.store.streams import Streams

CREATE_ACCESS: Final = "Auth.CreateAccessToken"
CREATE_API: Final = "Auth.CreateApiToken"
# For how long what a revoked token has opened may go on being renewed, beyond the token's own end.
_AFTERLIFE_S: Final = 86400.0
_JTI: Final = re.compile(r"[\x21-\x7e]{1,64}")
_TOKEN: Final = text(jws.LONGEST, r"[\x21-\x7e]+", "the text of a token")
_STRING: Final[Mapping[str, object]] = {"type": "string"}
_log: Final = logging.getLogger("gate.rpc")


def make_access_token(application: Application, claims: Mapping[str, Any]) -> str:
    """The claims as a token of the application's, with the issuer and audience that it accepts.

    Raises RpcFault where it has no key that signs.
    """
    key = next((key for key in application.keyring if key.signs), None)
    if key is None:
        raise NO_KEY.fault()
    parties = {"iss": application.issuers, "aud": application.audiences}
    own = {name: min(accepted) for name, accepted in parties.items() if accepted}
    try:
        return jwt.sign({**own, **claims}, key)
    except UnfitKeyError:
        raise NO_KEY.fault() from None


def access_token_for(caller: Caller, uid: str, ttl_s: int, **rights: bool) -> str:
    """A fresh access token for one stream. Raises RpcFault."""
    claims = access_claims(uid, now=caller.now, jti=secrets.token_urlsafe(12), ttl=ttl_s, **rights)
    if not ttl_s:
        _warn(caller, f"access token {claims['jti']} of {caller.rules.application} for the stream {uid}")
    return make_access_token(caller.application, claims)


def _warn(caller: Caller, what: str) -> None:
    _log.warning(
        "%s has no end: it can only be revoked (made for %s)", what, caller.address or "a local caller"
    )


class AuthCalls:
    """What the methods on tokens do."""

    def __init__(self, streams: Streams, control: Control, tickets: Callable[[], TicketKeys]) -> None:
        self._streams = streams
        self._control = control
        self._tickets = tickets

    def read_api(self, shown: str) -> ApiToken | None:
        """The API token that a gate has made and `shown` is, in force or not."""
        return read_api_token(shown, self._tickets().api_keys)

    def opens(self, shown: str, now: float) -> bool:
        """Whether it is an API token that a gate has made, and in force."""
        token = self.read_api(shown)
        return token is not None and token.refusal(self._control.revoked, now) is None

    def methods(self, application: Application) -> list[Method[Caller]]:
        """The methods, for access tokens of this application."""
        named = Parameter("token", _TOKEN, "An access token, its jti, or an API token.", required=True)
        shown = Parameter("token", _TOKEN, "An access token or an API token.", required=True)
        ttl = Parameter("ttl", lifetime(), "How many seconds it lives; 0 for no end.", required=True)
        return [
            Method(
                CREATE_ACCESS,
                "A token for viewers of one stream.",
                self._create_access,
                access_parameters(application.max_ttl_s, unlimited=application.unlimited_ttl),
                _STRING,
                check_bounds,
                (NO_STREAM, NO_KEY),
            ),
            Method(
                CREATE_API,
                f"A token for this API, on the operators' listener only. With `stream` it is {CREATE_ACCESS}.",
                self._create_api,
                (ttl,),
                _STRING,
                faults=(NOT_LOCAL,),
            ),
            Method(
                "Auth.RevokeToken",
                "The token is good for nothing any more, on any gate, and what it has opened is closed.",
                self._revoke,
                (named,),
                {"const": True},
            ),
            Method(
                "Auth.InspectToken",
                "What a token says, and whether it is in force.",
                self._inspect,
                (shown,),
                {"type": "object"},
            ),
        ]

    async def _create_access(self, asked: Mapping[str, Any], caller: Caller) -> str:
        uid = asked["stream"]
        if caller.rules.require_stream and not await self._streams.read([uid]):
            raise NO_STREAM.fault("There is no such stream, and the policy makes tokens for streams only.")
        claims = asked_claims(asked, now=caller.now, jti=secrets.token_urlsafe(12))
        if not asked["ttl"]:
            _warn(caller, f"access token {claims['jti']} of {caller.rules.application} for the stream {uid}")
        return make_access_token(caller.application, claims)

    async def _create_api(self, asked: Mapping[str, Any], caller: Caller) -> str:
        if not caller.local:
            raise NOT_LOCAL.fault()
        made = write_api_token(self._tickets().api_keys, secrets.token_bytes(ENTROPY), caller.now, asked["ttl"])
        if not asked["ttl"]:
            _warn(caller, "an API token")
        return made

    async def _revoke(self, asked: Mapping[str, Any], caller: Caller) -> bool:
        identity, until = self._meant(asked["token"], caller)
        await self._control.revoke(f"t:{identity}", until)
        _log.warning("revoked: t:%s (asked for by %s)", identity, caller.address or "a local caller")
        return True

    def _meant(self, shown: str, caller: Caller) -> tuple[str, float | None]:
        """The id of the token, and until when it is to be remembered."""
        api = self.read_api(shown)
        if api is not None:
            return api.id, None if api.ends_at is None else api.ends_at + _AFTERLIFE_S
        application = caller.application
        if "." in shown:
            token = read_token(shown, application)
            if isinstance(token, Token):
                end, usage_s = token.expires_at, application.max_usage_s or 0
                return token.id, None if end is None else max(end, caller.now) + usage_s + _AFTERLIFE_S
        elif not shown.startswith((FRONT, "eyJ")) and _JTI.fullmatch(shown):
            # How long it lives nobody here knows.
            return token_id(application.name, shown), None
        raise wrong("token", "this is neither a token that is verified here nor the name (jti) of one")

    async def _inspect(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, object]:
        shown = asked["token"]
        api = self.read_api(shown)
        if api is not None:
            refusal = api.refusal(self._control.revoked, caller.now)
            said: dict[str, object] = {"id": api.id, "issued_at": api.issued_at, "ends_at": api.ends_at}
            return _inspected("api", refusal, said)
        application = caller.application
        token = read_token(shown, application)
        if isinstance(token, Token):
            denied = check_token(token, application, self._control.revoked, caller.now)
            said = {
                "id": token.id,
                "issued_at": token.issued_at,
                "ends_at": token.expires_at,
                "application": application.name,
                "claims": _claims_of(shown, application),
            }
            return _inspected("access", None if denied is None else denied.reason, said)
        refusal = token.reason if isinstance(token, Deny) else Reason.TOKEN_MALFORMED
        return _inspected(None, refusal, {})


def _claims_of(shown: str, application: Application) -> object:
    signed = jwt.verify_jws(shown, application.keyring)
    return None if isinstance(signed, Deny) else json.loads(signed.payload)


def _inspected(kind: str | None, refusal: Reason | None, said: Mapping[str, object]) -> dict[str, object]:
    return {
        "kind": kind,
        "in_force": refusal is None,
        "reason": None if refusal is None else refusal.value,
        **said,
    }
