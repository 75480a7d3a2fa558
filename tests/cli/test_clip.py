"""`gate clip`: what is printed, what is said of it, and what never is."""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
from pathlib import Path

import pytest

GATE = Path(sys.executable).with_name("gate")
T0 = 1_767_225_600  # 2026-01-01T00:00:00Z
TARGET = f"/cam1/index-{T0}-60.m3u8"
WINDOW = {"live": None, "dvr": True, "from": T0 + 12, "to": T0 + 30}
HEAD = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n"
MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{0}tracks-v1/index.m3u8\n"
CLIPPED = (12, 18, 24)


def segment(at: int) -> str:
    return f"#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:{at:02}.000Z\n#EXTINF:6.0,\nseg-{at}.ts\n"


def playlist(*begins: int, end: str = "#EXT-X-ENDLIST\n") -> str:
    return HEAD + "".join(map(segment, begins)) + end


WHOLE = playlist(*range(0, 60, 6))


def names(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def clip(run, policy, sign):
    """Runs `gate clip` with a token for the window; what it printed holds no token."""

    def call(*arguments, config=policy, token=None, **options):
        token = sign(**WINDOW) if token is None else token
        options = {name: value.encode() if isinstance(value, str) else value for name, value in options.items()}
        result = run("clip", "--config", config, "--token", token, *arguments, **options)
        assert token == "-" or token.rpartition(".")[2] not in result.stdout + result.stderr
        assert not result.stdout or result.exit_code == 0
        return result

    return call


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "saved.m3u8"
    path.write_text(WHOLE)
    return path


class TestFiles:
    def test_a_playlist_is_clipped(self, clip, file):
        result = clip("--as", TARGET, file)
        assert result.exit_code == 0
        assert names(result.stdout) == [f"seg-{at}.ts" for at in CLIPPED]
        assert result.stdout.startswith(HEAD + "#EXT-X-MEDIA-SEQUENCE:2\n")
        assert result.stdout.endswith("#EXT-X-ENDLIST\n")
        assert result.stderr == "gate: 3 of 10 segments are kept\n"

    def test_and_what_may_be_seen_as_a_whole_is_not(self, clip, file, sign):
        result = clip("--as", TARGET, file, token=sign(dvr=True, copy=True))
        assert (result.exit_code, result.stdout) == (0, WHOLE)
        assert result.stderr == "gate: 10 of 10 segments are kept\n"

    def test_standard_input(self, clip, file):
        result = clip("--as", TARGET, "-", input=WHOLE)
        assert result.stdout == clip("--as", TARGET, file).stdout

    def test_the_url_may_be_whole_and_an_origins(self, clip, file):
        for url in (f"http://gate.example{TARGET}", f"http://127.0.0.1:9000/base{TARGET}#t=10"):
            assert len(names(clip("--as", url, file).stdout)) == 3

    def test_the_token_may_come_with_the_url_or_by_standard_input(self, run, policy, clip, file, sign):
        result = run("clip", "--config", policy, "--as", f"{TARGET}?token={sign(**WINDOW)}", file)
        assert len(names(result.stdout)) == 3
        result = clip("--as", TARGET, file, token="-", input=sign(**WINDOW) + "\n")
        assert len(names(result.stdout)) == 3

    def test_the_time_may_be_another(self, clip, file, sign):
        token = sign(**{**WINDOW, "iat": None, "exp": T0 + 9999})
        assert clip("--as", TARGET, "--at", T0 + 3600, file, token=token).exit_code == 0
        result = clip("--as", TARGET, "--at", T0 + 10_000, file, token=token)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("gate: token_expired: ")

    def test_a_multivariant_playlist_stays_but_for_what_leads_past_the_gate(self, clip, tmp_path):
        path = tmp_path / "master.m3u8"
        path.write_text(MASTER.format("http://127.0.0.1:9000/base/cam1/"))
        result = clip("--as", TARGET, path)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == MASTER.format("/cam1/")

    def test_an_mpd_is_clipped(self, clip, tmp_path):
        path = tmp_path / "saved.mpd"
        path.write_text(
            '<MPD availabilityStartTime="2026-01-01T00:00:00Z" mediaPresentationDuration="PT60S"><Period>'
            '<AdaptationSet><SegmentTemplate timescale="1" media="$Time$.m4s"><SegmentTimeline>'
            '<S t="0" d="6" r="9"/></SegmentTimeline></SegmentTemplate><Representation id="v"/>'
            "</AdaptationSet></Period></MPD>"
        )
        result = clip("--as", TARGET.replace(".m3u8", ".mpd"), path)
        assert result.exit_code == 0, result.stderr
        assert '<S t="12" d="6" r="2"/>' in result.stdout
        assert clip("--as", f"/cam1/index-{T0 + 60}-60.mpd", path).exit_code == 1

    def test_what_everybody_may_see_stays_as_it_is(self, clip, tmp_path):
        path = tmp_path / "master.m3u8"
        path.write_text(MASTER.format("http://127.0.0.1:9000/base/cam1/"))
        assert clip("--as", "/public/index.m3u8", path).stdout == path.read_text()

    def test_a_session_link_needs_the_keys_in_the_policy(self, clip, file):
        result = clip("--as", f"/_s/{'x' * 100}{TARGET}", file)
        assert result.exit_code == 2
        assert "only where the policy itself names sessions.ticket_keys" in result.stderr


@pytest.mark.parametrize(
    ("claims", "target", "reason"),
    [
        ({"from": T0 + 60, "to": T0 + 120}, f"/cam1/index-{T0}-90.m3u8", "outside_window"),
        ({}, f"/cam1/index-{T0 + 100}-60.m3u8", "outside_window"),
        ({"dvr": None, "live": True}, TARGET, "dvr_not_granted"),
        ({}, "/cam2/index.m3u8", "resource_not_granted"),
        ({}, "/cam1/unknown.bin", "time_unknown"),
        ({}, "/a/../b.m3u8", "malformed_target"),
    ],
)
def test_where_nothing_may_be_seen_the_reason_is_told(clip, file, sign, claims, target, reason):
    result = clip("--as", target, file, token=sign(**{**WINDOW, **claims}))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"gate: {reason}: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("", "this is no manifest: neither an HLS playlist nor a DASH MPD"),
        ("<html>not found</html>", "this is no manifest: neither an HLS playlist nor a DASH MPD"),
        ("<svg/>", "this is no manifest: neither an HLS playlist nor a DASH MPD"),
        ('{"error": 1}', "this is no manifest: neither an HLS playlist nor a DASH MPD"),
        (
            HEAD + "#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n" + segment(54),
            "this is a delta update, which cannot be clipped alone: the gate asks for all of it",
        ),
    ],
)
def test_what_cannot_be_clipped_is_told_with_status_2(clip, body, line):
    result = clip("--as", TARGET, "-", input=body)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"gate: {line}\n")


