"""The page in a real Chromium, against the real server."""

import base64
import re

import pytest
import requests
from playwright.sync_api import expect, sync_playwright

from tests.browser import FLAGS, find_browser
from tests.pictures import encoded, photograph


@pytest.fixture(scope="module")
def browser():
    path = find_browser()
    assert path, "no Chromium or Chrome is installed: `make browser` installs one"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[(1280, 900), (320, 640)], ids=["desktop", "phone"])
def page(browser, server, request):
    """An open page; at the end nothing was asked of any other host, and the console is clean."""
    width, height = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height}, permissions=["clipboard-read", "clipboard-write"]
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    asked, complaints = [], []
    page.on("request", lambda r: asked.append(r.url))
    page.on("pageerror", lambda e: complaints.append(str(e)))
    # A refusal or a lost connection is an error to the browser's console, whatever the page makes of it.
    page.on(
        "console", lambda m: complaints.append(m.text) if m.type == "error" and "load resource" not in m.text else None
    )
    page.goto(server.url)
    yield page
    context.close()
    assert [url for url in asked if not url.startswith((server.url, "data:", "blob:"))] == []
    assert complaints == []


def choose(page, name="coffee"):
    data = encoded(photograph(name), "JPEG")
    page.set_input_files("#file", {"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": data})
    return data


def test_choose_and_read(page, server):
    data = choose(page)
    form = {"num_captions": 3, "beam_size": 3}
    expected = requests.post(server.url + "/predict", files={"image": data}, data=form, timeout=60).json()
    expect(page.locator("#caption")).to_have_text(expected["caption"])
    texts = page.locator("#alternatives li span:first-child").all_inner_texts()
    assert texts == [caption["text"] for caption in expected["captions"][1:]]
    assert all(re.fullmatch(r"\d+ %", odds) for odds in page.locator(".odds").all_inner_texts())
    expect(page.locator("#preview")).to_have_attribute("alt", expected["caption"])
    expect(page.locator("#result")).to_have_attribute("aria-busy", "false")


def test_nothing_overflows(page):
    choose(page)
    expect(page.locator("#answer")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_attention_follows_the_word(page):
    choose(page, "astronaut")
    word = page.locator(".word").nth(1)
    word.focus()
    expect(page.locator("#heat canvas")).to_be_visible()
    heat, image = (page.locator(s).bounding_box() for s in ("#heat canvas", "#preview"))
    assert {k: round(v) for k, v in heat.items()} == {k: round(v) for k, v in image.items()}
    word.blur()
    expect(page.locator("#heat canvas")).to_have_count(0)


def hand_over(page, event, data):
    """Drops or pastes a photograph, as the browser would report it."""
    page.evaluate(
        """([event, data]) => {
            const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], 'photo.png', {type: 'image/png'}));
            document.body.dispatchEvent(event === 'drop'
                ? new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true})
                : new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true}));
        }""",
        [event, base64.b64encode(data).decode()],
    )


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_drop_and_paste(page, event):
    hand_over(page, event, encoded(photograph("chelsea")))
    expect(page.locator("#caption")).not_to_be_empty()


def test_a_refused_file_is_told_in_words_and_the_next_one_works(page):
    page.set_input_files("#file", {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"not a photograph"})
    expect(page.locator("#error")).to_contain_text("not an image")
    expect(page.locator("#answer")).to_be_hidden()
    choose(page)
    expect(page.locator("#caption")).not_to_be_empty()
    expect(page.locator("#error")).to_be_hidden()


def test_a_file_that_is_too_large_is_told_without_sending_it(page):
    sent = []
    page.on("request", lambda r: sent.append(r.url) if r.url.endswith("predict") else None)
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": bytes(17 * 2**20)})
    expect(page.locator("#error")).to_contain_text("16 MB")
    assert sent == []


def test_a_server_that_cannot_be_reached_is_told(page):
    page.route("**/predict", lambda route: route.abort("connectionrefused"))
    hand_over(page, "paste", encoded(photograph("chelsea")))
    expect(page.locator("#error")).to_contain_text("cannot be reached")
    page.unroute("**/predict")
    page.get_by_role("button", name="Caption again").click()
    expect(page.locator("#caption")).not_to_be_empty()


def test_markup_in_an_answer_stays_text(page):
    hostile = '<img src=x onerror="document.title=1">'
    answer = {
        "caption": hostile,
        "captions": [{"text": hostile, "mean_probability": 0.5, "words": [{"text": hostile, "probability": 1}]}] * 2,
        "model": {"name": hostile, "device": "cpu"},
        "image": "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=",
        "timing_ms": {"total": 1},
    }
    page.route("**/predict", lambda route: route.fulfill(json=answer))
    choose(page)
    expect(page.locator("#caption")).to_have_text(hostile)
    assert page.locator("#answer img").count() == 0 and page.title() == "Image captioner"


def test_copy(page):
    choose(page)
    page.get_by_role("button", name="Copy", exact=True).click()
    caption = page.locator("#caption").inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == caption
    page.get_by_role("button", name="Copy as alt text").click()
    assert page.evaluate("navigator.clipboard.readText()") == f'alt="{caption}"'


def test_clear(page):
    choose(page)
    expect(page.locator("#caption")).not_to_be_empty()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#answer")).to_be_hidden()
    expect(page.locator("#preview")).to_be_hidden()
    expect(page.locator("#invitation")).to_be_visible()


def test_options_are_sent(page):
    choose(page)
    expect(page.locator("#caption")).not_to_be_empty()
    page.select_option("#num_captions", "5")
    page.select_option("#method", "sample")
    # Chromium does not tell the body of a form with a file: the page's own fetch is listened to.
    page.evaluate(
        "() => { const send = fetch; window.fetch = (url, o) => (window.sent = [...o.body].slice(1), send(url, o)) }"
    )
    page.get_by_role("button", name="Caption again").click()
    expect(page.locator("#alternatives li")).to_have_count(4)
    assert dict(page.evaluate("sent")) == {
        "method": "sample",
        "num_captions": "5",
        "beam_size": "5",
        "attention": "true",
    }


def test_keyboard_reaches_everything(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    choose(page)
    expect(page.locator("#caption")).not_to_be_empty()
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"num_captions", "method", "again", "clear", "word", "copy", "copy-alt"} <= reached
