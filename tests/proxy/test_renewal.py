"""What a renewal gives and what it does not: on gates that have not heard of it, without a store, revoked."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from gate.core.token import subject_owner, token_id
from gate.store.embedded import EmbeddedValkey

FULL = {"live": True, "dvr": True, "copy": True}
OWN = {"session_owned": True}
EVERYTHING_OWN = {"read": OWN, "create": OWN, "update": OWN, "destroy": OWN}
SEGMENT = "/ch1/hls/segment1.ts"
PLAYLIST = "/ch1/index.m3u8"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def renew(ask: Any, gate: Any, link: str, token: str) -> dict[str, Any]:
    got = await ask(gate, f"{link}/renew", "POST", headers=bearer(token))
    assert got.status == 200, (got.status, got.body)
    answer: dict[str, Any] = json.loads(got.body)
    return answer


async def revoke(gate: Any, entry: str, *others: Any) -> None:
    """The entry is in force at `gate`, and at the others once this returns."""
    await gate.node.control.revoke(entry, time.time() + 3600)
    ends_at = time.monotonic() + 20
    while not all(entry in other.node.control.revoked.until_s for other in others):
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.01)


def session_of(gate: Any, link: str) -> str:
    return str(gate.node.gatekeeper.tickets.open(link.split("/")[2]).session)


class TestRevokedWhileItCommits:
    @pytest.mark.parametrize("kind", ["token", "session", "subject", "application"])
    @pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
    async def test_an_upload_never_reaches_the_origin(
        self, start_writable: Any, objects: Any, ask: Any, open_session: Any, kind: str, method: str
    ) -> None:
        gate, other = [await start_writable(objects.url) for _ in range(2)]
        everything = {"all": True}
        grants = {"create": everything, "update": everything, "destroy": everything}
        link = await open_session(gate, gate.token(grants=grants, sub="anna", jti="1"))
        entry = {
            "token": f"t:{token_id('demo', '1')}",
            "session": f"s:{session_of(gate, link)}",
            "subject": f"u:{subject_owner('demo', 'anna')}",
            "application": f"a:demo:{int(time.time()) + 1}",
        }[kind]
        ledger = gate.node.gatekeeper._ledger
        commit, committed = ledger.commit, []

        async def commit_and_revoke(*args: Any) -> Any:
            committed.append(await commit(*args))
            await revoke(other, entry, gate)
            return committed[-1]

        ledger.commit = commit_and_revoke
        objects.kept["/files/clip/a"] = b"before"
        got = await ask(gate, f"{link}/files/clip/a", method, data=None if method == "DELETE" else b"x")
        assert (got.status, got.reason) == (401, "revoked")
        assert len(committed) == 1
        assert not objects.seen
        assert objects.kept == {"/files/clip/a": b"before"}


class TestAGateThatHasNotHeard:
    """A token that was revoked since has renewed the session; the gate sees its old link for the first time."""

    @pytest.mark.parametrize("watched", [True, False])
    async def test_it_learns_by_the_commit(
        self, start_gate: Any, media: Any, ask: Any, open_session: Any, watched: bool
    ) -> None:
        gate, cold = [await start_gate(media[0]) for _ in range(2)]
        until = int(time.time()) + 3600
        link = await open_session(gate, gate.token("ch1", sub="anna", jti="1", exp=until, **FULL))
        if watched:
            assert (await ask(gate, link + SEGMENT)).status == 200
        await renew(ask, gate, link, gate.token("ch1", sub="anna", jti="2", exp=until + 60, **FULL))
        await revoke(gate, f"t:{token_id('demo', '2')}", cold)
        for one in (cold, await start_gate(media[0])):
            for client in ("me", "another"):
                # Asked twice: what the commit told is remembered, too.
                for path in (SEGMENT, SEGMENT, PLAYLIST):
                    got = await ask(one, link + path, headers={"User-Agent": client})
                    assert (got.status, got.reason) == (401, "revoked"), path
                    assert b"media of" not in got.body

    async def test_it_learns_before_an_upload(
        self, start_writable: Any, objects: Any, ask: Any, open_session: Any
    ) -> None:
        gate, cold = [await start_writable(objects.url) for _ in range(2)]
        until = int(time.time()) + 3600
        claims = {"grants": {"create": {"all": True}}, "sub": "anna"}
        link = await open_session(gate, gate.token(jti="1", exp=until, **claims))
        await renew(ask, gate, link, gate.token(jti="2", exp=until + 60, **claims))
        await revoke(gate, f"t:{token_id('demo', '2')}", cold)
        assert (await ask(cold, f"{link}/files/a/b", "PUT", data=b"x")).reason == "revoked"
        assert not objects.seen

    @pytest.mark.timed
    async def test_it_learns_by_a_link_that_is_over(
        self, start_gate: Any, media: Any, ask: Any, open_session: Any
    ) -> None:
        gate, cold = [await start_gate(media[0]) for _ in range(2)]
        until = int(time.time()) + 4
        links = {}
        for name in ("revoked", "good"):
            claims = {"sub": name, **FULL}
            links[name] = await open_session(gate, gate.token("ch1", jti=name, exp=until, **claims))
            assert (await ask(gate, links[name] + SEGMENT)).status == 200
            fresh = gate.token("ch1", jti=f"fresh {name}", exp=until + 3600, **claims)
            await renew(ask, gate, links[name], fresh)
        await revoke(gate, f"t:{token_id('demo', 'fresh revoked')}", cold)
        await asyncio.sleep(until - time.time() + 0.2)
        asked = len(media[1])
        for one in (cold, await start_gate(media[0])):
            for path in (PLAYLIST, SEGMENT):
                for method in ("GET", "HEAD"):
                    got = await ask(one, links["revoked"] + path, method)
                    assert (got.status, got.reason) in {(401, "revoked"), (401, "session_expired")}
            got = await ask(one, links["revoked"] + SEGMENT, headers={"Range": "bytes=0-1"})
            assert got.reason in {"revoked", "session_expired"}
        assert (await ask(gate, links["revoked"] + SEGMENT)).reason == "revoked"
        assert len(media[1]) == asked
        # And whose renewal still holds is let on by the same gate.
        assert (await ask(cold, links["good"] + SEGMENT)).status == 200


@pytest.mark.parametrize("how", ["gone", "silent"])
async def test_while_the_store_is_away_a_viewer_is_served_and_not_renewed(
    start_gate: Any, media: Any, ask: Any, open_session: Any, tmp_path: Path, how: str
) -> None:
    async with EmbeddedValkey(tmp_path / "own") as store:
        gate = await start_gate(media[0], store=store.url)
        until = int(time.time()) + 3600
        link = await open_session(gate, gate.token("ch1", sub="anna", jti="1", exp=until, **FULL))
        fresh = gate.token("ch1", sub="anna", jti="2", exp=until + 60, **FULL)
        assert (await ask(gate, link + SEGMENT)).status == 200
        (playing,) = gate.node.gatekeeper._playbacks._playing.values()
        pid = store.pid
        assert pid is not None
        if how == "gone":
            await store.stop()
        else:
            os.kill(pid, signal.SIGSTOP)
        try:
            for path in (SEGMENT, PLAYLIST, SEGMENT):
                got = await ask(gate, link + path, headers=bearer(fresh))
                assert (got.status, got.reason) == (200, None)
            assert (playing.known.ends_at, playing.known.token) == (until, None)
            # The renewal itself cannot be promised.
            got = await ask(gate, f"{link}/renew", "POST", headers=bearer(fresh))
            assert (got.status, got.reason) == (503, "store_unavailable")
            # It is still looked at whose the token is.
            theirs = bearer(gate.token("ch1", sub="berta", jti="3", exp=until + 60, **FULL))
            assert (await ask(gate, link + SEGMENT, headers=theirs)).reason == "ambiguous_credentials"
        finally:
            if how == "silent":
                os.kill(pid, signal.SIGCONT)
        if how == "silent":
            # The token comes again, and renews.
            async with asyncio.timeout(20):
                while playing.known.ends_at != until + 60:
                    assert (await ask(gate, link + SEGMENT, headers=bearer(fresh))).status == 200
                    await asyncio.sleep(0.1)
            assert playing.known.token == token_id("demo", "2")


@pytest.mark.timed
async def test_with_another_warrant_it_is_another_session(
    start_gate: Any, media: Any, ask: Any, open_session: Any
) -> None:
    gate, cold = [await start_gate(media[0]) for _ in range(2)]
    until = int(time.time()) + 4
    link = await open_session(gate, gate.token("ch1", sub="anna", jti="1", exp=until, **FULL))
    assert (await ask(gate, link + SEGMENT)).status == 200
    old, fresh = session_of(gate, link), list[dict[str, Any]]()
    others: list[tuple[list[str], dict[str, Any]]] = [
        (["ch1", "ch2"], FULL),
        (["ch1"], {"live": True}),
        (["ch1"], {**FULL, "bind": {"user_agent": "mine"}}),
        (["ch1"], {**FULL, "max_concurrent": 5}),
    ]
    for resources, claims in others:
        token = gate.token(*resources, sub="anna", jti=f"fresh {len(fresh)}", exp=until + 3600, **claims)
        # Beside the link it renews nothing, either.
        assert (await ask(gate, link + SEGMENT, headers=bearer(token))).status == 200
        answer = await renew(ask, gate, link, token)
        assert answer["ends_at"] == until + 3600
        assert session_of(gate, answer["link"]) == answer["session"]
        fresh.append(answer)
    assert len({old, *(answer["session"] for answer in fresh)}) == 5
    # What the new ones say is theirs alone.
    assert (await ask(gate, f"{link}/ch2/index.m3u8")).reason == "resource_not_granted"
    assert (await ask(gate, f"{fresh[0]['link']}/ch2/index.m3u8")).status == 200
    # Of a live-only token no segment is served that tells no time.
    assert (await ask(gate, fresh[1]["link"] + SEGMENT)).reason == "time_unknown"
    await asyncio.sleep(until - time.time() + 0.2)
    for one in (gate, cold):
        for path in (SEGMENT, PLAYLIST):
            assert (await ask(one, link + path)).reason == "session_expired"
        for answer in fresh:
            got = await ask(one, answer["link"] + PLAYLIST, headers={"User-Agent": "mine"})
            assert got.status == 200


@pytest.mark.timed
async def test_what_was_created_is_the_sessions_after_its_old_end(
    start_writable: Any, objects: Any, ask: Any, open_session: Any
) -> None:
    gate, cold = [await start_writable(objects.url) for _ in range(2)]
    until = int(time.time()) + 3
    claims = {"grants": EVERYTHING_OWN, "sub": "anna", **FULL}
    link = await open_session(gate, gate.token(jti="1", exp=until, **claims))
    paths = [f"/files/clip{at}/video.mp4" for at in range(4)]
    for path in paths:
        assert (await ask(gate, link + path, "PUT", data=b"mine")).status == 201
    renewed = (await renew(ask, gate, link, gate.token(jti="2", exp=until + 3600, **claims)))["link"]
    other = gate.token(jti="3", exp=until + 3600, **{**claims, "sub": "berta"})
    theirs = await open_session(gate, other, **{"User-Agent": "berta"})
    await asyncio.sleep(until - time.time() + 0.5)
    ways = [(one, mine) for one in (gate, cold) for mine in (link, renewed)]
    for path, (one, mine) in zip(paths, ways, strict=True):
        assert (await ask(one, theirs + path, "DELETE")).reason == "resource_not_granted"
        assert (await ask(one, theirs + path, "PUT", data=b"theirs")).status == 412
        assert (await ask(one, mine + path)).body == b"mine"
        assert (await ask(one, mine + path, "PATCH", data=b"!")).status == 204
        assert (await ask(one, mine + path, "DELETE")).status == 204
    assert not objects.kept
