"""The demo's room as those see it who use it: who may be in it, their tokens, and the URLs behind the gate.

The demo is the application's server here: it makes the room and the participants' tokens, in the format of
VideoSDK's, and knows the API key's secret.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import jwt

from gate.core.policy import ApiKey
from gate.core.room import Permission, TrackKind, Use
from gate.demo.links import TTL_S
from gate.errors import GateError

# The application's name in the demo's policy, and what its origin is called there.
NAME: Final = "meet"
ORIGIN: Final = "tracks"
_CUSTOM_ID: Final = "gate-demo"
HOST: Final = "Host"
# Who has a camera. Of the first one there is a page, on which somebody answers; the other says yes to all.
SPEAKER: Final = "Ada"
OTHER: Final = "Ben"
CAMERAS: Final = (SPEAKER, OTHER)
# The pages, by the word in their query.
PARTS: Final = {
    "host": (Permission.ALLOW_JOIN, Permission.ALLOW_MOD),
    "speaker": (Permission.ALLOW_JOIN,),
    "guest": (Permission.ASK_JOIN,),
}


@dataclass(frozen=True, slots=True)
class Meeting:
    """A room of the application's. The secret is in the key, as a gate has it."""

    key: ApiKey
    room: str

    def sign(
        self,
        now_s: int,
        participant: str | None = None,
        permissions: tuple[Permission, ...] = (Permission.ALLOW_JOIN,),
        *,
        room: str | None = None,
    ) -> str:
        """A token for the room, or another one, good for TTL_S from `now_s`."""
        names = {"roomId": room or self.room, **({"participantId": participant} if participant else {})}
        return _sign(self.key, now_s, permissions, Use.MEDIA, names)

    def camera_token(self, name: str, now_s: int) -> str:
        """The token that a camera publishes with. Its owner's page has the same one, to be the same to the
        room: it lasts for at least half of TTL_S, and is another text after that."""
        half_s = TTL_S // 2
        return self.sign(now_s // half_s * half_s, name)

    def track(self, participant: str) -> str:
        """The folder of a participant's camera: a path without slashes at its ends."""
        return f"rooms/{self.room}/{participant}/{TrackKind.WEBCAM.value}"

    def command(self, name: str) -> str:
        """The path of a command to the room."""
        return f"/v2/rooms/{self.room}/{name}"

    def describe(self, part: str, now_s: int) -> dict[str, Any] | None:
        """What the page's script needs to be this part: a token, fresh for this load unless it is the
        camera's too, and no secret. None where there is no such part."""
        permissions = PARTS.get(part)
        if permissions is None:
            return None
        names = {"host": HOST, "speaker": SPEAKER}
        participant = names.get(part) or f"Guest-{secrets.token_hex(2)}"
        if part == "speaker":
            token = self.camera_token(participant, now_s)
        else:
            token = self.sign(now_s, participant, permissions)
        return {
            "part": part,
            "room": self.room,
            "participant": participant,
            "token": token,
            "admits": Permission.ALLOW_JOIN in permissions,
            "moderates": Permission.ALLOW_MOD in permissions,
            "cameras": CAMERAS,
            "consents": {SPEAKER: "speaker"},
        }


async def open_room(gate_url: str, key: ApiKey, now_s: int) -> Meeting:
    """The demo's room, which an earlier run has left or which the gate has made now. Raises GateError."""
    token = _sign(key, now_s, (Permission.ALLOW_JOIN,), Use.API, {})
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{gate_url}/v2/rooms", json={"customRoomId": _CUSTOM_ID}, headers={"Authorization": token}
            ) as answer,
        ):
            said = await answer.json(content_type=None)
            if answer.ok:
                return Meeting(key, str(said["roomId"]))
            raise GateError(f"demo: the gate makes no room: {answer.status} {said}")
    except (aiohttp.ClientError, KeyError, ValueError, TypeError) as error:
        raise GateError(f"demo: the gate makes no room: {error!r}") from error


async def agree(gate_url: str, meeting: Meeting, name: str, now_s: int) -> None:
    """The camera is on again, if a moderator has asked for it."""
    headers = {"Authorization": meeting.camera_token(name, now_s)}
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http,
            http.post(f"{gate_url}{meeting.command('acceptWebcam')}", json={}, headers=headers),
        ):
            pass


def _sign(
    key: ApiKey, now_s: int, permissions: tuple[Permission, ...], use: Use, names: Mapping[str, str]
) -> str:
    claims = {
        "apikey": key.id,
        "permissions": [permission.value for permission in permissions],
        "version": 2,
        **names,
        "roles": [use.value],
        "iat": now_s,
        "exp": now_s + TTL_S,
    }
    return jwt.encode(claims, key.secret, algorithm="HS256")
