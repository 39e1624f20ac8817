"""Which browser the tests drive: `python -m tests.browser` prints it, or fails where there is none."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

# Nothing but the page under test: without these, Chromium calls its maker's services at every start.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_browser() -> str | None:
    """Path of an installed Chromium or Chrome, or else of Playwright's own if that was downloaded."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


if __name__ == "__main__":
    found = find_browser()
    print(found or "no Chromium or Chrome is installed")
    sys.exit(found is None)
