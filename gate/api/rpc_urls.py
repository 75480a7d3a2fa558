"""Where viewers find an added stream: its URLs, each with a token that opens what the URL names and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gate.api.rpc_auth import access_token_for
from gate.api.rpc_caller import Caller
from gate.core.policy import Access, Application, Policy
from gate.core.stream import Entry, Stream
from gate.core.target import Target, parse_target
from gate.media.showing import SHOWINGS, Showing

# How much of the archive is shown where it is not known how deep it is.
_USUAL_DEPTH_S: Final = 3600
_RIGHTS: Final = {"live": "live", "dvr": "dvr", "download": "copy", "preview": "live"}


def urls_of(uid: str, entry: Entry | None, policy: Policy, caller: Caller, ttl_s: int) -> dict[str, str]:
    """Where the stream is to be watched, by the kind of watching; nothing where it is not served."""
    if not isinstance(entry, Stream):
        return {}
    depth_s = _USUAL_DEPTH_S if entry.dvr_depth_s is None else entry.dvr_depth_s
    urls = {}
    for showing in _showings(entry, depth_s):
        path = showing.path(uid, max(1, int(caller.now) - depth_s), depth_s)
        access = _access_at(path, uid, showing, policy, caller)
        if access in (Access.PUBLIC, Access.PROTECTED):
            urls[showing.name] = caller.base + path
        elif access is Access.PRIVATE and (name := _token_parameter(caller.application)) is not None:
            token = access_token_for(caller, uid, ttl_s, **{_RIGHTS[showing.name]: True})
            urls[showing.name] = f"{caller.base}{path}{'&' if '?' in path else '?'}{name}={token}"
    return urls


def _showings(stream: Stream, depth_s: int) -> Sequence[Showing]:
    known = SHOWINGS.get(stream.layout, ())
    return [showing for showing in known if depth_s or _RIGHTS[showing.name] == "live"]


def _access_at(path: str, uid: str, showing: Showing, policy: Policy, caller: Caller) -> Access | None:
    """Who may watch there; None where it is not this stream, or opened by tokens that are not made here."""
    target = parse_target(path)
    matched = policy.match(target) if isinstance(target, Target) else None
    if matched is None or not isinstance(target, Target):
        return None
    rule, parts = matched
    facts = rule.layout.read(target, parts)
    if (facts.resource, facts.kind) != (uid, showing.kind):
        return None
    if rule.access is Access.PRIVATE and (
        rule.application is None or rule.application.name != caller.application.name
    ):
        return None
    return rule.access


def _token_parameter(application: Application) -> str | None:
    """In which query parameter its viewers carry their token."""
    names = application.sources.query
    return "token" if "token" in names else min(names, default=None)
