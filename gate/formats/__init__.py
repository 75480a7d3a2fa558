"""Token systems, one file each: text in, `Token` or refusal out. Pure: keys are handed in."""

from __future__ import annotations

from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.token import Format, Token
from gate.formats import jwt


def read_token(text: str, application: Application) -> Token | Deny:
    """The token that `text` is in one of the application's formats. Total, and the same for ever: cacheable."""
    if Format.JWT in application.formats:
        return jwt.verify(text, application.name, application.keyring)
    return Deny(Reason.TOKEN_MALFORMED)
