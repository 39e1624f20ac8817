"""People's words on the page: keys and buttons, two browsers at once, and what may not write."""

import json

import pytest
import requests
from playwright.sync_api import expect

from benchmarks.server import running_server
from collection.catalogue import Collection
from tests.conftest import wait_until
from tests.pictures import encoded, photograph
from tests.web.conftest import DESKTOP, PHONE, opened
from tests.web.test_everyone import barriers

SAID = {"coffee": ("a cup of coffee", 0.9), "rocket": ("a tower", 0.2), "chelsea": ("a dog", 0.4)}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    records = []
    for name, (caption, confidence) in SAID.items():
        (folder / f"{name}.jpg").write_bytes(encoded(photograph(name), "JPEG"))
        record = {"path": f"{name}.jpg", "caption": caption, "confidence": confidence, "model": {"digest": "sha256:1"}}
        records.append(json.dumps(record) + "\n")
    file = folder / "results.jsonl"
    file.write_text("".join(records))
    return file


def answers(server):
    """A collection needs no captioner."""

    def is_alive():
        try:
            return requests.get(server.url + "/livez", timeout=5).ok
        except requests.RequestException:
            return False

    wait_until(is_alive)


@pytest.fixture(scope="module")
def serving(results, tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("serving"), CAPTION_COLLECTION=str(results)) as server:
        answers(server)
        yield server


@pytest.fixture(autouse=True)
def nobody_decided(results):
    for file in results.parent.glob("results.jsonl.*"):
        file.unlink()


def begin(page, name="Ada"):
    page.get_by_role("button", name="Review, least sure first").click()
    expect(page.locator("#results > li")).to_have_count(3)
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    expect(current(page)).to_contain_text("a tower")


def current(page):
    return page.locator("[aria-current=true]")


def test_by_keys_alone(serving, results, browser):
    with opened(browser, serving.url, **DESKTOP) as page:
        begin(page)
        page.keyboard.press("e")
        page.keyboard.press("Control+A")
        page.keyboard.type("a rocket on its <b>pad</b>")
        page.keyboard.press("Enter")
        expect(current(page)).to_contain_text("a dog")
        page.keyboard.press("r")
        expect(current(page)).to_contain_text("a cup of coffee")
        page.keyboard.press("a")
        expect(current(page)).to_contain_text("Accepted by Ada")
        page.keyboard.press("k")
        page.keyboard.press("u")
        expect(current(page)).not_to_contain_text("Rejected")
        page.keyboard.press("ArrowUp")
        expect(current(page)).to_contain_text("The machine said: a tower")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        page.keyboard.press("Escape")
        page.reload()
        expect(page.get_by_label("Your name")).to_have_value("Ada")
        page.get_by_role("searchbox").fill("pad reviewed:yes")
        page.keyboard.press("Enter")
        expect(page.locator("#results > li")).to_have_count(1)
        expect(page.locator("#results .said")).to_have_text("a rocket on its <b>pad</b>")
    found = Collection(results).at("rocket.jpg")
    assert (found.caption, found.by, found.status) == ("a rocket on its <b>pad</b>", "Ada", "edited")


