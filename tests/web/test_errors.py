"""What goes wrong is told in words on the card it belongs to, and can be tried again."""

import os
import re
import signal
import time

import pytest
import requests
from playwright.sync_api import expect

from benchmarks.server import running_server
from tests.web.conftest import DESKTOP, opened
from tests.web.gestures import NOTES, caption, card, choose, picture


def error(page, at=0):
    return card(page, at).locator(".error")


def retry(page, at=0):
    card(page, at).get_by_role("button", name="Retry", exact=True).click()


def slowly(page, bytes_a_second=15_000):
    """What is sent goes at this pace, so that it can be watched and stopped under way."""
    session = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", slow)


def test_a_refused_file_among_others(page):
    choose(page, picture("chelsea.jpg"), NOTES, picture("rocket.jpg"))
    expect(error(page, 1)).to_contain_text("This is a text")
    expect(card(page, 1).locator(".caption")).to_be_hidden()
    expect(page.locator("#announcer")).to_contain_text("notes.jpg: This is a text")
    for at in (0, 2):
        expect(caption(page, at)).not_to_be_empty()
        expect(error(page, at)).to_be_hidden()


def test_too_large_is_told_without_sending_it(page):
    sent = []
    page.on("request", lambda r: sent.append(r.url) if r.url.endswith("predict") else None)
    choose(page, NOTES | {"buffer": bytes(17 * 2**20)})
    expect(error(page)).to_have_text("It is too large: at most 16 MB.")
    assert sent == []


def test_unreachable_then_there_again(page):
    page.route("**/predict", lambda route: route.abort("connectionrefused"))
    choose(page)
    expect(error(page)).to_contain_text("cannot be reached")
    page.unroute("**/predict")
    retry(page)
    expect(caption(page)).not_to_be_empty()
    expect(error(page)).to_be_hidden()


def test_offline(page):
    page.context.set_offline(True)
    choose(page)
    expect(error(page)).to_contain_text("You are offline")
    page.context.set_offline(False)
    retry(page)
    expect(caption(page)).not_to_be_empty()


def wait_until_it_listens(server):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            requests.get(server.url, timeout=5)
            return
        except requests.RequestException:
            time.sleep(0.2)
    raise AssertionError(server.log.read_text())


def test_not_ready(desktop, browser, tmp_path):
    """The service's own words, where the model cannot answer: here it cannot be loaded."""
    with running_server(tmp_path, CAPTION_CHECKPOINT="/nowhere") as server:
        wait_until_it_listens(server)
        with opened(browser, server.url, **DESKTOP) as page:
            choose(page)
            expect(error(page)).to_contain_text("The model ")
    message = "The model is being loaded; please try again in a few seconds."
    body = {"error": {"code": "not_ready", "message": message}}
    desktop.route("**/predict", lambda route: route.fulfill(status=503, json=body))
    choose(desktop)
    expect(error(desktop)).to_have_text(message)


@pytest.mark.parametrize("body", ["<h1>Bad gateway</h1>", '{"detail": "what?"}', ""])
def test_an_answer_that_is_not_the_services(desktop, body):
    desktop.route("**/predict", lambda route: route.fulfill(status=502, body=body))
    choose(desktop)
    expect(error(desktop)).to_have_text("The service answered with status 502.")


def test_a_folder_or_a_file_that_is_gone(desktop):
    """Both can be handed over and not be read."""
    desktop.evaluate(
        """() => {
            const gone = new File(['x'], 'gone');
            gone.slice = () => ({arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotFoundError'))});
            const drop = new DragEvent('drop', {bubbles: true, cancelable: true});
            Object.defineProperty(drop, 'dataTransfer', {value: {types: ['Files'], files: [gone]}});
            document.body.dispatchEvent(drop);
        }"""
    )
    expect(error(desktop)).to_contain_text("cannot be read")


def test_progress_then_cancel_then_retry(page):
    slowly(page)
    choose(page, picture("astronaut.png"))
    bar = card(page).get_by_role("progressbar")
    expect(card(page).locator(".state")).to_have_text(re.compile(r"Sending… [1-9]\d?%"))
    assert 0 < float(bar.get_attribute("value")) < 1
    card(page).get_by_role("button", name="Cancel", exact=True).click()
    expect(error(page)).to_have_text("Cancelled.")
    expect(bar).to_be_hidden()
    expect(card(page).locator("article")).to_be_focused()  # the button under the finger is gone
    slowly(page, -1)
    retry(page)
    expect(caption(page)).not_to_be_empty()


def test_the_server_stops_in_mid_upload(browser, tmp_path, size):
    with running_server(tmp_path) as server:
        server.wait_until_healthy()
        with opened(browser, server.url, **size) as page:
            slowly(page)
            choose(page, picture("astronaut.png"))
            expect(card(page).locator(".state")).to_have_text(re.compile(r"Sending… [1-9]\d?%"))
            os.killpg(server.process.pid, signal.SIGKILL)  # the worker, too, would finish what it has begun
            server.process.wait()
            expect(error(page)).to_have_text("The service cannot be reached. Is it running?")
            slowly(page, -1)
            retry(page)
            expect(error(page)).to_have_text("The service cannot be reached. Is it running?")
            expect(card(page).locator("img")).to_be_visible()  # the photograph is still there to be tried again
