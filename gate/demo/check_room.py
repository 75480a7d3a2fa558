"""A walk through the demo's room, over real HTTP, as pages and players do it: what was expected, and what came.

What is watched is compared with what the origin has, byte for byte.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import aiohttp
from yarl import URL

from gate.core.reasons import Reason
from gate.core.room import Permission
from gate.demo.camera import PLAYLIST
from gate.demo.link import Outcome, refusal
from gate.demo.meeting import OTHER, SPEAKER, Meeting
from gate.demo.story import Answer, Deed, Story, ask, hear

_PATIENCE_S: Final = 10.0
# How long a camera may take to come back, and how often it is looked for.
_BACK_WITHIN_S: Final = 20.0
_PAUSE_S: Final = 0.5
_DONE: Final = Outcome((200,))
_PLAYS: Final = Outcome((200, 200))
_MUTED: Final = refusal(Reason.MUTED)
_MODERATOR: Final = (Permission.ALLOW_JOIN, Permission.ALLOW_MOD)
_GUEST: Final = (Permission.ASK_JOIN,)


async def walk_room(meeting: Meeting, gate_url: str, origin_url: str) -> list[Story]:
    """The stories of a guest who knocks, and of a camera that is muted, side by side. `origin_url` is that of
    the tracks."""
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=_PATIENCE_S)
    ) as http:
        walker = _Walker(http, meeting, gate_url, origin_url)
        told = (hear("A guest knocks", walker.guest()), hear("A camera is muted", walker.muted()))
        return list(await asyncio.gather(*told))


@dataclass(frozen=True, slots=True)
class _Person:
    """Who has joined or knocks: what came of it, and what their URLs begin with."""

    id: str
    answer: Answer
    link: str = ""
    events: str = ""


class _Walker:
    """Does what pages do, and what their application's server does."""

    def __init__(self, http: aiohttp.ClientSession, meeting: Meeting, gate_url: str, origin_url: str) -> None:
        self._http = http
        self._meeting = meeting
        self._gate_url = gate_url
        self._origin_url = origin_url

    async def guest(self) -> AsyncGenerator[Deed]:
        """From the knock to the removal."""
        host = await self._join(*self._sign("Host", _MODERATOR))
        yield Deed("the host joins", _DONE, host.answer.outcome)
        name, token = self._sign("Guest", _GUEST)
        guest = await self._join(name, token)
        waiting = refusal(Reason.WAITING_FOR_ADMISSION)
        yield Deed("a guest knocks", replace(waiting, statuses=(202,)), guest.answer.outcome)
        yield Deed("its player, meanwhile", waiting, await self._look(guest, OTHER))
        yield Deed("the host is told", _DONE, await self._hear_knock(host, guest))
        allowed = {"id": guest.id, "decision": "allowed"}
        not_granted = refusal(Reason.COMMAND_NOT_GRANTED)
        yield Deed("admits itself", waiting, await self._command(guest, "respondEntry", allowed))
        yield Deed("the host admits it", _DONE, await self._command(host, "respondEntry", allowed))
        yield Deed(f"plays {OTHER}", _PLAYS, await self._play(guest, OTHER))
        peer = {"peerId": OTHER}
        yield Deed(f"mutes {OTHER}", not_granted, await self._command(guest, "disablePeerWebcam", peer))
        published = await self._publish(f"{guest.link}/{self._meeting.track(OTHER)}", {})
        yield Deed(f"publishes as {OTHER}", refusal(Reason.TRACK_NOT_YOURS), published)
        yield Deed("the host removes it", _DONE, await self._command(host, "removePeer", {"peerId": guest.id}))
        removed = refusal(Reason.REMOVED_FROM_ROOM)
        yield Deed("its player, after that", removed, await self._look(guest, OTHER))
        again = await self._join(name, token)
        yield Deed("knocks again", removed, again.answer.outcome)
        yield Deed("the host leaves", _DONE, await self._command(host, "leave", {}))

    async def muted(self) -> AsyncGenerator[Deed]:
        """From live to live again."""
        host = await self._join(*self._sign("Moderator", _MODERATOR))
        yield Deed("a moderator joins", _DONE, host.answer.outcome)
        yield Deed(f"plays {SPEAKER}", _PLAYS, await self._play(host, SPEAKER))
        peer = {"peerId": SPEAKER}
        yield Deed("mutes it", _DONE, await self._command(host, "disablePeerWebcam", peer))
        yield Deed("a player, then", _MUTED, await self._look(host, SPEAKER))
        owner = {"Authorization": self._meeting.camera_token(SPEAKER, int(time.time()))}
        published = await self._publish(f"/{self._meeting.track(SPEAKER)}", owner)
        yield Deed("its camera, then", refusal(Reason.TRACK_DISABLED), published)
        yield Deed("asks for it again", _DONE, await self._command(host, "enablePeerWebcam", peer))
        yield Deed("a player, still", _MUTED, await self._look(host, SPEAKER))
        agreed = await self._post(self._meeting.command("acceptWebcam"), {}, owner)
        yield Deed("its owner agrees", _DONE, agreed.outcome)
        yield Deed("plays again", _PLAYS, await self._play(host, SPEAKER))
        yield Deed("leaves", _DONE, await self._command(host, "leave", {}))

    def _sign(self, name: str, permissions: tuple[Permission, ...]) -> tuple[str, str]:
        """A participant of its own, and its token."""
        participant = f"{name}-{secrets.token_hex(4)}"
        return participant, self._meeting.sign(int(time.time()), participant, permissions)

    async def _join(self, participant: str, token: str) -> _Person:
        answer = await self._post(
            self._meeting.command("join"), {"name": participant}, {"Authorization": token}
        )
        if not answer.outcome.plays:
            return _Person(participant, answer)
        said = json.loads(answer.body)
        return _Person(participant, answer, said["link"], said["events"])

    async def _hear_knock(self, host: _Person, guest: _Person) -> Outcome:
        """200 where the host's events tell of the guest."""
        url = URL(self._gate_url).join(URL(host.events, encoded=True))
        # The stream goes on for as long as the host is in: too long is what it takes without the guest.
        with suppress(TimeoutError, aiohttp.ClientError):
            async with self._http.get(url) as answer:
                if answer.status != 200:
                    return Outcome((answer.status,), answer.headers.get("Gate-Reason", ""))
                async for line in answer.content:
                    if guest.id.encode() in line:
                        return _DONE
        return Outcome((200,), fault="the guest is not in the events")

    async def _play(self, person: _Person, camera: str) -> Outcome:
        """The playlist and its newest segment, which is to be the origin's; within the time that a camera
        takes to come back."""
        track = self._meeting.track(camera)
        got, deadline = Outcome(()), time.monotonic() + _BACK_WITHIN_S
        while time.monotonic() < deadline:
            listed = await self._get(f"{person.link}/{track}/{PLAYLIST}")
            names = [
                line for line in listed.body.decode("ascii", "replace").split("\n") if line.endswith(".ts")
            ]
            if listed.status == 200 and names:
                segment = await self._get(f"{person.link}/{track}/{names[-1].rpartition('/')[2]}")
                got = replace(segment.outcome, statuses=(200, *segment.outcome.statuses))
                if segment.status == 200:
                    kept = await ask(self._http, "GET", f"{self._origin_url}/{track}/{names[-1]}")
                    return got if kept.body == segment.body else replace(got, fault="not the camera's bytes")
            else:
                got = replace(listed.outcome, fault="nothing to play")
            if got.statuses[:1] not in {(200,), (404,)}:
                break
            await asyncio.sleep(_PAUSE_S)
        return got

    async def _look(self, person: _Person, camera: str) -> Outcome:
        return (await self._get(f"{person.link}/{self._meeting.track(camera)}/{PLAYLIST}")).outcome

    async def _publish(self, folder: str, headers: Mapping[str, str]) -> Outcome:
        url = f"{self._gate_url}{folder}/check.ts"
        return (await ask(self._http, "PUT", url, b"check", headers)).outcome

    async def _command(self, person: _Person, name: str, data: Mapping[str, Any]) -> Outcome:
        return (await self._post(person.link + self._meeting.command(name), data, {})).outcome

    async def _get(self, path: str) -> Answer:
        return await ask(self._http, "GET", self._gate_url + path)

    async def _post(self, path: str, data: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
        body = json.dumps(data).encode()
        typed = {"Content-Type": "application/json", **headers}
        return await ask(self._http, "POST", self._gate_url + path, body, typed)
