"""For everyone: axe-core in every state, keyboard only, a screen reader, all widths, reduced motion."""

from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import expect

from tests.web.gestures import NOTES, caption, card, choose, picture, wait_until

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


def barriers(page):
    """What axe-core finds, by all of its rules, those for best practice included."""
    page.evaluate(AXE + "; undefined")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{rule['id']}: {node['html']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


def hold(page):
    held = []
    page.route("**/predict", lambda route: held.append(route))


def empty(page):
    pass


def settings(page):
    page.get_by_text("Settings").click()


def sampling(page):
    settings(page)
    page.get_by_label("Method").select_option("sample")


def waiting_and_sending(page):
    hold(page)
    choose(page, picture("coffee.jpg"), picture("rocket.jpg"), picture("chelsea.jpg"))
    wait_until(page, "sending", 1)


def result(page):
    choose(page)
    wait_until(page, "done")


def attention(page):
    result(page)
    card(page).locator(".word").nth(1).focus()
    expect(card(page).locator(".heat")).to_be_visible()


def doubt(page):
    def doubted(route):
        response = route.fetch()
        route.fulfill(response=response, json=response.json() | {"low_confidence": True})

    page.route("**/predict", doubted)
    result(page)


def error(page):
    choose(page, NOTES)
    wait_until(page, "failed")


def dropping(page):
    page.evaluate("document.getElementById('overlay').hidden = false")


def many(page):
    choose(page, picture("coffee.jpg"), NOTES, picture("rocket.jpg"), picture("chelsea.jpg"))
    expect(page.locator("[data-state=done]")).to_have_count(3)
    wait_until(page, "failed", 1)


STATES = [empty, settings, sampling, waiting_and_sending, result, attention, doubt, error, dropping, many]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_axe_finds_nothing(page, state):
    page.emulate_media(reduced_motion="reduce", color_scheme="light")  # nothing is half faded in
    state(page)
    assert barriers(page) == []
    page.emulate_media(reduced_motion="reduce", color_scheme="dark")
    assert barriers(page) == []


def test_axe_would_find_something(desktop):
    desktop.evaluate("document.querySelector('h1').style.color = '#ccc'")
    assert any("color-contrast" in barrier for barrier in barriers(desktop))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_however_sure_they_are(desktop, scheme):
    """4.5 to 1 (WCAG 2.2, 1.4.3), plain and lit; the colours in between are mixed by the browser."""
    desktop.emulate_media(reduced_motion="reduce", color_scheme=scheme)
    result(desktop)
    contrasts = desktop.evaluate(
        """() => {
            const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
            const luminance = (...colours) => {
                for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
                const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)].map(v => v / 255)
                    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                return .2126 * r + .7152 * g + .0722 * b;
            };
            const word = document.querySelector('.word'), found = [];
            for (const lit of [false, true]) for (let sure = 0; sure <= 100; sure += 10) {
                word.classList.toggle('lit', lit);
                word.style.setProperty('--sure', `${sure}%`);
                const card = getComputedStyle(word.closest('.card')).backgroundColor;
                const style = getComputedStyle(word);
                const [dark, light] = [luminance(card, style.backgroundColor), luminance(style.color)].sort();
                found.push((light + .05) / (dark + .05));
            }
            return found;
        }"""
    )
    assert len(contrasts) == 22 and min(contrasts) >= 4.5


def test_keyboard_only(desktop):
    """From the first Tab to the last, with no pointer: choose, settle, read, copy, download, clear."""
    page = desktop

    def tab_to(role, name):
        goal = page.get_by_role(role, name=name, exact=True).first
        for _ in range(30):
            page.keyboard.press("Tab")
            if goal.evaluate("e => e === document.activeElement"):
                ring = goal.evaluate("e => getComputedStyle(e.closest('label') ?? e).outlineStyle")
                assert ring == "solid", f"{name} has the focus and does not show it"
                return
        raise AssertionError(f"{name} is not reached")

    with page.expect_file_chooser() as chooser:
        # Where Enter follows at once, it may reach the page before the word that choosers are waited for.
        tab_to("button", "Choose photographs")
        page.keyboard.press("Enter")
    chooser.value.set_files([picture("camera.jpg"), picture("coffee.jpg")])
    expect(page.locator("[data-state=done]")).to_have_count(2)
    page.keyboard.press("Tab")  # Paste
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#settings")).to_be_visible()
    tab_to("slider", "Words at most")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    tab_to("button", "Caption all again")
    page.keyboard.press("Enter")
    for at in range(2):
        expect(card(page, at).locator(".word")).to_have_count(2)
    tab_to("button", "Remove")
    page.keyboard.press("Tab")  # into the caption: one stop, then arrows
    expect(card(page).locator(".word").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(card(page).locator(".word").nth(1)).to_be_focused()
    expect(card(page).locator(".heat")).to_be_visible()
    tab_to("button", "Play")
    page.keyboard.press("Space")
    expect(card(page).get_by_role("button", name="Stop", exact=True)).to_be_focused()
    tab_to("button", "Copy")
    page.keyboard.press("Enter")
    expect(card(page).get_by_role("button", name="Copied", exact=True)).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == caption(page).inner_text()
    tab_to("button", "Download CSV")
    with page.expect_download():
        page.keyboard.press("Enter")
    tab_to("button", "Clear all")
    page.keyboard.press("Enter")
    expect(page.locator("#choose")).to_be_focused()


def test_a_screen_reader_is_told_the_caption_and_what_it_is_of(page):
    choose(page, picture("coffee.jpg"))
    wait_until(page, "done")
    text = card(page).locator(".told").inner_text()  # a caption of low confidence, so that tags go before it
    log = page.get_by_role("log")
    assert text.startswith("Perhaps: ")
    expect(log).to_contain_text(f"coffee.jpg: {text}. The model is not sure")
    expect(page.get_by_role("article", name="coffee.jpg")).to_be_visible()
    expect(page.get_by_role("img", name=text)).to_be_visible()
    for name in ("Play", "Copy", 'Copy as alt="…"', "Caption again", "Remove"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920, 2560])
def test_nothing_overflows_and_nothing_is_too_small_to_touch(desktop, width):
    desktop.set_viewport_size({"width": width, "height": 900})
    desktop.get_by_text("Settings").click()
    many(desktop)
    assert desktop.evaluate("document.documentElement.scrollWidth") == width
    outside = desktop.evaluate(
        """() => [...document.querySelectorAll('body *')]
            .filter(e => e.checkVisibility() && !e.closest('.visually-hidden'))
            .filter(e => { const r = e.getBoundingClientRect(); return r.left < -1 || r.right > innerWidth + 1; })
            .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    small = desktop.evaluate(
        """() => [...document.querySelectorAll('button, select, input:not(.visually-hidden), summary')]
            .filter(e => e.checkVisibility()).filter(e => e.getBoundingClientRect().height < 24)
            .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert small == []  # WCAG 2.2, 2.5.8


def test_reduced_motion_is_heeded(desktop):
    hold(desktop)
    choose(desktop)
    wait_until(desktop, "sending")
    moving = "document.getAnimations().length"
    assert desktop.evaluate("getComputedStyle(document.querySelector('.card')).animationName") == "appear"
    desktop.emulate_media(reduced_motion="reduce")
    assert desktop.evaluate(moving) == 0
    assert desktop.evaluate("getComputedStyle(document.querySelector('.card')).animationName") == "none"
