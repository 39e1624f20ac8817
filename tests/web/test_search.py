"""Search of a collection that the operator points the service at: the API, and the page in a real browser."""

import io
import json

import pytest
import requests
from PIL import Image
from playwright.sync_api import expect

from benchmarks.server import running_server
from tests.pictures import encoded, photograph
from tests.web.conftest import DESKTOP, opened
from tests.web.test_everyone import barriers

CAPTIONS = {
    "coffee.jpg": "a cup of coffee on a table",
    "cats/chelsea.png": "a cat looks at the camera",
    "rocket.jpg": "a rocket stands on a <b>table</b>",
    "gone.jpg": "a cat that is gone",
    "notes.jpg": "a cat that is a text",
    "../outside.jpg": "a photograph beside the folder",
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection") / "inside"
    (folder / "cats").mkdir(parents=True)
    for name in ("coffee.jpg", "rocket.jpg", "cats/chelsea.png"):
        path = folder / name
        image = photograph(path.stem)
        path.write_bytes(encoded(image, "PNG" if path.suffix == ".png" else "JPEG"))
    (folder / "notes.jpg").write_text("not a photograph")
    (folder.parent / "outside.jpg").write_bytes((folder / "coffee.jpg").read_bytes())
    (folder / "unlisted.jpg").write_bytes((folder / "coffee.jpg").read_bytes())
    records = [{"path": path, "caption": caption} for path, caption in CAPTIONS.items()]
    records += [{"path": f"{number}.jpg", "caption": "a wave"} for number in range(30)]
    records[1:1] = [{"path": "broken.jpg", "error": {"code": "damaged_image", "message": "a cat?"}}]
    file = folder / "results.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


@pytest.fixture(scope="module")
def searching(collection, tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("searching"), CAPTION_COLLECTION=str(collection)) as running:
        running.wait_until_healthy()
        yield running


@pytest.fixture
def page(searching, browser, size):
    with opened(browser, searching.url, **size) as page:
        yield page


def ask(server, **query):
    return requests.get(server.url + "/collection/search", params=query, timeout=30)


def search(page, words):
    page.get_by_role("searchbox", name="Search the collection").fill(words)
    page.get_by_role("button", name="Search", exact=True).click()


def test_the_api_answers(searching):
    answer = ask(searching, q="cats")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert (body["query"], body["total"]) == ("cats", 3)
    by_path = {result["path"]: result for result in body["results"]}
    cat = by_path["cats/chelsea.png"]
    assert cat["version"] and cat == {
        "id": 3,
        "path": "cats/chelsea.png",
        "caption": "a cat looks at the camera",
        "thumbnail": "/collection/3/thumbnail",
        "confidence": None,
        "tags": [],
        "reviewed": None,
        "reviewed_by": None,
        "machine_caption": "a cat looks at the camera",
        "version": cat["version"],
    }
    assert by_path["gone.jpg"]["thumbnail"] is None
    assert len(ask(searching, q="wave").json()["results"]) == 24
    assert len(ask(searching, q="wave", limit=7).json()["results"]) == 7
    assert ask(searching, q="wave").json()["total"] == 30


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"q": ""},
        {"q": "cat", "limt": "5"},
        {"q": '"'},
        {"q": "x" * 201},
        {"q": "cat", "limit": "0"},
        {"q": "cat", "limit": "101"},
        {"q": "cat", "offset": "-1"},
        {"q": "cat", "order": "worst"},
        {"q": "reviewed:maybe"},
    ]
    + [{"q": "cat", "limit": limit} for limit in ("x", "-1", "1.5", "9" * 30, "²")],
)
def test_400_for_what_cannot_be_searched(searching, query):
    answer = ask(searching, **query)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_parameter"


