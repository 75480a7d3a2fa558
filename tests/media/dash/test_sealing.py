"""Templates are handed out with what they stand for in their path."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urljoin
from xml.etree import ElementTree

import pytest

from gate.core.windows import Span
from gate.media.dash import Facts, Links, Presentation, Untimed, rewrite
from gate.media.dash.runs import Run
from gate.media.hls import rebase_under

EPOCH_MS = 1_700_000_000_000
LINK = "/_s/ticket"
Build = Callable[..., Presentation]
STATIC = 'mediaPresentationDuration="PT20S"'
DYNAMIC = 'type="dynamic"'
TEMPLATE = '<SegmentTemplate duration="2" media="{}" initialization="init.mp4"/>'
EACH_2_S = TEMPLATE.format("$Number$.m4s")


class Handed:
    """What is handed out, with each seal as ``S<n>``."""

    def __init__(self, presentation: Presentation, link: str = LINK) -> None:
        self.facts: list[Facts] = []
        rebase = rebase_under(link.encode(), frozenset({b"http://origin"}), b"")
        self.text = rewrite(presentation, Links(rebase, link, "/cam/index.mpd", self._seal)).decode()
        self._link = link

    def _seal(self, facts: Facts) -> bytes:
        self.facts.append(facts)
        return b"S%d" % (len(self.facts) - 1)

    @property
    def inner(self) -> str:
        return self.text.partition("<AdaptationSet>")[2].rpartition("</AdaptationSet>")[0]

    def find(self, number: int | None = None, name: str = "media") -> list[Span | Untimed | None]:
        """What the gate finds out about the URLs that a player makes of the first representation."""
        found = []
        root = ElementTree.fromstring(self.text)
        bases = [urljoin("http://gate" + self._link, self._link + "/cam/index.mpd")]
        chain: list[ElementTree.Element] = [root]
        for tag in ("Period", "AdaptationSet", "Representation"):
            below = chain[-1].find(tag)
            assert below is not None
            chain.append(below)
        for element in chain:
            own = [base.text or "" for base in element.findall("BaseURL")] or [""]
            bases = [urljoin(base, uri) for base in bases for uri in own]
        said = [template.attrib for element in chain for template in element.findall("SegmentTemplate")]
        url = {key: value for each in said for key, value in each.items()}[name]
        url = url.replace("$Number$", str(number)).replace("$RepresentationID$", chain[-1].get("id", ""))
        for base in bases:
            path, _, query = urljoin(base, url).removeprefix("http://gate" + self._link).partition("?")
            segments = path.split("/")
            seals = [segment for segment in segments if segment[:1] == "S" and segment[1:].isdigit()]
            assert len(seals) == 1, url
            segments.remove(seals[0])
            found.append(self.facts[int(seals[0][1:])].find("/".join(segments), query or None))
        return found


def second(at: float) -> Span:
    return Span(EPOCH_MS + round(at * 1000), EPOCH_MS + round(at * 1000) + 2000)


@pytest.mark.parametrize("link", [LINK, ""])
@pytest.mark.parametrize(
    "content",
    [
        f"<Representation>{EACH_2_S}</Representation>",
        f"{EACH_2_S}<Representation/>",
        f"{EACH_2_S}<Representation><BaseURL>a/</BaseURL></Representation>",
        f"{EACH_2_S}<Representation><BaseURL>a/</BaseURL><BaseURL>./b/</BaseURL></Representation>",
        f"{EACH_2_S}<Representation><BaseURL>/a/</BaseURL><BaseURL>../b/c</BaseURL></Representation>",
        f"<BaseURL>a/</BaseURL><BaseURL>http://origin/b/</BaseURL>{EACH_2_S}<Representation/>",
        f"<BaseURL>video.mp4</BaseURL>{EACH_2_S}<Representation/>",
        f"<Representation>{TEMPLATE.format('/a/$Number$.m4s')}</Representation>",
        f"{TEMPLATE.format('../a/$Number$.m4s')}<Representation/>",
        f"{TEMPLATE.format('a/../$Number$.m4s')}<Representation><BaseURL>b/</BaseURL></Representation>",
        f"{TEMPLATE.format('http://origin/$Number$.m4s')}<Representation/>",
        f"{TEMPLATE.format('$RepresentationID$/$Number$.m4s')}<Representation id='..'/>",
        f"{TEMPLATE.format('$RepresentationID$/$Number$.m4s')}<Representation id='a$b'/>",
        f"{TEMPLATE.format('seg.m4s?n=$Number$')}<Representation/>",
    ],
)
def test_a_player_finds_the_seal(mpd: Build, content: str, link: str) -> None:
    handed = Handed(mpd(content, STATIC), link)
    for number in (1, 2, 10):
        assert set(handed.find(number)) == {second(number * 2 - 2)}
    assert set(handed.find(0)) == set(handed.find(11)) == {None}
    assert set(handed.find(name="initialization")) == {Untimed.INIT}


def test_where_it_stands(mpd: Build) -> None:
    own = '<SegmentTemplate media="S0/$Number$.m4s" initialization="S0/init.mp4"/>'
    inner = Handed(mpd(f'{EACH_2_S}<Representation id="1"/>', STATIC)).inner
    assert inner == f'{EACH_2_S}<Representation id="1">{own}</Representation>'
    content = "<x:Representation xmlns:x='u'><x:Label/>{}</x:Representation>"
    inner = Handed(mpd(EACH_2_S + content.format(""), STATIC)).inner
    assert inner == EACH_2_S + content.format(own.replace("<", "<x:"))
    inner = Handed(
        mpd(f"<Representation id='a'>{TEMPLATE.format('$RepresentationID$/$Number$')}</Representation>", STATIC)
    ).inner
    assert 'media="S0/$RepresentationID$/$Number$" initialization="S0/init.mp4"/>' in inner
    inner = Handed(mpd(f"{TEMPLATE.format('/a/$Number$.m4s')}<Representation/>", STATIC)).inner
    assert inner.endswith(
        f'<Representation><SegmentTemplate media="{LINK}/S0/a/$Number$.m4s" '
        'initialization="S0/init.mp4"/></Representation>'
    )


def test_each_of_a_shared_template_has_its_own(mpd: Build) -> None:
    template = TEMPLATE.format("$RepresentationID$/$Number$")
    handed = Handed(mpd(f'{template}<Representation id="1"/><Representation id="2"/>', STATIC))
    assert [facts.timed for facts in handed.facts] == [("/cam/1/$Number$",), ("/cam/2/$Number$",)]
    assert 'media="S0/$RepresentationID$/$Number$"' in handed.inner
    assert 'media="S1/$RepresentationID$/$Number$"' in handed.inner


@pytest.mark.parametrize(
    "content",
    [
        '<SegmentTemplate duration="2" initialization="init.mp4"/><Representation/>',
        f"<BaseURL>http://other/</BaseURL>{EACH_2_S}<Representation/>",
        f"<BaseURL>a/</BaseURL><BaseURL>http://other/</BaseURL>{EACH_2_S}<Representation/>",
        f"{TEMPLATE.format('http://other/$Number$')}<Representation/>",
        EACH_2_S.replace("duration", 'endNumber="0" duration') + "<Representation/>",
        '<SegmentTemplate media="$Number$"><SegmentTimeline><S t="0" d="1" n="5"/></SegmentTimeline>'
        "</SegmentTemplate><Representation/>",
        '<SegmentTemplate media="$Number$"><SegmentTimeline/></SegmentTemplate><Representation/>',
    ],
)
def test_what_is_not_sealed(mpd: Build, content: str) -> None:
    handed = Handed(mpd(content, STATIC))
    assert not handed.facts
    assert "S0" not in handed.text


def facts(presentation: Presentation) -> Facts:
    return Handed(presentation).facts[0]


@pytest.mark.parametrize(
    ("attributes", "head", "runs", "goes_on"),
    [
        ("", STATIC, Run(0, 20, 10), False),
        ('endNumber="3"', STATIC, Run(0, 6, 3), False),
        ("", DYNAMIC, Run(0, 2, 1), True),
        ('endNumber="300"', DYNAMIC, Run(0, 600, 300), False),
        ('presentationTimeOffset="50" eptDelta="-1"', DYNAMIC, Run(49, 2, 1), True),
    ],
)
def test_counted(mpd: Build, attributes: str, head: str, runs: Run, goes_on: bool) -> None:
    content = EACH_2_S.replace("duration", f"{attributes} duration", 1) + "<Representation/>"
    found = facts(mpd(f'<Period start="PT0S"><AdaptationSet>{content}</AdaptationSet></Period>', head))
    assert found.runs == (runs,)
    assert found.open is goes_on
    assert found.longest == 2


@pytest.mark.parametrize(
    ("media", "entries", "head", "runs", "longest", "goes_on"),
    [
        ("$Time$", '<S t="5" d="2" r="3"/><S d="3"/>', "", (Run(5, 11, 5),), 3, False),
        ("$Number$", '<S t="5" d="2" r="3"/><S d="3"/>', "", (Run(5, 8, 4), Run(13, 3, 1)), 3, False),
        ("$Number$", '<S t="0" d="2" r="-1"/>', STATIC, (Run(0, 20, 10),), 2, False),
        ("$Number$", '<S t="9998" d="2" r="-1"/>', DYNAMIC, (Run(9998, 2, 1),), 2, True),
        ("$Time$", '<S t="9996" d="2" r="-1"/>', DYNAMIC, (Run(9996, 4, 2),), 2, True),
    ],
)
def test_timelines(
    mpd: Build, media: str, entries: str, head: str, runs: tuple[Run, ...], longest: int, goes_on: bool
) -> None:
    content = (
        f'<SegmentTemplate startNumber="7" media="{media}"><SegmentTimeline>{entries}</SegmentTimeline>'
        "</SegmentTemplate><Representation/>"
    )
    found = facts(mpd(f'<Period start="PT0S"><AdaptationSet>{content}</AdaptationSet></Period>', head))
    assert (found.runs, found.longest, found.open, found.number) == (runs, longest, goes_on, 7)
    assert (found.epoch_us, found.timescale, found.offset) == (EPOCH_MS * 1000, 1, 0)


def test_an_index_for_each_segment_has_a_time(mpd: Build) -> None:
    found = facts(
        mpd(
            '<SegmentTemplate duration="2" media="$Number$.m4s" index="$Number$.sidx" bitstreamSwitching="b"/>'
            "<Representation/>",
            STATIC,
        )
    )
    assert found.timed == ("/cam/$Number$.m4s", "/cam/$Number$.sidx")
    assert found.untimed == ("/cam/b",)


def test_thousands_of_uneven_numbers(mpd: Build) -> None:
    entries = "".join(f'<S d="{180000 + at * 7919 % 3001}"/>' for at in range(5000))
    presentation = mpd(
        f'<SegmentTemplate timescale="90000" media="$Number$"><SegmentTimeline>{entries}</SegmentTimeline>'
        "</SegmentTemplate><Representation/>"
    )
    found = facts(presentation)
    assert len(found.pack()) < 1100
    assert max(run.slack for run in found.runs) < 90000


def test_a_template_beside_a_file(mpd: Build) -> None:
    """Then the times of the Period are not known, but those of the template are."""
    content = f"{EACH_2_S}<Representation/></AdaptationSet><AdaptationSet><Representation/>"
    assert facts(mpd(f"<Period><AdaptationSet>{content}</AdaptationSet></Period>", STATIC)).runs == (
        Run(0, 20, 10),
    )
