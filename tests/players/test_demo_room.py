"""The demo's room in a real browser: a guest knocks, a host admits, mutes and removes; all see two cameras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.demo.stage import Stage

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.players

# Not predicates for the driver's own waiting: they would need eval, which the page's policy forbids.
TIMES = "() => [...document.querySelectorAll('video')].map((video) => video.currentTime)"


class Parts:
    """Pages of the room, each as if in a browser of its own."""

    def __init__(self, stage: Stage, browser: Browser) -> None:
        self._stage = stage
        self._browser = browser
        self.faults: list[str] = []

    async def open(self, part: str) -> Page:
        page = await (await self._browser.new_context()).new_page()
        page.on("pageerror", lambda error: self.faults.append(f"{part}: {error}"))
        await page.goto(self._stage.room_urls[part])
        return page


@pytest.fixture
async def parts(tmp_path: Path, browser: Browser) -> AsyncIterator[Parts]:
    async with Stage(tmp_path / "s") as stage:
        parts = Parts(stage, browser)
        yield parts
        assert parts.faults == []


async def shows(page: Page, selector: str, text: str) -> None:
    """It comes to be there, with this text."""
    await page.wait_for_selector(f"{selector}:has-text({text!r})")


async def plays(page: Page, *cameras: str) -> None:
    """Their pictures advance."""
    for camera in cameras:
        await shows(page, tile(camera, ".mark"), "live")
    began = await page.evaluate(TIMES)
    for _ in range(60):
        await page.wait_for_timeout(100)
        if all(now > then + 1 for now, then in zip(await page.evaluate(TIMES), began, strict=True)):
            return
    raise AssertionError(f"they stay at {began} s")


def tile(camera: str, part: str) -> str:
    return f"[data-camera={camera}] {part}"


async def test_a_guest_is_admitted_sees_a_camera_muted_and_is_removed(parts: Parts, tmp_path: Path) -> None:
    host = await parts.open("host")
    await shows(host, "#standing", "in the room")
    guest = await parts.open("guest")
    await shows(guest, "#standing", "knocking")
    await shows(guest, tile("Ada", ".mark"), "503 waiting_for_admission")
    await host.click("#waiting button:has-text('Admit')")
    await shows(guest, "#standing", "in the room")
    await plays(guest, "Ada", "Ben")
    await plays(host, "Ada", "Ben")
    await host.screenshot(path=tmp_path / "host.png")

    # Whoever is asked at a page answers there.
    await host.click(tile("Ada", ".mute"))
    await shows(guest, tile("Ada", ".mark"), "503 muted")
    await shows(guest, "#people [data-participant=Ada]", "muted")
    assert await guest.locator(".mute:visible, #people button:visible").count() == 0
    await guest.screenshot(path=tmp_path / "muted.png")
    speaker = await parts.open("speaker")
    await shows(speaker, "#standing", "in the room")
    await host.click(tile("Ada", ".mute"))
    await shows(host, tile("Ada", ".note"), "Ada was asked")
    await shows(speaker, "#told", "Host asks you to turn your camera on.")
    await speaker.reload()
    await shows(speaker, "#told", "Host asks you to turn your camera on.")
    await speaker.click("#accept")
    for page in (guest, host, speaker):
        await plays(page, "Ada", "Ben")

    await host.click("#people [data-participant^=Guest] button")
    await shows(guest, "#told", "You were removed from the room.")
    await shows(guest, tile("Ada", ".mark"), "403 removed_from_room")
    await guest.screenshot(path=tmp_path / "removed.png")
    await guest.click("#again")
    await shows(guest, "#answers li:first-child", "403 removed_from_room")
    await host.wait_for_selector("#people [data-participant^=Guest]", state="detached")
    await plays(host, "Ada", "Ben")


async def test_who_says_no_and_who_leaves(parts: Parts) -> None:
    host, guest = await parts.open("host"), await parts.open("guest")
    await host.click("#waiting button:has-text('Deny')")
    await shows(guest, "#told", "You were not admitted.")
    await shows(host, "#waiting", "Nobody knocks.")
    # Not before the policy's pause is over.
    await guest.click("#again")
    await shows(guest, "#answers li:first-child", "403 entry_denied")
    await guest.wait_for_timeout(5000)
    await guest.click("#again")
    await host.click("#waiting button:has-text('Admit')")
    await shows(host, "#people", "Guest-")
    await guest.close(run_before_unload=True)
    await host.wait_for_selector("#people [data-participant^=Guest]", state="detached")


async def test_a_camera_without_a_page_agrees_and_a_closed_room_begins_anew(parts: Parts) -> None:
    host = await parts.open("host")
    await plays(host, "Ben")
    await host.click(tile("Ben", ".mute"))
    await shows(host, tile("Ben", ".mark"), "503 muted")
    await host.click(tile("Ben", ".mute"))
    await plays(host, "Ben")
    await host.click("#people [data-participant=Ada] button")
    await host.wait_for_selector("#people [data-participant=Ada]", state="detached")
    await host.click("#close")
    await shows(host, "#told", "The room was closed.")
    await host.click("#again")
    await shows(host, "#people [data-participant=Ada]", "Ada")
    await plays(host, "Ada", "Ben")
