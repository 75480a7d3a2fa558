"""Token systems, one file each: text in, `Token` or refusal out. Pure: keys are handed in.

A refusal is an `UnknownKey` where the application's keyring lacks the key, and a key from elsewhere may help.
"""

from __future__ import annotations

from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.terms import accept
from gate.core.token import Format, Token
from gate.formats import jwt


def read_token(text: str, application: Application) -> Token | Deny:
    """The token that `text` is in one of the application's formats, as the application takes it.

    Total, and the same for as long as the application is: cacheable.
    """
    if Format.JWT in application.formats:
        read = jwt.verify(text, application.name, application.keyring, application.required_claims)
        return read if isinstance(read, Deny) else accept(read, application)
    return Deny(Reason.TOKEN_MALFORMED)
