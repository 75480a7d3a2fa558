"""`gate token`: a token in the native format, refused here where the gate would refuse it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gate.cli.arguments import config_option, load_policy, moment, whole_seconds
from gate.errors import UsageError

if TYPE_CHECKING:
    from gate.core.keys import Key
    from gate.core.policy import Application

DEFAULT_TTL_S: Final = 3600


@click.command(
    epilog="""\b
Examples:
  gate token --config gate.yaml --resource cam1 --live
  gate token --config gate.yaml --resource cam1 --live --dvr --from -2h --to now --ttl 15m
  gate token --config gate.yaml --all --action read --live --session-limit 3 --subject alice
  gate token --config gate.yaml --resource film.mp4 --single-use
  gate token --config gate.yaml --action create --action read --action destroy --session-owned
  gate token --config gate.yaml --key sign.jwk.json --resource cam1 --live
  curl -L "http://127.0.0.1:8080/cam1/index.m3u8?token=$(gate token --config gate.yaml --all --live)"

A time T is in Unix seconds, a date (2026-05-04T13:00:00Z; UTC where it names no zone), now, or a distance
from now (-2h, +30m). A duration is in seconds, or 90s, 15m, 1h, 7d.
"""
)
@config_option
@click.option("--application", metavar="A", help="Whose key signs it. May be left out where there is only one.")
@click.option("--resource", "resources", multiple=True, metavar="R", help="What it opens. May be repeated.")
@click.option("--all", "everything", is_flag=True, help="It opens all resources.")
@click.option("--session-owned", is_flag=True, help="It opens what its session has created, or creates.")
@click.option(
    "--action",
    "actions",
    multiple=True,
    type=click.Choice(["read", "create", "update", "destroy"]),
    default=("read",),
    help="What may be done to them. May be repeated.  [default: read]",
)
@click.option("--live", is_flag=True, help="The live edge may be watched.")
@click.option("--dvr", is_flag=True, help="The archive may be watched.")
@click.option("--copy", is_flag=True, help="Recordings may be downloaded.")
@click.option("--from", "start", type=moment, metavar="T", help="Nothing of the archive before this.")
@click.option("--to", "end", type=moment, metavar="T", help="Nothing of the archive from here on.")
@click.option(
    "--ttl",
    "ttl_s",
    type=whole_seconds,
    metavar="S",
    help="How long the token lives; 0 for no end.  [default: 1h, or the application's max_ttl]",
)
@click.option("--session-limit", type=int, metavar="N", help="How many sessions it may ever open.")
@click.option("--max-concurrent", type=int, metavar="N", help="How many playbacks may run at once.")
@click.option("--single-use", is_flag=True, help="It opens one session, ever.")
@click.option("--subject", metavar="S", help="Whose token it is (sub).")
@click.option(
    "--usage", "usage_s", type=whole_seconds, metavar="S", help="How long a session lives from its opening."
)
@click.option("--kid", metavar="K", help="Which key signs it.  [default: the application's first that can]")
@click.option(
    "--key",
    "key_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The private key that signs it, where the policy holds only its public half.",
)
@click.option(
    "--claims", "claims_text", metavar="JSON", help="Claims that replace or join these; null drops one."
)
def command(
    config_path: Path, application: str | None, kid: str | None, key_path: Path | None, **asked: Any
) -> None:
    """Mint a token: print it, and nothing else.

    What the gate would not accept is not minted: the reason is given instead.
    """
    tenant = _find_application(load_policy(config_path).policy.applications, application)
    now = time.time()
    if key_path is None:
        key = _find_key(tenant, kid)
    else:
        key = _read_key(tenant, kid, key_path)
        # A gate knows it from where it is published; here it is taken for that.
        tenant = replace(tenant, keyring=tenant.keyring.joined([key]))
    click.echo(mint(_claims(tenant, now, **asked), tenant, key, now))


def mint(claims: Mapping[str, Any], application: Application, key: Key, now: float) -> str:
    """The claims, signed: a token that `application` accepts at `now`. Raises UsageError where it would not."""
    from gate.core.checks import check_life
    from gate.core.token import Token
    from gate.formats import jwt, read_token
    from gate.formats.claims import check_claims
    from gate.formats.signatures import UnfitKeyError

    if (problem := check_claims(claims)) is not None:
        raise UsageError(problem)
    try:
        text = jwt.sign(claims, key)
    except UnfitKeyError as error:
        raise UsageError(f"the key {key.kid} cannot sign: {error}") from None
    if len(text) > jwt.LONGEST:
        raise UsageError(
            f"the token is {len(text)} characters long and may have {jwt.LONGEST}: name fewer resources"
        )
    token = read_token(text, application)
    refusal = check_life(token, application, now) if isinstance(token, Token) else token
    if refusal is not None or not isinstance(token, Token):
        raise UsageError(_explain(refusal, application))
    if not token.warrant.windows.spans:
        raise UsageError("the token would open nothing: from and to are the same instant")
    return text


def _claims(
    application: Application,
    now: float,
    *,
    resources: tuple[str, ...],
    everything: bool,
    session_owned: bool,
    actions: tuple[str, ...],
    live: bool,
    dvr: bool,
    copy: bool,
    start: int | None,
    end: int | None,
    ttl_s: int | None,
    session_limit: int | None,
    max_concurrent: int | None,
    single_use: bool,
    subject: str | None,
    usage_s: int | None,
    claims_text: str | None,
) -> dict[str, Any]:
    extra = _read_claims(claims_text)
    if not (resources or everything or session_owned) and "grants" not in extra:
        raise UsageError("the token would open nothing: name what with --resource, or everything with --all")
    if everything and (resources or session_owned):
        superfluous = "--resource" if resources else "--session-owned"
        raise UsageError(f"--all opens every resource: leave out {superfluous}")
    if single_use and session_limit not in (None, 1):
        raise UsageError("--single-use is a limit of one session: leave out --session-limit")
    if ttl_s is None:
        longest = application.max_ttl_s
        ttl_s = DEFAULT_TTL_S if longest is None else min(DEFAULT_TTL_S, int(longest))
    issued_at = int(now)
    grant: dict[str, Any] = {
        "all": everything,
        "resources": list(dict.fromkeys(resources)),
        "session_owned": session_owned,
    }
    grant = {name: value for name, value in grant.items() if value}
    claims: dict[str, Any] = {
        "iat": issued_at,
        "exp": issued_at + ttl_s if ttl_s else None,
        "iss": min(application.issuers, default=None),
        "aud": min(application.audiences, default=None),
        "sub": subject,
        "grants": dict.fromkeys(actions, grant),
        "live": live or None,
        "dvr": dvr or None,
        "copy": copy or None,
        "from": start,
        "to": end,
        "session_limit": session_limit,
        "max_concurrent": max_concurrent,
        "usage_expiration_time": usage_s,
        "single_use": single_use or None,
        # Each token has an identity of its own: else two that say the same would count as one.
        "nonce" if single_use else "jti": secrets.token_urlsafe(12),
    }
    if "jti" in extra or "nonce" in extra:
        claims.pop("jti", None)
        claims.pop("nonce", None)
    return {name: value for name, value in {**claims, **extra}.items() if value is not None}


def _read_claims(text: str | None) -> dict[str, Any]:
    from gate.formats.strict_json import read_object

    if text is None:
        return {}
    claims = read_object(text.strip().encode("utf-8", "surrogateescape"))
    if claims is None:
        raise UsageError('--claims takes one JSON object with every key once, such as \'{"aud": "tv"}\'')
    return claims


def _find_application(applications: Mapping[str, Application], name: str | None) -> Application:
    if name is None and len(applications) == 1:
        return next(iter(applications.values()))
    known = ", ".join(applications)
    if name is None:
        raise UsageError(f"the policy has several applications: name one with --application ({known})")
    if name not in applications:
        raise UsageError(f"the policy has no application {name!r}; known are: {known}")
    return applications[name]


def _find_key(application: Application, kid: str | None) -> Key:
    keys = {key.kid: key for key in application.keyring}
    if application.key_sources and (kid not in keys if kid is not None else not keys):
        raise UsageError(
            f"the keys of {application.name} are published ({_places(application)}), and what signs is not: "
            "name the private key with --key FILE"
        )
    if kid is not None and kid not in keys:
        raise UsageError(f"the application {application.name} has no key {kid!r}; known are: {', '.join(keys)}")
    able = [key for key in keys.values() if key.signs and kid in (None, key.kid)]
    if not able:
        held = "no key that signs" if kid is None else f"only the public half of {kid!r}"
        raise UsageError(f"the policy holds {held}: name the private key with --key FILE")
    return able[0]


def _read_key(application: Application, kid: str | None, path: Path) -> Key:
    """The private key in a file, as the key of the application that it belongs to."""
    from gate.config.keys import read_key_file
    from gate.formats.signatures import UnfitKeyError

    mine = [key for key in application.keyring if not key.algorithm.symmetric and kid in (None, key.kid)]
    try:
        private = read_key_file(path)
    except UnfitKeyError as error:
        raise UsageError(f"{path}: {error}") from None
    if private.signing is None:
        raise UsageError(f"{path}: this is not a private key")
    for key in mine:
        if key.material == private.material:
            return replace(key, signing=private.signing)
    if application.key_sources and private.kid not in application.keyring and kid in (None, private.kid):
        return private
    raise UsageError(f"{path}: its public half is no key of the application {application.name}")


def _places(application: Application) -> str:
    return ", ".join(source.place for source in application.key_sources)


def _explain(refusal: Any, application: Application) -> str:
    """Why the gate would refuse the token, and what to change."""
    from gate.core.reasons import Reason

    text = refusal.detail or refusal.reason.rule.title
    match refusal.reason:
        case Reason.EXPIRY_REQUIRED if not refusal.detail:
            advice = f"the application {application.name} does not allow tokens without an end (unlimited_ttl)"
        case Reason.LIFETIME_TOO_LONG:
            advice = f"the application {application.name} allows {application.max_ttl_s:g} s (max_ttl)"
        case _:
            advice = ""
    text = text.removesuffix(".")
    return f"the gate would refuse this token ({refusal.reason.value}): {text}{f'; {advice}' if advice else ''}"
