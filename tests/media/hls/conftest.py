"""A plain reader of playlists, slow and written from the rules alone, that the module is held against."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from gate.core.windows import Span

ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')


@dataclass(frozen=True)
class Seen:
    """What a player makes of one segment."""

    number: int
    uri: str
    span: Span | None
    range: tuple[int, int] | None
    keys: tuple[str, ...]
    map: tuple[str, tuple[str, ...]] | None
    bitrate: str | None
    discontinuity: int


def plain_date(text: str) -> int | None:
    """Microseconds."""
    try:
        date = datetime.fromisoformat(text.replace("z", "Z"))
    except ValueError:
        return None
    if date.tzinfo is None:
        return None
    return (date - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)


def plain_seconds(text: str) -> int | None:
    return round(float(text) * 1_000_000) if re.fullmatch(r"[0-9]{1,5}(\.[0-9]+)?", text) else None


def _keys(groups: dict[str, list[str]], number: int | None) -> tuple[str, ...]:
    out = []
    for form, lines in groups.items():
        for line in lines:
            implicit = form == "identity" and "IV=" not in line and number is not None
            out.append(line + f",IV=0x{number:032x}" if implicit else line)
    return tuple(sorted(out))


def watch(body: bytes) -> list[Seen]:
    """Every segment of a playlist, as a player that reads it whole would see it."""
    lines = [line.strip() for line in re.split("\r\n|\n|\r", body.decode().removeprefix("\ufeff"))]
    number = discontinuity = 0
    entries: list[dict] = []
    groups: dict[str, list[str]] = {}
    fresh: set[str] = set()
    pending: dict = {}
    force: dict = {"map": None, "bitrate": None}
    for line in lines:
        name, _, value = line.partition(":")
        said = {key: text.strip('"') for key, text in ATTRIBUTE.findall(value)}
        if name == "#EXT-X-MEDIA-SEQUENCE":
            number = int(value)
        elif name == "#EXT-X-DISCONTINUITY-SEQUENCE":
            discontinuity = int(value)
        elif name == "#EXTINF":
            pending["duration"] = plain_seconds(value.partition(",")[0])
        elif name == "#EXT-X-PROGRAM-DATE-TIME":
            pending["date"] = value
        elif name == "#EXT-X-DISCONTINUITY":
            pending["cut"] = pending.get("cut", 0) + 1
        elif name == "#EXT-X-BYTERANGE":
            pending["range"] = value
        elif name == "#EXT-X-BITRATE":
            force["bitrate"] = line
        elif name == "#EXT-X-MAP":
            force["map"] = (line, _keys(groups, None))
            fresh = set()
        elif name == "#EXT-X-KEY":
            form = said.get("KEYFORMAT", "identity")
            if said["METHOD"] == "NONE":
                groups, fresh = {}, set()
            else:
                groups = {**groups, form: [*groups[form], line] if form in fresh else [line]}
                fresh.add(form)
        elif line and not line.startswith("#"):
            entries.append({**pending, **force, "uri": line, "groups": groups})
            pending, fresh = {}, set()
    return _timed(entries, number, discontinuity)


def _timed(entries: list[dict], number: int, discontinuity: int) -> list[Seen]:
    stretches: list[list[dict]] = [[]]
    for entry in entries:
        date = plain_date(entry["date"]) if "date" in entry else None
        broken = "date" in entry and date is None
        unknown = bool(stretches[-1]) and stretches[-1][-1].get("duration") is None
        if entry.get("cut") or broken or unknown:
            stretches.append([])
        entry["at"] = date
        stretches[-1].append(entry)
    for stretch in stretches:
        dated = [index for index, entry in enumerate(stretch) if entry["at"] is not None]
        for index, entry in enumerate(stretch):
            before = [at for at in dated if at <= index]
            if before:
                start = stretch[before[-1]]["at"] + sum(one["duration"] for one in stretch[before[-1] : index])
            elif dated:
                start = stretch[dated[0]]["at"] - sum(one["duration"] for one in stretch[index : dated[0]])
            else:
                start = None
            entry["start"] = start
    seen: list[Seen] = []
    for entry in entries:
        discontinuity += entry.get("cut", 0)
        duration, start = entry.get("duration"), entry["start"]
        span = None
        if start is not None and duration is not None:
            span = Span((start + 500) // 1000, (start + duration + 500) // 1000)
        found = None
        if "range" in entry:
            length, _, offset = entry["range"].partition("@")
            last = seen[-1] if seen else None
            if offset:
                found = (int(offset), int(length))
            elif last is not None and last.uri == entry["uri"] and last.range is not None:
                found = (sum(last.range), int(length))
            else:
                span = None
        seen.append(
            Seen(
                number + len(seen),
                entry["uri"],
                span,
                found,
                _keys(entry["groups"], number + len(seen)),
                entry["map"],
                entry["bitrate"],
                discontinuity,
            )
        )
    return seen


@pytest.fixture(name="watch", scope="session")
def watch_fixture():  # type: ignore[no-untyped-def]
    return watch
