"""Every row of permissions and everything that they may permit: asked of one gate, and seen on the other."""

from __future__ import annotations

from typing import Any

import pytest

COLUMNS = [
    "join",
    "read",
    "publish_own",
    "publish_others",
    "mute_other",
    "unmute_other",
    "admit",
    "remove",
    "end",
]
DONE, NO = "done", "command_not_granted"
INVALID, WAITS, OUT = "permissions_invalid", "waiting_for_admission", "entry_not_granted"
# For each row what each column comes to: done, or the reason of the refusal. `admitted`: a host has said yes.
ROWS: dict[str, tuple[list[str], bool, list[str]]] = {
    "allow_join": (["allow_join"], False, [DONE, DONE, DONE, "track_not_yours", NO, NO, DONE, NO, NO]),
    "ask_join": (["ask_join"], False, [WAITS, WAITS, WAITS, "track_not_yours", *[WAITS] * 5]),
    "ask_join admitted": (["ask_join"], True, [DONE, DONE, DONE, "track_not_yours", *[NO] * 5]),
    "allow_mod": (["allow_mod"], False, [OUT, OUT, OUT, "track_not_yours", *["not_joined"] * 5]),
    "allow_join allow_mod": (
        ["allow_join", "allow_mod"],
        False,
        [DONE, DONE, DONE, "track_not_yours", *[DONE] * 5],
    ),
    "ask_join allow_join": (["ask_join", "allow_join"], False, [INVALID] * 9),
    "ask_join allow_mod": (["ask_join", "allow_mod"], False, [INVALID] * 9),
    "all of them": (["ask_join", "allow_join", "allow_mod"], False, [INVALID] * 9),
    "none": ([], False, [INVALID] * 9),
    "an unknown one": (["allow_join", "allow_all"], False, [INVALID] * 9),
}


def came_to(got: Any) -> str:
    if 200 <= got.status < 300 and got.status != 202:
        return DONE
    assert got.reason is not None, (got.status, got.body)
    return str(got.reason)


class Actor:
    """Somebody of a row, on the second gate; the host and the other guest are on the first."""

    def __init__(self, meet: Any, host: Any, text: str) -> None:
        self.meet, self.host, self.text = meet, host, text
        self.gate = meet.gates[1]
        self.link = ""

    async def join(self) -> Any:
        got = await self.meet.ask_in(self.gate, self.text)
        if got.status in {200, 202}:
            self.link = got.json["link"]
        return got

    async def ask(self, path: str, method: str = "GET", **options: Any) -> Any:
        if self.link:
            return await self.meet.ask(self.gate, f"{self.link}{path}", method, **options)
        return await self.meet.ask(self.gate, path, method, headers={"Authorization": self.text}, **options)

    async def command(self, name: str, **data: Any) -> Any:
        return await self.ask(f"/v2/rooms/{self.meet.room}/{name}", "POST", json=data)

    async def do(self, column: str) -> Any:
        media = f"/rooms/{self.meet.room}"
        match column:
            case "read":
                got = await self.ask(f"{media}/host/webcam/index.m3u8")
                if got.status == 302:
                    got = await self.meet.ask(self.gate, got.headers["Location"])
                return got
            case "publish_own":
                return await self.ask(f"{media}/actor/mic/one.ts", "PUT", data=b"mine")
            case "publish_others":
                return await self.ask(f"{media}/host/mic/one.ts", "PUT", data=b"not mine")
            case "mute_other":
                return await self.command("disablePeerMic", peerId="host")
            case "unmute_other":
                return await self.command("enablePeerMic", peerId="host")
            case "admit":
                return await self.command("respondEntry", id="knocker", decision="allowed")
            case "remove":
                return await self.command("removePeer", peerId="other")
            case _:
                return await self.command("closeRoom")


