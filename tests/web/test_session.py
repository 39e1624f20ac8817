"""Many photographs: the queue, the order, taking the session away, clearing it."""

import csv
import io
import json

from playwright.sync_api import expect

from tests.pictures import drawn
from tests.web.gestures import NOTES, caption, card, choose, picture, wait_until, wait_until_held

HOSTILE_NAMES = ["=HYPERLINK(A1).jpg", "+1.jpg", "-1.jpg", "@SUM(A1).jpg", "\t=1.jpg", 'a, "b"\n=c.jpg']


def small(name):
    return picture("drawn.png", drawn()) | {"name": name}


def downloaded(page, label):
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download {label}").click()
    assert download.value.suggested_filename == f"captions.{label.lower()}"
    return download.value.path().read_bytes().decode("utf-8")


def test_twenty_photographs(page):
    names = [f"{number}.png" for number in range(1, 21)]
    page.evaluate(
        """() => {
            window.underWay = window.most = window.all = 0;
            const send = XMLHttpRequest.prototype.send;
            XMLHttpRequest.prototype.send = function (form) {
                most = Math.max(most, ++underWay);
                all += 1;
                this.addEventListener('readystatechange', () => this.readyState === this.DONE && --underWay);
                return send.call(this, form);
            };
        }"""
    )
    choose(page, *[small(name) for name in names])
    assert page.locator("h2").all_inner_texts() == names  # a card each, at once
    expect(page.locator("[data-state=done]")).to_have_count(20)
    expect(page.locator("#count")).to_have_text("20 photographs")
    assert page.locator("h2").all_inner_texts() == names
    assert page.evaluate("[all, most, underWay]") == [20, 2, 0]


def test_the_count_tells_how_far_it_is(desktop):
    held = []
    desktop.route("**/predict", lambda route: held.append(route))
    choose(desktop, *[small(f"{number}.png") for number in range(3)])
    expect(desktop.locator("#count")).to_have_text("0 of 3 done")
    wait_until(desktop, "waiting", 2)
    expect(desktop.locator("[data-state=sending]")).to_have_count(2)
    wait_until_held(desktop, held, 2)
    held[0].continue_()
    expect(desktop.locator("#count")).to_have_text("1 of 3 done")
    expect(desktop.locator("[data-state=sending]")).to_have_count(2)
    wait_until_held(desktop, held, 3)
    for route in held[1:]:
        route.continue_()
    expect(desktop.locator("#count")).to_have_text("3 photographs")


def test_one_that_waits_can_be_cancelled(desktop):
    held = []
    desktop.route("**/predict", lambda route: held.append(route))
    choose(desktop, *[small(f"{number}.png") for number in range(4)])
    wait_until(desktop, "waiting", 2)
    card(desktop, 2).get_by_role("button", name="Cancel", exact=True).click()
    wait_until(desktop, "cancelled", 2)
    expect(desktop.locator("[data-state=sending]")).to_have_count(2)
    wait_until_held(desktop, held, 2)
    for route in held[:2]:
        route.continue_()
    wait_until(desktop, "sending", 3)
    wait_until_held(desktop, held, 3)
    held[2].continue_()
    wait_until(desktop, "done", 3)
    wait_until(desktop, "cancelled", 2)
    assert len(held) == 3  # the cancelled one was never sent


def test_remove_one(page):
    choose(page, small("a.png"), small("b.png"), small("c.png"))
    expect(page.locator("[data-state=done]")).to_have_count(3)
    card(page, 1).get_by_role("button", name="Remove", exact=True).click()
    assert page.locator("h2").all_inner_texts() == ["a.png", "c.png"]
    expect(card(page, 1).locator("article")).to_be_focused()
    for _ in range(2):
        card(page).get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("#session")).to_be_hidden()
    expect(page.locator("#choose")).to_be_focused()


def test_clear_all(page):
    held = []
    page.route("**/predict", lambda route: held.append(route))
    choose(page, small("a.png"), small("b.png"), small("c.png"))
    expect(page.locator("[data-state=sending]")).to_have_count(2)
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("#session")).to_be_hidden()
    assert page.locator("#cards > li").count() == 0
    expect(page.locator("#choose")).to_be_focused()
    expect(page.locator("#announcer")).to_contain_text("cleared")
    page.unroute("**/predict")
    choose(page)  # the queue is free again
    expect(caption(page)).not_to_be_empty()


def test_nothing_is_left_behind(desktop):
    choose(desktop)
    wait_until(desktop, "done")
    kept = "[localStorage.length, sessionStorage.length, document.cookie, (await indexedDB.databases()).length]"
    assert desktop.evaluate(f"(async () => {kept})()") == [0, 0, "", 0]
    desktop.reload()
    expect(desktop.locator("#session")).to_be_hidden()
    expect(desktop.get_by_text("Nothing is stored")).to_be_visible()


def test_download_json(page):
    choose(page, picture("coffee.jpg"), NOTES)
    wait_until(page, "done")
    wait_until(page, "failed", 1)
    first, second = json.loads(downloaded(page, "JSON"))
    assert first["file"] == "coffee.jpg" and first["caption"] == caption(page).inner_text()
    assert len(first["answer"]["captions"]) == 3 and "image" not in first["answer"]
    assert first["settings"]["method"] == "beam"
    assert second["file"] == "notes.jpg" and second["state"] == "failed" and "This is a text" in second["error"]
    assert "answer" not in second


def test_download_csv(page):
    choose(page, picture("coffee.jpg"), NOTES)
    wait_until(page, "done")
    wait_until(page, "failed", 1)
    card(page).locator(".ranking button").nth(1).click()  # the chosen caption is the caption
    text = downloaded(page, "CSV")
    assert text.startswith("\ufeff")
    first, second = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    assert first["file"] == "coffee.jpg" and first["caption"] == caption(page).inner_text()
    assert 0 < float(first["mean_probability"]) <= 1
    assert len(first["alternatives"].split(" | ")) == 2 and first["caption"] not in first["alternatives"].split(" | ")
    assert first["model"].startswith("cnn-lstm sha256:") and "beam_size=10" in first["settings"]
    assert second["caption"] == "" and "This is a text" in second["error"]


def test_a_spreadsheet_runs_nothing_of_a_download(desktop):
    choose(desktop, *[NOTES | {"name": name} for name in HOSTILE_NAMES])
    expect(desktop.locator("[data-state=failed]")).to_have_count(len(HOSTILE_NAMES))
    names = desktop.locator("h2").evaluate_all("headings => headings.map(h => h.textContent)")
    text = downloaded(desktop, "CSV").removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(names)
    for row, name in zip(rows, names, strict=True):
        assert row["file"] == ("'" + name if name[0] in "=+-@\t" else name)
        assert row["file"][0] not in "=+-@\t\r"
