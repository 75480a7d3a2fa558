"""A manifest as an operator names it: a file, or a URL that the gate's origin is asked for."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import GateError, UsageError

if TYPE_CHECKING:
    from gate.api.explanation import Explanation
    from gate.core.policy import Policy
    from gate.core.reasons import Deny
    from gate.core.verdicts import Place
    from gate.media.handing import Handed
    from gate.media.links import Links

# What asks for a delta update, which says nothing without the playlist that a player has already.
_DELTA: Final = frozenset({"_HLS_skip"})
_URL: Final = re.compile(r"https?://", re.IGNORECASE)


def is_url(source: str) -> bool:
    """Whether a manifest is named by a URL, and not by a file."""
    return _URL.match(source) is not None


def read_manifest(source: str, limit: int) -> bytes:
    """The bytes of a file, or of stdin where `source` is a dash. Raises UsageError."""
    try:
        if source == "-":
            body = sys.stdin.buffer.read(limit + 1)
        else:
            with Path(source).open("rb") as file:
                body = file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror}") from None
    if len(body) > limit:
        raise UsageError(f"{source}: more than {limit} bytes (limits.manifest)")
    return body


def fetch_manifest(place: Place, policy: Policy) -> bytes:
    """What the origin answers to a request at `place`. Raises GateError."""
    return asyncio.run(_fetch(place, policy.limits.manifest))


async def _fetch(place: Place, limit: int) -> bytes:
    from gate.proxy.coding import coding_of, decoded
    from gate.proxy.origin import HttpUpstream

    upstream = HttpUpstream(connections=1)
    try:
        fields = [("Accept-Encoding", "identity"), ("User-Agent", "gate")]
        target = place.target.without(_DELTA).raw
        reply = await upstream.ask(place.rule.origin, "GET", target, fields)
        async with reply:
            url = f"{place.rule.origin.url}{place.target.path}"
            if reply.status != 200:
                raise GateError(f"{url}: the origin answers {reply.status}")
            chunks = reply.chunks()
            body = b""
            async for chunk in decoded(chunks) if coding_of(reply.fields) else chunks:
                body += chunk
                if len(body) > limit:
                    raise GateError(f"{url}: more than {limit} bytes (limits.manifest)")
            return body
    finally:
        await upstream.close()


def hand_out_explained(body: bytes, explanation: Explanation, links: Links) -> Handed | Deny:
    """What a viewer gets of the origin's answer to the request that was explained, and was not refused.

    Session link and marks are not in it. Raises UsageError for what is no manifest, or none by itself.
    """
    from gate.core.media import Role
    from gate.core.reasons import Deny
    from gate.media.handing import Handed, hand_out, is_manifest, is_mpd

    place = explanation.served
    if place is None or place.facts.role is not Role.MANIFEST:
        raise UsageError("only manifests are clipped, and this URL is not one of a manifest")
    form = is_manifest(body)
    if form is None or (form == "dash" and not is_mpd(body)):
        raise UsageError("this is no manifest: neither an HLS playlist nor a DASH MPD")
    if not place.guarded:
        return Handed(body, 0, 0)
    handed = hand_out(body, place, explanation.sight, links, explanation.now)
    if isinstance(handed, Handed | Deny):
        return handed
    raise UsageError("this is a delta update, which cannot be clipped alone: the gate asks for all of it")


def target_of_url(url: str, policy: Policy) -> str:
    """The request target that a viewer asks the gate for, who wants what `url` names.

    Of a URL of an origin's that is its path behind the origin's own, of any other one its path.
    """
    from gate.cli.explain import read_target

    whole = url.partition("#")[0] if is_url(url) else url
    bases = {rule.origin.url for rule in policy.rules}
    for base in sorted(bases, key=len, reverse=True):
        if whole.startswith(f"{base}/"):
            return whole[len(base) :]
    return read_target(url)
