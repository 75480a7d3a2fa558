"""The values that a decision takes and gives: what is asked, and what is made of it at each step."""

from __future__ import annotations

from dataclasses import dataclass

from gate.core.credentials import Carrier, Headers
from gate.core.grants import Action
from gate.core.marks import ByteRange
from gate.core.media import Facts
from gate.core.policy import Access, Application, StreamRule
from gate.core.reasons import Reason
from gate.core.room import RoomPass
from gate.core.session import Resume
from gate.core.target import Target
from gate.core.ticket import Ticket
from gate.core.timeline import Remainder
from gate.core.token import Token, Warrant


@dataclass(frozen=True, slots=True)
class Ask:
    """A request in plain values. `target` is the raw request target, `address` the client's address."""

    method: str
    target: str
    headers: Headers
    address: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request points and what it carries. `target` is what will be forwarded: no credentials in it.

    `asked` is what was asked for in its place, where that overruns a window and only a part of it is served.
    `carrier` is how the ticket travels. `mark` is the text that a manifest marked the URL with, `seal` the one
    that stood in its path, and `held` the bytes that it stands for, as the mark says. `client` is the client
    key; `page` the same for this very path, by which a client's session of it is found. `visit` is the text of
    a page session. `admitted`: the client's address is one that needs no token here.
    """

    method: str
    target: Target
    rule: StreamRule
    application: Application | None
    action: Action
    facts: Facts
    ticket: str | None
    token: str | None
    client: str
    page: str
    asked: Target | None = None
    carrier: Carrier = Carrier.PATH
    mark: str | None = None
    seal: str | None = None
    held: ByteRange | None = None
    visit: str | None = None
    admitted: bool = False

    @property
    def guarded(self) -> bool:
        """Whether tokens and links say what is served here; else none is read."""
        return self.rule.access is Access.PRIVATE and not self.admitted

    @property
    def open(self) -> bool:
        """Whether the application asks no token of who does this."""
        return self.application is not None and self.action not in self.application.auth_required_for

    @property
    def puts(self) -> bool:
        """Whether this is a PUT, which creates or overwrites, as it happens (RFC 9110, section 9.3.4)."""
        return self.method == "PUT" and self.action is Action.CREATE


@dataclass(frozen=True, slots=True)
class Permit:
    """The request may be forwarded. `ends_at` (Unix seconds) is when even a running response must end, and
    `remains` what is left to this one, where it would outrun its window.

    `sight` is the warrant that the answer is held to, where it is a manifest that may say more than the token
    allows.

    `prefix` is the sealed ticket that URIs of the answer must be brought under to stay in the session (behind
    the policy's own prefix of session links); empty without a session link. `commit` names the ticket that
    the first byte of media commits. `probe` tells that only a byte or two were asked for, which commit
    nothing; an origin that answers with more has to be stopped. `precondition` is a field that the origin
    must be asked under, so that a token that may only create does not overwrite (RFC 9110, section 13.1).
    `renew` is a fresh token that came beside the session link: the session lives on with it. `renewed_by` is
    the token that it lives on with already, and must not outlive. `visit` is the page session that owns what is
    created; without one the session does. `room` is the pass of somebody whom the room has to have let in.
    """

    place: Place
    session: str | None = None
    token: str | None = None
    owner: str | None = None
    issued_at: int | None = None
    ends_at: float | None = None
    remains: Remainder | None = None
    sight: Warrant | None = None
    prefix: str = ""
    commit: Ticket | None = None
    probe: bool = False
    precondition: tuple[str, str] | None = None
    renew: Renewal | None = None
    renewed_by: str | None = None
    visit: str | None = None
    room: RoomPass | None = None

    @property
    def public(self) -> bool:
        """Whether everybody may have the answer, a shared cache too. What an address opens is not public."""
        return self.place.rule.access is Access.PUBLIC


@dataclass(frozen=True, slots=True)
class Opening:
    """What the store is asked: open a session of `token` for `client`, or resume the one that is alive.

    The session lives for `usage_s` from its opening and no longer than `until_s` (Unix seconds); None: no such
    end. `page` is the client key of this very path. `session` is the id of the one session that it can be, in a
    page session that is accepted until `until_visit_s` (Unix seconds). `linked`: it is answered with its link.
    """

    token: Token
    client: str
    page: str
    resume: Resume
    usage_s: int | None
    until_s: int | None
    session: str | None = None
    until_visit_s: int | None = None
    linked: bool = True


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the store is asked: let the session of `ticket` live on as one of the fresh `token`'s."""

    ticket: Ticket
    token: Token
    usage_s: int | None
    until_s: int | None


@dataclass(frozen=True, slots=True)
class Admit:
    """Permitted, if the store opens or resumes the session."""

    opening: Opening
    permit: Permit


@dataclass(frozen=True, slots=True)
class Opened:
    """The store's yes. Times are Unix seconds of the store's clock.

    Of a commit: `first` tells that nobody had committed the session before, `lost` names the playbacks
    (session, client) that lost their place to this one. `renewed_by` is the token that renewed the session
    last, if any.
    """

    session: str
    opened_at: float
    ends_at: float | None
    first: bool = False
    lost: tuple[tuple[str, str], ...] = ()
    renewed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The store's no, with the playbacks that stand in the way where there are any."""

    reason: Reason
    conflicts: tuple[dict[str, object], ...] = ()


Outcome = Opened | Refused


@dataclass(frozen=True, slots=True)
class Issue:
    """Answer with a redirect to the session link of `ticket`: `place.target` below the sealed ticket."""

    place: Place
    ticket: Ticket
