"""What is in force: the tags that apply to every segment after them, until another of their kind.

Keys: one group for each KEYFORMAT, several lines in a group where they stand together; METHOD=NONE ends them
all (RFC 8216, section 4.3.2.4). A MAP is encrypted with what was in force where it stands, so it is carried
with its own keys around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gate.media.hls.lines import attributes, end_of, tag_of

KEY: Final = b"#EXT-X-KEY"
MAP: Final = b"#EXT-X-MAP"
BITRATE: Final = b"#EXT-X-BITRATE"
IN_FORCE: Final = frozenset({KEY, MAP, BITRATE})
_NO_KEY: Final = b"#EXT-X-KEY:METHOD=NONE"
_IDENTITY: Final = b"identity"

Keys = tuple[tuple[bytes, tuple[bytes, ...]], ...]


@dataclass(frozen=True, slots=True)
class Force:
    """The lines in force, as they stand. `keys` are groups by KEYFORMAT, `map_keys` those of the MAP."""

    keys: Keys = ()
    map: bytes | None = None
    map_keys: Keys = ()
    bitrate: bytes | None = None

    @property
    def counts(self) -> bool:
        """Whether a segment's number is the IV of its key: then it can be read under no other number."""
        return any(_counts(line) for _, lines in self.keys for line in lines)


def followed(force: Force, lines: Iterable[bytes]) -> Force:
    """What is in force after the lines of one entry. Keys that stand together are all in force."""
    keys, map_line, map_keys, bitrate = dict(force.keys), force.map, force.map_keys, force.bitrate
    fresh: set[bytes] = set()
    for line in lines:
        name = tag_of(line)
        if name == BITRATE:
            bitrate = line
        elif name == MAP:
            map_line, map_keys = line, tuple(keys.items())
            fresh.clear()
        else:
            form = _form(line)
            if form is None:
                keys.clear()
                fresh.clear()
                continue
            keys[form] = (*keys[form], line) if form in fresh else (line,)
            fresh.add(form)
    return Force(tuple(keys.items()), map_line, map_keys, bitrate)


def joint(had: Force, needed: Force, own: Iterable[bytes], end: bytes) -> list[bytes]:
    """The lines that bring about what was in force before an entry, where `had` is in force instead.

    What the entry's `own` lines replace is left to them. `end` is the line ending of what is put in anew.
    """
    forms: set[bytes | None] = set()
    names: set[bytes] = set()
    for line in own:
        names.add(tag_of(line))
        # A key after the entry's own map does not stand in for the one that the map needs.
        if tag_of(line) == KEY and MAP not in names:
            forms.add(_form(line))

    def left(keys: Keys) -> Keys:
        return () if None in forms else tuple(group for group in keys if group[0] not in forms)

    lines: list[bytes] = []
    keys = had.keys
    if needed.map is not None and MAP not in names and (had.map, had.map_keys) != (needed.map, needed.map_keys):
        lines += [*_turned(keys, needed.map_keys, end), needed.map]
        keys = needed.map_keys
    lines += _turned(left(keys), left(needed.keys), end)
    if needed.bitrate is not None and BITRATE not in names and had.bitrate != needed.bitrate:
        lines.append(needed.bitrate)
    return lines


def numbered(force: Force, number: int) -> Force:
    """The same with the IV written down that a segment of that number has (RFC 8216, section 5.2)."""
    iv = b",IV=0x%032x" % number

    def written(line: bytes) -> bytes:
        return line.rstrip() + iv + end_of(line) if _counts(line) else line

    keys = tuple((form, tuple(map(written, lines))) for form, lines in force.keys)
    return Force(keys, force.map, force.map_keys, force.bitrate)


def _turned(had: Keys, needed: Keys, end: bytes) -> list[bytes]:
    if had == needed:
        return []
    lines = [line for _, group in needed for line in group]
    return lines if {form for form, _ in had} <= {form for form, _ in needed} else [_NO_KEY + end, *lines]


def _form(line: bytes) -> bytes | None:
    """The KEYFORMAT of a key; None where it ends all keys."""
    # Most keys say neither, and then there is nothing to be read.
    if b"NONE" not in line and b"KEYFORMAT" not in line:
        return _IDENTITY
    said = attributes(line)
    return None if said.get(b"METHOD") == b"NONE" else said.get(b"KEYFORMAT") or _IDENTITY


@lru_cache(maxsize=64)
def _counts(line: bytes) -> bool:
    return _form(line) == _IDENTITY and b"IV" not in attributes(line)
