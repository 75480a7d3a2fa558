"""The demo's video objects as those see them who use them: URLs of Ziggeo's API behind the gate, and tokens.

The demo is the application's server here: it makes the client-side tokens, and knows the private key.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from gate.core.grants import Action
from gate.core.policy import Ziggeo
from gate.core.reasons import Reason
from gate.demo.link import Act, Link, Media, Outcome, Step, refusal
from gate.demo.links import TTL_S
from gate.errors import GateError
from gate.formats import ziggeo

# The application's name in the demo's policy, and what its origin is called there.
NAME: Final = "videos"
# What is uploaded where nobody chooses a file, and what takes its place. Both are public.
SAMPLE: Final = "/public/clip.mp4"
RETAKE: Final = "/public/retake.mp4"
# All four actions on what the page itself has created.
OWN: Final = {action.value: {"session_owned": True} for action in Action}
_GROUP: Final = "Video objects"
# The key of the seeded video, by which it is found again.
_SEEDED: Final = "seeded"


@dataclass(frozen=True, slots=True)
class Videos:
    """An application of video objects: its credentials, and the `seeded` video, which is there from the start.

    The private key is in the credentials, as a gate has them.
    """

    credentials: Ziggeo
    encryption_key: str = field(repr=False)
    seeded: str

    @property
    def path(self) -> str:
        """Where a POST creates a video, and below which they all are."""
        return f"/v1/applications/{self.credentials.application_token}/videos"

    @property
    def session_path(self) -> str:
        """Where a POST gives a page its session."""
        return f"/v1/applications/{self.credentials.application_token}/session"

    def media(self, video: str) -> str:
        return f"{self.path}/{video}/video.mp4"

    def sign(self, grants: Mapping[str, Any], now_s: int, **limits: int) -> str:
        """A client-side token of its own, good for TTL_S from `now_s`."""
        return ziggeo.write(
            {"grants": grants, "expiration_date": now_s + TTL_S, **limits},
            self.credentials.application_token,
            self.encryption_key,
            iv=secrets.token_bytes(8),
            nonce=secrets.token_hex(12),
        )

    def reads_seeded(self) -> dict[str, Any]:
        """Grants on the seeded video, by its name."""
        return {"read": {"resources": [self.seeded]}}

    def links(self, now_s: int) -> tuple[Link, ...]:
        token = self.sign(self.reads_seeded(), now_s, session_limit=1)
        return (
            Link(
                "video-once", _GROUP, "A video, for one session",
                f"{self.media(self.seeded)}?client_auth={token}", Media.FILE,
                "A client-side token of Ziggeo's format, made without asking anybody: `read` on this one "
                "video, `session_limit` 1. Who opens the link first watches it; the next one is refused.",
                (Step(Act.OPEN, Outcome((302, 206))), Step(Act.OPEN, refusal(Reason.SESSION_LIMIT))),
                origin=NAME,
            ),
        )  # fmt: skip

    def describe(self, now_s: int) -> dict[str, Any]:
        """What the page's script needs for a video of its own: no secret, and a token for this page load."""
        return {
            "videos": self.path,
            "session": self.session_path,
            "parameter": self.credentials.visit_parameter,
            "token": self.sign(OWN, now_s),
            "sample": SAMPLE,
            "retake": RETAKE,
        }


async def seed(origin_url: str, credentials: Ziggeo, clip: Path) -> str:
    """The token of the seeded video, which an earlier run has left or which is now recorded from `clip`.

    The origin is asked directly: it believes everybody. Raises GateError where it does not take the video.
    """
    url = f"{origin_url}/v1/applications/{credentials.application_token}/videos"
    try:
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            async with http.get(url) as answer:
                for video in await answer.json():
                    if video["key"] == _SEEDED and video["state"] == "READY":
                        return str(video["token"])
            form = aiohttp.FormData({"key": _SEEDED, "title": "There from the start"})
            body = await asyncio.to_thread(clip.read_bytes)
            form.add_field("file", body, filename=clip.name, content_type="video/mp4")
            async with http.post(url, data=form) as answer:
                return str((await answer.json())["token"])
    except aiohttp.ClientError as error:
        raise GateError(f"demo: the origin of videos does not take one: {error}") from error
