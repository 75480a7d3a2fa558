"""Ziggeo's authorization token as its SDKs make it without asking anybody: JSON, encrypted.

    key    the 32 hex digits of MD5 over the encryption key, as ASCII: a key of AES-256
    iv     16 hex digits, as ASCII
    token  iv, and AES-256-CBC of the JSON with the padding of PKCS #7 in hex; in small letters throughout

Nothing authenticates it. That the JSON can be read and names the application's own token is the only sign
that it comes from who knows the key, and whoever has one token can try to make another of it. What that is
worth, and what is done about it:

- *The first block* is the plaintext that the IV says: a bit of the IV flips the same bit of it, unseen. So
  nothing that matters may begin there: no nonce, no reference to another token, no number. What every SDK
  begins with is a key, and after a short one grants, true or false, none of which another IV of hex digits
  turns into something else that reads. What begins in any other way is refused.
- *Any other block* can be changed at will too, at the price of the block before it, which becomes 16 bytes of
  chance. To be read they must stand in a resource's name, the only text that may be anything. In ASCII one
  try in ten million gets through; if every byte above it were text as well, as Latin-1 has it, it would be
  one in ten. So Latin-1, which the SDK for Node writes, is read where it looks like names: letters, few of
  them beyond ASCII, and beside them only what identifiers are made of (one try in a million). In UTF-8, which
  chance rarely writes, they need not be few. A plaintext of ASCII may name, escaped, whatever it likes.
- *Answers* could tell what is wrong with a changed token, one bit at a time, and so decrypt another. All
  failures are the same refusal and, but for chance, take the same time. The padding is judged last, and
  before that decides only how much of the last block is read; whatever fails, there is one decryption, one
  reading that fails, one that does not, and one look at its arguments. Text that can be no token goes the same
  way. What shows in the time is no secret: the length, whether it was all small hex digits (some microseconds)
  and, within JSON that can be read, whether its grants break off at a fault.

So it keeps honest people honest, and is not for what is worth forging: that is the native format's place. There
is no issued-at; the nonce is the token's name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hmac import compare_digest
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC

from gate.core.policy import Application
from gate.core.reasons import Deny, Reason
from gate.core.token import Format, Rights, Token, Warrant, token_id
from gate.formats.strict_json import read_object
from gate.formats.ziggeo_values import Arguments, Fault, read_arguments

BLOCK: Final = 16
# As long as a token of the native format may be: 16 digits of IV, and whole blocks.
LONGEST: Final = 16384 - BLOCK
_SHAPE: Final = re.compile(r"[0-9a-f]{16}(?:[0-9a-f]{32})+", re.ASCII)
# What the gate gives out for server-side tokens: shorter than any client-side one.
_SERVER_SIDE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_PADDINGS: Final = tuple(bytes([size]) * size for size in range(BLOCK + 1))
# What may begin in the first block. Longer keys end behind it.
_BEGINNING: Final = re.compile(
    rb'\{"(?:grants": ?[{\["n]|(?:hidden|volatile)": ?[tfn]'
    rb'|(?:application_token|expiration_date|session_limit|usage_expiration_time)")'
)
_PLAIN_NAME: Final = re.compile(r"[\w .:/~@+-]*")
_MOST_LATIN: Final = 3
# No SDK writes control characters, white space among them, and seven in eight blocks of chance hold one.
_TEXT: Final = bytes(set(range(0x20, 0x100)) - {0x7F})
_REFUSED: Final = Deny(Reason.TOKEN_MALFORMED)
_BROKEN: Final = b'{"\xff'


@dataclass(frozen=True, slots=True)
class ClientToken:
    """A token that the application's key decrypts: what its maker said, its nonce, and the JSON itself."""

    arguments: Arguments
    nonce: str
    signing_input: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """A server-side token by its name: itself, or as the one that a client-side token goes by."""

    name: str
    client: ClientToken | None = None

    def resolve(self, held: Arguments, application: str, rights: Rights) -> Token | Deny:
        """The token that this is, where the server-side one says what is `held`.

        A client-side token that refers to another permits what both do, for as long and as often as both do.
        Its sessions count under its own nonce; where only the other one limits them, they all count under that.
        """
        base = token_of(ClientToken(held, self.name, b""), application, rights)
        if self.client is None:
            return Deny(Reason.TOKEN_HIDDEN) if held.hidden else replace(base, reference=self.name)
        own = token_of(self.client, application, rights)
        grants = own.warrant.grants.meet(base.warrant.grants)
        return replace(
            own,
            id=base.id if own.session_limit is None and base.session_limit is not None else own.id,
            # What it has opened is closed with the token that it goes by.
            owner=base.id,
            warrant=Warrant(grants=grants, rights=rights),
            expires_at=_earlier(own.expires_at, base.expires_at),
            usage_s=_earlier(own.usage_s, base.usage_s),
            session_limit=_earlier(own.session_limit, base.session_limit),
            reference=self.name,
            referrer=own.id,
        )


