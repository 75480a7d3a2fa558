"""Whatever two gates do to one room, in whatever order: their copies are equal, and equal to the store's."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.core.reasons import Deny
from gate.core.room import DEFAULT_ROOM_RULES, Room, TrackKind
from gate.core.room_steps import (
    SERVER,
    answer_request,
    close,
    disable_all,
    disable_track,
    enable_track,
    pass_time,
    remove,
)
from gate.rooms.desk import Command

APP = "demo"
NAMES = ("ann", "bob", "gus", "gil")

one_of_them = st.sampled_from(NAMES)
actions = st.one_of(
    st.tuples(st.just("come"), one_of_them, one_of_them),
    st.tuples(st.sampled_from(["go", "lapse", "agree", "listen"]), one_of_them, one_of_them),
    st.tuples(st.sampled_from(["admit", "deny", "remove", "mute", "unmute"]), one_of_them, one_of_them),
    st.tuples(st.sampled_from(["close", "silence"]), st.sampled_from((SERVER, "ann")), one_of_them),
)
# Which gate does it, whether it waits for all before it, whether its gate is deaf meanwhile.
scripts = st.lists(st.tuples(st.integers(0, 1), st.booleans(), st.booleans(), actions), max_size=25)


def command(kind: str, actor: str, name: str, people: dict[str, Any], cast: Any) -> Command:
    def act(room: Room, now_ms: int) -> Any:
        mic = TrackKind.MIC
        match kind:
            case "go":
                return cast.go(people[actor])(room, now_ms)
            case "lapse":
                return pass_time(room, actor, DEFAULT_ROOM_RULES, now_ms)
            case "agree":
                return answer_request(room, actor, mic, True, now_ms)
            case "admit" | "deny":
                return cast.say(actor, name, kind == "admit")(room, now_ms)
            case "remove":
                return remove(room, actor, name, now_ms)
            case "mute":
                return disable_track(room, actor, name, mic, now_ms)
            case "unmute":
                return enable_track(room, actor, name, mic, DEFAULT_ROOM_RULES, now_ms)
            case "silence":
                return disable_all(room, actor, mic, now_ms)
            case "close":
                return close(room, actor, now_ms)
            case _:
                return cast.come(people[actor])(room, now_ms)

    return act


@pytest.mark.timeout(300)
async def test_copies_agree_with_the_store(make_gate: Any, cast: Any, until: Any) -> None:
    gates = [await make_gate(), await make_gate()]
    loop = asyncio.get_running_loop()

    async def play(script: Any) -> None:
        name = secrets.token_hex(8)
        await gates[0].rooms.create(Room(APP, name, "", 0, 0))
        for each in gates:
            await each.desk.find(APP, name)
        people = {who: cast.asking(who, cast.guest if who[0] == "g" else cast.host) for who in NAMES}
        ears, tasks = [], []
        for at, waits, deaf, (kind, actor, other) in script:
            if waits and tasks:
                await asyncio.gather(*tasks)
            gates[at].deaf = deaf
            if kind == "listen":
                ears.append(gates[at].listen(people[actor], name))
                continue
            if kind == "come" and actor == other:
                # With a younger session of theirs.
                people[actor] = cast.asking(actor, people[actor].permissions)
            act = command(kind, actor, other, people, cast)
            tasks.append(asyncio.ensure_future(gates[at].do(act, name)))
        steps = await asyncio.gather(*tasks)
        for each in gates:
            each.deaf = False
            if any(deaf for _, _, deaf, _ in script):
                each.desk.miss()
        room, _ = await gates[0].rooms.read(APP, name)
        await until(lambda: all(each.desk.get(APP, name) == room for each in gates))
        assert room is not None
        assert all(isinstance(step.answer, Deny) or step.room.id == name for step in steps)
        assert bool(room.meeting) is bool(room.present)
        for ear in ears:
            assert len(ear.ended) <= 1
            ear.stop()

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(scripts)
    def run(script: Any) -> None:
        asyncio.run_coroutine_threadsafe(play(script), loop).result(60)

    await asyncio.to_thread(run)
