"""Added streams beside the policy file's rules: which of them has a path, and that what is closed stays so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gate.core.added import (
    ADDED_ORIGIN,
    AddedRules,
    StreamPattern,
    clashes,
    fronts_of,
    goes_on,
    is_at_large,
    name_of,
    rule_of,
    uid_at,
    with_streams,
)
from gate.core.credentials import SESSION_NAME, Carrier
from gate.core.decision import decide, locate
from gate.core.grants import Action
from gate.core.keys import Algorithm, Key, Keyring
from gate.core.media import Facts, Role
from gate.core.policy import (
    READING,
    Access,
    Application,
    Origin,
    Pattern,
    Policy,
    RpcRules,
    SessionRules,
    StreamRule,
)
from gate.core.reasons import Deny, Reason
from gate.core.revocation import Revocations
from gate.core.stream import Entry, Stream, Unreadable
from gate.core.target import Target, parse_target
from gate.core.verdicts import Ask, Place
from gate.core.windows import Span

FILE = Origin("archive", "http://127.0.0.1:9000")
DEMO = Application("demo", Keyring([]))


class Whole:
    """A layout that reads nothing but what the rule names."""

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, target: Target, parts: Mapping[str, str]) -> Facts:
        return Facts(parts.get("resource", ""), Role.OTHER)

    def write(self, target: Target, span: Span) -> Target | None:
        return None


LAYOUTS = {name: Whole(name) for name in ("aipix", "flussonic", "hls")}
CAM = Stream("cam1", "http://10.0.0.1", "flussonic", True, Access.PUBLIC, (), None, "demo")
AIPIX = replace(CAM, layout="aipix")
BAD = Unreadable("it is no JSON")


def rule(number: int, pattern: str, layout: str = "flussonic") -> StreamRule:
    return StreamRule(f"streams[{number}]", Pattern(pattern), Access.PRIVATE, FILE, LAYOUTS[layout])


def policy(*patterns: str, layout: str = "flussonic", **streams: Entry) -> Policy:
    rules = tuple(rule(number, text, layout) for number, text in enumerate(patterns))
    return with_streams(Policy(rules, {"demo": DEMO}, layouts=LAYOUTS), streams)


def target(path: str) -> Target:
    parsed = parse_target(path)
    assert isinstance(parsed, Target)
    return parsed


def taken(by: Policy, path: str) -> str | None:
    """The name of the rule that has the path."""
    matched = by.match(target(path))
    return None if matched is None else matched[0].name


class TestWhere:
    @pytest.mark.parametrize(
        ("entry", "path", "served"),
        [
            (CAM, "/cam1/index.m3u8", True),
            (CAM, "/cam1/a/b/", True),
            (CAM, "/cam1/", True),
            (CAM, "/cam1", True),
            (CAM, "/cam10/a", False),
            (CAM, "/CAM1/a", False),
            (CAM, "/live/cam1/a", False),
            (CAM, "/x/cam1/a", False),
            (CAM, "/", False),
            (AIPIX, "/live/cam1/playlist_ios.m3u8", True),
            (AIPIX, "/dvr/cam1/record.mp4", True),
            (AIPIX, "/dvr/cam1", True),
            (AIPIX, "/dvr", False),
            (AIPIX, "/live/", False),
            (AIPIX, "/live/cam10/a", False),
            (AIPIX, "/cam1/a", False),
            (AIPIX, "/x/cam1/a", False),
            (BAD, "/cam1/a", True),
            (BAD, "/live/cam1/a", True),
            (BAD, "/dvr/cam1/a", True),
            (BAD, "/x/cam1/a", False),
        ],
    )
    def test_its_layout_says_where_it_lies(self, entry: Entry, path: str, served: bool) -> None:
        assert taken(policy(cam1=entry), path) == ("stream cam1" if served else None)

    def test_the_folders_of_aipix_may_be_uids_of_it(self) -> None:
        held = policy(live=replace(AIPIX, uid="live"), cam1=AIPIX)
        assert taken(held, "/live/live/a") == taken(held, "/dvr/live/a") == "stream live"
        assert taken(held, "/live/cam1/a") == "stream cam1"
        # One that cannot be read can be nothing else, and takes no other's folder.
        held = policy(live=BAD, cam1=AIPIX)
        assert taken(held, "/live/live/a") == "stream live"
        assert taken(held, "/live/cam1/a") == "stream cam1"
        assert taken(held, "/live/other/a") is None
        assert fronts_of("dvr", BAD) == (("live", "dvr"), ("dvr", "dvr"))

    def test_its_uid_is_the_resource(self) -> None:
        for entry, path in ((CAM, "/cam1/a/b"), (CAM, "/cam1"), (AIPIX, "/live/cam1/a"), (AIPIX, "/dvr/cam1")):
            matched = policy("/**", cam1=entry).match(target(path))
            assert matched is not None
            found, parts = matched
            assert parts == found.pattern.match(target(path).segments) == {"resource": "cam1"}
            assert found.layout.read(target(path), parts).resource == "cam1"
            assert found.pattern.match(("other", "a")) is None

    def test_a_pattern_is_written_as_a_file_would(self) -> None:
        assert StreamPattern("cam1").text == "/cam1/**"
        assert StreamPattern("live", "a~b:c").text == "/live/a~b:c/**"


class TestWhich:
    @pytest.mark.parametrize(
        ("patterns", "path", "name"),
        [
            # Rules for streams at large leave the stream its paths, wherever they stand.
            (["/{resource}/**"], "/cam1/a", "stream cam1"),
            (["/**"], "/cam1/a", "stream cam1"),
            (["/*"], "/cam1", "stream cam1"),
            (["/{resource}/a"], "/cam1/a", "stream cam1"),
            (["/{resource}/**"], "/cam2/a", "streams[0]"),
            (["/other/**", "/{resource}/**"], "/cam1/a", "stream cam1"),
            # A rule that names it wins, with all that the file says there.
            (["/cam1/**"], "/cam1/a", "streams[0]"),
            (["/{resource}/**", "/cam1/**"], "/cam1/a", "streams[0]"),
            (["/{resource}/**", "/cam1/x"], "/cam1/a", "stream cam1"),
            (["/cam1/x", "/{resource}/**"], "/cam1/x", "streams[0]"),
            (["/cam1/x", "/{resource}/**"], "/cam1/a", "stream cam1"),
        ],
    )  # fmt: skip
    def test_one_below_its_own_name(self, patterns: list[str], path: str, name: str) -> None:
        assert taken(policy(*patterns, cam1=CAM), path) == name

    @pytest.mark.parametrize(
        ("patterns", "layout", "name"),
        [
            (["/{resource}/**"], "flussonic", "stream cam1"),
            (["/{a}/cam1/**"], "aipix", "stream cam1"),
            # In the layout's own folders a rule of the layout is one for streams at large.
            (["/live/{resource}/**"], "aipix", "stream cam1"),
            (["/live/**"], "aipix", "stream cam1"),
            (["/live/*/a"], "aipix", "stream cam1"),
            (["/live/cam1/**"], "aipix", "streams[0]"),
            (["/live/**", "/live/cam1/**"], "aipix", "streams[0]"),
            (["/live/cam2/**"], "aipix", "stream cam1"),
            # Of another layout it says that the folder is something else.
            (["/live/{resource}/**"], "hls", "streams[0]"),
            (["/live/**"], "hls", "streams[0]"),
            (["/dvr/**"], "hls", "stream cam1"),
        ],
    )
    def test_one_of_aipix(self, patterns: list[str], layout: str, name: str) -> None:
        assert taken(policy(*patterns, layout=layout, cam1=AIPIX), "/live/cam1/a") == name

    def test_without_streams_nothing_is_different(self) -> None:
        held = policy("/live/**", "/{resource}/**")
        for path in ("/", "/live/a", "/cam1/a"):
            assert held.match(target(path)) == replace(held, added=None).match(target(path))

    @pytest.mark.parametrize("entry", [CAM, AIPIX, BAD])
    @given(data=st.data())
    @settings(max_examples=150)
    def test_in_other_words(self, entry: Entry, data: st.DataObject) -> None:
        """A linear reading of the rules, and of what is told of clashes."""
        pieces = st.sampled_from(["cam1", "live", "x", "*", "{r}"])
        texts = data.draw(
            st.lists(
                st.builds(
                    lambda front, rest: "/" + "/".join([*front, *rest]),
                    st.lists(pieces, min_size=1, max_size=3).filter(lambda each: each.count("{r}") < 2),
                    st.sampled_from([[], ["**"]]),
                ),
                max_size=5,
            )
        )
        rules = tuple(
            rule(number, text, data.draw(st.sampled_from(["aipix", "hls"])))
            for number, text in enumerate(texts)
        )
        names = data.draw(st.lists(st.sampled_from(["cam1", "live", "x"]), min_size=1, max_size=3))
        held = with_streams(Policy(rules, {"demo": DEMO}, layouts=LAYOUTS), {"cam1": entry})
        path = "/" + "/".join(names)
        matching = [each for each in rules if each.pattern.match(tuple(names)) is not None]
        at = next((at for at in (0, 1) if tuple(names[: at + 1]) in fronts_of("cam1", entry)), None)
        winners = [each.name for each in clashes(held, "cam1", entry)]
        if at is None or any(each.name in winners for each in matching):
            assert taken(held, path) == (matching[0].name if matching else None)
        else:
            assert taken(held, path) == "stream cam1"


class TestClosed:
    @pytest.mark.parametrize(
        "entry",
        [
            replace(CAM, enabled=False),
            replace(CAM, access=Access.NONE),
            replace(CAM, application="gone"),
            replace(CAM, layout="gone"),
            replace(AIPIX, enabled=False),
            BAD,
        ],
    )
    def test_it_refuses_whom_a_rule_at_large_would_admit(self, entry: Entry) -> None:
        held = policy("/**", cam1=entry)
        for front in fronts_of("cam1", entry):
            for tail in ((), ("a",), ("a", "b"), ("",)):
                matched = held.match(target("/" + "/".join((*front, *tail))))
                assert matched is not None
                assert (matched[0].name, matched[0].access) == ("stream cam1", Access.NONE)

    def test_of_one_that_cannot_be_read_nothing_is_told(self) -> None:
        made = rule_of(("cam1",), BAD, {}, {})
        at = target("/cam1/a")
        assert made.layout.read(at, {"resource": "cam1"}) == Facts("cam1", Role.OTHER)
        assert made.layout.read(at, {}) == Facts("", Role.OTHER)
        assert made.layout.write(at, Span(0, 1)) is None
        assert made.application is None

    @pytest.mark.parametrize(
        ("change", "address", "reason"),
        [
            ({}, "192.0.2.1", None),
            ({"enabled": False}, "192.0.2.1", Reason.ACCESS_NONE),
            ({"access": Access.NONE}, "192.0.2.1", Reason.ACCESS_NONE),
            ({"access": Access.PRIVATE}, "192.0.2.1", Reason.TOKEN_MISSING),
            ({"access": Access.PROTECTED}, "10.0.0.1", None),
            ({"access": Access.PROTECTED}, "192.0.2.1", Reason.ADDRESS_NOT_ALLOWED),
            ({"access": Access.PROTECTED, "whitelist": ()}, "10.0.0.1", Reason.ADDRESS_NOT_ALLOWED),
        ],
    )
    def test_what_is_decided(self, change: dict[str, object], address: str, reason: Reason | None) -> None:
        stream = replace(CAM, **{"whitelist": (ip_network("10.0.0.0/8"),), **change})  # type: ignore[arg-type]
        at_large = replace(rule(0, "/**"), access=Access.PUBLIC)
        held = with_streams(Policy((at_large,), {"demo": DEMO}, layouts=LAYOUTS), {"cam1": stream})
        for path, refused in (("/cam1/a", reason), ("/other/a", None)):
            ask = Ask("GET", path, CIMultiDict(), address)
            place = locate(ask, held)
            assert isinstance(place, Place)
            verdict = decide(ask, place, None, None, None, Revocations(), 1_800_000_000)
            assert (verdict.reason if isinstance(verdict, Deny) else None) is refused
        written = locate(Ask("PUT", "/cam1/a", CIMultiDict(), address), held)
        assert isinstance(written, Deny)
        assert written.reason is Reason.METHOD_NOT_ALLOWED


class TestRules:
    def test_a_rule_says_what_the_stream_says(self) -> None:
        networks = (ip_network("10.0.0.0/8"),)
        stream = replace(AIPIX, access=Access.PROTECTED, whitelist=networks)
        made = rule_of(("dvr", "cam1"), stream, {"demo": DEMO}, LAYOUTS)
        assert (made.name, made.pattern.text) == (name_of("cam1"), "/dvr/cam1/**")
        assert (made.access, made.networks, made.application) == (Access.PROTECTED, networks, DEMO)
        assert (made.origin, made.layout) == (Origin(ADDED_ORIGIN, "http://10.0.0.1"), LAYOUTS["aipix"])

    def test_it_is_only_read(self) -> None:
        for entry in (CAM, BAD):
            made = rule_of(("cam1",), entry, {"demo": DEMO}, LAYOUTS)
            assert made.methods == dict.fromkeys(READING, Action.READ)

    def test_it_is_made_once(self) -> None:
        rules = AddedRules({"cam1": CAM}, {"demo": DEMO}, LAYOUTS)
        assert rules.find(("cam1", "a")) is rules.find(("cam1", "b"))

    def test_another_keyring_is_theirs_too(self) -> None:
        before = policy("/a/**", cam1=CAM)
        ring = Keyring([Key("k", Algorithm.HS256, b"k" * 32)])
        for _ in range(2):
            after = before.with_keyring("demo", ring)
            matched = after.match(target("/cam1/a"))
            assert matched is not None
            assert matched[0].application is after.applications["demo"]
            assert matched[0].application.keyring is ring
        matched = before.match(target("/cam1/a"))
        assert matched is not None
        assert matched[0].application is DEMO

    def test_other_streams_are_another_policy(self) -> None:
        before = policy("/**", cam1=CAM)
        after = with_streams(before, {"cam2": CAM})
        assert taken(before, "/cam1/a") == "stream cam1"
        assert taken(after, "/cam1/a") == "streams[0]"
        assert taken(after, "/cam2/a") == "stream cam2"
        assert after.rules is before.rules
        assert with_streams(after, {}).added is None


def test_a_file_tells_which_of_its_rules_win() -> None:
    held = policy("/cam1/a", "/{resource}/**", "/live/cam1/**", "/live/**", "/cam1", layout="aipix")
    assert [each.name for each in clashes(held, "cam1", CAM)] == ["streams[0]", "streams[4]"]
    assert [each.name for each in clashes(held, "cam1", AIPIX)] == ["streams[2]"]
    assert list(clashes(held, "cam2", CAM)) == []
    held = policy("/live/**", "/live", "/dvr/a", layout="hls")
    assert [each.name for each in clashes(held, "cam1", AIPIX)] == ["streams[0]"]


class TestWhitelists:
    """The networks of a private stream, which admit where the policy says so."""

    NETWORKS = (ip_network("192.0.2.0/24"),)
    PRIVATE = replace(CAM, access=Access.PRIVATE, whitelist=NETWORKS)

    def decided(self, address: str, method: str = "GET", *, admits: bool = True, link: str = "") -> object:
        rules = (StreamRule("streams[0]", Pattern("/**"), Access.PRIVATE, FILE, LAYOUTS["hls"], DEMO),)
        rpc = RpcRules("demo", whitelist_admits=admits)
        held = with_streams(Policy(rules, {"demo": DEMO}, layouts=LAYOUTS, rpc=rpc), {"cam1": self.PRIVATE})
        ask = Ask(method, f"{link}/cam1/a", CIMultiDict(), address)
        place = locate(ask, held)
        if isinstance(place, Deny):
            return place.reason
        verdict = decide(ask, place, None, None, None, Revocations(), 1_800_000_000)
        return verdict.reason if isinstance(verdict, Deny) else place.guarded

    def test_they_need_no_token(self) -> None:
        assert self.decided("192.0.2.7") is False
        assert self.decided("::ffff:192.0.2.7", "HEAD") is False

    def test_others_do(self) -> None:
        assert self.decided("198.51.100.7") is Reason.TOKEN_MISSING
        assert self.decided("") is Reason.TOKEN_MISSING

    def test_nobody_is_admitted_where_the_policy_does_not_say_so(self) -> None:
        assert self.decided("192.0.2.7", admits=False) is Reason.TOKEN_MISSING

    def test_who_comes_with_a_session_link_goes_by_it(self) -> None:
        assert self.decided("192.0.2.7", link="/_s/TICKET") is Reason.TOKEN_MISSING

    def test_an_old_cookie_does_not_keep_them_out(self) -> None:
        rules = (StreamRule("streams[0]", Pattern("/**"), Access.NONE, FILE, LAYOUTS["hls"], DEMO),)
        sessions = SessionRules(carrier=Carrier.COOKIE)
        rpc = RpcRules("demo", whitelist_admits=True)
        held = Policy(rules, {"demo": DEMO}, layouts=LAYOUTS, rpc=rpc, sessions=sessions)
        fields = CIMultiDict({"Cookie": f"{SESSION_NAME}=OLD"})
        place = locate(Ask("GET", "/cam1/a", fields, "192.0.2.7"), with_streams(held, {"cam1": self.PRIVATE}))
        assert isinstance(place, Place)
        assert (place.ticket, place.guarded) == ("OLD", False)

    def test_nobody_writes(self) -> None:
        assert self.decided("192.0.2.7", "PUT") is Reason.METHOD_NOT_ALLOWED

    def test_another_keyring_changes_nothing_of_it(self) -> None:
        rules = AddedRules({"cam1": self.PRIVATE}, {"demo": DEMO}, LAYOUTS, whitelist_admits=True)
        for each in (rules, rules.under({"demo": DEMO})):
            found = each.find(("cam1", "a"))
            assert found is not None
            assert found.networks == self.NETWORKS


class TestRunning:
    """What runs under a rule, when another one has its path."""

    @pytest.mark.parametrize(
        ("changes", "on"),
        [
            ({}, True),
            ({"dvr_depth_s": 7}, True),
            ({"changed_at": 7.0}, True),
            ({"access": Access.PUBLIC}, True),
            ({"access": Access.NONE}, False),
            ({"access": Access.PROTECTED}, False),
            ({"enabled": False}, False),
            ({"application": "nobody"}, False),
            ({"layout": "hls"}, False),
            ({"origin": "http://10.0.0.2"}, False),
            ({"origin": "http://10.0.0.2", "access": Access.PUBLIC}, False),
        ],
    )
    def test_it_goes_on_where_nothing_changed_for_it(self, changes: dict[str, object], on: bool) -> None:
        private = replace(CAM, access=Access.PRIVATE)
        before = rule_of(("cam1",), private, {"demo": DEMO}, LAYOUTS)
        after = rule_of(("cam1",), replace(private, **changes), {"demo": DEMO}, LAYOUTS)  # type: ignore[arg-type]
        assert goes_on(before, after) is on

    def test_it_ends_with_other_networks_and_without_a_rule(self) -> None:
        office = replace(CAM, access=Access.PROTECTED, whitelist=(ip_network("10.0.0.0/8"),))
        before = rule_of(("cam1",), office, {"demo": DEMO}, LAYOUTS)
        after = rule_of(("cam1",), replace(office, whitelist=()), {"demo": DEMO}, LAYOUTS)
        assert not goes_on(before, after)
        assert not goes_on(before, None)
        assert not goes_on(rule(0, "/**"), before)

    def test_each_path_has_one_uid(self) -> None:
        for path, uid in (("/cam1/a", "cam1"), ("/live/cam1/a", "cam1"), ("/live", "live"), ("/", "")):
            assert uid_at(target(path).segments) == uid


@pytest.mark.parametrize(
    ("pattern", "layout", "path", "at_large"),
    [
        ("/{resource}/**", "flussonic", "/cam1/a", True),
        ("/**", "flussonic", "/live/cam1/a", True),
        ("/cam1/**", "flussonic", "/cam1/a", False),
        ("/live/{resource}/**", "aipix", "/live/cam1/a", True),
        ("/live/cam1/**", "aipix", "/live/cam1/a", False),
        ("/live/{resource}/**", "flussonic", "/live/cam1/a", False),
    ],
)
def test_rules_at_large(pattern: str, layout: str, path: str, at_large: bool) -> None:
    assert is_at_large(rule(0, pattern, layout), target(path).segments) is at_large
