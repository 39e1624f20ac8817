"""The page for programs, and the page of a service that has an API key."""

import re

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from benchmarks.server import running_server
from tests.web.conftest import DESKTOP, opened
from tests.web.gestures import caption, card, choose

KEY = "a-key-for-tests"


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("locked"), CAPTION_API_KEY=KEY) as server:
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


def test_where_there_is_no_key_nothing_is_asked(server):
    assert "API key" not in requests.get(server.url, timeout=10).text
