"""Rooms, as an application's server makes and deactivates them."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gate.api.videosdk_caller import Caller
from gate.api.videosdk_documents import Document, describe_page, describe_room
from gate.api.videosdk_reading import read_name, read_options, read_paging, read_query
from gate.api.videosdk_refusals import Refusal
from gate.core.reasons import Deny, Reason
from gate.core.room import Permission, Room, Use
from gate.core.room_steps import SERVER, Step, close
from gate.core.target import Target
from gate.errors import UsageError
from gate.rooms.desk import Desk
from gate.store.rooms import Rooms

_LETTERS: Final = string.ascii_lowercase + string.digits
# No room has a longer name: an id of ours, or one of the application's.
_LONGEST_NAME: Final = 128


@dataclass(frozen=True, slots=True)
class Call:
    """What a server asks. `names` are those of the path, `base` what links begin with: scheme and authority."""

    caller: Caller
    target: Target
    names: tuple[str, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""
    now: float = 0.0

    @property
    def application(self) -> str:
        return self.caller.application.name


Outcome = Document | Deny | Refusal


def check_server(caller: Caller, *, moderates: bool) -> Deny | None:
    """None where the caller may do what servers do; where it `moderates`, a participant's token must say so.

    A session link travels to players and is copied: it is no server's. Neither is a token whose holder has to
    ask to come in, unless its role says so.
    """
    if caller.ticket is not None:
        return Deny(Reason.ROLE_NOT_GRANTED, "a session link is its participant's, not a server's")
    if (refusal := caller.check_use(Use.API)) is not None:
        return refusal
    room_pass = caller.room_pass
    if Use.MEDIA not in room_pass.uses:
        return None
    if Permission.ASK_JOIN in room_pass.permissions:
        return Deny(Reason.COMMAND_NOT_GRANTED, "a token with ask_join does nothing of a server's")
    if not moderates or Permission.ALLOW_MOD in room_pass.permissions:
        return None
    return Deny(Reason.COMMAND_NOT_GRANTED, "the token's permissions lack allow_mod")


async def locate(rooms: Rooms, caller: Caller, name: str) -> str | Deny:
    """The id of the room of this id or custom id, which the caller's token is for. Raises StoreError."""
    known = 0 < len(name) <= _LONGEST_NAME
    found = await rooms.find(caller.application.name, name) if known else None
    if (refusal := caller.check_room(found or name)) is not None:
        return refusal
    return found or Deny(Reason.ROOM_UNKNOWN)


class RoomCalls:
    """What servers do with rooms. Every call raises StoreError, and UsageError for what cannot be read."""

    def __init__(self, rooms: Rooms, desk: Desk) -> None:
        self._rooms = rooms
        self._desk = desk

    async def create(self, call: Call) -> Outcome:
        """There is such a room: the one of this custom id as it was made, else a new one."""
        options = read_options(call.body)
        if options.custom_id:
            found = await self._rooms.find(call.application, options.custom_id)
            room = None if found is None else await self._read(call, found)
            if room is not None:
                if room.custom_id != options.custom_id:
                    raise UsageError("customRoomId: another room has this as its id")
                return call.caller.check_room(room.id) or describe_room(room, call.base)
        if call.caller.room_pass.room is not None:
            return Deny(Reason.ROOM_NOT_GRANTED, "it makes no rooms")
        at_ms = round(call.now * 1000)
        room = Room(
            application=call.application,
            id=make_room_id(),
            custom_id=options.custom_id,
            made_ms=at_ms,
            changed_ms=at_ms,
            allowed=options.allowed,
            settings=options.settings,
        )
        return describe_room(await self._rooms.create(room), call.base)

    async def list(self, call: Call) -> Outcome:
        """One page of rooms, youngest first; with `query`, or by a token for one, only that of the name."""
        query = read_query(call.target, "page", "perPage", "query")
        paging = read_paging(query)
        name = query.get("query") or call.caller.room_pass.room
        if name is None:
            found, total = await self._rooms.page(call.application, paging.first, paging.per_page)
        else:
            room = await self._find(call, name)
            if isinstance(room, Deny) and room.reason is not Reason.ROOM_UNKNOWN:
                return room
            every = [] if isinstance(room, Deny) else [room]
            found, total = every[paging.first :], len(every)
        return describe_page(paging, total, [describe_room(room, call.base) for room in found])

    async def get(self, call: Call) -> Outcome:
        """The room of this id or custom id."""
        room = await self._find(call, call.names[0])
        return room if isinstance(room, Deny) else describe_room(room, call.base)

    async def deactivate(self, call: Call) -> Outcome:
        """Nobody is in the room, or comes in ever again. As at the vendor's, no custom id names it here."""
        name = read_name(call.body, "roomId")
        if not name:
            raise UsageError("roomId: an id is needed")
        found = await locate(self._rooms, call.caller, name)
        if isinstance(found, Deny):
            return found
        if found != name:
            return Refusal(Deny(Reason.ROOM_UNKNOWN, "its roomId is needed, not its customRoomId"), 402)
        step = await self._desk.do(call.application, found, _deactivate)
        return Deny(Reason.ROOM_UNKNOWN) if step is None else describe_room(step.room, call.base)

    async def _find(self, call: Call, name: str) -> Room | Deny:
        found = await locate(self._rooms, call.caller, name)
        if isinstance(found, Deny):
            return found
        return await self._read(call, found) or Deny(Reason.ROOM_UNKNOWN)

    async def _read(self, call: Call, room: str) -> Room | None:
        found, _ = await self._rooms.read(call.application, room)
        return found


def make_room_id() -> str:
    """A new room's id, in the vendor's form: three groups of four letters and digits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3))


def _deactivate(room: Room, now_ms: int) -> Step:
    return Step(room) if room.disabled else close(room, SERVER, now_ms, disable=True)