def test_a_playlist_whose_numbers_cannot_be_read_is_refused(clip):
    body = WHOLE.replace("#EXT-X-VERSION:3", "#EXT-X-MEDIA-SEQUENCE:x")
    result = clip("--as", TARGET, "-", input=body)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("gate: manifest_invalid: ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["saved.m3u8"], "--as says what FILE is the answer to, such as --as /cam1/index.m3u8"),
        (["--as", "/x", "http://a/x"], "--as belongs to a FILE: a URL says itself what is asked for"),
        (["--as", TARGET, "no.m3u8"], "no.m3u8: No such file or directory"),
        (["--as", TARGET, "/"], "/: Is a directory"),
        (
            ["--as", "/cam1/2026/01/01/00/00/12-06000.ts", "/dev/null"],
            "only manifests are clipped, and this URL",
        ),
        ([], "Missing argument 'FILE_OR_URL'"),
    ],
)
def test_usage_errors_have_status_2(clip, arguments, line):
    result = clip(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"gate: {line}")
    assert result.stderr.count("\n") == 1


def test_only_one_can_be_read_from_standard_input(clip):
    result = clip("--as", TARGET, "-", token="-", input="x")
    assert result.exit_code == 2
    assert result.stderr == "gate: only one of the token and the manifest can be read from stdin\n"


def test_what_is_too_large_is_not_read(clip, file, write_policy):
    config = write_policy(limits={"manifest": "100B"})
    result = clip("--as", TARGET, file, config=config)
    assert result.exit_code == 2
    assert result.stderr == f"gate: {file}: more than 100 bytes (limits.manifest)\n"


