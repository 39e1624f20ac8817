"""The page for programs, and the page of a service that has an API key."""

import base64
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, expect

from benchmarks.server import running_server
from tests.pictures import drawn, encoded
from tests.web.conftest import DESKTOP, opened
from tests.web.gestures import caption, card, choose

KEY = "a-key-for-tests"


@pytest.fixture(scope="module")
def other_site():
    """A page of somebody else's, on a host of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://localhost:{site.server_port}"
        site.shutdown()


class Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Somebody else's</title>")

    def log_message(self, *args) -> None:
        pass


@pytest.fixture(scope="module")
def locked(tmp_path_factory, other_site):
    settings = {"CAPTION_API_KEY": KEY, "CAPTION_CORS_ORIGINS": other_site, "CAPTION_RATE_LIMIT": "1000/minute"}
    with running_server(tmp_path_factory.mktemp("locked"), **settings) as server:
        server.wait_until_healthy()
        yield server


@pytest.fixture
def docs(locked, browser, size):
    with opened(browser, locked.url, **size) as page:
        page.goto(locked.url + "/docs")
        yield page


def test_every_endpoint_with_its_answers(docs, locked):
    document = requests.get(locked.url + "/openapi.json", timeout=10).json()
    docs.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            section = docs.locator(f"#{operation['operationId']}")
            expect(section.get_by_role("heading")).to_have_text(re.compile(f"{method} {re.escape(path)}$", re.I))
            expect(section.locator("pre")).to_have_text(operation["x-codeSamples"][0]["source"])
            assert section.locator("dt").all_inner_texts() == list(operation["responses"])
            names = [parameter["name"] for parameter in operation.get("parameters", [])]
            assert section.get_by_role("rowheader").all_inner_texts() == names
    assert docs.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert docs.locator("script").count() == 0
    assert Axe().run(docs).response["violations"] == []


def test_from_the_page_and_back(docs, locked):
    docs.get_by_role("link", name="by hand").click()
    docs.get_by_role("link", name="The same for programs").click()
    docs.get_by_role("link", name="POST /predict/batch").click()
    expect(docs.locator("#predict_batch")).to_be_in_viewport()
    assert docs.url == locked.url + "/docs#predict_batch"


def test_the_page_asks_for_the_key(locked, browser):
    with opened(browser, locked.url, **DESKTOP) as page:
        choose(page)
        expect(card(page).locator(".error")).to_contain_text("needs its API key")
        page.get_by_label("API key").fill(KEY)
        card(page).get_by_role("button", name="Retry", exact=True).click()
        expect(caption(page)).not_to_be_empty()
        assert KEY not in page.url
        assert Axe().run(page).response["violations"] == []


ASK = """async ([url, key, photograph]) => {
    const headers = {'Content-Type': 'application/json', Authorization: `Bearer ${key}`, 'X-Stainless-Lang': 'js'};
    const content = [{type: 'image_url', image_url: {url: photograph}}];
    const body = JSON.stringify({messages: [{role: 'user', content}]});
    const answer = await fetch(url + '/v1/chat/completions', {method: 'POST', headers, body});
    const names = ['RateLimit', 'RateLimit-Policy', 'Server-Timing', 'X-Request-ID'];
    return [answer.status, await answer.json(), names.map((name) => answer.headers.get(name))];
}"""


def test_a_page_of_another_site_may_ask_where_it_is_named(locked, server, browser, other_site):
    context = browser.new_context()
    page = context.new_page()
    page.goto(other_site)
    picture = "data:image/jpeg;base64," + base64.b64encode(encoded(drawn(64, 64), "JPEG")).decode()
    status, answer, told = page.evaluate(ASK, [locked.url, KEY, picture])
    assert status == 200 and answer["choices"][0]["message"]["content"] and all(told)
    status, answer, _ = page.evaluate(ASK, [locked.url, "wrong", picture])
    assert status == 401 and answer["error"]["code"] == "invalid_api_key"  # it can read why
    with pytest.raises(Error, match="Failed to fetch"):
        page.evaluate(ASK, [server.url, "", picture])
    context.close()


def test_where_there_is_no_key_nothing_is_asked(server):
    assert "API key" not in requests.get(server.url, timeout=10).text
