"""Fast and safe: bytes, requests, the first paint, the headers."""

import re

import requests
from playwright.sync_api import expect

from tests.conftest import ROOT
from tests.web.conftest import DESKTOP, PATIENCE_MS
from tests.web.gestures import choose, wait_until, wait_until_held

BYTES = 64_000
COLLECTION_BYTES = 22_000  # more, where there is a collection
BYTES_OF_A_LANGUAGE = 10_000
REQUESTS = 18


def test_our_own_code_is_small():
    code = [file for folder in ("static", "templates") for file in (ROOT / folder).rglob("*.*")]
    languages = [file for file in code if file.parent.name == "languages"]
    assert len(languages) == 5 and max(file.stat().st_size for file in languages) < BYTES_OF_A_LANGUAGE
    code = [file for file in code if file.stem != "docs" and file not in languages]  # docs is a page without script
    own = [file for file in code if "collection" in (file.stem, file.parent.name)]
    assert sum(file.stat().st_size for file in own) < COLLECTION_BYTES
    assert sum(file.stat().st_size for file in code) - sum(file.stat().st_size for file in own) < BYTES
    assert max(len(file.read_text().splitlines()) for file in code) <= 300


def test_what_a_visit_costs(server, browser):
    """Counted on the wire, with an empty cache, up to the first caption; every request is of this origin."""
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    responses = []
    page.on("response", lambda found: responses.append(found))
    page.goto(server.url, wait_until="networkidle")
    assert len(responses) <= REQUESTS
    assert sum(len(response.body()) for response in responses) < BYTES + BYTES_OF_A_LANGUAGE
    assert {response.status for response in responses} == {200}
    assert [r.url for r in responses if "/languages/" in r.url] == [server.url + "/static/languages/en.json"]
    visited = len(responses)
    choose(page)
    wait_until(page, "done")
    assert [r.url for r in responses[visited:] if not r.url.startswith("blob:")] == [server.url + "/predict"]
    assert all(response.url.startswith((server.url, "blob:" + server.url)) for response in responses)
    context.close()


def test_the_first_paint_waits_for_no_script(server, browser):
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    held = []
    page.route("**/*.js", lambda route: held.append(route))
    page.goto(server.url, wait_until="commit")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    painted = """() => new Promise(done => new PerformanceObserver(list =>
        list.getEntriesByName('first-contentful-paint').forEach(entry => done(entry.startTime))
    ).observe({type: 'paint', buffered: true}))"""
    assert page.evaluate(painted) > 0
    wait_until_held(page, held, 1)  # and no script has come yet
    for route in held:
        route.abort()
    context.close()


def test_it_works_without_a_network(server, browser):
    """Nothing is fetched after the first visit but the prediction; fonts and icons are the system's and our own."""
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(server.url, wait_until="networkidle")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_text("Settings").click()
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("document.fonts.size") == 0 and asked == []
    context.close()


def test_the_content_security_policy(server):
    headers = requests.get(server.url, timeout=10).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["base-uri"] == "'none'" and policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["img-src"] == "'self' data: blob:"
    assert policy["require-trusted-types-for"] == "'script'" and policy["trusted-types"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"


def test_nothing_in_the_page_needs_more_than_that_policy(server):
    html = requests.get(server.url, timeout=10).text
    assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:|<script(?![^>]*\ssrc=)", html)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html)


def test_markup_is_refused_by_the_browser_itself(server, browser):
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    page.goto(server.url)
    outcome = page.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>'; return 'taken'; } catch (error) { return error.name; } }"
    )
    assert outcome == "TypeError"
    context.close()
