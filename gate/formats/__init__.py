"""Token systems, one file each: text in, `Token` or refusal out. Pure: keys are handed in.

A `Reference` names a token that the store holds, and is one once that has been looked up. A refusal is an
`UnknownKey` where the application's keyring lacks the key, and a key from elsewhere may help.
"""

from __future__ import annotations

from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.terms import accept
from gate.core.token import Format, Token
from gate.formats import jwt, ziggeo
from gate.formats.ziggeo import Reference

__all__ = ["Reference", "read_token"]


def read_token(text: str, application: Application) -> Token | Reference | Deny:
    """The token that `text` is in one of the application's formats, as the application takes it.

    Total, and the same for as long as the application is: cacheable.
    """
    read: Token | Reference | Deny = Deny(Reason.TOKEN_MALFORMED)
    if Format.ZIGGEO in application.formats and ("." not in text or Format.JWT not in application.formats):
        read = ziggeo.read_any(text, application)
    elif Format.JWT in application.formats:
        read = jwt.verify(text, application.name, application.keyring, application.required_claims)
    return accept(read, application) if isinstance(read, Token) else read
