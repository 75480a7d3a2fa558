"""The demo's links, one table for all: the terminal prints it, the page shows it, `--check` walks it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gate.core.reasons import Reason
from gate.demo.link import Act, Link, Media, Outcome, Step, refusal

Sign = Callable[[Mapping[str, Any]], str]

TTL_S: Final = 12 * 3600
_HLS_SESSION_S: Final = 6
_ENDLESS_SESSION_S: Final = 5
# The archive's window: old enough that nothing of it is live any more, young enough for an archive that was
# begun with the demo.
_WINDOW_AGO_S: Final = 110
_WINDOW_S: Final = 60
_SHIFTED_S: Final = 6
# As much as the cameras keep.
_REWIND_S: Final = 3600


_PLAYLIST: Final = Outcome((302, 200, 200))
_AGAIN: Final = Outcome((200, 200))
_PART: Final = Outcome((302, 206))
_PUBLIC_PART: Final = Outcome((206,))
_ENDLESS: Final = Outcome((302, 200))
_IMAGE: Final = Outcome((200,))


def links(sign: Sign, now_s: int) -> tuple[Link, ...]:
    """The demo's links, with tokens of their own: what one set has used up leaves another untouched.

    `sign` makes a token of claims, under the demo's key. The links are good for TTL_S from `now_s`.
    """

    def live(stream: str = "cam1", name: str = "index.m3u8", **claims: Any) -> str:
        return f"/{stream}/{name}?token={_token(sign, now_s, 'cam1', claims)}"

    open_to_cam1 = _token(sign, now_s, "cam1", {})
    head, _, signature = open_to_cam1.rpartition(".")
    forged = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    clip = _token(sign, now_s, "clip.mp4", {"live": None})
    opens, refused = _opens, _refused
    return (
        Link(
            "live", "Plays", "Live stream", f"/cam1/index.m3u8?token={open_to_cam1}", Media.PLAYLIST,
            "The token grants cam1 and live viewing. The gate redirects to a session link, and playlist and "
            "segments come byte for byte from the origin under that link.",
            (opens(_PLAYLIST),),
        ),
        Link(
            "file", "Plays", "Video file", f"/video/clip.mp4?token={clip}", Media.FILE,
            "An MP4 on no timeline, granted by name. A player seeks in it by Range; the gate passes that on.",
            (opens(_PART),),
        ),
        Link(
            "public", "Plays", "Public file", "/public/clip.mp4", Media.FILE,
            "The policy says `access: public` for this path: no token, no session, no redirect.",
            (opens(_PUBLIC_PART),),
        ),
        Link(
            "other-stream", "Refused", "Another stream", f"/cam2/index.m3u8?token={open_to_cam1}",
            Media.PLAYLIST, "The live stream's token again, but it grants cam1 and this is cam2.",
            (refused(Reason.RESOURCE_NOT_GRANTED),),
        ),
        Link(
            "no-token", "Refused", "No token", "/cam1/index.m3u8", Media.PLAYLIST,
            "The stream is private, and nothing says who asks.",
            (refused(Reason.TOKEN_MISSING),),
        ),
        Link(
            "expired", "Refused", "Expired token", live(exp=now_s - 60), Media.PLAYLIST,
            "A good token that ended a minute ago.",
            (refused(Reason.TOKEN_EXPIRED),),
        ),
        Link(
            "not-live", "Refused", "No right to live", live(live=None), Media.PLAYLIST,
            "The token grants cam1, but says nothing of `live`: what is not granted is refused.",
            (refused(Reason.LIVE_NOT_GRANTED),),
        ),
        Link(
            "forged", "Refused", "Broken signature", f"/cam1/index.m3u8?token={forged}", Media.PLAYLIST,
            "The live stream's token with one character of its signature changed.",
            (refused(Reason.TOKEN_SIGNATURE),),
        ),
        Link(
            "encoded", "Refused", "Another spelling", f"/%63am1/index.m3u8?token={open_to_cam1}",
            Media.PLAYLIST, "`%63` is the letter c. The gate forwards the bytes that it decided on, and takes "
            "one spelling of a path only.",
            (refused(Reason.MALFORMED_TARGET),),
        ),
        Link(
            "limit", "Counted", "Three sessions", live(session_limit=3), Media.PLAYLIST,
            "`session_limit` 3: three openings play, and the token has then opened all that it may.",
            (opens(_PLAYLIST, times=3), refused(Reason.SESSION_LIMIT)),
        ),
        Link(
            "single-use", "Counted", "Single use", live(single_use=True), Media.PLAYLIST,
            "A token that opens one session, ever. It counts when the first media flows, so that the preview "
            "of a chat program does not use it up.",
            (opens(_PLAYLIST), refused(Reason.SESSION_LIMIT)),
        ),
        Link(
            "copied", "Counted", "Copied session link", live(session_limit=2), Media.PLAYLIST,
            "`session_limit` 2. The address that the first opening redirects to is a session link: copied to "
            "other players it plays any number of times and counts once, so a second opening still plays.",
            (
                opens(_PLAYLIST),
                Step(Act.REUSE, _AGAIN, times=20),
                opens(_PLAYLIST),
                refused(Reason.SESSION_LIMIT),
            ),
        ),
        Link(
            "short", "Ends", "Short session", live(usage_expiration_time=_HLS_SESSION_S), Media.PLAYLIST,
            f"`usage_expiration_time` {_HLS_SESSION_S}: the session plays for {_HLS_SESSION_S} seconds, then "
            "its link answers 401. The token can open another.",
            (opens(_PLAYLIST), Step(Act.OUTLIVE, refusal(Reason.SESSION_EXPIRED))),
            session_s=_HLS_SESSION_S,
        ),
        Link(
            "cut", "Ends", "Running response",
            live(name="mpegts", usage_expiration_time=_ENDLESS_SESSION_S), Media.ENDLESS,
            f"One endless MPEG-TS response. After {_ENDLESS_SESSION_S} seconds the session is over, and the "
            "response is cut while it runs.",
            (opens(_ENDLESS), Step(Act.OUTLIVE, refusal(Reason.SESSION_EXPIRED))),
            session_s=_ENDLESS_SESSION_S,
        ),
        *_archive(sign, now_s),
    )  # fmt: skip


def _archive(sign: Sign, now_s: int) -> tuple[Link, ...]:
    """The links into the archive: tokens for one minute of it, and what is asked for beside it."""
    start_s = (now_s - _WINDOW_AGO_S) // 10 * 10
    end_s = start_s + _WINDOW_S
    minute = f"index-{start_s}-{_WINDOW_S}.m3u8"
    download = f"archive-{start_s}-10.mp4"

    def archive(name: str, **claims: Any) -> str:
        every = {"live": None, "dvr": True, "from": start_s, "to": end_s, **claims}
        return f"/cam1/{name}?token={_token(sign, now_s, 'cam1', every)}"

    def image(at_s: int) -> str:
        return archive(f"{datetime.fromtimestamp(at_s, UTC):%Y/%m/%d/%H/%M/%S}.jpg")

    group, opens, refused = "Archive", _opens, _refused
    return (
        Link(
            "inside", group, "Inside the window", archive(minute), Media.PLAYLIST,
            "The token grants `dvr` from one instant to another, a minute of the archive, and this is that "
            "minute: playlist and every segment.",
            (opens(_PLAYLIST),),
        ),
        Link(
            "outside", group, "Outside the window", archive(f"index-{end_s}-10.m3u8"), Media.PLAYLIST,
            "The ten seconds that begin when the token's window ends. Touching is not overlapping.",
            (refused(Reason.OUTSIDE_WINDOW),),
        ),
        Link(
            "across", group, "Across its end", archive(f"index-{end_s - 20}-30.m3u8"), Media.PLAYLIST,
            "Twenty seconds of the window and ten beyond it. The playlist is clipped: it ends with the window, "
            "and its segments play.",
            (opens(_PLAYLIST),),
            clipped_to=(start_s, end_s),
        ),
        Link(
            "rewind", group, "An hour to rewind", archive(f"rewind-{_REWIND_S}.m3u8"), Media.PLAYLIST,
            "Live, with an hour to go back in. The token has no right to live: of all that, the playlist lists "
            "the minute of the window, and says that it is complete.",
            (opens(_PLAYLIST),),
            clipped_to=(start_s, end_s),
        ),
        Link(
            "no-archive", group, "No right to the archive", archive(minute, live=True, dvr=None),
            Media.PLAYLIST, "The same minute, but the token grants `live` only.",
            (refused(Reason.DVR_NOT_GRANTED),),
        ),
        Link(
            "archive-expired", group, "Expired token", archive(minute, exp=now_s - 60), Media.PLAYLIST,
            "The same minute. It may still be watched, but no longer with this token.",
            (refused(Reason.TOKEN_EXPIRED),),
        ),
        Link(
            "preview", group, "Preview image", image(start_s + 5), Media.IMAGE,
            "One frame of the archive needs the same right as the video of that second. No session: a page may "
            "show a hundred of them.",
            (opens(_IMAGE),),
        ),
        Link(
            "preview-outside", group, "Preview, a second early", image(start_s - 1), Media.IMAGE,
            "The second before the window begins. Thumbnails are how archives leak.",
            (refused(Reason.OUTSIDE_WINDOW),),
        ),
        Link(
            "download", group, "Download, single use", archive(download, copy=True, single_use=True),
            Media.FILE, "Ten seconds as an MP4 need `copy`. The token is good for one download.",
            (opens(_PART), refused(Reason.SESSION_LIMIT)),
        ),
        Link(
            "download-across", group, "Download across its end",
            archive(f"archive-{end_s - 20}-30.mp4", copy=True), Media.FILE,
            "A file is not cut on its way: what lies across a bound is refused. `gate explain` writes the URL "
            "that would play; with `on_overrun: clip` the gate asks the origin for that.",
            (refused(Reason.PARTLY_OUTSIDE_WINDOW),),
        ),
        Link(
            "no-copy", group, "No right to download", archive(download), Media.FILE,
            "The same ten seconds: who may watch them may not yet take them home.",
            (refused(Reason.COPY_NOT_GRANTED),),
        ),
        Link(
            "one-at-a-time", group, "One playback at once", archive(minute, max_concurrent=1), Media.PLAYLIST,
            "`max_concurrent` 1: while the first opening plays, another one's media is refused. A minute after "
            "the first has stopped, there is room again.",
            (opens(_PLAYLIST), opens(Outcome((302, 200, 409), Reason.TOO_MANY_PLAYBACKS.value))),
        ),
        Link(
            "shifted", group, "Shifted live", archive(f"timeshift_abs-{end_s - _SHIFTED_S}.ts"), Media.ENDLESS,
            f"Live, shifted to {_SHIFTED_S} seconds before the window ends: an endless stream, which ends with "
            "the window.",
            (opens(_ENDLESS),),
            runs_s=_SHIFTED_S,
        ),
    )  # fmt: skip


def _token(sign: Sign, now_s: int, resource: str, claims: Mapping[str, Any]) -> str:
    """A token for one live stream; `claims` override, None removes."""
    every = {
        "jti": secrets.token_urlsafe(9),
        "grants": {"read": {"resources": [resource]}},
        "live": True,
        "exp": now_s + TTL_S,
        **claims,
    }
    return sign({name: value for name, value in every.items() if value is not None})


def _opens(outcome: Outcome, times: int = 1) -> Step:
    return Step(Act.OPEN, outcome, times)


def _refused(reason: Reason) -> Step:
    return Step(Act.OPEN, refusal(reason))
