"""Draws docs/screenshots with the shipped checkpoint: python -m tests.web.screenshots

With a folder it draws every state at every width, light and dark, for looking through:
python -m tests.web.screenshots FOLDER
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.server import running_server
from tests.browser import FLAGS, find_browser
from tests.conftest import ROOT
from tests.web.conftest import PATIENCE_MS
from tests.web.gestures import NOTES, card, choose, picture, wait_until

PUBLISHED = ROOT / "docs" / "screenshots"


def empty(page: Page) -> None:
    pass


def settings(page: Page) -> None:
    page.get_by_text("Settings").click()


def busy(page: Page) -> None:
    page.route("**/predict", lambda route: None)
    choose(page, picture("camera.jpg"))
    wait_until(page, "sending")
    expect(card(page).locator("img")).to_be_visible()


def result(page: Page) -> None:
    choose(page, picture("camera.jpg"))
    wait_until(page, "done")


def attention(page: Page) -> None:
    result(page)
    card(page).locator(".word").nth(4).focus()
    expect(card(page).locator(".heat")).to_be_visible()


def error(page: Page) -> None:
    choose(page, NOTES)
    wait_until(page, "failed")


def many(page: Page) -> None:
    names = ("camera", "astronaut", "coffee", "rocket", "chelsea")
    choose(page, *[picture(f"{name}.jpg") for name in names], NOTES)
    expect(page.locator("[data-state=done]")).to_have_count(len(names))
    wait_until(page, "failed", len(names))


STATES = (empty, settings, busy, result, attention, error, many)
# name, state, width, height, colours: what the README shows, and what else the page does
CHOSEN = (
    ("empty", empty, 1280, 800, "light"),
    ("attention", attention, 1280, 960, "light"),
    ("many", many, 2560, 1600, "light"),
    ("settings", settings, 1280, 960, "dark"),
    ("attention-phone", attention, 390, 1180, "dark"),
    ("error-phone", error, 320, 640, "light"),
)


def shoot(browser: Browser, address: str, path: Path, state: Callable, width: int, height: int, scheme: str) -> None:
    finger = width < 500
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",  # nothing is caught half way
        has_touch=finger,
        is_mobile=finger,
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    state(page)
    page.evaluate("Promise.all([...document.images].map(image => image.src && image.decode().catch(() => {})))")
    # Small files: the JPEG of a page with photographs is a fifth of its PNG.
    page.screenshot(path=path.with_suffix(".jpg"), type="jpeg", quality=85)
    context.unroute_all(behavior="ignoreErrors")
    context.close()


def main(folder: str | None = None) -> None:
    expect.set_options(timeout=PATIENCE_MS)
    target = Path(folder) if folder else PUBLISHED
    target.mkdir(parents=True, exist_ok=True)
    shots = (
        CHOSEN
        if not folder
        else tuple(
            (f"{state.__name__}-{width}-{scheme}", state, width, height, scheme)
            for width, height in ((320, 1400), (390, 1400), (1280, 1100), (2560, 1600))
            for scheme in ("light", "dark")
            for state in STATES
        )
    )
    with tempfile.TemporaryDirectory() as logs, running_server(Path(logs)) as server, sync_playwright() as p:
        server.wait_until_healthy(600)
        browser = p.chromium.launch(executable_path=find_browser(), args=FLAGS)
        for name, *shot in shots:
            shoot(browser, server.url, target / name, *shot)
        browser.close()
    print(f"written: {target}")


if __name__ == "__main__":
    main(*sys.argv[1:])
