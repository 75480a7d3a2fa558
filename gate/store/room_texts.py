"""What is kept of rooms as text, and read back: whatever cannot be read raises ValueError with one sentence.

A room's header is a hash of texts, each participant one JSON object beside it. Names stand in keys and in JSON
as ASCII: whatever a token says, the store can keep it, and no separator is in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from gate.core.room import LONGEST_ID, Participant, Permission, Room, State, TrackKind
from gate.core.room_steps import Audience, Entry, Event, Happened, Step

VERSION: Final = "1"
_NUMBERS: Final = ("made_ms", "changed_ms", "sequence", "closed_ms")
_TEXTS: Final = ("custom_id", "meeting", "settings")
_PERSON_TEXTS: Final = ("name", "session", "owner", "token", "client")
_PERSON_NUMBERS: Final = ("since_ms", "until_ms")
_DIGITS: Final = re.compile(r"[0-9]{1,15}")
Facts = dict[str, str]


@dataclass(frozen=True, slots=True)
class News:
    """What the feed tells of a change: of which room, which sequence it has now, who has changed and how (None:
    is no more), what of the room itself, and what there is to tell.

    Where it is not `whole`, something of this room was told that cannot be read.
    """

    application: str
    room: str
    sequence: int
    people: Mapping[str, Participant | None] = field(default_factory=lambda: MappingProxyType({}))
    facts: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    events: tuple[Event, ...] = ()
    whole: bool = True

    def apply(self, room: Room) -> Room:
        """The room that it tells of, from the one before."""
        people = {**room.people, **self.people}
        here = {name: person for name, person in people.items() if person is not None}
        facts: dict[str, Any] = {**self.facts, "sequence": self.sequence}
        return replace(room, people=MappingProxyType(here), **facts)


def is_id(text: str) -> bool:
    """Whether a room may have this id: it stands in names of keys, and in URLs."""
    return 0 < len(text) <= LONGEST_ID and text.isprintable() and " " not in text


def escape(name: str) -> str:
    """The name as ASCII: itself, where it is ASCII without quotes and backslashes."""
    return json.dumps(name)[1:-1]


def unescape(text: str) -> str:
    """The name that `escape` has made the text of. Raises ValueError."""
    return str(json.loads(f'"{text}"'))


def dump_facts(room: Room) -> Facts:
    """The header: all of a room but its people, its application and its id."""
    return {
        "v": VERSION,
        **{name: str(getattr(room, name)) for name in _NUMBERS},
        **{name: escape(getattr(room, name)) for name in _TEXTS},
        "disabled": "1" if room.disabled else "",
        "allowed": " ".join(sorted(map(escape, room.allowed))),
    }


def load_facts(facts: Mapping[str, str]) -> dict[str, Any]:
    """What the texts say of a room, by the names of its fields; any of the header's."""
    read: dict[str, Any] = {}
    for name, text in facts.items():
        if name in _NUMBERS:
            read[name] = load_number(text)
        elif name in _TEXTS:
            read[name] = unescape(text)
        elif name == "disabled" and text in {"", "1"}:
            read[name] = bool(text)
        elif name == "allowed":
            read[name] = frozenset(map(unescape, text.split()))
        elif name != "v" or text != VERSION:
            raise ValueError("it is of no version that this gate knows")
    return read


def load_room(application: str, room: str, header: Mapping[str, str], people: Mapping[str, str]) -> Room:
    """The room of a whole header, with its people."""
    bare = Room(application, room, "", 0, 0)
    known = dump_facts(bare).keys()
    if not header.keys() >= known:
        raise ValueError("its header lacks something")
    facts = load_facts({name: text for name, text in header.items() if name in known})
    named = {unescape(name): load_person(unescape(name), read_object(text)) for name, text in people.items()}
    return replace(bare, people=MappingProxyType(named), **facts)


def load_number(text: str) -> int:
    if _DIGITS.fullmatch(text) is None:
        raise ValueError("it has no number where one should be")
    return int(text)


