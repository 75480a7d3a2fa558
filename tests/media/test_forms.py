"""The template language of URL forms: what it says, what it refuses, and that a form writes what it reads."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.core.media import Facts, Kind, Role
from gate.core.target import Target, parse_target
from gate.core.windows import LAST_SECOND, Moving, Span
from gate.media.flussonic import SHIFT
from gate.media.forms import Form, Open
from gate.media.layouts import PathLayout, TailLayout
from gate.media.vendors import AIPIX, AKAMAI, MEDIAMTX, MEDIAPACKAGE, SWIFT, UNIFIED, XTREAM

# The machine may be busy; what is asked is what comes out.
UNHURRIED = settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])

LIVE, DVR, COPY = Kind.LIVE, Kind.DVR, Kind.COPY
MANIFEST, STREAM, SEGMENT, IMAGE, DOWNLOAD = (
    Role.MANIFEST,
    Role.STREAM,
    Role.SEGMENT,
    Role.IMAGE,
    Role.DOWNLOAD,
)


def dvr(url: str) -> Form:
    return Form(url, MANIFEST, DVR)


# --- forms without sense -------------------------------------------------------------------------------

NO_URL = "a URL is a text of 1 to 1000 characters"
NAMES = "a query's parameters have different names, of letters, digits and .:-_"
ONCE = "what has a time begins once"
FRONT = "{path} stands at the front of a path, and is its only part: /{path}.m3u8"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", NO_URL),
        ("?x={from}", NO_URL),
        ("/a?", NO_URL),
        ("/" + "a" * 1000, NO_URL),
        ("/a?x=1&x=2", NAMES),
        ("/a?x=1&X=2", NAMES),
        ("/a?=1", NAMES),
        ("/a?x=1&", NAMES),
        ("/a?x y=1", NAMES),
        ("/a?[x]=1", NAMES),
        ("/a?\u0445=1", NAMES),
        ("/{yyyy}/{mm}/{dd}/{HH}/{MM}-{duration}", "a date takes all of {yyyy} {mm} {dd} {HH} {MM} {SS}"),
        ("/{SS}/{from}-{duration}", "a date takes all of"),
        ("/{from}", ONCE),
        ("/{utc_ms}", ONCE),
        ("/{ago}", ONCE),
        ("/{to}", ONCE),
        ("/{duration}", ONCE),
        ("/{from}-{utc}-{duration}", ONCE),
        ("/{utc}-{utc_ms}-{duration}", ONCE),
        ("/{yyyy}/{mm}/{dd}/{HH}/{MM}/{SS}/{from}-{duration}", ONCE),
        ("/{from}-{to}-{duration}", ONCE),
        ("/{from}-{duration}-{duration_ms}", ONCE),
        ("/{ago}-{duration}", "what begins {ago} moves with the clock: its end is open"),
        ("/{ago}-{to}", "what begins {ago} moves with the clock: its end is open"),
        ("/a?x=1&[x=2]", NAMES),
        ("/a?[=1]", NAMES),
        ("/a?[x", NAMES),
        ("/{from_iso}", ONCE),
        ("/{start}-{from}-{end}", ONCE),
        ("/{start}-{end}-{minutes}", ONCE),
        ("/{from}-{seconds}-{to_ms}", ONCE),
        ("/{ago}-{minutes}", "what begins {ago} moves with the clock: its end is open"),
        ("/{yyyy}/{mm}/{dd}/{HH}/{MM}-{seconds}", "a date takes all of"),
        ("/{yyyy}/{mm}/{dd}/{HH}-{minutes}", "a date takes all of"),
        ("/x/{path}.m3u8", FRONT),
        ("{path}.m3u8", FRONT),
        ("/{path}/{path}.m3u8", FRONT),
        ("/{path}/{any}.m3u8", FRONT),
        ("/{path}/{from}-{to}.m3u8", FRONT),
        ("/[{path}]/{from}-{to}.m3u8", FRONT),
        ("/{path}.m3u8?x={path}", FRONT),
        ("/a?x={path}", FRONT),
        ("/a?[start={from}]&end={to}", "{from} stands once, and not in brackets"),
    ],
)
def test_a_form_without_sense_is_refused_in_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        dvr(url)


OPEN_ROLES = "only a manifest or a stream may be open: what goes on is a stream"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Form("/{from}-{duration}", MANIFEST, LIVE), "live and object have no time in their URL"),
        (
            lambda: Form("/{from}-{duration}", Role.OBJECT, Kind.OBJECT),
            "live and object have no time in their URL",
        ),
        (lambda: Form("/a", MANIFEST), "only a segment or an image may leave its kind to its age"),
        (lambda: Form("/{from}-{to}", STREAM), "only a segment or an image may leave its kind to its age"),
        (lambda: Form("/{from}", SEGMENT, DVR, Open.GROWING), OPEN_ROLES),
        (lambda: Form("/{from}", IMAGE, DVR, Open.SHIFTED), OPEN_ROLES),
        (lambda: Form("/{from}", DOWNLOAD, COPY, Open.GROWING), OPEN_ROLES),
        (lambda: Form("/{from}", Role.OTHER, DVR, Open.SHIFTED), OPEN_ROLES),
        (lambda: Form("/{from}", SEGMENT, lasts_ms=0), "what lasts, lasts at least a millisecond"),
        (lambda: Form("/{from}", SEGMENT, lasts_ms=-5), "what lasts, lasts at least a millisecond"),
        (lambda: Form("/{ago}", IMAGE, lasts_ms=1000), "what begins {ago} moves with the clock"),
        (lambda: Form("/a", MANIFEST, DVR, Open.GROWING), ONCE),
        (lambda: Form("/a", SEGMENT, lasts_ms=1000), ONCE),
        (lambda: Form("/{from}-{to}", MANIFEST, DVR, Open.GROWING), ONCE),
        (lambda: Form("/{from}-{to}", SEGMENT, lasts_ms=1000), ONCE),
        (lambda: Form("/{from}", MANIFEST, DVR, Open.GROWING, 1000), ONCE),
    ],
)
def test_a_form_whose_time_makes_no_sense_is_refused(make: Callable[[], Form], sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        make()


# --- reading ------------------------------------------------------------------------------------------------


def read(form: Form, url: str) -> Span | Moving | None:
    """The span that the form reads; fails where the URL is not of the form."""
    target = parse_target(url)
    assert isinstance(target, Target)
    groups = form.find("/" + "/".join(target.segments), target.pairs())
    assert groups is not None
    return form.span_of(groups)


@pytest.mark.parametrize(
    ("form", "url", "span"),
    [
        (dvr("/{resource}/{from}-{to}.m3u8"), "/cam1/17-60.m3u8", Span(17_000, 60_000)),
        (dvr("/{resource}/{utc}-{to}.m3u8"), "/cam1/0-60.m3u8", Span(0, 60_000)),
        (dvr("/{resource}/{from}-{to}.m3u8"), "/cam1/60-60.m3u8", None),
        (dvr("/{resource}/{from}-{to}.m3u8"), "/cam1/61-60.m3u8", None),
        (dvr("/{from}-{duration}"), f"/{LAST_SECOND}-999999999", Span(LAST_SECOND * 1000, 254402300798000)),
        (dvr("/{from}-{duration}"), f"/{LAST_SECOND + 1}-1", None),
        (dvr("/{utc_ms}-{duration}"), "/1-1", Span(1, 1001)),
        (dvr("/{utc_ms}-{duration_ms}"), "/1-1", Span(1, 2)),
        (dvr("/{utc_ms}-{duration_ms}"), "/1-0001", Span(1, 2)),
        (dvr("/{utc_ms}-{duration_ms}"), "/1-0", None),
        (dvr("/{utc_ms}-{duration_ms}"), f"/{LAST_SECOND * 1000}-1", Span(253402300799000, 253402300799001)),
        (dvr("/{utc_ms}-{duration_ms}"), f"/{LAST_SECOND * 1000 + 1}-1", None),
        (Form("/{utc}.jpg", IMAGE, lasts_ms=250), "/17.jpg", Span(17_000, 17_250)),
        (
            dvr("/{yyyy}{mm}{dd}T{HH}{MM}{SS}Z-{duration}"),
            "/20240229T235958Z-2",
            Span(1709251198000, 1709251200000),
        ),
        (dvr("/{yyyy}{mm}{dd}T{HH}{MM}{SS}Z-{duration}"), "/20230229T235958Z-2", None),
        (dvr("/{yyyy}{mm}{dd}T{HH}{MM}{SS}Z-{duration}"), "/19691231T235959Z-2", None),
        (dvr("/{yyyy}{mm}{dd}T{HH}{MM}{SS}Z-{duration}"), "/00000101T000000Z-2", None),
        (Form("/{from}", MANIFEST, DVR, Open.GROWING), "/17", Moving(17_000)),
        (Form("/{from}", STREAM, DVR, Open.SHIFTED), "/17", Moving(17_000, paced=True)),
        (Form("/{from}", STREAM, DVR, Open.SHIFTED), f"/{LAST_SECOND + 1}", None),
        (Form("/{ago}", MANIFEST, DVR, Open.GROWING), "/17", Moving(17_000, start_moves=True)),
        (Form("/{ago}", STREAM, DVR, Open.SHIFTED), "/17", Moving(17_000, True, 16_999, paced=True)),
        (Form("/{ago}", STREAM, DVR, Open.SHIFTED), "/0", Moving(0, True, -1, paced=True)),
        (dvr("/get?start={from}&duration={duration}"), "/get?start=17&duration=60", Span(17_000, 77_000)),
        (dvr("/get?start={from}&duration={duration}"), "/get?x&duration=60&&start=17&", Span(17_000, 77_000)),
        (dvr("/{from}?to={to}"), "/17?to=60", Span(17_000, 60_000)),
        (dvr("/{utc_ms}-{to_ms}"), "/17-18", Span(17, 18)),
        (dvr("/{from}-{minutes}"), "/17-2", Span(17_000, 137_000)),
        (dvr("/{from}-{seconds}"), "/17-0.25", Span(17_000, 17_250)),
        (dvr("/{from}-{seconds}"), "/17-0.0", None),
        (dvr("/{start}-{end}"), "/17.5-18", Span(17_500, 18_000)),
        (dvr("/{start}-{end}"), "/1970-01-01T00:00:17Z-18.5", Span(17_000, 18_500)),
        (dvr("/{from_iso}/{to_iso}"), "/1970-01-01T00:00:17Z/1970-01-01T00:01:00.001Z", Span(17_000, 60_001)),
        (
            dvr("/a?s={from_iso}&e={to_iso}"),
            "/a?s=1970-01-01T00:00:17%2B00:00&e=1970-01-01T00:01:00Z",
            Span(17_000, 60_000),
        ),
        (dvr("/a?s={from_iso}&e={to_iso}"), "/a?s=1970-01-01T00:00:17Z&e=1970-02-30T00:01:00Z", None),
        (dvr("/{yyyy}-{mm}-{dd}:{HH}-{MM}/{minutes}"), "/1970-01-01:00-01/2", Span(60_000, 180_000)),
        (dvr("/{yyyy}-{mm}-{dd}:{HH}-{MM}/{minutes}"), "/1970-01-01:00-60/2", None),
        (dvr("/{path}.m3u8?s={start}&e={end}"), "/a/b/c.m3u8?s=17&e=18", Span(17_000, 18_000)),
        (dvr("/a?s={from}&e={to}&[f=mp4]"), "/a?s=17&e=18", Span(17_000, 18_000)),
        (dvr("/a?s={from}&e={to}&[f=mp4]"), "/a?s=17&f=mp4&e=18", Span(17_000, 18_000)),
        (Form("/a?S={from}&e={to}", MANIFEST, DVR, any_case=True), "/A?s=17&E=18", Span(17_000, 18_000)),
        (Form("/a?s={from}", Role.OTHER, DVR, Open.GROWING), "/a?s=17", Moving(17_000)),
        (dvr("/get?from=t{from}[s]&to={to}"), "/get?from=t17s&to=60", Span(17_000, 60_000)),
    ],
)
def test_what_a_form_reads(form: Form, url: str, span: Span | Moving | None) -> None:
    assert read(form, url) == span


@pytest.mark.parametrize(
    ("url", "others"),
    [
        ("/x-{from}-{duration}.m3u8", ["/x-017-60.m3u8", "/x-17-060.m3u8", "/x-17-0.m3u8", "/x--17-60.m3u8"]),
        ("/x-{from}-{duration}.m3u8", ["/x-+17-60.m3u8", "/x-17-6e1.m3u8", "/x-17-6.0.m3u8", "/X-17-60.m3u8"]),
        ("/x-{from}-{duration}.m3u8", ["/x-17-60.m3u8/", "/x-17-60xm3u8", "/x-17-60.m3u8x", "/a/x-17-60.m3u8"]),
        (
            "/x-{from}-{duration}.m3u8",
            ["/x-\u0661\u0667-60.m3u8", "/x-17-\uff16\uff10.m3u8", "/x-17-60.m3u8\n"],
        ),
        ("/{from}-{duration}", ["/1234567890123-1", "/17-1234567890", "/-1", "/17-", "/ 17-1", "/1_7-1"]),
        ("/{utc_ms}-{duration_ms}", ["/01-1", "/1234567890123456-1", "/1-1234567890", "/1-+1"]),
        (
            "/{yyyy}-{mm}-{dd}/{HH}-{MM}-{SS}-{duration}",
            ["/26-01-01/00-00-00-1", "/2026-1-01/00-00-00-1", "/02026-01-01/00-00-00-1"],
        ),
        ("/[tracks-{tracks}/]{from}-{to}", ["/tracks-/1-2", "/tracks-A/1-2", "/tracks-1.2/1-2", "/tracks-1/"]),
        ("/{any}/{number}/{from}-{to}", ["//1/1-2", "/a/b/1/1-2", "/a/x/1-2", "/a//1-2", "/a/1/1-2/"]),
    ],
)
def test_what_is_not_of_a_form(url: str, others: list[str]) -> None:
    form = dvr(url)
    for other in others:
        assert form.find(other, []) is None, other


@pytest.mark.parametrize(
    "query",
    [
        "",
        "start=17",
        "duration=60",
        "start=17&duration=",
        "start=17&duration",
        "start=017&duration=60",
        "start=+17&duration=60",
        "start=17+&duration=60",
        "start=17&duration=60&start=17",
        "start=17&duration=60&START=18",
        "start=17&duration=60&%73tart=18",
        "START=17&duration=60",
        "start=17&start=&duration=60",
        "start=17;duration=60",
        "start=17&duration=60;x",
        " start=17&duration=60",
        "start=17&duration=60&format=fmp4",
        "start=17&duration=60&format=",
        "start=17&duration=60&format=mp4&format=mp4",
        "start=17&duration=60&Format=mp4",
    ],
)
def test_a_query_names_each_parameter_once_and_in_one_spelling(query: str) -> None:
    target = Target("/get", query, ("get",))
    assert dvr("/get?start={from}&duration={duration}&[format=mp4]").find("/get", target.pairs()) is None


def test_a_form_knows_how_many_segments_it_has() -> None:
    assert list(dvr("/{from}-{to}").lengths) == [1]
    assert list(dvr("x/{from}-{to}").lengths) == [2]
    assert list(dvr("/[a/[b/]]c[/d]/{from}-{to}?x=a/b").lengths) == [2, 3, 4, 5]
    assert not dvr("/{from}-{to}").endless
    anywhere = Form("/{path}/x[/y].m3u8", MANIFEST, LIVE)
    assert anywhere.endless
    assert anywhere.lengths[0] == 2
    assert 20_000 in anywhere.lengths


def test_a_path_is_read_whatever_its_query_says() -> None:
    form = dvr("/{any}/get?start={from}&end={to}")
    assert form.path == "/{any}/get"
    assert form.reads("/a/get")
    assert form.find("/a/get", []) is None
    assert not form.reads("/a/list")


def test_what_says_the_minute_only_may_begin_early_unless_it_is_a_download() -> None:
    url = "/{yyyy}-{mm}-{dd}:{HH}-{MM}/{minutes}"
    assert [Form(url, MANIFEST, DVR).early_ms, Form(url, DOWNLOAD, COPY).early_ms] == [59_000, 0]
    assert dvr("/{yyyy}-{mm}-{dd}:{HH}-{MM}-{SS}/{minutes}").early_ms == 0
    assert dvr("/{from}/{minutes}").early_ms == 0


def test_what_may_be_missing_behind_a_name_is_no_part_of_it() -> None:
    form = Form("/{resource}[.fmp4].m3u8", MANIFEST, LIVE)
    for path, name in (("/cam.m3u8", "cam"), ("/cam.fmp4.m3u8", "cam"), ("/a.m3u8.m3u8", "a.m3u8")):
        assert form.find(path, []) == {"resource": name}


def test_reading_costs_little_whatever_is_asked() -> None:
    form = dvr("/{any}-{number}-{number}/{any}-{tracks}/{from}-{duration}/{resource}[-x].m3u8")
    started = time.process_time()
    for path in ("/a/" + "-" * 16_000, "/" + "-1-1" * 4000 + "/" + "-1" * 2000 + "/1-1/a", "/" + "1-" * 8000):
        assert form.find(path, []) is None
    assert time.process_time() - started < 5


# --- writing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "span"),
    [
        # not to the second
        (dvr("/{from}-{to}"), Span(1500, 3000)),
        (dvr("/{from}-{to}"), Span(1000, 3500)),
        (dvr("/{from}-{duration}"), Span(1500, 2500)),
        (dvr("/{from}-{duration}"), Span(1000, 2500)),
        (dvr("/{utc_ms}-{to}"), Span(1500, 3500)),
        (dvr("/{utc_ms}-{duration}"), Span(1500, 2000)),
        (Form("/{utc}", IMAGE, lasts_ms=1000), Span(1500, 2500)),
        # not so long
        (Form("/{utc}", IMAGE, lasts_ms=1000), Span(1000, 3000)),
        (dvr("/{from}-{duration}"), Span(0, 10**12)),
        (dvr("/{from}-{duration_ms}"), Span(0, 10**9)),
        # not then
        (dvr("/{from}-{to}"), Span(-1000, 1000)),
        (dvr("/{from}-{to}"), Span(LAST_SECOND * 1000 + 1000, LAST_SECOND * 1000 + 2000)),
        (dvr("/{utc_ms}-{duration_ms}"), Span(LAST_SECOND * 1000 + 1, LAST_SECOND * 1000 + 2)),
        (dvr("/{from}-{to}"), Span(0, 10**15)),
        # nothing
        (dvr("/{from}-{to}"), Span(1000, 1000)),
        (dvr("/{from}-{to}"), Span(2000, 1000)),
        # not to the minute
        (dvr("/{from}-{minutes}"), Span(1000, 60_000)),
        (dvr("/{yyyy}{mm}{dd}{HH}{MM}-{minutes}"), Span(1000, 61_000)),
        (dvr("/{yyyy}{mm}{dd}{HH}{MM}-{minutes}"), Span(0, 10**7 * 60_000)),
        # not in milliseconds
        (dvr("/{utc_ms}-{to_ms}"), Span(1, 10**15)),
        # its time moves
        (Form("/{from}-now", MANIFEST, DVR, Open.GROWING), Span(1000, 2000)),
        (Form("/{ago}-now", MANIFEST, DVR, Open.SHIFTED), Span(1000, 2000)),
    ],
)
def test_what_a_form_cannot_say_it_does_not_write(form: Form, span: Span) -> None:
    path = form.url
    for name in form.parts:
        path = path.replace(
            f"{{{name}}}",
            {"yyyy": "1977", "minutes": "7"}.get(name, "07" if len(name) == 2 and name != "to" else "7"),
        )
    assert form.find(path, []) is not None
    assert form.write(path, None, span) is None


def test_a_url_of_another_form_is_not_written() -> None:
    form = dvr("/{from}?to={to}")
    assert form.write("/x", "to=60", Span(1000, 2000)) is None
    assert form.write("/17", None, Span(1000, 2000)) is None
    assert form.write("/17", "x=60", Span(1000, 2000)) is None
    assert form.write("/17", "to=6x", Span(1000, 2000)) is None
    assert form.write("/17", "TO=60", Span(1000, 2000)) is None
    assert form.write("/17", "a&to=60&b", Span(1000, 2000)) == ("/1", "a&to=2&b")
    optional = dvr("/{from}?to={to}&[f=mp4]")
    assert optional.write("/17", "to=60", Span(1000, 2000)) == ("/1", "to=2")
    assert optional.write("/17", "f=mp4&to=60", Span(1000, 2000)) == ("/1", "f=mp4&to=2")
    assert optional.write("/17", "f=x&to=60", Span(1000, 2000)) is None
    assert Form("/a", MANIFEST, LIVE).write("/a", None, Span(1000, 2000)) is None


@pytest.mark.parametrize(
    ("query", "written"),
    [
        ("p=a%2Fb&at=1970-01-01T00:00:00Z;2", "p=a%2Fb&at=1970-01-01T00:00:01.5Z%3B2"),
        ("p=a/b&at=1970-01-01T00%3A00%3A00Z%3B2", "p=a/b&at=1970-01-01T00%3A00%3A01.5Z%3B2"),
        ("p=a+b&at=0.5%3B2", "p=a+b&at=1.5%3B2"),
        ("at=1970-01-01T02:00:00%2B02:00%3B2&p=%d0%ba", "at=1970-01-01T00:00:01.5Z%3B2&p=%d0%ba"),
    ],
)
def test_a_value_keeps_its_escapes_and_the_rest_keeps_its_bytes(query: str, written: str) -> None:
    form = dvr("/a?p={resource}&at={start};{seconds}")
    assert form.write("/a", query, Span(1500, 3500)) == ("/a", written)


@pytest.mark.parametrize(
    ("url", "path", "written"),
    [
        (
            "/{yyyy}/{mm}/{dd}/{HH}/{MM}/{SS}-{duration_ms}",
            "/2026/01/01/00/00/00-9",
            "/1970/01/01/00/01/00-05000",
        ),
        ("/{utc_ms}/{duration_ms}", "/1/00009", "/60000/5000"),
        ("/{utc_ms}/{duration}", "/1/9", "/60000/5"),
        ("/{from}-{to}", "/1-9", "/60-65"),
    ],
)
def test_numbers_are_written_as_origins_write_them(url: str, path: str, written: str) -> None:
    assert dvr(url).write(path, None, Span(60_000, 65_000)) == (written, None)


# --- a form writes what it reads ----------------------------------------------------------------------------

OWN = [
    dvr("/{resource}/{from}-{to}.m3u8"),
    dvr("/dvr/{resource}/playlist.m3u8?timestamp={from}&duration={duration}"),
    Form("/{resource}/{utc_ms}/{duration_ms}.ts", SEGMENT),
    Form(
        "/timeshift/{any}/{any}/{duration}/{yyyy}-{mm}-{dd}:{HH}-{MM}-{SS}/{resource}.ts",
        STREAM,
        DVR,
    ),
    Form("/{resource}/{utc}.jpg", IMAGE, lasts_ms=1000),
    Form("/{resource}/{yyyy}{mm}{dd}T{HH}{MM}{SS}Z[-{tracks}].{duration_ms}.(ts|m4s)", SEGMENT),
    Form("/get?path={resource}&start={utc}&end={to}&format=mp4", DOWNLOAD, COPY),
    Form("/[hd/]{resource}-{utc_ms}-{duration}[.fmp4].mp4", DOWNLOAD, COPY),
    Form("/{resource}/{from}/now[.fmp4].m3u8", MANIFEST, DVR, Open.GROWING),
    Form("/{resource}/late-{ago}.ts", STREAM, DVR, Open.SHIFTED),
    Form("/{resource}/(live|index)[.fmp4].m3u8", MANIFEST, LIVE),
    Form("/{path}/x[.fmp4].m3u8?at={start}&till={end}", MANIFEST, DVR),
    Form("/{from_iso}/{to_iso}/{resource}", DOWNLOAD, COPY),
    Form("/{utc_ms}/{to_ms}?id={resource}", MANIFEST, DVR),
    Form("/{resource}/{utc}/{minutes}.ts", STREAM, DVR),
]
VENDORS = (AIPIX, MEDIAMTX, MEDIAPACKAGE, AKAMAI, SWIFT, UNIFIED, XTREAM)
LAYOUTS = [
    (form, (PathLayout if form.url.startswith("/") else TailLayout)("alone", [form]))
    for form in (*SHIFT, *chain(*VENDORS), *OWN)
]
# As they stand in a URL; escaped where they must be.
RESOURCES = st.sampled_from(["cam1", "cam-17-60", "17", "a%20b", "%D0%BA%D0%B0%D0%BC", "x:y@z", "now"])


@st.composite
def spellings(draw: st.DrawFn, form: Form) -> str:
    """A template of one URL of the form: only the parts that say a time are left in it."""
    url = form.url
    while found := re.search(r"\[([^\[\]()]*)\]|\(([^\[\]()]*)\)", url):
        choices = ["", found[1]] if found[1] is not None else found[2].split("|")
        url = url[: found.start()] + draw(st.sampled_from(choices)) + url[found.end() :]
    while found := re.search(r"\{(tracks|number|any|resource|path)\}", url):
        texts = {"tracks": "v1a1", "number": "0017", "any": "u-17", "resource": draw(RESOURCES), "path": "a/b"}
        url = url[: found.start()] + texts[found[1]] + url[found.end() :]
    if not url.startswith("/"):
        url = f"/{draw(RESOURCES)}/{url}"
    if "{start}" in url and draw(st.booleans()):
        # The same as dates.
        url = url.replace("{start}", "{from_iso}").replace("{end}", "{to_iso}")
    path, mark, query = url.partition("?")
    if mark and (form.escaped or draw(st.booleans())):
        pieces = [piece.partition("=") for piece in query.split("&")]
        query = "&".join(f"{name}{equals}{ESCAPED.sub(_escaped, text)}" for name, equals, text in pieces)
    extra = draw(st.sampled_from(["", "x=17", "&", "a=%2F&b", "_HLS_msn=3"]))
    return f"{path}{mark}{query}{'&' if mark else '?'}{extra}" if extra else f"{path}{mark}{query}"


# In a query: what is escaped where anything is. Dates are escaped as they are filled in.
ESCAPED = re.compile(r"[:;/]|\{(?:from|to)_iso\}")


def _escaped(found: re.Match[str]) -> str:
    text = found[0]
    return text.replace("_iso", "_iso_escaped") if len(text) > 1 else f"%{ord(text):02X}"


def date_of(ms: int) -> str:
    """The shortest date that says it."""
    date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ms // 1000)
    fraction = f".{ms % 1000:03d}".rstrip("0") if ms % 1000 else ""
    return f"{date.year:04d}-{date.month:02d}-{date.day:02d}T{date:%H:%M:%S}{fraction}Z"


def seconds_of(ms: int) -> str:
    return f"{ms / 1000:.3f}".rstrip("0").rstrip(".")


def said(form: Form, spans: Span) -> Mapping[str, str]:
    """How a span is said in numbers: written out here, apart from the code that is asked."""
    start_s, lasts_ms = spans.start_ms // 1000, spans.end_ms - spans.start_ms
    date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=start_s)
    dated = "{yyyy}" in form.url
    return {
        "from": f"{start_s}",
        "utc": f"{start_s}",
        "utc_ms": f"{spans.start_ms}",
        "ago": f"{start_s % 10**8}",
        "to": f"{spans.end_ms // 1000}",
        "to_ms": f"{spans.end_ms}",
        "from_iso": date_of(spans.start_ms),
        "to_iso": date_of(min(spans.end_ms, LAST_SECOND * 1000)),
        "from_iso_escaped": date_of(spans.start_ms).replace(":", "%3A"),
        "to_iso_escaped": date_of(min(spans.end_ms, LAST_SECOND * 1000)).replace(":", "%3A"),
        "start": seconds_of(spans.start_ms),
        "end": seconds_of(spans.end_ms),
        "seconds": seconds_of(lasts_ms),
        "minutes": f"{lasts_ms // 60_000}",
        "duration": f"{lasts_ms // 1000}",
        "duration_ms": f"{lasts_ms:05d}" if dated else f"{lasts_ms}",
        "yyyy": f"{date.year:04d}",
        "mm": f"{date.month:02d}",
        "dd": f"{date.day:02d}",
        "HH": f"{date.hour:02d}",
        "MM": f"{date.minute:02d}",
        "SS": f"{date.second:02d}",
    }


@st.composite
def spans(draw: st.DrawFn, form: Form) -> Span:
    """A span that the form can say."""
    fine = {"{utc_ms}", "{from_iso}", "{start}"}
    ends = {"{to_ms}", "{to_iso}", "{end}", "{duration_ms}", "{seconds}"}
    step_ms = 1 if any(part in form.url for part in fine) and "{to}" not in form.url else 1000
    step_ms = 60_000 if "{MM}" in form.url and "{SS}" not in form.url else step_ms
    # So that the end has a date too.
    latest = LAST_SECOND - 10**9 if "_iso}" in form.url or "{end}" in form.url else LAST_SECOND
    start_ms = draw(st.integers(0, latest * 1000 // step_ms)) * step_ms
    if form.lasts_ms is not None:
        lasts_ms = form.lasts_ms
    elif "{minutes}" in form.url:
        lasts_ms = draw(st.integers(1, 9_999_999)) * 60_000
    elif any(part in form.url for part in ends):
        lasts_ms = draw(st.integers(1, 999_999_999))
    else:
        lasts_ms = draw(st.integers(1, 999_999_999)) * 1000
    return Span(start_ms, start_ms + lasts_ms)


def target(raw: str) -> Target:
    parsed = parse_target(raw)
    assert isinstance(parsed, Target), parsed
    return parsed


@UNHURRIED
@given(st.data())
def test_a_layout_writes_what_it_reads(data: st.DataObject) -> None:
    form, layout = data.draw(st.sampled_from(LAYOUTS))
    spelling, span = data.draw(spellings(form)), data.draw(spans(form))
    other = data.draw(spans(form))

    def url(when: Span) -> str:
        return re.sub(r"\{(\w+)\}", lambda part: said(form, when)[part[1]], spelling)

    asked = target(url(span))
    facts = layout.read(asked, {})
    assert (facts.role, facts.kind) == (form.role, form.kind)
    timed = "{" in spelling
    if not timed or form.open is not None:
        assert isinstance(facts.span, Moving) == timed
        assert layout.write(asked, other) is None
        return
    assert facts.span == span
    same, written = layout.write(asked, span), layout.write(asked, other)
    assert same == asked
    # Nothing but the numbers differs, so all that is no time is as it was, byte for byte.
    assert written == target(url(other))
    assert layout.read(written, {}) == Facts(facts.resource, form.role, form.kind, other, form.early_ms)


@UNHURRIED
@given(st.sampled_from(LAYOUTS), st.integers(-(2**63), 2**63), st.integers(-(2**63), 2**63), st.data())
def test_what_is_written_for_any_span_is_read_as_that_span_or_is_nothing(
    made: tuple[Form, TailLayout | PathLayout], start_ms: int, end_ms: int, data: st.DataObject
) -> None:
    form, layout = made
    now = Span(60_000, 60_000 + (form.lasts_ms or 60_000))
    spelling = data.draw(spellings(form))
    asked = target(re.sub(r"\{(\w+)\}", lambda part: said(form, now)[part[1]], spelling))
    wanted = Span(start_ms, end_ms)
    written = layout.write(asked, wanted)
    assert written is None or layout.read(written, {}).span == wanted


@UNHURRIED
@given(st.text("/abcx019-.[](){}|?&= \u0663", max_size=30) | st.text(max_size=12), st.sampled_from(Role))
def test_any_template_is_a_form_or_a_sentence(text: str, role: Role) -> None:
    for kind in (None, *Kind):
        try:
            form = Form(text, role, kind)
        except ValueError:
            continue
        assert form.find(text, []) is None or form.write(text, None, Span(0, 1000)) is None


GLUE = st.lists(
    st.sampled_from(
        [
            *("-", "/", "x", "7", "-17-", "[x]", "(x|-)", "(|x)"),
            *("{any}", "{resource}", "{number}", "{tracks}"),
        ]
    ),
    max_size=3,
).map("".join)
TEXTS = {
    "any": st.text("17-x.", min_size=1, max_size=5),
    "resource": st.sampled_from(["cam1", "cam-17-60", "17", "x-1"]),
    "number": st.sampled_from(["0", "17", "007"]),
    "tracks": st.sampled_from(["1", "v1a1", "1,7"]),
}


@UNHURRIED
@given(
    GLUE,
    GLUE,
    GLUE,
    st.sampled_from(["{from}", "{utc_ms}"]),
    st.sampled_from(["{to}", "{duration}"]),
    st.data(),
)
def test_a_template_that_is_taken_is_read_as_it_was_filled_in(
    before: str, between: str, after: str, start: str, end: str, data: st.DataObject
) -> None:
    """Whatever stands around the time, and however much it looks like one."""
    url = f"/{before}{start}{between}{end}{after}"
    try:
        form = dvr(url)
    except ValueError:
        return
    while found := re.search(r"\[([^\[\]]*)\]|\(([^()]*)\)", url):
        choices = ["", found[1]] if found[1] is not None else found[2].split("|")
        url = url[: found.start()] + data.draw(st.sampled_from(choices)) + url[found.end() :]
    url = re.sub(r"\{(any|resource|number|tracks)\}", lambda part: data.draw(TEXTS[part[1]]), url)
    filled = url.replace(start, "1700000000").replace(end, "3600")
    groups = form.find(filled, [])
    assert groups is not None
    assert (groups[start[1:-1]], groups[end[1:-1]]) == ("1700000000", "3600")
