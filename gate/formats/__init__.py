"""Token systems, one file each: text in, `Token` or refusal out. Pure: keys are handed in.

A `Reference` names a token that the store holds, and is one once that has been looked up. A refusal is an
`UnknownKey` where the application's keyring lacks the key, and a key from elsewhere may help.
"""

from __future__ import annotations

from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.terms import accept
from gate.core.token import Format, Token
from gate.formats import jwt, videosdk, ziggeo
from gate.formats.ziggeo import Reference

__all__ = ["Reference", "format_of", "read_token"]


def format_of(text: str, application: Application) -> Format | None:
    """The one format, of those that the application takes, that `text` is read in; None where it takes none.

    A token of Ziggeo's has no dots, one of VideoSDK's a payload that names an API key.
    """
    formats = application.formats
    if len(formats) == 1:
        return next(iter(formats))
    if Format.ZIGGEO in formats and "." not in text:
        return Format.ZIGGEO
    if Format.VIDEOSDK in formats and (Format.JWT not in formats or videosdk.names_api_key(text)):
        return Format.VIDEOSDK
    return Format.JWT if Format.JWT in formats else None


def read_token(text: str, application: Application) -> Token | Reference | Deny:
    """The token that `text` is in one of the application's formats, as the application takes it.

    Total, and the same for as long as the application is: cacheable.
    """
    read: Token | Reference | Deny = Deny(Reason.TOKEN_MALFORMED)
    match format_of(text, application):
        case Format.ZIGGEO:
            read = ziggeo.read_any(text, application)
        case Format.VIDEOSDK:
            read = videosdk.read(text, application)
        case Format.JWT:
            read = jwt.verify(text, application.name, application.keyring, application.required_claims)
    return accept(read, application) if isinstance(read, Token) else read