def dump_person(person: Participant) -> dict[str, object]:
    return {
        **{name: getattr(person, name) for name in (*_PERSON_TEXTS, *_PERSON_NUMBERS)},
        "state": person.state.value,
        "permissions": sorted(each.value for each in person.permissions),
        "disabled": sorted(kind.value for kind in person.disabled),
        "asked": {kind.value: actor for kind, actor in person.asked.items()},
    }


def load_person(name: str, fields: Mapping[str, Any]) -> Participant:
    try:
        texts = {each: _text(fields[each]) for each in _PERSON_TEXTS}
        numbers = {each: _number(fields[each]) for each in _PERSON_NUMBERS}
        asked = {TrackKind(kind): _text(actor) for kind, actor in fields["asked"].items()}
        return Participant(
            id=name,
            **texts,
            since_ms=numbers["since_ms"],
            until_ms=numbers["until_ms"],
            state=State(fields["state"]),
            permissions=frozenset(map(Permission, _list(fields["permissions"]))),
            disabled=frozenset(map(TrackKind, _list(fields["disabled"]))),
            asked=MappingProxyType(asked),
        )
    except (KeyError, AttributeError, TypeError):
        raise ValueError("a participant lacks something") from None


def dump_events(events: Iterable[Event]) -> str:
    return write(
        [
            {"name": one.name, "data": dict(one.data), "to": one.audience.value, "who": one.participant}
            for one in events
        ]
    )


def load_events(text: str) -> tuple[Event, ...]:
    try:
        return tuple(
            Event(
                _text(one["name"]),
                MappingProxyType(dict(one["data"])),
                Audience(one["to"]),
                _text(one["who"]),
            )
            for one in _list(_read(text))
        )
    except (KeyError, AttributeError, TypeError):
        raise ValueError("an event lacks something") from None


def dump_news(before: Room, step: Step) -> list[str]:
    """The fields of the feed's entry, name and value, for the step from the room before."""
    after = step.room
    people = {name: after.people.get(name) for name in sorted(step.changed)}
    told = {name: None if person is None else dump_person(person) for name, person in people.items()}
    return [
        *("room", after.id, "application", after.application, "sequence", str(after.sequence)),
        *("people", write(told), "facts", write(change_facts(before, after))),
        *("events", dump_events(step.events)),
    ]


def load_news(fields: Mapping[str, str]) -> News:
    """What an entry of the feed tells. Raises KeyError for one that lacks something, and ValueError."""
    people = {
        name: None if person is None else load_person(name, person)
        for name, person in read_object(fields["people"]).items()
    }
    facts = {name: _text(text) for name, text in read_object(fields["facts"]).items()}
    return News(
        application=fields["application"],
        room=fields["room"],
        sequence=load_number(fields["sequence"]),
        people=MappingProxyType(people),
        facts=MappingProxyType(load_facts(facts)),
        events=load_events(fields["events"]),
    )


def change_facts(before: Room, after: Room) -> Facts:
    """What of the header is another one after."""
    was = dump_facts(before)
    return {name: text for name, text in dump_facts(after).items() if was[name] != text}


def dump_entry(room: Room, entry: Entry) -> str:
    """An entry of a meeting's log; the first one says whose meeting it is."""
    began = entry.happened is Happened.BEGAN
    who = (room.id, room.custom_id) if began else (entry.participant, entry.name)
    return write([entry.happened.value, entry.at_ms, *who])


def load_entry(text: str) -> tuple[Happened, int, str, str]:
    """What has happened, when (Unix milliseconds), and of whom."""
    fields = _list(_read(text))
    if len(fields) != 4:
        raise ValueError("an entry of a log lacks something")
    return Happened(fields[0]), _number(fields[1]), _text(fields[2]), _text(fields[3])


def write(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def read_object(text: str) -> dict[str, Any]:
    value = _read(text)
    if not isinstance(value, dict):
        raise ValueError("it has no object where one should be")
    return value


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("it has no text where one should be")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("it has no number where one should be")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("it has no list where one should be")
    return value
