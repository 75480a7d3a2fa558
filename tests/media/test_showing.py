"""What is shown of a stream is what its layout reads."""

from __future__ import annotations

import pytest

from gate.core.media import Kind, Role
from gate.core.target import Target, parse_target
from gate.core.windows import Span
from gate.media.layouts import LAYOUTS
from gate.media.showing import SHOWINGS, Showing


@pytest.mark.parametrize(
    ("layout", "showing"), [(layout, each) for layout, showings in SHOWINGS.items() for each in showings]
)
def test_its_layout_reads_it(layout: str, showing: Showing) -> None:
    target = parse_target(showing.path("cam-1.a", 1_800_000_000, 600))
    assert isinstance(target, Target)
    facts = LAYOUTS[layout].read(target, {"resource": "cam-1.a"})
    assert (facts.resource, facts.kind) == ("cam-1.a", showing.kind)
    roles = {"download": Role.DOWNLOAD, "preview": Role.IMAGE}
    assert facts.role is roles.get(showing.name, Role.MANIFEST)
    if showing.kind is not Kind.LIVE:
        assert facts.span == Span(1_800_000_000_000, 1_800_000_600_000)


def test_no_layout_shows_one_thing_twice() -> None:
    for showings in SHOWINGS.values():
        assert len({each.name for each in showings}) == len(showings)
