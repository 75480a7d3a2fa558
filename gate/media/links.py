"""How the URIs of an origin's manifest are handed out: in the viewer's session, marked where they must be.

A URI is marked if the URL that it leads to would be refused for not saying its time. So an origin whose
segments are named by their time is left as it is, and any other is marked as far as a token needs it.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urljoin

from gate.core.credentials import SESSION_NAME, Carrier
from gate.core.marks import MARK_NAME, Mark, write_mark, write_seal
from gate.core.policy import Access, Foreign, Policy
from gate.core.reasons import Reason
from gate.core.target import Target, parse_target
from gate.core.timeline import check_time
from gate.core.token import Warrant
from gate.core.verdicts import Place
from gate.core.windows import Span
from gate.media.hls.rebase import Rebase, rebase_under

# What a client's URL parser leaves as it is (WHATWG URL, section 1.3); it encodes the rest before it asks.
_LEFT: Final = "!$%&'()*+,/:;=?@[]^_|~-.\\"
_PLAIN: Final = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*(?:\?[\w.&=%/-]*)?", re.A
)
_VARIABLE: Final = re.compile(rb"\{\$([A-Za-z0-9_-]+)\}")
# What a client's URL parser drops wherever it stands, and at the ends (WHATWG URL, section 4.4).
_DROPPED: Final = b"\t\r\n"
_TRIMMED: Final = bytes(range(0x21))
# What stands where a URI may (UTCTiming of DASH), and is none.
_DATE: Final = re.compile(rb"\d{4}-\d\d-\d\dT")
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:")


class ForeignUriError(Exception):
    """A manifest leads to a host that the policy does not let it lead to."""


class Links:
    """Hands out the URIs of what the origin answered to a request at `place`.

    `host` is the gate's name as the client used it. `key` is the session's key of marks, `warrant` what the
    viewer may see; without both nothing is marked.
    """

    def __init__(
        self,
        policy: Policy,
        place: Place,
        *,
        host: str | None,
        now: float,
        scheme: str = "http",
        key: bytes | None = None,
        warrant: Warrant | None = None,
    ) -> None:
        # The gate's own address, as the client used it.
        self.address = f"{scheme}://{host}".encode() if host else b""
        self._policy = policy
        self._place = place
        self._now = now
        self._key = key
        self._warrant = warrant
        self._ticket = place.ticket or ""
        carried = place.carrier is Carrier.PATH and self._ticket
        self.prefix = f"{policy.sessions.prefix}{self._ticket}" if carried else ""
        self._rebase = _rebase(self.prefix, place.rule.origin.url, host)
        self._adopting: tuple[tuple[str, Rebase], ...] = ()
        if place.rule.foreign is Foreign.ADOPT:
            urls = {rule.origin.url for rule in policy.rules} - {place.rule.origin.url}
            self._adopting = tuple((url, _rebase(self.prefix, url, None)) for url in sorted(urls))
        self._base = (place.asked or place.target).path
        self._folder = self._base[: self._base.rindex("/") + 1]
        # What a playlist's variables stand for (EXT-X-DEFINE), where it says so itself.
        self.variables: dict[str, str] = {}

    def hand_out(self, uri: bytes, mark: Mark | None = None) -> bytes:
        """The URI as the viewer gets it; it leads to what `mark` says. Raises ForeignUriError."""
        ours = self._ours(uri)
        if ours is None:
            return uri
        if mark is not None and self._key is not None and (target := self.target_of(ours)) is not None:
            ours = self._marked(ours, target, mark)
        return self.append(ours)

    def under_link(self, uri: bytes) -> bytes:
        """The URI under the session link, with nothing appended. Raises ForeignUriError."""
        ours = self._ours(uri)
        return uri if ours is None else ours

    @property
    def appends(self) -> bool:
        """Whether the ticket travels in the URIs' queries."""
        return bool(self._ticket) and self._place.carrier is Carrier.QUERY

    @property
    def home(self) -> str | None:
        """Where the manifest itself is, in its session; None without one."""
        if not self._ticket:
            return None
        raw = (self._place.asked or self._place.target).raw
        return self.append(f"{self.prefix}{raw}".encode()).decode()

    def append(self, uri: bytes) -> bytes:
        """The URI, which is under the link, with the ticket where that travels in its query."""
        if not self.appends or _leads_away(uri) or _DATE.match(uri):
            return uri
        return _with_query(uri, f"{SESSION_NAME}={self._ticket}")

    def mark_path(self, uri: bytes, path: str, mark: Mark) -> bytes:
        """The URI, which is under the link and leads to `path`, with the mark that it needs."""
        target = parse_target(quote(path, safe=_LEFT), self._policy.limits.target)
        return self._marked(uri, target, mark) if isinstance(target, Target) else uri

    def seal(self, said: bytes, lag_ms: int) -> bytes | None:
        """A segment of a path that says so in this session; None where there is none."""
        return None if self._key is None else write_seal(said, lag_ms, self._key).encode()

    def location(self, uri: bytes) -> bytes:
        """Where a redirect of the origin leads the viewer: elsewhere too, as its manifests may not.

        What a manifest vouched for is vouched for there as well.
        """
        facts, held = self._place.facts, self._place.held
        try:
            ours = self._ours(uri)
            said = self._place.mark is not None or self._place.seal is not None
            target = self.target_of(ours) if ours is not None and said else None
            if ours is not None and target is not None and self._key is not None:
                span = facts.span if isinstance(facts.span, Span) else None
                mark = Mark(facts.role, facts.kind, span, held, facts.lag_ms)
                text = write_mark(mark, self._key, target.without(self._sources()))
                return self.append(_with_query(ours, f"{MARK_NAME}={text}"))
            return self.hand_out(uri)
        except ForeignUriError:
            return uri

    def target_of(self, uri: bytes) -> Target | None:
        """What the gate will be asked for at a handed out URI, less the link in its path; None if not the gate,
        or for nothing that it would forward."""
        try:
            text = self._expanded(uri).decode()
        except UnicodeDecodeError:
            return None
        if _PLAIN.fullmatch(text):
            target = self._folder + text
        else:
            text = quote(text.partition("#")[0], safe=_LEFT)
            if self.prefix and text.startswith(f"{self.prefix}/"):
                text = text[len(self.prefix) :]
            try:
                target = urljoin(self._base, text)
            except ValueError:  # what stands for a host is none
                return None
            if not target.startswith("/") or target.startswith("//"):
                return None
        parsed = parse_target(target, self._policy.limits.target)
        return parsed if isinstance(parsed, Target) else None

    def _ours(self, uri: bytes) -> bytes | None:
        """The URI brought under the gate; None where it leads elsewhere, and may."""
        said = self._expanded(uri)
        # A variable may hold a host. One that another playlist defines is not known.
        away = _leads_away(said) or said.startswith(b"{$")
        uri = said if away else uri
        handed = self._rebase(uri)
        if handed != uri or not away:
            return handed
        foreign = self._place.rule.foreign
        if foreign is Foreign.LEAVE:
            return None
        for url, rebase in self._adopting:
            handed = rebase(uri)
            if handed != uri and (target := self.target_of(handed)) is not None:
                matched = self._policy.match(target)
                if matched is not None and matched[0].origin.url == url:
                    return handed
        raise ForeignUriError

    def _expanded(self, uri: bytes) -> bytes:
        """The URI with its variables as far as they are known."""
        if b"{$" not in uri:
            return uri
        known = self.variables
        return _VARIABLE.sub(lambda found: known.get(found[1].decode(), found[0].decode()).encode(), uri)

    def _marked(self, uri: bytes, target: Target, mark: Mark) -> bytes:
        if self._key is None or not self._needs_mark(target):
            return uri
        text = write_mark(mark, self._key, target.without(self._sources()))
        return _with_query(uri, f"{MARK_NAME}={text}")

    def _needs_mark(self, target: Target) -> bool:
        matched = self._policy.match(target)
        if matched is None or self._warrant is None:
            return False
        rule, parts = matched
        if rule.access is not Access.PRIVATE:
            return False
        facts = rule.layout.read(target, parts)
        return check_time(self._warrant, facts, rule.live_edge_s, self._now) is Reason.TIME_UNKNOWN

    def _sources(self) -> frozenset[str]:
        """The parameters of tokens, which do not reach the origin."""
        application = self._place.application
        return application.sources.query if application is not None else frozenset()


def _rebase(prefix: str, origin: str, host: str | None) -> Rebase:
    """What brings an origin's URIs under the link. An absolute URI of the origin itself, or of the gate under
    the name that the client used, is one of ours; without this it would lead the player past the gate."""
    scheme, _, rest = origin.partition("://")
    authority, slash, base = rest.partition("/")
    names = {f"{scheme}://{authority}".lower().encode()}
    if host:
        names |= {f"{scheme}://{host}".lower().encode() for scheme in ("http", "https")}
    return rebase_under(prefix.encode(), frozenset(names), (slash + base).encode())


def _leads_away(uri: bytes) -> bool:
    """Whether a client takes it for a URI with a scheme or a host; a backslash is a slash to browsers."""
    plain = uri.strip(_TRIMMED).translate(None, _DROPPED).replace(b"\\", b"/")
    return plain.startswith(b"//") or _SCHEME.match(plain) is not None


def _with_query(uri: bytes, more: str) -> bytes:
    """The URI with more of a query, before its fragment."""
    front, mark, fragment = uri.partition(b"#")
    return front + (b"&" if b"?" in front else b"?") + more.encode() + mark + fragment