def derive_key(encryption_key: str) -> bytes:
    """The AES key that the SDKs make of an application's encryption key."""
    # Not for its security: the format says so.
    return hashlib.md5(encryption_key.encode(), usedforsecurity=False).hexdigest().encode()


def read(text: str, *, application_token: str, key: bytes) -> ClientToken | Deny:
    """What `text` says under the derived key, or the one refusal that there is, TOKEN_MALFORMED.

    Total. All refusals of texts of one length are equal, and take the same time (see above).
    """
    shaped = is_client_side(text)
    raw = _decrypt(text if shaped else _stand_in(len(text)), key)
    size = raw[-1] if 0 < raw[-1] <= BLOCK else BLOCK
    body = raw[:-size]
    begun = _BEGINNING.match(body) is not None and not body.translate(None, _TEXT)
    said, latin = _read_body(body if begun else _BROKEN)
    client = None if said is None else _read_said(said, body, latin, application_token)
    padded = compare_digest(raw[-size:], _PADDINGS[size])
    if client is not None and padded and shaped:
        return client
    if said is None:
        decoy = _make_decoy(len(raw))
        said, latin = _read_body(decoy)
        _read_said(said or {}, decoy, latin, application_token)
    else:
        _read_body(_BROKEN)
    return _REFUSED


def is_server_side(text: str) -> bool:
    """Whether `text` has the shape of what the gate gives out for server-side tokens."""
    return _SERVER_SIDE.fullmatch(text) is not None


def is_client_side(text: str) -> bool:
    """Whether `text` has the shape of a client-side token."""
    return len(text) <= LONGEST and _SHAPE.fullmatch(text) is not None


def read_any(text: str, application: Application) -> Token | Reference | Deny:
    """What `text` is to the application: a client-side token, or the name of a server-side one. Total."""
    ziggeo = application.ziggeo
    if ziggeo is None:
        return _REFUSED
    if is_server_side(text):
        return Reference(text)
    client = read(text, application_token=ziggeo.application_token, key=ziggeo.key)
    if isinstance(client, Deny):
        return client
    if client.arguments.token is not None:
        return Reference(client.arguments.token, client)
    if client.arguments.hidden:
        return Deny(Reason.TOKEN_HIDDEN)
    return token_of(client, application.name, application.rights)


def token_of(client: ClientToken, application: str, rights: Rights) -> Token:
    """The token that the gate decides on; its format cannot say the `rights`, so that they are given.

    A limit of 0 leaves nothing: such a token ended long ago, in the first second there was, because to the
    store 0 is no limit and no end. Whether it is hidden, or refers to another, is not in it.
    """
    said = client.arguments
    identity = token_id(application, client.nonce)
    void = 0 in (said.session_limit, said.usage_expiration_time, said.expiration_date)
    return Token(
        application=application,
        format=Format.ZIGGEO,
        id=identity,
        owner=identity,
        subject=None,
        warrant=Warrant(grants=said.grants, rights=rights),
        expires_at=1 if void else said.expiration_date,
        usage_s=said.usage_expiration_time,
        session_limit=said.session_limit,
    )


