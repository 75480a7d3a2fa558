"""The demo's links: what each asks for, and what the gate is to answer.

One table serves everybody: the terminal prints it, the page shows it, and `gate demo --check` walks it. A
link's behaviour is a list of steps, because half of what a gate does shows only at the second opening.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from gate.core.reasons import Reason

Sign = Callable[[Mapping[str, Any]], str]

TTL_S: Final = 12 * 3600
_HLS_SESSION_S: Final = 6
_ENDLESS_SESSION_S: Final = 5


class Media(Enum):
    """What is behind a link, and so how it is watched."""

    PLAYLIST = "playlist"  # HLS: the playlist, then its newest segment
    FILE = "file"  # a part of it, by Range
    ENDLESS = "endless"  # one response that lasts until the session ends


class Act(Enum):
    """What a viewer does with a link."""

    OPEN = "open"  # asks for it, follows the redirect, fetches media
    REUSE = "reuse"  # asks for the session link that the first opening gave, as another viewer
    OUTLIVE = "outlive"  # asks for the session link of the last opening when its session is over


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an act: the statuses in their order, the gate's reason where it refused.

    `fault` says what is wrong with an answer in spite of its status.
    """

    statuses: tuple[int, ...]
    reason: str = ""
    fault: str = ""

    @property
    def plays(self) -> bool:
        return bool(self.statuses) and self.statuses[-1] < 300 and not self.fault

    def __str__(self) -> str:
        statuses = ", ".join(map(str, self.statuses))
        if self.plays:
            return f"plays ({statuses})"
        return ": ".join(filter(None, (f"{statuses} {self.reason}".strip(), self.fault)))


@dataclass(frozen=True, slots=True)
class Step:
    """One act, `times` times, each with the same outcome."""

    act: Act
    outcome: Outcome
    times: int = 1


@dataclass(frozen=True, slots=True)
class Link:
    """A URL to try. `session_s` is how long its sessions last, where that is not as long as the token."""

    name: str
    group: str
    title: str
    path: str
    media: Media
    words: str
    steps: tuple[Step, ...]
    session_s: int | None = None

    @property
    def openings(self) -> tuple[Outcome, ...]:
        """What the first, second, ... opening gives; further ones give what the last does."""
        return tuple(step.outcome for step in self.steps if step.act is Act.OPEN for _ in range(step.times))


_PLAYLIST: Final = Outcome((302, 200, 200))
_AGAIN: Final = Outcome((200, 200))
_PART: Final = Outcome((302, 206))
_PUBLIC_PART: Final = Outcome((206,))
_ENDLESS: Final = Outcome((302, 200))


def written(steps: Sequence[Step], between: str = "; ") -> str:
    """The steps and their outcomes as text, with `between` from one to the next."""
    texts, opened = [], 0
    for step in steps:
        if step.act is Act.OPEN:
            first, opened = opened + 1, opened + step.times
            several = f"{first} to {opened}" if step.times > 1 else f"{first}"
            texts.append(f"opening {several}: {step.outcome}" if opened > 1 else str(step.outcome))
        elif step.act is Act.REUSE:
            texts.append(f"its session link {step.times} times: {step.outcome}")
        else:
            texts.append(f"after its end: {step.outcome}")
    return between.join(texts)


def refusal(reason: Reason) -> Outcome:
    """The outcome of an act that the gate refuses for this reason."""
    return Outcome((reason.rule.status,), reason.value)


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
