"""How a ticket travels: in the path, ``<prefix><ticket>/<the same path>?<the rest of the query>``.

The path carries it by default because players repeat it by themselves: relative URIs of playlists resolve
under it, and no player needs to send a header or a cookie, or to repeat a query. Where that cannot be, a query
parameter does, which the gate puts on every URI of a manifest, or a cookie, which browsers alone send.
"""

from __future__ import annotations

from gate.core.credentials import SESSION_NAME, Carrier
from gate.core.policy import SessionRules
from gate.core.ticket import Ticket
from gate.core.verdicts import Place


def session_link(rules: SessionRules, ticket: str, place: Place) -> str:
    """The path-absolute link at which `place` is served under the ticket."""
    raw = place.target.raw
    if rules.carrier is Carrier.PATH:
        return f"{rules.prefix}{ticket}{raw}"
    if rules.carrier is Carrier.COOKIE:
        return raw
    return f"{raw}{'?' if place.target.query is None else '&'}{SESSION_NAME}={ticket}"


def session_cookie(text: str, ticket: Ticket, place: Place, *, secure: bool, now: float) -> str:
    """The cookie (RFC 6265) that carries the ticket `text` to the resource that it was opened for.

    Over HTTPS a page of any site may embed the player, which a browser otherwise takes for a third party.
    """
    path = place.target.path
    # The folder of the resource, which its media may lie in beside the manifest.
    resource = f"/{place.facts.resource}/"
    at = path.find(resource)
    scope = path[: path.rindex("/") + 1] if at < 0 else path[: at + len(resource)]
    # A semicolon would end the path. RFC 6265 has no spelling for it, but any folder above holds it as well.
    scope = scope if ";" not in scope else scope[: scope.index(";")].rpartition("/")[0] + "/"
    # A file of the root is alone: a cookie for all of the gate would be sent to every other stream.
    scope = path if scope == "/" and ";" not in path else scope
    fields = [f"{SESSION_NAME}={text}", f"Path={scope}", "HttpOnly"]
    if ticket.ends_at is not None:
        fields.append(f"Max-Age={max(1, int(ticket.ends_at - now))}")
    fields += ["Secure", "SameSite=None"] if secure else ["SameSite=Lax"]
    return "; ".join(fields)