def write(
    arguments: Mapping[str, object], application_token: str, encryption_key: str, *, iv: bytes, nonce: str
) -> str:
    """The arguments as a token. `iv` is 8 bytes of chance; application token and nonce stand first, and once.

    Raises ValueError, with a sentence for the operator, for what `read` would not take.
    """
    if len(iv) != BLOCK // 2:
        raise ValueError(f"iv must be {BLOCK // 2} bytes")
    fault = read_arguments({**arguments, "nonce": nonce})
    if isinstance(fault, Fault):
        raise ValueError(str(fault))
    forced = {"application_token": application_token, "nonce": nonce}
    plaintext = json.dumps(forced | {**arguments, **forced}, separators=(",", ":"))
    key = derive_key(encryption_key)
    text = encrypt(plaintext.encode(), key, iv.hex())
    if isinstance(read(text, application_token=application_token, key=key), Deny):
        raise ValueError(f"arguments must make a token of at most {LONGEST} characters")
    return text


def encrypt(plaintext: bytes, key: bytes, iv: str) -> str:
    """The token that holds `plaintext`, whatever that is, under the derived key and the IV's 16 hex digits."""
    encryptor = Cipher(AES256(key), CBC(iv.encode())).encryptor()
    padding = _PADDINGS[BLOCK - len(plaintext) % BLOCK]
    return iv + (encryptor.update(plaintext + padding) + encryptor.finalize()).hex()


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _decrypt(text: str, key: bytes) -> bytes:
    decryptor = Cipher(AES256(key), CBC(text[:BLOCK].encode())).decryptor()
    return decryptor.update(bytes.fromhex(text[BLOCK:])) + decryptor.finalize()


def _stand_in(length: int) -> str:
    """A text of the shape of a token and about that length, of which no key makes JSON."""
    return "0" * (BLOCK + 2 * BLOCK * max(1, (min(length, LONGEST) - BLOCK) // (2 * BLOCK)))


def _read_body(body: bytes) -> tuple[dict[str, Any] | None, bool]:
    """The object in the plaintext, if there is one, and whether it is in Latin-1 because it cannot be UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return read_object(body.decode("latin-1").encode()), True
    return read_object(body), False


def _read_said(said: dict[str, Any], body: bytes, latin: bool, application_token: str) -> ClientToken | None:
    whose = said.pop("application_token", None)
    arguments = read_arguments(said)
    spelled = whose.encode("utf-8", "surrogatepass") if isinstance(whose, str) else b""
    ours = compare_digest(spelled, application_token.encode()) and isinstance(whose, str)
    if isinstance(arguments, Fault) or arguments.nonce is None or not ours:
        return None
    if not body.isascii() and not _looks_written(arguments, latin):
        return None
    return ClientToken(arguments, arguments.nonce, body)


def _looks_written(arguments: Arguments, latin: bool) -> bool:
    """Whether the resources that have more than ASCII in them look like names, and not like chance."""
    names = [name for grant in arguments.grants.by_action.values() for name in grant.resources]
    return all(
        name.isascii() or (_PLAIN_NAME.fullmatch(name) is not None and not (latin and _is_dense(name)))
        for name in names
    )


def _is_dense(name: str) -> bool:
    """Whether of some 16 characters in a row more than a few are beyond ASCII."""
    beyond = [at for at, character in enumerate(name) if not character.isascii()]
    return any(last - first < BLOCK for first, last in zip(beyond, beyond[_MOST_LATIN:], strict=False))


@lru_cache(maxsize=LONGEST // 2 // BLOCK)
def _make_decoy(size: int) -> bytes:
    """A plaintext that can be read, of about that many bytes, and of the kind that tokens mostly are."""
    said = {"application_token": "0" * 32, "nonce": "1" * 28, "session_limit": 1, "expiration_date": 2}
    room = size - len(json.dumps(said | {"grants": {"read": {"resources": []}}}))
    names = ["2" * 32] * (room // 36)
    return json.dumps(said | {"grants": {"read": {"resources": names}}}).encode()
