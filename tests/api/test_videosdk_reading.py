"""Bodies and queries of the API for rooms, good and bad."""

from __future__ import annotations

import json
from typing import Any

import pytest
from multidict import CIMultiDict

from gate.api.videosdk_reading import (
    Paging,
    RoomOptions,
    need_id,
    read_body,
    read_choice,
    read_flag,
    read_id,
    read_instant,
    read_name,
    read_options,
    read_paging,
    read_query,
    read_wait,
)
from gate.core.target import Target, parse_target
from gate.errors import UsageError


def target(query: str) -> Target:
    parsed = parse_target(f"/v2/rooms?{query}")
    assert isinstance(parsed, Target)
    return parsed


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            (b"", {}),
            (b" \r\n", {}),
            (b"{}", {}),
            (b' {"a": null, "b": 1}\n', {"b": 1}),
        ],
    )
    def test_good(self, body: bytes, fields: dict[str, Any]) -> None:
        assert read_body(body) == fields

    @pytest.mark.parametrize(
        "body",
        [
            b"[]",
            b"null",
            b"1",
            b"{",
            b"{}{}",
            b'{"a": 1, "a": 2}',
            b'{"a": NaN}',
            b'{"a": "\xff"}',
            b"\xef\xbb\xbf{}",
            b"a=1",
            b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
            b'{"a": "\\ud800"}',
        ],
    )
    def test_bad(self, body: bytes) -> None:
        with pytest.raises(UsageError):
            read_body(body)


class TestFields:
    @pytest.mark.parametrize("value", ["", "Ann", "é" * 128, "a b", "\U0001f468\u200d\U0001f469"])
    def test_names(self, value: str) -> None:
        assert read_name({"name": value}, "name") == value
        assert read_name({}, "name") == ""

    @pytest.mark.parametrize("value", ["a" * 129, "a\nb", "\x00", "\x85", "\u2028", 1, True, [], {}])
    def test_bad_names(self, value: object) -> None:
        with pytest.raises(UsageError, match="name"):
            read_name({"name": value}, "name")

    @pytest.mark.parametrize("value", ["a", "u-1", "é", "a" * 128, "me@example.com"])
    def test_ids(self, value: str) -> None:
        assert read_id({"id": value}, "id") == need_id({"id": value}, "id") == value

    @pytest.mark.parametrize(
        "value", ["", "a b", "a\tb", "a" * 129, "\x00", "\u00a0", 7, False, ["a"], {"a": 1}]
    )
    def test_bad_ids(self, value: object) -> None:
        with pytest.raises(UsageError, match="id"):
            read_id({"id": value}, "id")

    def test_an_id_that_is_not_there(self) -> None:
        assert read_id({}, "id") is None
        with pytest.raises(UsageError, match="id: an id is needed"):
            need_id({}, "id")

    def test_choices_and_flags(self) -> None:
        assert read_choice({"kind": "mic"}, "kind", "mic", "webcam") == "mic"
        for value in ("Mic", "", None, 1, ["mic"]):
            with pytest.raises(UsageError, match="mic or webcam"):
                read_choice({"kind": value}, "kind", "mic", "webcam")
        assert read_flag({"a": True}, "a")
        assert not read_flag({}, "a")
        for value in ("true", 1, []):
            with pytest.raises(UsageError):
                read_flag({"a": value}, "a")


class TestOptions:
    def test_none(self) -> None:
        assert read_options({}) == RoomOptions("", frozenset(), "{}")

    def test_all(self) -> None:
        kept = {
            "geoFence": "us002",
            "webhook": {"endPoint": "https://a.example/", "events": ["session*"]},
            "autoCloseConfig": {"type": "session-ends", "duration": 60},
            "autoStartConfig": {"recording": {"config": {"layout": {"type": "GRID"}}}},
            "multiComposition": {"hls": True},
        }
        more = {"customRoomId": "course 7", "allowedParticipantIds": ["b", "a", "a"], "unheardOf": [1]}
        options = read_options({**kept, **more})
        assert (options.custom_id, options.allowed) == ("course 7", {"a", "b"})
        assert json.loads(options.settings) == kept

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("customRoomId", "a" * 129),
            ("customRoomId", "a\n"),
            ("customRoomId", 7),
            ("allowedParticipantIds", "a"),
            ("allowedParticipantIds", [1]),
            ("allowedParticipantIds", ["a b"]),
            ("allowedParticipantIds", [""]),
            ("allowedParticipantIds", [["a"]]),
            ("allowedParticipantIds", ["a"] * 1001),
            ("geoFence", 1),
            ("geoFence", {}),
            ("webhook", "https://a.example/"),
            ("autoCloseConfig", []),
            ("autoStartConfig", True),
            ("multiComposition", 1),
            ("webhook", {"endPoint": "x" * 9000}),
        ],
    )
    def test_bad(self, name: str, value: object) -> None:
        with pytest.raises(UsageError, match=name):
            read_options({name: value})


class TestQueries:
    def test_known_ones_only(self) -> None:
        assert read_query(target("page=2&token=x&perPage=&other=1&other=2"), "page", "perPage") == {"page": "2"}
        with pytest.raises(UsageError, match="page is there twice"):
            read_query(target("page=1&page=1"), "page")

    def test_pages(self) -> None:
        assert read_paging({}) == Paging(1, 20)
        assert read_paging({"page": "3", "perPage": "100"}).first == 200

    @pytest.mark.parametrize("name", ["page", "perPage"])
    @pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "\u0661", "1000001", "9" * 5000, " 1"])
    def test_bad_pages(self, name: str, value: str) -> None:
        with pytest.raises(UsageError, match=name):
            read_paging({name: value})

    def test_instants(self) -> None:
        assert read_instant({"startDate": "1800000000000"}, "startDate", 7) == 1_800_000_000_000
        assert read_instant({}, "startDate", 7) == 7
        for value in ("yesterday", "-1", "9" * 17, "1e12"):
            with pytest.raises(UsageError, match="startDate"):
                read_instant({"startDate": value}, "startDate", 0)


class TestWaits:
    @pytest.mark.parametrize(
        ("query", "prefer", "wait_s"),
        [
            ("", [], 0),
            ("wait=0", [], 0),
            ("wait=60", ["wait=5"], 60),
            ("", ["wait=5"], 5),
            ("", ["respond-async, Wait = 7"], 7),
            ("", ["respond-async", 'wait="8"; x'], 8),
            ("", ["wait=600"], 60),
            ("", ["wait=x", "await=5", "wait=1x"], 0),
        ],
    )
    def test_good(self, query: str, prefer: list[str], wait_s: int) -> None:
        headers = CIMultiDict([("Prefer", each) for each in prefer])
        assert read_wait(target(query), headers) == wait_s

    @pytest.mark.parametrize("value", ["61", "-1", "1.5", "x", "1&wait=2"])
    def test_bad(self, value: str) -> None:
        with pytest.raises(UsageError, match="wait"):
            read_wait(target(f"wait={value}"), CIMultiDict())
