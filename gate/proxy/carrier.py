"""How a ticket travels: in the path, ``<prefix><ticket>/<the same path>?<the rest of the query>``.

The path carries it because players repeat it by themselves: relative URIs of playlists resolve under it,
and no player needs to send a header or a cookie, or to repeat a query.
"""

from __future__ import annotations

from gate.core.policy import Origin
from gate.core.target import Target
from gate.media.hls import Rebase, rebase_under


def session_link(prefix: str, ticket: str, target: Target) -> str:
    """The path-absolute link at which `target` is served under the ticket."""
    return f"{prefix}{ticket}{target.raw}"


def rebase_for(link_prefix: str, origin: Origin, host: str | None) -> Rebase:
    """What brings an origin's URIs under the session link (`link_prefix`, empty where there is none).

    An absolute URI of the origin itself, or of the gate under the name that the client used (`host`), is
    one of ours; without this it would lead the player past the gate.
    """
    scheme, _, rest = origin.url.partition("://")
    authority, slash, base = rest.partition("/")
    names = {f"{scheme}://{authority}".lower().encode()}
    if host:
        names |= {f"{scheme}://{host}".lower().encode() for scheme in ("http", "https")}
    return rebase_under(link_prefix.encode(), frozenset(names), (slash + base).encode())
