"""Draws docs/screenshots with the shipped checkpoint: python -m tests.web.screenshots"""

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import FLAGS, find_browser
from tests.conftest import ROOT, running_server
from tests.pictures import encoded, photograph

FOLDER = ROOT / "docs" / "screenshots"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    browser_path = find_browser()
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server, sync_playwright() as p:
        server.wait_until_healthy()
        browser = p.chromium.launch(executable_path=browser_path, args=FLAGS)
        for name, width, height, scheme in (("", 1000, 900, "light"), ("-phone", 390, 844, "dark")):
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(server.url)
            page.screenshot(path=FOLDER / f"empty{name}.png")
            photo = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": encoded(photograph("camera"), "JPEG")}
            page.set_input_files("#file", photo)
            page.wait_for_selector("#answer:not([hidden])")
            page.screenshot(path=FOLDER / f"answer{name}.png", full_page=True)
            page.locator(".word").nth(1).focus()
            page.screenshot(path=FOLDER / f"attention{name}.png", full_page=True)
            page.set_input_files("#file", photo | {"buffer": b"not a photograph"})
            page.wait_for_selector("#error:not([hidden])")
            page.screenshot(path=FOLDER / f"refused{name}.png")
        browser.close()
    print(f"written: {FOLDER}")


if __name__ == "__main__":
    main()
