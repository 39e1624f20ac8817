"""A real Chromium on the page of the real server."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import FLAGS, find_browser

DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PATIENCE_MS = 60_000  # conditions are waited for: on a busy machine they come later

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_browser()
    assert path, "no Chromium or Chrome is installed: `make browser` installs one"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, address: str, **options) -> Iterator[Page]:
    """An open page; at the end nothing was asked of any other host, and the console is clean."""
    context = browser.new_context(**({"permissions": ["clipboard-read", "clipboard-write"]} | options))
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    asked, complaints = [], []
    page.on("request", lambda r: asked.append(r.url))
    page.on("pageerror", lambda e: complaints.append(str(e)))
    # A refusal or a lost connection is an error to the browser's console, whatever the page makes of it.
    page.on(
        "console",
        lambda m: (
            complaints.append(m.text) if m.type in ("error", "warning") and "load resource" not in m.text else None
        ),
    )
    page.goto(address)
    yield page
    context.close()
    own = address.partition("?")[0]
    assert [url for url in asked if not url.startswith((own, "data:", "blob:"))] == []
    assert complaints == []


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def size(request) -> dict:
    return request.param


@pytest.fixture
def page(server, browser, size) -> Iterator[Page]:
    with opened(browser, server.url, **size) as page:
        yield page


@pytest.fixture
def desktop(server, browser) -> Iterator[Page]:
    """For what does not depend on the size."""
    with opened(browser, server.url, **DESKTOP) as page:
        yield page
