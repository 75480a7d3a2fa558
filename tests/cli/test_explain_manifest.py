"""`gate explain --manifest`: which entries are kept, and why, in words and as data."""

from __future__ import annotations

import json

import pytest

T0 = 1_767_225_600  # 2026-01-01T00:00:00Z
TARGET = f"/cam1/index-{T0}-60.m3u8"
WINDOW = {"live": None, "dvr": True, "from": T0 + 15, "to": T0 + 30}
HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n"


def playlist(*begins: int) -> str:
    dated = (
        f"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:{at:02}.000Z\n#EXTINF:6.0,\nseg-{at}.ts\n" for at in begins
    )
    return HEAD + "".join(dated) + "#EXT-X-ENDLIST\n"


WHOLE = playlist(*range(0, 60, 6))


@pytest.fixture
def zone(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def look(run, policy, sign):
    def call(*arguments, config=policy, url=TARGET, **options):
        token = sign(**WINDOW)
        result = run("explain", "--config", config, "--token", token, *arguments, url, **options)
        assert token.rpartition(".")[2] not in result.output
        return result

    return call


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "saved.m3u8"
    path.write_text(WHOLE)
    return path


def test_in_words(look, file, zone):
    result = look("--manifest", file)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("SESSION: ")
    told = result.stdout[result.stdout.index("Manifest:") :].splitlines()
    day = "2026-01-01 00:00"
    assert told == [
        "Manifest: an HLS media playlist: 3 of 10 segments are kept",
        f"  cut   seg-0.ts to seg-6.ts (2), {day}:00 UTC to {day}:12 UTC: "
        "it is older than the live edge, and in no window that the token may see",
        f"  kept  seg-12.ts, {day}:12 UTC to {day}:18 UTC: it shares time with a window",
        f"  kept  seg-18.ts to seg-24.ts (2), {day}:18 UTC to {day}:30 UTC: it lies within a window",
        f"  cut   seg-30.ts to seg-54.ts (5), {day}:30 UTC to 2026-01-01 00:01:00 UTC: "
        "it is older than the live edge, and in no window that the token may see",
    ]


def test_as_data(look, file):
    result = look("--json", "--manifest", file)
    assert result.exit_code == 0
    told = json.loads(result.stdout)["manifest"]
    entries = told.pop("entries")
    assert told == {"reason": None, "detail": None, "form": "an HLS media playlist", "older": 0}
    assert entries[2] == {"name": "seg-12.ts", "from": T0 + 12, "to": T0 + 18, "kept": True, "why": "overlaps"}
    assert [entry["why"] for entry in entries if not entry["kept"]] == ["outside"] * 7


def test_standard_input(look, file):
    assert look("--manifest", "-", input=WHOLE).stdout.count("kept  ") == 2


def test_the_origin(look, write_policy, origin):
    config = write_policy(origins={"origin": {"url": f"{origin.url}/base"}})
    origin.answers[f"/base{TARGET}"] = WHOLE.encode()
    result = look("--fetch", config=config)
    assert result.exit_code == 0
    assert "3 of 10 segments are kept" in result.stdout
    del origin.answers[f"/base{TARGET}"]
    result = look("--fetch", config=config)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"gate: {origin.url}/base{TARGET}: the origin answers 404\n"


def test_what_has_no_date_is_of_no_time(look):
    body = "".join(line for line in WHOLE.splitlines(keepends=True) if "DATE-TIME" not in line)
    result = look("--manifest", "-", input=body)
    assert result.exit_code == 1
    told = result.stdout[result.stdout.index("Manifest:") :].splitlines()
    assert told == [
        "Manifest: refused: time_unknown (403): the manifest does not say the time of its segments",
        "Manifest: an HLS media playlist: 0 of 10 segments are kept",
        "  cut   seg-0.ts to seg-54.ts (10): nobody knows its time",
    ]


def test_where_nothing_is_left_the_refusal_is_said_too(look):
    body = playlist(30, 36)
    result = look("--manifest", "-", input=body)
    assert result.exit_code == 1
    assert "Manifest: refused: outside_window (403): nothing of what the manifest lists may be seen\n" in (
        result.stdout
    )
    assert "Manifest: an HLS media playlist: 0 of 2 segments are kept\n" in result.stdout
    told = json.loads(look("--json", "--manifest", "-", input=body).stdout)
    assert (told["permitted"], told["manifest"]["reason"]) == (True, "outside_window")
    assert [entry["kept"] for entry in told["manifest"]["entries"]] == [False, False]


def test_what_leads_elsewhere_is_refused_where_the_policy_says_so(look, write_policy):
    config = write_policy(streams=[{"match": "/{resource}/**", "foreign_uris": "refuse"}])
    body = playlist(12, 18).replace("seg-12.ts", "http://elsewhere.example/seg-12.ts")
    result = look("--manifest", "-", input=body, config=config)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("Manifest: refused: foreign_uri (502): ")
    told = json.loads(look("--json", "--manifest", "-", input=body, config=config).stdout)["manifest"]
    assert told == {"reason": "foreign_uri", "detail": None, "form": None, "older": 0, "entries": []}


def test_what_is_refused_has_no_manifest_to_look_at(look):
    result = look("--json", "--manifest", "no such file", url="/cam2/index.m3u8")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["manifest"] is None
    assert "Manifest" not in look("--manifest", "no such file", url="/cam2/index.m3u8").stdout


def test_a_multivariant_playlist(look):
    body = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/index.m3u8\n"
    assert look("--manifest", "-", input=body).stdout.endswith("\nManifest: an HLS multivariant playlist\n")


@pytest.mark.parametrize(
    ("arguments", "options", "line"),
    [
        (["--manifest", "no.m3u8"], {}, "no.m3u8: No such file or directory"),
        (["--manifest", "-"], {"input": "<html></html>"}, "this is no manifest: neither an HLS playlist nor"),
        (["--token", "-", "--manifest", "-"], {"input": ""}, "only one of the token and the manifest can be"),
        (
            ["--manifest", "/dev/null"],
            {"url": "/cam1/2026/01/01/00/00/18-06000.ts"},
            "only manifests are clipped",
        ),
        (["--manifest", "-"], {"input": HEAD + "#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n"}, "this is a delta update"),
    ],
)
def test_usage_errors_have_status_2(look, arguments, options, line):
    result = look(*arguments, **options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"gate: {line}")
    assert result.stderr.count("\n") == 1


def test_older_ones_that_are_left_off_are_said(look, write_policy, sign, monkeypatch):
    monkeypatch.setattr("gate.media.listing._MOST", 2)
    addressing = '<SegmentTemplate timescale="1" duration="6" media="$Number$.m4s"/>'
    body = (
        '<MPD type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z"><Period start="PT0S"><AdaptationSet>'
        f'{addressing}<Representation id="v"/></AdaptationSet></Period></MPD>'
    )
    result = look("--manifest", "-", input=body, url="/public/index.mpd")
    assert result.stdout.splitlines()[-1].endswith(" older ones are not looked at")


def test_one_manifest_at_a_time(look):
    result = look("--fetch", "--manifest", "-", input=WHOLE)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "give one of them" in result.stderr


def test_the_help_says_how(run):
    shown = run("explain", "--help").stdout
    assert "--manifest FILE" in shown
    assert "--fetch /cam1/index-1767225600-7200.m3u8" in shown
