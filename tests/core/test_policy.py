"""Patterns match whole segments, and the index of rules changes nothing but the time it takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.core.grants import Action
from gate.core.keys import Algorithm, Key, Keyring
from gate.core.media import Facts, Role
from gate.core.policy import (
    METHODS,
    READING,
    Access,
    ApiKey,
    Application,
    Origin,
    Pattern,
    Policy,
    StreamRule,
    VideoSdk,
    Ziggeo,
)
from gate.core.room import RoomRules
from gate.core.target import Target, parse_target

FAST = settings(max_examples=200, deadline=None)
ORIGIN = Origin("archive", "http://127.0.0.1:9000")


class Whole:
    """A layout that reads nothing but a name."""

    name = "whole"

    def read(self, target: Target, parts: dict[str, str]) -> Facts:
        return Facts(parts.get("resource", ""), Role.OTHER)


def rule(number: int, pattern: str) -> StreamRule:
    return StreamRule(f"streams[{number}]", Pattern(pattern), Access.PRIVATE, ORIGIN, Whole())


def segments(path: str) -> tuple[str, ...]:
    target = parse_target(path)
    assert isinstance(target, Target)
    return target.segments


@pytest.mark.parametrize(
    ("pattern", "path", "parts"),
    [
        ("/**", "/", {}),
        ("/**", "/a/b/", {}),
        ("/public/**", "/public/a", {}),
        ("/public/**", "/public/", {}),
        ("/public/**", "/public", None),
        ("/public/**", "/publicity/a", None),
        ("/ch1/**", "/ch10/a", None),
        ("/ch1/**", "/ch/1/a", None),
        ("/ch1", "/ch1", {}),
        ("/ch1", "/ch1/", None),
        ("/ch1", "/CH1", None),
        ("/{resource}/**", "/cam1/index.m3u8", {"resource": "cam1"}),
        ("/{resource}/**", "/cam1/a/b/", {"resource": "cam1"}),
        ("/{resource}/**", "/cam1", None),
        ("/{resource}/**", "/", None),
        ("/{resource}", "/", None),
        ("/{resource}", "/cam1/", None),
        ("/*/{resource}/live", "/x/cam1/live", {"resource": "cam1"}),
        ("/*/{resource}/live", "/x/cam1/dvr", None),
        ("/a/*", "/a/", None),
        ("/a/*", "/a/b", {}),
        ("/{site}/{resource}", "/s/r", {"site": "s", "resource": "r"}),
        ("/my cam/**", "/my%20cam/x", {}),
        ("/café", "/caf%c3%a9", {}),
        ("/a;v=1", "/a;v=1", {}),
    ],
)
def test_what_a_pattern_matches(pattern: str, path: str, parts: dict[str, str] | None) -> None:
    assert Pattern(pattern).match(segments(path)) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "**",
        "/",
        "/a/",
        "//a",
        "/a//b",
        "/**/a",
        "/a**",
        "/a*",
        "/{}",
        "/{A}",
        "/{1a}",
        "/{a",
        "/a}",
        "/x{a}",
        "/{a}/{a}",
        # What no decoded segment can ever be: the rule would be dead, and what it closes left open.
        "/secret%20room/**",
        "/a?token=*",
        "/a#b",
        "/a\\b",
        "/a/../b",
        "/./**",
    ],
)
def test_what_is_not_a_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Pattern(text)


def test_a_pattern_tells_its_names_and_its_first_segment() -> None:
    pattern = Pattern("/a/{site}/*/{resource}/**")
    assert pattern.names == ("site", "resource")
    assert pattern.first == "a"
    assert Pattern("/{a}").first is None
    assert Pattern("/*/b").first is None
    assert Pattern("/**").first is None


PIECES = st.sampled_from(["a", "b", "ch1", "ch10", "*", "{x}"])
patterns = (
    st.builds(
        lambda pieces, rest: "/" + "/".join([*pieces, *rest]),
        st.lists(PIECES, max_size=3),
        st.sampled_from([[], ["**"]]),
    )
    .filter(lambda text: text != "/")
    .filter(lambda text: text.count("{x}") < 2)
)
paths = st.builds(
    lambda names, slash: ("/" + "/".join(names) + "/" * slash) if names else "/",
    st.lists(st.sampled_from(["a", "b", "c", "ch1", "ch10"]), max_size=4),
    st.booleans(),
)


def matches(pattern: str, path: str) -> bool:
    """The same in other words: segment by segment, from the left."""
    wanted, had = pattern[1:].split("/"), path[1:].split("/")
    while wanted and wanted[0] != "**":
        if not had or (wanted[0] not in ("*", "{x}") and wanted[0] != had[0]) or not had[0]:
            return False
        wanted, had = wanted[1:], had[1:]
    return bool(had) if wanted else not had


@FAST
@given(patterns, paths)
def test_matching_agrees_with_its_description(pattern: str, path: str) -> None:
    found = Pattern(pattern).match(segments(path))
    assert (found is not None) == matches(pattern, path)
    if found and "{x}" in pattern:
        assert found == {"x": segments(path)[pattern[1:].split("/").index("{x}")]}


@FAST
@given(st.lists(patterns, max_size=8), paths)
def test_the_index_is_a_linear_scan(texts: list[str], path: str) -> None:
    rules = tuple(rule(number, text) for number, text in enumerate(texts))
    target = parse_target(path)
    assert isinstance(target, Target)
    scanned = next(
        ((each, parts) for each in rules if (parts := each.pattern.match(target.segments)) is not None), None
    )
    assert Policy(rules, {}).match(target) == scanned


def test_the_first_rule_of_the_file_wins() -> None:
    policy = Policy((rule(0, "/{resource}/**"), rule(1, "/public/**")), {})
    target = parse_target("/public/a")
    assert isinstance(target, Target)
    matched = policy.match(target)
    assert matched is not None
    assert matched[0].name == "streams[0]"


def test_a_policy_without_rules_serves_nothing() -> None:
    target = parse_target("/a")
    assert isinstance(target, Target)
    assert Policy((), {}).match(target) is None


@pytest.mark.parametrize(
    ("pattern", "last"),
    [
        ("/a/{resource}", "resource"),
        ("/{x}", "x"),
        ("/a/{resource}/**", None),
        ("/{resource}/b", None),
        ("/*", None),
        ("/**", None),
    ],
)
def test_the_name_of_the_last_segment(pattern: str, last: str | None) -> None:
    assert Pattern(pattern).last == last


def test_the_safe_methods_read_and_no_other_does() -> None:
    """What reads by another method would show media uncounted; what writes by GET would follow any link."""
    assert {method for method, action in METHODS.items() if action is Action.READ} == READING
    good = rule(0, "/**")
    assert good.methods == METHODS
    assert replace(good, methods={"PUT": Action.UPDATE}).methods == {"PUT": Action.UPDATE}
    for method, action in METHODS.items():
        for other in Action:
            if (other is Action.READ) != (action is Action.READ):
                with pytest.raises(ValueError, match="GET, HEAD and OPTIONS read"):
                    replace(good, methods={method: other})


def test_another_keyring_is_another_policy_and_nothing_else_changes() -> None:
    demo, other = Application("demo", Keyring([])), Application("other", Keyring([]))
    rules = tuple(
        replace(rule(at, f"/{at}/**"), application=owner) for at, owner in enumerate((demo, other, None))
    )
    policy = Policy(rules, {"demo": demo, "other": other}, version="v1")
    ring = Keyring([Key("k", Algorithm.HS256, b"k" * 32)])
    after = policy.with_keyring("demo", ring)
    assert after.applications["demo"] is after.rules[0].application
    assert after.applications["demo"] == replace(demo, keyring=ring)
    assert after.rules[1:] == rules[1:]
    assert (after.applications["other"], after.version) == (other, "v1")
    matched = after.match(parse_target("/0/x"))  # type: ignore[arg-type]
    assert matched is not None
    assert matched[0].application is after.applications["demo"]
    assert policy.rules == rules


def test_other_api_keys_are_another_policy_and_nothing_else_changes() -> None:
    rules_of_rooms = RoomRules(entry_timeout_s=5)
    sdk = VideoSdk({"a": ApiKey("a", b"a" * 32)}, rules_of_rooms, 60, single_use=True, sealing=(b"s" * 32,))
    demo = Application("demo", Keyring([]), videosdk=sdk)
    other = replace(demo, name="other")
    rules = tuple(
        replace(rule(at, f"/{at}/**"), application=owner) for at, owner in enumerate((demo, other, None))
    )
    policy = Policy(rules, {"demo": demo, "other": other}, version="v1")
    keys = {"b": ApiKey("b", b"b" * 32, enabled=False)}
    after = policy.with_api_keys("demo", keys)
    assert after.applications["demo"] is after.rules[0].application
    assert after.applications["demo"] == replace(demo, videosdk=replace(sdk, keys=keys))
    assert after.rules[1:] == rules[1:]
    assert (after.applications["other"], after.version) == (other, "v1")
    assert policy.rules == rules
    plain = Policy((), {"demo": replace(demo, videosdk=None)})
    with pytest.raises(ValueError, match="the application demo has no API keys"):
        plain.with_api_keys("demo", keys)


def test_what_signs_and_seals_is_not_shown() -> None:
    shown = repr(VideoSdk({"a": ApiKey("a", b"a secret")}, sealing=(b"a sealing key",)))
    assert "ApiKey(id='a', enabled=True)" in shown
    assert "secret" not in shown
    assert "sealing" not in shown


@pytest.mark.parametrize(
    ("pattern", "front", "meets"),
    [
        ("/a/b", ("a",), True),
        ("/a/b", ("a", "b"), True),
        ("/a", ("a",), True),
        ("/a", ("a", "b"), False),
        ("/a/**", ("a", "b"), True),
        ("/{x}/b/**", ("a", "b"), True),
        ("/{x}/c/**", ("a", "b"), False),
        ("/**", ("a", "b"), True),
        ("/*", ("a", "b"), False),
    ],
)
def test_whether_a_pattern_matches_anything_at_a_place_or_below(
    pattern: str, front: tuple[str, ...], meets: bool
) -> None:
    assert Pattern(pattern).meets(front) is meets


def test_which_segments_of_a_pattern_are_literal() -> None:
    assert [Pattern("/a/{x}/b/*/**").literal(at) for at in range(6)] == [True, False, True, False, False, False]


def test_a_page_session_travels_as_its_players_name_it() -> None:
    assert Ziggeo("token", "private", b"k" * 32).visit_parameter == "i07af2jp98rvoctt26y5egy3token"
