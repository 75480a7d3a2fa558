"""What opens a session is what a viewer asks for first."""

from __future__ import annotations

from gate.core.media import OPENING, PIECES, Facts, Role


def test_manifests_and_whole_media_open_and_pieces_do_not() -> None:
    assert {Role.MANIFEST, Role.STREAM, Role.DOWNLOAD, Role.OBJECT} == OPENING
    assert set(Role) - OPENING == {Role.SEGMENT, Role.IMAGE, Role.OTHER}
    assert {Role.SEGMENT, Role.IMAGE} == PIECES


def test_facts_know_no_time_unless_it_is_said() -> None:
    facts = Facts("cam1", Role.OTHER)
    assert facts.kind is None
    assert (facts.span, facts.early_ms) == (None, 0)
