"""What is handed out to a session opens there and nowhere else: HLS segments, and those of DASH templates."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree

import pytest

from tests.players.origins import dash, hls
from tests.players.origins.dash import Named
from tests.players.origins.material import LONG_SEGMENT_S, Listed, Material

pytestmark = [
    pytest.mark.players,
    pytest.mark.parametrize("restricted", [False, True], ids=["unrestricted", "restricted"]),
]

EVERYTHING = {"live": True, "dvr": True, "copy": True}
FIRST_S, LAST_S = 300, 420
MPD = "{urn:mpeg:dash:schema:mpd:2011}"


@pytest.mark.parametrize("kind", ["named", "encrypted", "ranges", "mapped"])
async def test_hls(
    start_house: Any, ask: Any, open_link: Any, material: Material, kind: str, restricted: bool
) -> None:
    listed: dict[str, Listed] = {
        "named": material.short,
        "encrypted": material.sealed,
        "ranges": material.single,
        "mapped": hls.as_listed(material.long),
    }
    house, (mine, other) = await _opened(
        start_house, open_link, "index.m3u8", restricted, lambda start_s: _hls(listed[kind], start_s)
    )
    text = (await ask(house.gate, mine)).body.decode()
    handed = list(_handed(text))
    # Asked for again, each is marked the same.
    assert (await ask(house.gate, mine)).body.decode() == text
    for uri, headers in (*handed[:3], handed[-1]):
        got = await ask(house.gate, urljoin(mine, uri), headers=headers)
        assert got.status == (206 if headers else 200), uri
    for uri, headers in (handed[1], handed[-1]):
        plain, mark = uri.partition("?")[::2]
        assert bool(mark) is restricted
        places = (urljoin(other, uri), urljoin(mine, plain))
        answers = [await ask(house.gate, place, headers=headers) for place in places]
        assert {got.status for got in answers} == ({403} if restricted else {206 if headers else 200})
    if restricted:
        # The mark of another segment, and of other bytes.
        uri, headers = handed[1]
        number = re.findall(r"[0-9]+(?=\.)", uri.partition("?")[0])
        if headers:
            assert (
                await ask(house.gate, urljoin(mine, uri), headers={"Range": "bytes=9000-9999"})
            ).status == 403
        else:
            moved = uri.replace(f"{number[-1]}.", f"{int(number[-1]) - 1}.", 1)
            assert (await ask(house.gate, urljoin(mine, moved))).status == 403
    assert [one.target for one in house.seen if "_gate" in one.target] == []


def _handed(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The URIs of a playlist, with the header that asks for the bytes that it names."""
    headers: dict[str, str] = {}
    for line in text.splitlines():
        if found := re.search(r'BYTERANGE[:=]"?([0-9]+)@([0-9]+)', line):
            headers = {"Range": f"bytes={found[2]}-{int(found[1]) + int(found[2]) - 1}"}
        if found := re.search(r'URI="([^"]+)"|^([^#].*)', line):
            yield found[1] or found[2], headers
            headers = {}


@pytest.mark.parametrize("named", list(Named), ids=lambda named: named.value)
async def test_dash(
    start_house: Any, ask: Any, open_link: Any, material: Material, named: Named, restricted: bool
) -> None:
    house, (mine, other) = await _opened(
        start_house,
        open_link,
        "index.mpd",
        restricted,
        lambda start_s: dash.site(material.long, dash.archive(material.long, start_s, named)),
    )
    root = ElementTree.fromstring((await ask(house.gate, mine)).body)
    where = mine
    for one in root.iter(f"{MPD}BaseURL"):
        where = urljoin(where, (one.text or "").strip())
    template = next(root.iter(f"{MPD}SegmentTemplate"))
    track = next(root.iter(f"{MPD}Representation")).attrib["id"]
    listed = next(template.iter(f"{MPD}S"), None)
    at, number = int(listed.attrib["t"]) if listed is not None else 0, int(template.get("startNumber", "1"))
    assert (number - 1) * LONG_SEGMENT_S == (FIRST_S if restricted and named is Named.NUMBER else 0)

    def written(attribute: str, step: int = 0) -> str:
        step_ticks = step * LONG_SEGMENT_S * int(template.attrib["timescale"])
        text = template.attrib[attribute].replace("$RepresentationID$", track)
        return text.replace("$Number$", str(number + step)).replace("$Time$", str(at + step_ticks))

    first = urljoin(where, written("media"))
    assert (await ask(house.gate, urljoin(where, written("initialization")))).status == 200
    assert (await ask(house.gate, first)).status == 200
    # In another session; without the seal; the segment before the window, and one behind it.
    ticket, elsewhere = (link.split("/")[2] for link in (mine, other))
    plain = urljoin(mine, written("media").rpartition("/")[2])
    steps = (-1, (LAST_S - FIRST_S) // LONG_SEGMENT_S) if restricted else (1, 2)
    targets = [
        first.replace(ticket, elsewhere),
        plain,
        *(urljoin(where, written("media", step)) for step in steps),
    ]
    assert [(await ask(house.gate, target)).status for target in targets] == [403 if restricted else 200] * 4
    assert (plain != first) is restricted
    assert [one.target for one in house.seen if "_gate" in one.target] == []


def _hls(listed: Listed, start_s: int) -> Any:
    return hls.site(listed, hls.archive(listed, start_s))


async def _opened(
    start_house: Any, open_link: Any, name: str, restricted: bool, site: Any
) -> tuple[Any, tuple[str, str]]:
    """A house in front of an archive, and the links of two sessions of the same rights."""
    start_s = int(time.time()) - 3 * 3600
    window = {"dvr": True, "from": start_s + FIRST_S, "to": start_s + LAST_S}
    house = await start_house(site(start_s))
    rights = window if restricted else EVERYTHING
    links = [await open_link(house.gate, f"/cam1/{name}", house.token(**rights)) for _ in range(2)]
    return house, (links[0], links[1])
