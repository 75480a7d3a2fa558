"""Templates of URLs: which mean nothing, which parts cannot be told apart, and what the others read."""

from __future__ import annotations

import re

import pytest

from gate.core.media import Kind, Role
from gate.core.windows import Span
from gate.media.forms import Form
from gate.media.templates import compile_path, compile_value


def dvr(url: str) -> Form:
    return Form(url, Role.MANIFEST, Kind.DVR)


# --- templates that mean nothing ----------------------------------------------------------------------------

SLASH = "a slash stands outside of (a|b)"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("/{nope}", "there is no part {nope}; there are {resource}, {from}, {utc}, {utc_ms}, {from_iso}, "),
        ("/{FROM}", "there is no part {FROM}"),
        ("/{}", "{} stands where it means nothing"),
        ("/{from", "{ stands where it means nothing"),
        ("/from}", "} stands where it means nothing"),
        ("/{fr-om}", "{ stands where it means nothing"),
        ("/{{from}}", "{ stands where it means nothing"),
        ("/a|b", "| stands where it means nothing"),
        ("/[a|b]", "| stands where it means nothing"),
        ("/([a|b]|c)", "| stands where it means nothing"),
        ("/a]", "] stands where it means nothing"),
        ("/a)", ") stands where it means nothing"),
        ("/[a)", ") stands where it means nothing"),
        ("/(a]", "] stands where it means nothing"),
        ("/[a", "a ] is missing"),
        ("/(a|[b]", "a ) is missing"),
        ("/a?x=[1", "a ] is missing"),
        ("/(a/b|c)", SLASH),
        ("/(a[/b]|c)", SLASH),
        ("/[(a/b|c)]", SLASH),
        ("/{from}/{from}", "{from} stands once, and not in brackets"),
        ("/{resource}/{resource}", "{resource} stands once, and not in brackets"),
        ("/{from}/x?at={from}", "{from} stands once, and not in brackets"),
        ("/[{from}]", "{from} stands once, and not in brackets"),
        ("/(x|{resource})", "{resource} stands once, and not in brackets"),
    ],
)
def test_a_template_without_sense_is_refused_in_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        dvr(url)


APART = "text, and not of digits only, stands between {%s} and the part before it"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("/{from}{duration}", APART % "duration"),
        ("/{number}{from}-{duration}", APART % "from"),
        ("/{any}{from}-{duration}", APART % "from"),
        ("/{resource}{from}-{duration}", APART % "from"),
        ("/{from}00{duration}", APART % "duration"),
        ("/{from}[-]{duration}", APART % "duration"),
        ("/{from}(-|){duration}", APART % "duration"),
        ("/{from}([-x]|y){duration}", APART % "duration"),
        ("/[{any}]{from}-{duration}", APART % "from"),
        ("/[x-{number}]{from}-{duration}", APART % "from"),
        ("/({number}|x){from}-{duration}", APART % "from"),
        ("/{tracks}{yyyy}/{mm}/{dd}/{HH}/{MM}/{SS}-{duration}", APART % "yyyy"),
        ("/{duration}{yyyy}{mm}{dd}{HH}{MM}{SS}", APART % "yyyy"),
        ("/a?x={number}{any}", APART % "any"),
        ("/{resource}-{any}", "{any}, {resource}: a segment holds one of them, once"),
        ("/{any}-{any}", "{any}, {resource}: a segment holds one of them, once"),
        ("/[{any}-x]-{any}", "{any}, {resource}: a segment holds one of them, once"),
        ("/{any}-{number}-{any}", "{any}, {resource}: a segment holds one of them, once"),
    ],
)
def test_parts_that_cannot_be_told_apart_are_refused(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        dvr(url)


@pytest.mark.parametrize(
    ("url", "path", "start", "end"),
    [
        ("/{number}-{from}-{duration}", "/7-17-60", 17, 77),
        ("/{from}({any}|-){duration}", None, 0, 0),
        ("/({number}-|x){from}-{duration}", "/7-17-60", 17, 77),
        ("/({number}-|x){from}-{duration}", "/x17-60", 17, 77),
        ("/[{number}-]{from}-{duration}", "/17-60", 17, 77),
        ("/{any}/{any}/{from}-{to}", "/1-2/3-4/5-6", 5, 6),
        ("/{yyyy}{mm}{dd}{HH}{MM}{SS}{duration}", "/1970010100001760", 17, 77),
        ("/{yyyy}{mm}{dd}{HH}{MM}{SS}-{duration}", "/19700101000017-60", 17, 77),
        ("/{any}-{from}-{duration}", "/1-2-3-17-60", 17, 77),
        ("/[a[/b]]/{from}-{to}", "/a/b/5-6", 5, 6),
        ("/[a[/b]]/{from}-{to}", "/a/5-6", 5, 6),
    ],
)
def test_parts_that_can_be_told_apart(url: str, path: str | None, start: int, end: int) -> None:
    if path is None:
        with pytest.raises(ValueError, match="stands between"):
            dvr(url)
        return
    form = dvr(url)
    groups = form.find(path, [])
    assert groups is not None
    assert form.span_of(groups) == Span(start * 1000, end * 1000)


# --- what a template reads ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("cam1", True),
        ("office/cam1", True),
        ("a/.b/..c/d.", True),
        ("", False),
        ("/cam1", False),
        ("cam1/", False),
        ("a//b", False),
        (".", False),
        ("a/..", False),
        ("../a", False),
        ("a/./b", False),
    ],
)
def test_a_resource_in_a_query_may_hold_slashes(value: str, named: bool) -> None:
    found = compile_value("{resource}", set()).fullmatch(value)
    assert (None if found is None else found["resource"]) == (value if named else None)
    assert (compile_path("{resource}", set()).fullmatch(value) is not None) == (
        bool(value) and "/" not in value
    )


def test_letters_have_a_case_unless_the_origin_does_not_mind() -> None:
    for any_case in (False, True):
        pattern = compile_value("Start:{start}", set(), any_case=any_case)
        assert (pattern.fullmatch("START:1970-01-01t00:00:00z") is not None) == any_case
        pattern = compile_path("/a/{from}", set(), any_case=any_case)
        assert (pattern.fullmatch("/A/17") is not None) == any_case


def test_what_says_something_is_noted() -> None:
    seen: set[str] = set()
    compile_path("/{resource}/{any}[-{number}]-{from}", seen)
    compile_value("{to}", seen)
    assert seen == {"resource", "from", "to"}
    with pytest.raises(ValueError, match=r"\{to\} stands once"):
        compile_value("{to}", seen)
    with pytest.raises(ValueError, match=r"\{utc\} stands once, and not in brackets"):
        compile_value("{utc}", seen, optional=True)
    assert compile_value("x{number}", seen, optional=True).fullmatch("x17")
