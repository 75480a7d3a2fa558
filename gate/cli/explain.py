"""`gate explain`: the decision on one request, by the functions that a running gate decides with."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gate.cli.arguments import config_option, json_option, load_policy, moment
from gate.errors import UsageError
from gate.wire.redaction import redact

if TYPE_CHECKING:
    from gate.api.explanation import Explanation, Fields
    from gate.core.policy import Policy
    from gate.core.reasons import Deny
    from gate.media.listing import Listing

_URL: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)


@click.command(
    epilog="""\b
Examples:
  gate explain --config gate.yaml "http://127.0.0.1:8080/cam1/index.m3u8?token=eyJ..."
  gate explain --config gate.yaml --token eyJ... /cam1/2026/05/04/13/00/00-02000.ts
  gate token --config gate.yaml --all --live | gate explain --config gate.yaml --token - /cam1/index.m3u8
  gate explain --config gate.yaml --token eyJ... --fetch /cam1/index-1767225600-7200.m3u8
  gate explain --config gate.yaml --token eyJ... --at 2026-05-04T13:00:00Z --ip 192.0.2.7 /cam1/index.m3u8

Status 0: permitted, as far as the policy and the token can say. Status 1: refused. Status 2: not explained.
"""
)
@config_option
@click.option(
    "--token", "token_text", metavar="T", help="The token, where URL and headers hold none; - reads it."
)
@click.option("--method", default="GET", metavar="M", help="The request's method.  [default: GET]")
@click.option(
    "--ip", "address", default="127.0.0.1", metavar="A", help="The viewer's address.  [default: 127.0.0.1]"
)
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header. May be repeated.")
@click.option(
    "--at", type=moment, metavar="T", help="When the request comes: now, -2h, a date.  [default: now]"
)
@click.option(
    "--manifest",
    "manifest",
    metavar="FILE",
    help="The manifest that the origin answers (- is stdin): say which of its segments are kept, and why.",
)
@click.option("--fetch", is_flag=True, help="The same of the manifest that the origin answers now.")
@json_option
@click.argument("url")
def command(
    config_path: Path,
    token_text: str | None,
    method: str,
    address: str,
    headers: tuple[str, ...],
    at: int | None,
    manifest: str | None,
    fetch: bool,
    as_json: bool,
    url: str,
) -> int:
    """Say how a request for URL would be decided, and why.

    URL is a path with its query, or a whole URL, of which only those count: byte for byte, as a client sends
    them. Nothing is asked of store, origin or jwks, so what they have a say in is said to be open; with
    --manifest or --fetch, what of the origin's manifest would be served is said as well.
    """
    from gate.api.explanation import explain
    from gate.api.plain import plain_listing, to_plain
    from gate.cli.wording import print_explanation, print_listing
    from gate.core.ticket import TicketKeys
    from gate.core.verdicts import Ask

    try:
        ip_address(address)
    except ValueError:
        raise UsageError(f"--ip takes an address such as 192.0.2.7, not {address!r}") from None
    if fetch and manifest is not None:
        raise UsageError("--fetch asks the origin for what --manifest reads from a file: give one of them")
    config = load_policy(config_path)
    if token_text == "-" == manifest:
        raise UsageError("only one of the token and the manifest can be read from stdin")
    if token_text == "-":
        token_text = sys.stdin.read()
    token_text = token_text.strip() if token_text else None
    ask = Ask(method, read_target(url), read_fields(headers), address)
    tickets = TicketKeys(config.ticket_keys) if config.ticket_keys else None
    now = time.time() if at is None else float(at)
    explanation = explain(config.policy, ask, token_text, now, tickets=tickets)
    listing, refusal = None, None
    looks = fetch or manifest is not None
    if looks and explanation.served is not None:
        listing, refusal = _list(explanation, config.policy, manifest)
    if as_json:
        more = {"manifest": plain_listing(listing, refusal)} if looks else {}
        click.echo(redact(json.dumps(to_plain(explanation) | more, indent=2)))
    else:
        print_explanation(explanation)
        print_listing(listing, refusal)
    return 0 if explanation.permitted and refusal is None else 1


def _list(explanation: Explanation, policy: Policy, source: str | None) -> tuple[Listing | None, Deny | None]:
    """The entries of the manifest, as far as it can be read, and why it is refused, if it is.

    `source` is its file; None: the origin is asked.
    """
    from gate.cli.manifest import fetch_manifest, hand_out_explained, read_manifest
    from gate.core.reasons import Deny
    from gate.media.links import Links
    from gate.media.listing import list_entries

    place, now, most = explanation.served, explanation.now, policy.limits.manifest
    assert place is not None
    body = fetch_manifest(place, policy) if source is None else read_manifest(source, most)
    links = Links(policy, place, host=None, now=now)
    handed = hand_out_explained(body, explanation, links)
    listing = list_entries(body, place, explanation.sight, links, now)
    refusal = handed if isinstance(handed, Deny) else None
    return (None, refusal or listing) if isinstance(listing, Deny) else (listing, refusal)


def read_target(url: str) -> str:
    """The request target that a client makes of `url`: it never sends a fragment, and a whole URL's path is
    at least a slash. Nothing else is changed."""
    if (whole := _URL.match(url)) is None:
        return url
    target = url[whole.end() :].partition("#")[0]
    return target if target.startswith("/") else f"/{target}"


def read_fields(lines: Sequence[str]) -> Fields:
    """The header fields that lines such as ``Name: value`` describe. Raises UsageError."""
    from gate.api.explanation import Fields

    fields: dict[str, list[str]] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None or set(found[2]) & set("\r\n\0"):
            raise UsageError("--header takes a line such as 'User-Agent: VLC/3.0'")
        fields.setdefault(found[1].lower(), []).append(found[2])
    return Fields(fields)
