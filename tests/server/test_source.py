"""When a policy file is another one: written, replaced, linked elsewhere, and so the files that it names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gate.errors import ConfigError
from gate.server.source import PolicySource, way_to

SECRET = "a secret of more than thirty-two bytes, for tests"
TEXT = (
    "origins: {o: {url: 'http://127.0.0.1:9'}}\n"
    "applications: {demo: {keys: [{kid: k1, secret: !file keys/k1}]}}\n"
    "drain: %ds\n"
)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy file with a secret in a folder of its own."""
    folder = tmp_path / "etc"
    (folder / "keys").mkdir(parents=True)
    (folder / "keys" / "k1").write_text(SECRET)
    (folder / "gate.yaml").write_text(TEXT % 1)
    return folder / "gate.yaml"


def write(path: Path, text: str) -> None:
    """In place: the same file has another content."""
    path.write_text(text)


def replace(path: Path, text: str) -> None:
    """As editors write: a new file takes the old one's name."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.rename(path)


@asynccontextmanager
async def following(source: PolicySource) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """While inside, changes are followed; gives what tells how often something was told since the last time."""
    told = asyncio.Event()

    async def wait(timeout_s: float = 20) -> None:
        async with asyncio.timeout(timeout_s):
            await told.wait()
        # What belongs to the same change is told with it.
        await asyncio.sleep(0.3)
        told.clear()

    task = asyncio.create_task(source.follow(told.set))
    await asyncio.sleep(0.3)
    assert not told.is_set()
    try:
        yield wait
    finally:
        task.cancel()
        async with asyncio.timeout(20):
            with suppress(asyncio.CancelledError):
                await task
        assert not told.is_set()


class TestWhatIsSeen:
    def test_nothing_is_new_that_was_read(self, policy: Path) -> None:
        source = PolicySource(policy, {})
        assert source.load().drain_s == 1
        assert not source.changed()

    def test_a_change_is_told_once(self, policy: Path) -> None:
        source = PolicySource(policy, {})
        source.load()
        replace(policy, TEXT % 2)
        assert source.changed()
        assert not source.changed()
        assert source.load().drain_s == 2
        assert not source.changed()

    def test_so_is_one_of_a_file_that_it_names(self, policy: Path) -> None:
        source = PolicySource(policy, {})
        source.load()
        (policy.parent / "keys" / "k1").write_text(SECRET + "!")
        assert source.changed()
        (policy.parent / "keys" / "k1").unlink()
        assert source.changed()
        with pytest.raises(ConfigError, match="no such file"):
            source.load()
        assert not source.changed()
        (policy.parent / "keys" / "k1").write_text(SECRET)
        assert source.changed()

    def test_key_files_are_among_them(self, policy: Path) -> None:
        policy.write_text(TEXT.replace("kid: k1, secret: !file", "file:") % 1)
        source = PolicySource(policy, {})
        with pytest.raises(ConfigError):
            source.load()
        assert str(policy.parent / "keys" / "k1") in source.turns()

    def test_what_is_written_while_it_is_read_is_a_change(self, policy: Path) -> None:
        source = PolicySource(policy, {})
        source.load()

        class Environ(dict[str, str]):
            def get(self, *_: object) -> str:  # type: ignore[override]
                replace(policy, TEXT % 3)
                return SECRET

        replace(policy, (TEXT % 2).replace("!file keys/k1", "!env NAME"))
        source._environ = Environ()
        assert source.load().drain_s == 2
        assert source.changed()
        assert source.load().drain_s == 3


class TestTheWay:
    def test_of_a_plain_file(self, tmp_path: Path) -> None:
        way = way_to(tmp_path / "a" / "." / "gate.yaml")
        assert way.end == str(tmp_path / "a" / "gate.yaml")
        assert way.turns == {way.end}

    def test_over_links_of_files_and_folders(self, tmp_path: Path) -> None:
        real = tmp_path / "real"
        (real / "deep").mkdir(parents=True)
        (real / "deep" / "gate.yaml").touch()
        (tmp_path / "link").symlink_to("real/../real")
        (tmp_path / "policy").symlink_to(tmp_path / "link" / "deep" / "gate.yaml")
        way = way_to(tmp_path / "policy")
        assert way.end == os.path.realpath(tmp_path / "policy")
        assert way.turns == {str(tmp_path / "policy"), str(tmp_path / "link"), way.end}

    def test_of_links_in_a_circle_and_into_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        (tmp_path / "c").symlink_to("nothing/there")
        assert {str(tmp_path / "a"), str(tmp_path / "b")} <= way_to(tmp_path / "a").turns
        assert way_to(tmp_path / "c").end == str(tmp_path / "nothing" / "there")


@pytest.mark.timed
class TestFollowing:
    async def test_writing_replacing_and_removing_are_changes(self, policy: Path) -> None:
        source = PolicySource(policy, {})
        source.load()
        async with following(source) as told:
            write(policy, TEXT % 2)
            await told()
            for seconds in (3, 4):
                replace(policy, TEXT % seconds)
                await told()
                assert source.load().drain_s == seconds
            write(policy.parent / "keys" / "k1", SECRET + "!")
            await told()
            os.unlink(policy)
            await told()
            write(policy, TEXT % 5)
            await told()

    async def test_many_writes_are_one_change_and_other_files_are_none(self, policy: Path) -> None:
        source = PolicySource(policy, {})
        source.load()
        times = 0

        def tell() -> None:
            nonlocal times
            times += 1

        task = asyncio.create_task(source.follow(tell))
        await asyncio.sleep(0.3)
        for number in range(20):
            (policy.parent / "other").write_text(str(number))
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.4)
        assert times == 0
        for number in range(20):
            write(policy, TEXT % number)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(20):
            while not times:  # noqa: ASYNC110 - it may be told twice, and an event does not count
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.6)
        assert times == 1
        task.cancel()
        await asyncio.wait([task])

    async def test_a_mounted_map_of_kubernetes(self, tmp_path: Path) -> None:
        """Every file is a link below ``..data``, a link too, which is swapped; its old target is removed."""
        mount = tmp_path / "etc"
        (mount / "..v1" / "keys").mkdir(parents=True)

        def publish(name: str, seconds: int) -> None:
            folder = mount / name
            (folder / "keys").mkdir(parents=True, exist_ok=True)
            (folder / "gate.yaml").write_text(TEXT % seconds)
            (folder / "keys" / "k1").write_text(SECRET)
            before = os.readlink(mount / "..data") if (mount / "..data").is_symlink() else None
            (mount / "..data_tmp").symlink_to(name)
            (mount / "..data_tmp").rename(mount / "..data")
            if before is not None:
                for file in ("gate.yaml", "keys/k1"):
                    (mount / before / file).unlink()
                (mount / before / "keys").rmdir()
                (mount / before).rmdir()

        publish("..v1", 1)
        for name in ("gate.yaml", "keys"):
            (mount / name).symlink_to(f"..data/{name}")
        source = PolicySource(mount / "gate.yaml", {})
        assert source.load().drain_s == 1
        async with following(source) as told:
            for number in (2, 3, 4):
                publish(f"..v{number}", number)
                await told()
                assert source.load().drain_s == number

    async def test_a_folder_that_goes_and_comes_back(self, policy: Path, tmp_path: Path) -> None:
        source = PolicySource(policy, {})
        source.load()
        async with following(source) as told:
            policy.parent.rename(tmp_path / "away")
            await told(30)
            (tmp_path / "away").rename(policy.parent)
            await told(30)
            replace(policy, TEXT % 2)
            await told(30)
            assert source.load().drain_s == 2

    async def test_it_ends_at_once(self, policy: Path) -> None:
        source = PolicySource(policy, {})
        source.load()
        task = asyncio.create_task(source.follow(lambda: None))
        await asyncio.sleep(0.2)
        began = asyncio.get_running_loop().time()
        task.cancel()
        await asyncio.wait([task])
        assert asyncio.get_running_loop().time() - began < 10
