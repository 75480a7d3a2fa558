"""`gate inspect`: what a token says, believed or not."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from gate.cli.arguments import json_option
from gate.errors import UsageError

_UNVERIFIED: Final = "NOT VERIFIED: anybody can write this. `gate explain` asks the keys of a policy."
_DATES: Final = frozenset({"exp", "nbf", "iat", "expiration_date", "from", "to"})
_BOUNDS: Final = frozenset({"from", "to"})


@click.command(
    epilog="""\b
Examples:
  gate inspect "$TOKEN"
  gate inspect - < token.txt
  gate inspect --json "$TOKEN" | jq .claims.exp

Status 0: it could be read; what is wrong with it is in the list. Status 2: it is no JWT at all. Ziggeo's
tokens say nothing without their key: gate explain reads them.
"""
)
@click.argument("token")
@json_option
def command(token: str, as_json: bool) -> None:
    """Decode a token without verifying it: its header, its claims, and what is wrong with them.

    TOKEN is `-` for standard input. Nothing is asked but the token itself: neither a key nor a policy.
    """
    if token == "-":
        token = sys.stdin.read(65536)
    token = token.strip().removeprefix("Bearer ").strip()
    now = time.time()
    header, claims = _read(token)
    faults = list(find_faults(token, header, claims, now))
    if as_json:
        shown = {"verified": False, "header": header, "claims": claims, "problems": faults}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    click.echo(_UNVERIFIED)
    click.echo("Header")
    for line in _say(header, now):
        click.echo(line)
    click.echo("Claims")
    for line in _say(claims, now):
        click.echo(line)
    click.echo("Problems" if faults else "Problems: none, as far as the token itself can tell")
    for fault in faults:
        click.echo(f"  - {fault}")


def find_faults(text: str, header: Mapping[str, Any], claims: Mapping[str, Any], now: float) -> Iterator[str]:
    """Why the gate would refuse the token, whoever signed it and whatever its policy says, in sentences."""
    from gate.core.checks import check_life
    from gate.core.keys import Algorithm, Keyring
    from gate.core.policy import Application
    from gate.core.reasons import Deny, Reason
    from gate.core.token import Format
    from gate.formats import videosdk
    from gate.formats.claims import read_claims
    from gate.formats.jws import check_header
    from gate.formats.jwt import verify_jws

    known = [algorithm.value for algorithm in Algorithm]
    if (refusal := check_header(header)) is not None:
        yield f"header: {refusal.detail or 'alg, kid and typ must be texts'}"
    else:
        if header["alg"] not in known:
            yield f"header: the gate knows no algorithm but {', '.join(known)}"
        shape = verify_jws(text, Keyring([]))
        if isinstance(shape, Deny) and shape.reason is Reason.TOKEN_MALFORMED:
            yield "it is not written as it must be: too long, no signature, or another spelling of base64url"
    ours = "apikey" not in claims
    if not ours and header.get("alg") in known and header["alg"] != Algorithm.HS256.value:
        yield f"header: a token of VideoSDK's is signed with {Algorithm.HS256.value}"
    token = read_claims(claims, "", Format.JWT, b"") if ours else videosdk.check_claims(claims)
    if isinstance(token, Deny):
        yield f"claims: {token.detail or token.reason.rule.title}"
        return
    if not token.warrant.grants.by_action:
        yield "claims: it grants nothing (grants)"
    refusal = check_life(token, Application("", Keyring([])), now)
    if refusal is not None:
        lenient = refusal.reason is Reason.EXPIRY_REQUIRED and not refusal.detail
        allowed = " An application may allow that (unlimited_ttl)." if lenient else ""
        yield f"claims: {refusal.detail or refusal.reason.rule.title}{allowed}"


def _read(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims, read leniently: what is wrong with them is told elsewhere."""
    if (kind := _find_ziggeo(text)) is not None:
        raise UsageError(kind)
    parts = text.split(".")
    if len(parts) == 5:
        raise UsageError("this is an encrypted token (JWE), which the gate does not read")
    if len(parts) != 3:
        raise UsageError(f"a token has three parts with dots between them, and this has {len(parts)}")
    return _object(parts[0], "header"), _object(parts[1], "claims")


def _find_ziggeo(text: str) -> str | None:
    """What to do about a token of Ziggeo's, which says nothing by itself; None for what has another shape."""
    from gate.formats.ziggeo import is_client_side, is_server_side

    if is_server_side(text):
        return (
            "this looks like a server-side token of Ziggeo's, which only names what the store holds: "
            "GET /v1/authtokens/ID shows that, or POST /v1/explain of a running gate"
        )
    if is_client_side(text):
        return (
            "this looks like a client-side token of Ziggeo's, which is encrypted: `gate explain` reads it, "
            "with the encryption key in a policy"
        )
    return None


def _object(part: str, name: str) -> dict[str, Any]:
    from base64 import urlsafe_b64decode

    from gate.formats.strict_json import read_object

    bare = part.rstrip("=")
    try:
        value = read_object(urlsafe_b64decode(bare + "=" * (-len(bare) % 4)))
    except ValueError:
        value = None
    if value is None:
        raise UsageError(f"the {name} of the token cannot be read: not one JSON object with every key once")
    return value


def _say(values: Mapping[str, Any], now: float) -> Iterator[str]:
    from gate.cli.wording import say_distance, say_time

    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        text = json.dumps(value, ensure_ascii=False)
        line = f"  {json.dumps(name, ensure_ascii=False)[1:-1]:{width}}  {text}"
        if name in _DATES and isinstance(value, int) and not isinstance(value, bool):
            unbounded = name in _BOUNDS and value == 0
            line += "  unbounded" if unbounded else f"  {say_time(value)}, {say_distance(value - now)}"
        # What a terminal takes for a command is shown, not obeyed.
        yield "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