def test_a_thumbnail_is_small_and_an_image(searching):
    answer = requests.get(searching.url + "/collection/3/thumbnail", timeout=30)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(answer.content)).size) == 320
    assert "private" in answer.headers["Cache-Control"] and answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "id",
    ["2", "5", "6", "0", "-1", "99", "9" * 30, "coffee.jpg", "unlisted.jpg", "../../app.py", "..%2f..%2fapp.py", "1/2"],
)
def test_404_for_what_is_not_listed_or_not_an_image(searching, id):
    request = requests.Request("GET", searching.url).prepare()
    request.url = f"{searching.url}/collection/{id}/thumbnail"  # as it is, without tidying the path
    answer = requests.Session().send(request, timeout=30)
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found"


def test_without_a_collection_there_is_nothing_of_it(server):
    for path in ("/collection/search?q=cat", "/collection/1/thumbnail"):
        answer = requests.get(server.url + path, timeout=10)
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found"
    html = requests.get(server.url, timeout=10).text
    assert "collection" not in html and "search" not in html


def test_words_to_captions_with_their_photographs(page):
    search(page, "cat")
    results = page.locator("#results > li")
    expect(results).to_have_count(3)
    expect(page.locator("#found")).to_have_text("3 photographs")
    cat = results.filter(has_text="cats/chelsea.png")
    expect(cat).to_contain_text("a cat looks at the camera")
    expect(cat.locator("img")).to_be_visible()
    assert cat.locator("img").evaluate("async image => { await image.decode(); return image.naturalWidth; }") == 320
    for name in ("gone.jpg", "notes.jpg"):
        expect(results.filter(has_text=name).locator("img")).to_be_hidden()
    expect(page.locator("#announcer")).to_contain_text("3 photographs")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_again_none_many_and_cleared(page):
    search(page, "wave")
    expect(page.locator("#found")).to_have_text("The 24 best of 30 photographs")
    page.get_by_role("searchbox").fill("elephant")
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_have_text("Nothing found for “elephant”")
    expect(page.locator("#results > li")).to_have_count(0)
    search(page, "table")
    expect(page.locator("#results > li")).to_have_count(2)
    expect(page.locator("#results")).to_contain_text("<b>table</b>")  # text, never markup
    page.get_by_role("searchbox").fill("")
    expect(page.locator("#results > li")).to_have_count(0)
    expect(page.locator("#found")).to_be_hidden()


def test_what_cannot_be_searched_is_said(page, searching):
    search(page, "***")
    expect(page.locator("#found")).to_have_text("Which words? A caption's, such as: dog grass.")
    page.route("**/collection/**", lambda route: route.abort("connectionrefused"))
    search(page, "cat")
    expect(page.locator("#found")).to_have_text("The service cannot be reached. Is it running?")


def test_axe_finds_nothing(page):
    for scheme in ("light", "dark"):
        page.emulate_media(reduced_motion="reduce", color_scheme=scheme)
        assert barriers(page) == []
        search(page, "cat")
        expect(page.locator("#results > li")).to_have_count(3)
        expect(page.locator("#results li", has_text="chelsea").locator("img")).to_be_visible()
        assert barriers(page) == []
        page.get_by_role("searchbox").fill("")


def test_the_key_goes_along(collection, browser, tmp_path):
    with running_server(tmp_path, CAPTION_COLLECTION=str(collection), CAPTION_API_KEY="open-sesame") as server:
        server.wait_until_healthy()
        for path in ("/collection/search?q=cat", "/collection/3/thumbnail"):
            assert requests.get(server.url + path, timeout=10).status_code == 401
        with opened(browser, server.url, **DESKTOP) as page:
            search(page, "cat")
            expect(page.locator("#found")).to_contain_text("API key")
            page.get_by_label("API key").fill("open-sesame")
            search(page, "cat")
            expect(page.locator("#results li", has_text="chelsea").locator("img")).to_be_visible()


def test_a_collection_that_is_none_is_told_at_the_start(tmp_path):
    (tmp_path / "results.jsonl").write_text("words\n")
    with running_server(tmp_path, CAPTION_COLLECTION=str(tmp_path / "results.jsonl")) as server:
        assert server.process.wait(60) != 0
        assert "CAPTION_COLLECTION" in server.log.read_text() and "line 1" in server.log.read_text()