def test_two_browsers_at_once_lose_nothing(serving, results, browser):
    with opened(browser, serving.url, **DESKTOP) as one, opened(browser, serving.url, **DESKTOP) as other:
        begin(one)
        begin(other, "Bob")
        for page, words in ((one, "a rocket"), (other, "a white rocket")):
            page.keyboard.press("e")
            page.get_by_label("Caption", exact=True).locator("visible=true").fill(words)
            page.keyboard.press("Enter")
        clash = other.locator(".conflict:visible")
        expect(clash).to_contain_text("Now: a rocket")
        expect(clash).to_contain_text("Yours: a white rocket")
        clash.get_by_role("button", name="Use mine").click()
        expect(other.locator(".said", has_text="a white rocket")).to_be_visible()
    collection = Collection(results)
    history = collection.history(collection.at("rocket.jpg"))
    assert [(one.by, one.caption) for one in history] == [("Bob", "a white rocket"), ("Ada", "a rocket")]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(serving, browser, size):
    with opened(browser, serving.url, **size) as page:
        begin(page)
        for scheme in ("light", "dark"):
            page.emulate_media(reduced_motion="reduce", color_scheme=scheme)
            assert barriers(page) == []
        current(page).get_by_role("button", name="Edit").click()
        assert barriers(page) == []
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Keys").click()
        assert barriers(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def decide(server, headers=None, **fields):
    asked = {"action": "edit", "by": "Ada", "caption": "words", "version": fields.pop("version", None)}
    if asked["version"] is None:
        asked["version"] = requests.get(server.url + "/collection/1", timeout=10).json()["version"]
    body = {name: value for name, value in (asked | fields).items() if value is not Ellipsis}
    sent = {"Content-Type": "application/json"} | (headers or {})
    return requests.post(server.url + "/collection/1/review", data=json.dumps(body), headers=sent, timeout=10)


def test_decisions_over_http(serving):
    assert decide(serving, action="accept", caption=...).json()["reviewed"] == "accepted"
    told = decide(serving, caption="  words\n e\u0301 ").json()
    assert (told["caption"], told["reviewed_by"], told["machine_caption"]) == ("words é", "Ada", "a cup of coffee")
    stale = decide(serving, version="0" * 16)
    assert stale.status_code == 409 and stale.json()["error"]["code"] == "conflict"
    assert (stale.json()["yours"], stale.json()["current"]["caption"]) == ("words", "words é")
    assert decide(serving, action="undo", version=told["version"]).json()["reviewed"] == "accepted"
    history = requests.get(serving.url + "/collection/1", timeout=10).json()["history"]
    assert [one["action"] for one in history] == ["undo", "edit", "accept"]
    assert {one["model"] for one in history} == {"sha256:1"}


@pytest.mark.parametrize(
    ("status", "headers", "fields"),
    [
        (403, {"Sec-Fetch-Site": "cross-site"}, {}),
        (403, {"Sec-Fetch-Site": "same-site"}, {}),
        (403, {"Origin": "https://example.org"}, {}),
        (403, {"Origin": "null"}, {}),
        (400, {"Content-Type": "text/plain"}, {}),
        (400, {"Content-Type": "application/x-www-form-urlencoded"}, {}),
        (400, {}, {"by": ""}),
        (400, {}, {"by": "x" * 81}),
        (400, {}, {"by": 5}),
        (400, {}, {"caption": "x" * 1001}),
        (400, {}, {"caption": "\u200b"}),
        (400, {}, {"caption": "a\u0000b"}),
        (400, {}, {"caption": "a\u202eb"}),
        (400, {}, {"caption": "\ud800"}),
        (400, {}, {"action": "delete"}),
        (400, {}, {"version": ""}),
        (400, {}, {"captoin": "x"}),
        (413, {}, {"caption": "x" * 100_000}),
    ],
)
def test_what_is_refused_leaves_nothing(serving, results, status, headers, fields):
    answer = decide(serving, headers, **fields)
    expected = 415 if "Content-Type" in headers else status
    assert answer.status_code == expected and answer.json()["error"]["message"]
    assert not results.with_name("results.jsonl.reviews.sqlite").exists()


def test_a_key_and_read_only(results, browser, tmp_path):
    settings = {"CAPTION_COLLECTION": str(results), "CAPTION_API_KEY": "sesame"}
    with running_server(tmp_path, **settings, CAPTION_COLLECTION_READ_ONLY="true") as server:
        answers(server)
        key = {"X-API-Key": "sesame"}
        assert requests.get(server.url + "/collection/search?q=cup", timeout=10).status_code == 401
        assert requests.get(server.url + "/collection/search?q=cup", headers=key, timeout=10).json()["total"] == 1
        assert decide(server, key, version="x").status_code == 404
        with opened(browser, server.url, **DESKTOP) as page:
            expect(page.get_by_role("searchbox")).to_be_visible()
            expect(page.get_by_role("button", name="Review, least sure first")).to_have_count(0)