class TestOrigin:
    @pytest.fixture
    def at_origin(self, write_policy, origin):
        return write_policy(origins={"origin": {"url": f"{origin.url}/base"}})

    def test_is_asked_as_the_gate_would(self, clip, at_origin, origin):
        origin.answers[f"/base{TARGET}"] = WHOLE.encode()
        for url in (f"http://gate.example{TARGET}", f"{origin.url}/base{TARGET}"):
            result = clip(url, config=at_origin)
            assert result.exit_code == 0, result.stderr
            assert names(result.stdout) == [f"seg-{at}.ts" for at in CLIPPED]

    def test_without_the_token(self, run, at_origin, origin, sign):
        origin.answers[f"/base{TARGET}?x=1"] = WHOLE.encode()
        token = sign(**WINDOW)
        result = run("clip", "--config", at_origin, f"http://gate.example{TARGET}?x=1&token={token}")
        assert result.exit_code == 0, result.stderr
        assert token not in str(origin.asked)
        assert origin.asked[-1][0] == f"/base{TARGET}?x=1"

    def test_for_a_whole_playlist_instead_of_a_delta_update(self, clip, at_origin, origin):
        origin.answers[f"/base{TARGET}"] = WHOLE.encode()
        assert clip(f"http://gate.example{TARGET}?_HLS_skip=YES", config=at_origin).exit_code == 0

    def test_what_it_packs_is_unpacked_up_to_the_limit(self, clip, write_policy, origin):
        config = write_policy(origins={"o": {"url": origin.url}}, limits={"manifest": "64KiB"})
        origin.fields["Content-Encoding"] = "gzip"
        origin.answers[TARGET] = gzip.compress(WHOLE.encode())
        assert len(names(clip(f"http://gate.example{TARGET}", config=config).stdout)) == 3
        origin.answers[TARGET] = gzip.compress(WHOLE.encode() + bytes(1 << 20))
        result = clip(f"http://gate.example{TARGET}", config=config)
        assert result.exit_code == 2
        assert result.stderr == f"gate: {origin.url}{TARGET}: more than 65536 bytes (limits.manifest)\n"
        origin.answers[TARGET] = b"not packed"
        result = clip(f"http://gate.example{TARGET}", config=config)
        assert (result.exit_code, result.stderr) == (
            2,
            "gate: the origin's playlist is not encoded as it says\n",
        )

    def test_that_has_nothing_is_told(self, clip, at_origin, origin):
        result = clip(f"http://gate.example{TARGET}", config=at_origin)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"gate: {origin.url}/base{TARGET}: the origin answers 404\n"

    def test_that_is_down_is_told(self, clip, write_policy):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        config = write_policy(origins={"origin": {"url": f"http://127.0.0.1:{port}"}})
        result = clip(f"http://gate.example{TARGET}", config=config)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("gate: ")
        assert result.stderr.count("\n") == 1

    def test_a_redirect_is_not_followed(self, clip, at_origin, origin):
        origin.statuses[f"/base{TARGET}"] = 302
        result = clip(f"http://gate.example{TARGET}", config=at_origin)
        assert result.stderr.endswith(": the origin answers 302\n")

    def test_the_longest_base_path_is_the_origins(self, clip, write_policy, origin):
        streams = [{"match": "/low/**", "origin": "low"}, {"match": "/{resource}/**", "origin": "high"}]
        origins = {"low": {"url": origin.url}, "high": {"url": f"{origin.url}/cam1"}}
        config = write_policy(origins=origins, streams=streams)
        origin.answers[f"/cam1{TARGET}"] = WHOLE.encode()
        assert len(names(clip(f"{origin.url}/cam1{TARGET}", config=config).stdout)) == 3


def test_the_command_itself_writes_bytes_and_nothing_else(policy, file, sign):
    body = WHOLE.encode().replace(b"\n", b"\r\n").replace(b"#EXT-X-VERSION:3", b"#\xff\xfe")
    arguments = ["--config", policy, "--token", sign(dvr=True, copy=True), "--as", TARGET, "-"]
    done = subprocess.run([GATE, "clip", *arguments], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, body)
    assert done.stderr == b"gate: 10 of 10 segments are kept\n"


def test_the_help_has_examples_and_statuses(run):
    shown = run("clip", "--help").stdout
    assert "gate clip --config gate.yaml --token eyJ... --as" in shown
    assert "Status 1: the token may see nothing of it" in shown
    assert "clip " in run("--help").stdout
