"""Added streams as rules beside those of the policy file.

Where an added stream lies. Its layout says it: ``/live/{uid}`` and ``/dvr/{uid}`` with layout aipix,
``/{uid}`` with any other; the folder itself and all below it, so that nothing of it is left to another rule.
One segment of a path, the second below those two folders and else the first, names the only stream that can
be meant: it is found in one look, however many there are. For the same reason no other stream is called
``live`` or ``dvr``.

Which rule a path has. The policy file wins where it speaks of these paths: where one of its rules that match
has a literal first segment, the first rule that matches decides, as if the stream had not been added. Rules
whose first segment is any (``/**``, ``/{resource}/**``) speak of streams at large. There the stream wins:
otherwise a file that ends with such a rule, as most do, would leave no added stream anything. With ``/live``
and ``/dvr`` the literal first segment says nothing yet: a rule of layout aipix there
(``/live/{resource}/**``) speaks of its streams at large too, unless the uid is literal as well; of another
layout it says that the folder is something else, and wins.

The stream wins over a rule at large also where it lets nobody in: one that is not enabled, has access none,
is of an application or a layout that the policy has not, or cannot be read, refuses whomever that rule would
admit. And it wins over a rule at large that lets nobody in: a file that is closed to every other stream opens
with those that are added. To keep a stream closed whatever is added, the file names it.

Streams are read: their rules serve no method that writes. Whom a private stream lists needs no token, where the
policy's RPC says so (``whitelist_admits``).

While it is not known which streams there are, a rule at large may be another's than that of the stream that it
would serve: until then nobody is let in by one who comes without a session link.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from gate.core.grants import Action
from gate.core.media import Facts, Layout, Role
from gate.core.policy import READING, Access, Added, Application, Origin, Pattern, Policy, StreamRule
from gate.core.stream import AIPIX, FOLDERS, Entry, Stream
from gate.core.target import Target
from gate.core.windows import Span

# One name for the origins of all added streams: what is counted by origin stays bounded.
ADDED_ORIGIN: Final = "(added)"
_READS: Final[Mapping[str, Action]] = MappingProxyType(dict.fromkeys(sorted(READING), Action.READ))
_NOWHERE: Final = Origin(ADDED_ORIGIN, "http://127.0.0.1:9")  # never asked: nobody is let in


class StreamPattern(Pattern):
    """The paths of one stream: its folder and everything below. The last of `front` is the resource."""

    def __init__(self, *front: str) -> None:
        super().__init__("/".join(("", *front, "**")))
        self._front = front

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        front = self._front
        return {"resource": front[-1]} if segments[: len(front)] == front else None


class _Unknown:
    """The layout of what nobody is let in to."""

    name = "unknown"

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        return Facts(parts.get("resource", ""), Role.OTHER)

    def write(self, target: Target, span: Span) -> Target | None:
        return None


_UNKNOWN: Final = _Unknown()


class AddedRules(Added):
    """The rules of added streams, each made when it is first asked for."""

    def __init__(
        self,
        streams: Mapping[str, Entry],
        applications: Mapping[str, Application],
        layouts: Mapping[str, Layout],
        *,
        whitelist_admits: bool = False,
    ) -> None:
        """`streams` must not change any more."""
        self._streams = streams
        self._whitelist_admits = whitelist_admits
        self._applications = applications
        self._layouts = layouts
        self._made: dict[tuple[str, ...], StreamRule] = {}

    def find(self, segments: tuple[str, ...]) -> StreamRule | None:
        front = segments[:2] if segments[0] in FOLDERS else segments[:1]
        if (rule := self._made.get(front)) is None:
            entry = self._streams.get(front[-1])
            if entry is None or front not in fronts_of(front[-1], entry):
                return None
            rule = self._made[front] = rule_of(
                front, entry, self._applications, self._layouts, whitelist_admits=self._whitelist_admits
            )
        return rule

    def yields(self, segments: tuple[str, ...], rule: StreamRule) -> bool:
        return not is_at_large(rule, segments)

    def under(self, applications: Mapping[str, Application]) -> AddedRules:
        return AddedRules(self._streams, applications, self._layouts, whitelist_admits=self._whitelist_admits)


def with_streams(policy: Policy, streams: Mapping[str, Entry]) -> Policy:
    """The same policy with these added streams, by uid, and no others. `streams` must not change any more."""
    admits = policy.rpc is not None and policy.rpc.whitelist_admits
    return policy.with_added(
        AddedRules(streams, policy.applications, policy.layouts, whitelist_admits=admits) if streams else None
    )


def fronts_of(uid: str, entry: Entry) -> tuple[tuple[str, ...], ...]:
    """Where the stream lies, in segments; of one that cannot be read, wherever it may have lain."""
    below, top = tuple((folder, uid) for folder in FOLDERS), ((uid,),)
    if isinstance(entry, Stream):
        return below if entry.layout == AIPIX else top
    return below if uid in FOLDERS else below + top


def rule_of(
    front: tuple[str, ...],
    entry: Entry,
    applications: Mapping[str, Application],
    layouts: Mapping[str, Layout],
    *,
    whitelist_admits: bool = False,
) -> StreamRule:
    """The rule of the stream for what lies at `front`, one of its `fronts_of`."""
    name, pattern = name_of(front[-1]), StreamPattern(*front)
    if not isinstance(entry, Stream):
        return StreamRule(name, pattern, Access.NONE, _NOWHERE, _UNKNOWN, methods=_READS)
    application, layout = applications.get(entry.application), layouts.get(entry.layout)
    usable = entry.enabled and application is not None and layout is not None
    return StreamRule(
        name=name,
        pattern=pattern,
        access=entry.access if usable else Access.NONE,
        origin=Origin(ADDED_ORIGIN, entry.origin),
        layout=layout or _UNKNOWN,
        application=application,
        networks=entry.whitelist if whitelist_admits or entry.access is not Access.PRIVATE else (),
        methods=_READS,
    )


def name_of(uid: str) -> str:
    """What the rules of a stream are called."""
    return f"stream {uid}"


def uid_at(segments: tuple[str, ...]) -> str:
    """The only uid that a stream with such a path can have."""
    return segments[:2][-1] if segments[0] in FOLDERS else segments[0]


def goes_on(before: StreamRule, after: StreamRule | None) -> bool:
    """Whether what runs under one rule may run on, now that its path has the other.

    Only where that is plain: the same media from the same place, for everybody, or for whom they were before.
    """
    if after is None or (before.origin.url, before.layout.name) != (after.origin.url, after.layout.name):
        return False
    if after.access is Access.PUBLIC:
        return True
    names = [rule.application.name if rule.application else None for rule in (before, after)]
    return (before.access, before.networks, names[0]) == (after.access, after.networks, names[1])


def is_at_large(rule: StreamRule, segments: tuple[str, ...]) -> bool:
    """Whether a rule of the file that has the path gives way to streams that are added there."""
    return not _speaks_of(rule, 2 if segments[0] in FOLDERS else 1)


def clashes(policy: Policy, uid: str, entry: Entry) -> Iterator[StreamRule]:
    """The rules of the policy file that win over the stream, as far as they match what lies there."""
    fronts = fronts_of(uid, entry)
    for rule in policy.rules:
        if any(rule.pattern.meets(front) and _speaks_of(rule, len(front)) for front in fronts):
            yield rule


def _speaks_of(rule: StreamRule, depth: int) -> bool:
    """Whether a rule of the file that matches a path means it, and not streams at large. `depth` is how many
    segments a stream has in front."""
    if depth > 1 and rule.layout.name == AIPIX:
        return rule.pattern.literal(0) and rule.pattern.literal(1)
    return rule.pattern.literal(0)
