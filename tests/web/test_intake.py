"""The ways in: choose, drop anywhere, paste, camera, several at once."""

import base64

import pytest
import requests
from playwright.sync_api import expect

from tests.pictures import drawn
from tests.web.gestures import caption, card, choose, hand_over, picture, wait_until, wait_until_held


def test_choose(page):
    choose(page)
    expect(caption(page)).not_to_be_empty()
    expect(card(page).locator("h2")).to_have_text("coffee.jpg")


def test_the_same_file_can_be_chosen_again(desktop):
    choose(desktop)
    choose(desktop)
    expect(desktop.locator("#cards > li")).to_have_count(2)


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_drop_and_paste(page, event):
    hand_over(page, event, picture("chelsea.png"), picture("rocket.png"))
    for at in range(2):
        expect(caption(page, at)).not_to_be_empty()
    assert page.locator("h2").all_inner_texts() == ["chelsea.png", "rocket.png"]


def test_the_page_says_where_a_drop_goes(desktop):
    hand_over(desktop, "dragover", picture())
    expect(desktop.locator("#overlay")).to_be_visible()
    desktop.evaluate("document.body.dispatchEvent(new DragEvent('dragleave', {bubbles: true}))")
    expect(desktop.locator("#overlay")).to_be_hidden()
    hand_over(desktop, "dragover", picture())
    hand_over(desktop, "drop", picture())
    expect(desktop.locator("#overlay")).to_be_hidden()
    wait_until(desktop, "done")


def test_dragged_text_is_none_of_the_pages_business(desktop):
    taken = desktop.evaluate(
        """() => {
            const transfer = new DataTransfer();
            transfer.setData('text/plain', 'words');
            const event = new DragEvent('dragover', {dataTransfer: transfer, bubbles: true, cancelable: true});
            document.body.dispatchEvent(event);
            return event.defaultPrevented;
        }"""
    )
    assert not taken
    expect(desktop.locator("#overlay")).to_be_hidden()


def test_the_paste_button_reads_the_clipboard(page):
    page.evaluate(
        """async data => {
            const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
            const blob = new Blob([bytes], {type: 'image/png'});
            await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]);
        }""",
        base64.b64encode(picture("drawn.png", drawn())["buffer"]).decode(),
    )
    page.get_by_role("button", name="Paste").click()
    expect(caption(page)).not_to_be_empty()


def test_a_clipboard_without_a_photograph_is_told(page):
    page.evaluate("navigator.clipboard.writeText('words')")
    page.get_by_role("button", name="Paste").click()
    expect(page.locator("#intake-note")).to_have_text("There is no photograph in that.")
    choose(page)
    expect(page.locator("#intake-note")).to_be_hidden()


def test_a_clipboard_that_may_not_be_read_is_told(desktop):
    desktop.evaluate(
        "() => { navigator.clipboard.read = () => Promise.reject(new DOMException('no', 'NotAllowedError')) }"
    )
    desktop.get_by_role("button", name="Paste").click()
    expect(desktop.locator("#intake-note")).to_contain_text("cannot be read")


def test_the_camera_is_offered_where_there_is_a_finger(page, size):
    camera = page.get_by_text("Take one")
    if size.get("has_touch"):
        expect(camera).to_be_visible()
        page.set_input_files("#take", picture("rocket.jpg"))
        expect(caption(page)).not_to_be_empty()
    else:
        expect(camera).to_be_hidden()
    expect(page.locator("#take")).to_have_attribute("capture", "environment")


def test_what_can_be_chosen_is_what_the_service_reads(desktop, server):
    accepted = desktop.locator("#choose").get_attribute("accept").split(",")
    formats = requests.get(server.url + "/info", timeout=10).json()["formats"]
    assert accepted[: len(formats)] == [f"image/{name.lower()}" for name in formats]
    assert accepted[len(formats) :] == ["image/heif", ".heic", ".heif"] and "HEIC" in formats


def test_the_preview_does_not_wait_for_the_answer(page):
    held = []
    page.route("**/predict", lambda route: held.append(route))
    choose(page, picture("rocket.jpg"))
    expect(card(page).locator("img")).to_be_visible()
    assert page.evaluate("document.querySelector('#cards img').naturalWidth") == 640
    wait_until(page, "sending")
    expect(card(page).locator("article")).to_have_attribute("aria-busy", "true")
    wait_until_held(page, held, 1)
    for route in held:
        route.continue_()
    wait_until(page, "done")
    expect(card(page).locator("article")).to_have_attribute("aria-busy", "false")