@pytest.mark.parametrize("row", ROWS)
async def test_a_row(meet: Any, row: str) -> None:
    permissions, admitted, expected = ROWS[row]
    one = meet.gates[0]
    host = await meet.join(one, "allow_join", "allow_mod", participantId="host")
    await meet.join(one, "allow_join", participantId="other")
    await meet.join(one, "ask_join", participantId="knocker")
    actor = Actor(meet, host, meet.token(*permissions, participantId="actor"))
    outcomes = {}
    async with host.listening() as heard:
        joined = await actor.join()
        if admitted:
            await heard.wait("entryRequested", id="actor")
            assert (await host.command("respondEntry", id="actor", decision="allowed")).status == 200
            joined = await actor.join()
        outcomes["join"] = came_to(joined)
        for column in COLUMNS[1:]:
            outcomes[column] = came_to(await actor.do(column))
        assert outcomes == dict(zip(COLUMNS, expected, strict=True))
        # What was done on the second gate is seen on the first within a second; what was refused is not.
        if DONE in expected[:1]:
            await heard.wait("newPeer", 1, id="actor")
        if outcomes["mute_other"] == DONE:
            await heard.wait("participantMediaStateChanged", 1, peerId="host", kind="mic", newState="disabled")
            await heard.wait("micRequested", 1, peerId="actor")
        if outcomes["admit"] == DONE:
            await heard.wait("entryResponded", 1, id="knocker", decision="allowed")
            await heard.wait("newPeer", 1, id="knocker")
        if outcomes["remove"] == DONE:
            await heard.wait("peerClosed", 1, peerId="other", reason="removed")
        if outcomes["end"] == DONE:
            assert (await heard.wait("error", 1))["reason"] == "room_closed"
            assert await meet.people() == []
        else:
            mine = ["actor"] if DONE in expected[:1] else []
            let_in = ["knocker"] if outcomes["admit"] == DONE else []
            assert await meet.people() == sorted([*mine, "host", *let_in, "other"])
            told = {name for name, _ in heard.events}
            assert told <= {"roomState", "newPeer", "entryRequested", "entryResponded"}


@pytest.mark.parametrize("roles", [["crawler"], []])
async def test_a_token_of_the_server_is_for_the_api_only(meet: Any, roles: list[str]) -> None:
    text = meet.token("allow_join", "allow_mod", participantId="actor", roles=roles)
    actor = Actor(meet, None, text)
    for column in ("join", "read", "publish_own"):
        got = await (actor.join() if column == "join" else actor.do(column))
        assert (got.status, got.reason, got.code) == (403, "role_not_granted", "4024"), column


async def test_a_token_of_a_participant_is_for_media_only(meet: Any) -> None:
    text = meet.token("allow_join", "allow_mod", roles=["rtc"])
    for path, method in [
        ("/v2/rooms", "GET"),
        ("/v2/rooms", "POST"),
        (f"/v2/rooms/validate/{meet.room}", "GET"),
        ("/v2/rooms/deactivate", "POST"),
        ("/v2/sessions", "GET"),
        ("/v2/sessions/end", "POST"),
        ("/v2/sessions/participants/remove", "POST"),
    ]:
        options = {"json": {"roomId": meet.room, "participantId": "x"}} if method == "POST" else {}
        got = await meet.call(path, method, auth=text, **options)
        assert (got.status, got.reason, got.code) == (403, "role_not_granted", "4024"), path


@pytest.mark.parametrize(
    ("permissions", "may"),
    [(["allow_join"], False), (["ask_join"], False), (["allow_join", "allow_mod"], True)],
)
async def test_without_roles_a_token_ends_and_removes_as_a_moderator_only(
    meet: Any, permissions: list[str], may: bool
) -> None:
    await meet.join(meet.gates[0], "allow_join", participantId="other")
    text = meet.token(*permissions)
    # A guest who has to ask is not told either who is there.
    seen = 403 if "ask_join" in permissions else 200
    for path in (f"/v2/rooms/validate/{meet.room}", f"/v2/sessions?roomId={meet.room}"):
        assert (await meet.call(path, auth=text)).status == seen
    for path in ("/v2/sessions/participants/remove", "/v2/sessions/end", "/v2/rooms/deactivate"):
        got = await meet.call(path, "POST", auth=text, json={"roomId": meet.room, "participantId": "other"})
        assert (got.status, got.reason) == ((200, None) if may else (403, NO)), path
        if path.endswith("remove") and may:
            await meet.join(meet.gates[1], "allow_join", participantId="another")
