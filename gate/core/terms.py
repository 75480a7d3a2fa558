"""What an application asks of a token that verifies, and what it makes of its limits.

Issuer, audience and binding are conditions: a token that does not meet one is refused. Limits are bounds: a
token that gives more than the application does, or says nothing, which is no limit at all, is held to what
the application gives. So a cap also counts what its token would have left uncounted.
"""

from __future__ import annotations

from dataclasses import replace

from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.token import Bind, Bound, Token


def accept(token: Token, application: Application) -> Token | Deny:
    """The token within the application's caps, or why the application does not take it.

    An audience is a list of names: the token must be meant for one of ours (RFC 7519, section 4.1.3). What
    says neither issuer nor audience comes from nobody that we know, and is meant for nobody.
    """
    if application.issuers and token.issuer not in application.issuers:
        return Deny(Reason.ISSUER_NOT_ACCEPTED)
    if application.audiences and application.audiences.isdisjoint(token.audiences):
        return Deny(Reason.AUDIENCE_NOT_ACCEPTED)
    lacking = application.require_bind - _bounds(token.warrant.bind)
    if lacking:
        words = " and ".join(sorted(bound.value for bound in lacking))
        return Deny(Reason.BINDING_REQUIRED, f"the token must be bound to {words}")
    usage_s = _at_most(token.usage_s, application.max_usage_s)
    session_limit = _at_most(token.session_limit, application.max_session_limit)
    max_concurrent = _at_most(token.max_concurrent, application.max_concurrent)
    if (usage_s, session_limit, max_concurrent) == (token.usage_s, token.session_limit, token.max_concurrent):
        return token
    return replace(token, usage_s=usage_s, session_limit=session_limit, max_concurrent=max_concurrent)


def _at_most(limit: int | None, cap: int | None) -> int | None:
    return min((value for value in (limit, cap) if value is not None), default=None)


def _bounds(bind: Bind | None) -> set[Bound]:
    if bind is None:
        return set()
    values = {Bound.IP: bind.network, Bound.USER_AGENT: bind.user_agent, Bound.ORIGIN: bind.origin}
    return {bound for bound, value in values.items() if value is not None}
