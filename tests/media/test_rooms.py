"""The layout of rooms: the match names room, participant and track; what lies below is a file by its name."""

from __future__ import annotations

import pytest

from gate.core.media import Facts, Kind, Role
from gate.core.policy import Pattern
from gate.core.room import Track, TrackKind
from gate.core.target import Target, parse_target
from gate.core.windows import Span
from gate.media.rooms import RoomLayout

USUAL = Pattern("/rooms/{room}/{participant}/{track}/**")
OTHER = Pattern("/live/{participant}/{track}/{room}/**")


def read(pattern: Pattern, path: str) -> Facts:
    target = parse_target(path, 4096)
    assert isinstance(target, Target)
    parts = pattern.match(target.segments)
    assert parts is not None
    return RoomLayout().read(target, parts)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("index.m3u8", Role.MANIFEST),
        ("manifest.mpd", Role.MANIFEST),
        ("seg/0001.ts", Role.SEGMENT),
        ("init.mp4", Role.SEGMENT),
        ("thumb.jpg", Role.IMAGE),
        ("whip", Role.OTHER),
        ("whip/3a7", Role.OTHER),
    ],
)
@pytest.mark.parametrize("kind", TrackKind)
def test_a_track_is_on_no_timeline(name: str, role: Role, kind: TrackKind) -> None:
    facts = read(USUAL, f"/rooms/ab-cd/anna%20b/{kind.value}/{name}?x=1")
    track = Track("ab-cd", "anna b", kind)
    assert facts == Facts(f"ab-cd/anna b/{kind.value}", role, Kind.OBJECT, track=track)


def test_where_the_folder_is_the_policy_says() -> None:
    assert read(OTHER, "/live/anna/mic/r1/a.m3u8").track == Track("r1", "anna", TrackKind.MIC)


@pytest.mark.parametrize("name", ["camera", "MIC", "mic ", "screens"])
def test_a_track_of_another_name_is_none(name: str) -> None:
    facts = read(USUAL, f"/rooms/r1/anna/{name.replace(' ', '%20')}/index.m3u8")
    assert (facts.kind, facts.track, facts.role) == (None, None, Role.OTHER)


def test_no_time_can_be_written_into_it() -> None:
    target = parse_target("/rooms/r1/anna/mic/index.m3u8", 4096)
    assert isinstance(target, Target)
    assert RoomLayout().write(target, Span(0, 1)) is None
