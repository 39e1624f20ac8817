"""The page in each of its languages: nothing missing, all of it said, chosen by the visitor, for everyone."""

import dataclasses
import json
import re

import pytest
import requests
from playwright.sync_api import expect

from benchmarks.server import running_server
from collection.query import ORDERS
from model.captioner import DecodingOptions
from service.errors import CODES
from service.words import choose_words, languages
from tests.conftest import ROOT
from tests.web.conftest import DESKTOP, PHONE, opened
from tests.web.gestures import NOTES, card, choose, listen, picture, sent_options, wait_until
from tests.web.test_everyone import barriers

ENGLISH, *OTHERS = languages()
CODE = "".join(
    file.read_text() for file in [*(ROOT / "static").rglob("*.js"), *(ROOT / "templates").glob("*[!s].html")]
)
DERIVED = ("option.", "help.", "choice.", "error.", "order.", "state.")
OPTIONS = [option for option in dataclasses.fields(DecodingOptions) if option.name not in ("attention", "rerank")]


def texts(words, key):
    found = words.get(key, "")
    return [found] if isinstance(found, str) else list(found.values())


def placeholders(text):
    return set(re.findall(r"\{(\w+%?)\}", text))


def test_there_are_five_and_english_is_first():
    assert (ENGLISH, OTHERS) == ("en", ["cs", "de", "fr", "zh"])


@pytest.mark.parametrize("tag", OTHERS)
def test_nothing_is_missing_and_nothing_too_much(tag):
    """The service tells errors in English; the other languages have their own for those that a visitor can meet."""
    words, english = languages()[tag], languages()[ENGLISH]
    assert words.keys() - english.keys() == {key for key in languages()["de"] if key.startswith("error.")}
    assert english.keys() <= words.keys()
    assert {key.removeprefix("error.") for key in words.keys() - english.keys()} <= CODES.keys()
    for key in english:
        wanted = set().union(*map(placeholders, texts(english, key)))
        assert all(placeholders(text) == wanted for text in texts(words, key)), key
        assert all(text.strip() for text in texts(words, key)), key
    same = {key for key in english if words[key] == english[key]}
    assert same <= {
        "direction",
        "comma",
        "number",
        "percent",
        "found",
        "setting",
        "option.top_p",
        "option.style",
        "option.language",
    }


def test_every_text_is_used_and_every_text_that_is_used_is_there():
    keys = {key for key in languages()[ENGLISH] if not key.startswith(DERIVED)}
    quoted = set(re.findall(r'"(\w+)"', CODE)) | set(re.findall(r"words\.(\w+)", CODE)) | {"name"}
    assert keys <= quoted
    said = re.findall(r'data-(?:text|label|title|placeholder)="(\w+)"', CODE) + re.findall(r'say\("(\w+)"', CODE)
    told = re.findall(r'(?:tell\([^;\n]*?, |(?:Problem|report|note)\(|#enter\("\w+", )"(\w+)"', CODE)
    assert len(told) > 15 and set(said) | set(told) <= keys


def test_what_the_settings_are_called():
    english = languages()[ENGLISH]
    assert {key for key in english if key.startswith("help.")} == {f"help.{option.name}" for option in OPTIONS}
    for option in OPTIONS:
        assert english[f"help.{option.name}"] == option.metadata["help"] and english[f"option.{option.name}"]
    assert {key for key in english if key.startswith("order.")} == {f"order.{order}" for order in ORDERS}
    choices = {choice for option in OPTIONS for choice in option.metadata.get("choices", ())}
    assert {key for key in english if key.startswith("choice.")} == {f"choice.{choice}" for choice in choices}


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [(["de-AT", "en"], "de"), (["ja", "zh-Hant-TW"], "zh"), (["ja"], "en"), ([], "en"), (["*", "cs"], "cs")],
)
def test_the_first_that_there_is(accepted, tag):
    assert choose_words(accepted) == (tag, languages()[tag])


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ("de-CH, en;q=0.5", "de"),
        ("en;q=0.4, fr-CA;q=0.9", "fr"),
        ("de;q=0, cs;q=0.1", "cs"),
        ("xx", "en"),
        ("\xff;;,q", "en"),
    ],
)
def test_the_page_comes_in_the_visitors_language(server, accepted, tag):
    answer = requests.get(server.url, headers={"Accept-Language": accepted.encode("latin-1")}, timeout=30)
    assert answer.headers["Content-Language"] == tag and "Accept-Language" in answer.headers["Vary"]
    assert f'<html lang="{tag}" dir="ltr">' in answer.text and languages()[tag]["heading"] in answer.text
    assert requests.get(f"{server.url}/static/languages/{tag}.json", timeout=30).json() == languages()[tag]


def visible_texts(page):
    """All that is said, attributes and templates included, but what differs from one answer to the next."""
    return page.evaluate(
        r"""() => {
            const found = [];
            const parts = [document, ...[...document.querySelectorAll('template')].map(one => one.content)];
            for (const part of parts) for (const element of part.querySelectorAll('*')) {
                if (element.closest('noscript, #announcer') || element.tagName === 'META') continue;
                const own = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data.trim());
                for (const name of ['aria-label', 'title', 'alt', 'placeholder', 'lang', 'dir'])
                    own.push(element.getAttribute(name) ?? '');
                found.push(own.join('|').replace(/[\d., \u202f\u00a0]+(?=ms|毫秒)/, ''));
            }
            return found;
        }"""
    )


def session(page):
    page.locator("summary").click()
    page.locator("#method").select_option("sample")
    page.locator("#seed").fill("7")
    choose(page, picture("coffee.jpg"), NOTES)
    wait_until(page, "done")
    wait_until(page, "failed", 1)


@pytest.fixture(scope="module")
def english_captions(tmp_path_factory):
    """A service without language packs: its captions do not change with the page's language."""
    folder = tmp_path_factory.mktemp("english")
    with running_server(folder, CAPTION_LANGUAGES=str(folder)) as running:
        running.wait_until_healthy()
        yield running


@pytest.mark.parametrize("tag", OTHERS)
def test_all_of_it_is_said_and_can_be_read_by_everyone(english_captions, browser, tag):
    """On the phone of a visitor who speaks it; and chosen by hand amid a session it is the same, word by word."""
    server = english_captions
    with opened(browser, server.url, **PHONE, locale=tag, reduced_motion="reduce") as page:
        assert page.evaluate("document.documentElement.lang") == tag
        session(page)
        assert barriers(page) == []
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            overflowing = page.evaluate(
                """() => [...document.querySelectorAll('button, label, select, h1, .field p')]
                    .filter(e => e.checkVisibility() && getComputedStyle(e).display !== 'inline')
                    .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
            )
            assert overflowing == []
        page.set_viewport_size(PHONE["viewport"])
        spoken = visible_texts(page)
        plurals = [word for word in languages()[tag].values() if isinstance(word, dict)]
        categories = page.evaluate("tag => new Intl.PluralRules(tag).resolvedOptions().pluralCategories", tag)
        assert plurals and all(set(plural) == set(categories) for plural in plurals)
    with opened(browser, server.url, **PHONE, locale="en-GB", reduced_motion="reduce") as page:
        session(page)
        english = visible_texts(page)
        page.locator("#page-language").select_option(tag)
        expect(page.locator("html")).to_have_attribute("lang", tag)
        assert visible_texts(page) == spoken != english
        page.locator("#page-language").select_option("en")
        expect(page.locator("h1")).to_have_text(languages()[ENGLISH]["heading"])
        assert visible_texts(page) == english


def test_what_was_chosen_is_remembered_and_only_one_is_fetched(server, browser):
    with opened(browser, server.url, **DESKTOP) as page:
        page.locator("#page-language").select_option("fr")
        expect(page.locator("h1")).to_have_text(languages()["fr"]["heading"])
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.reload()
        expect(page.locator("h1")).to_have_text(languages()["fr"]["heading"])
        expect(page.locator("#page-language")).to_have_value("fr")
        assert [url.rpartition("/")[2] for url in asked if "languages/" in url] == ["fr.json"]
        page.evaluate("localStorage.setItem('language', 'tlh')")
        page.reload()
        expect(page.locator("#page-language")).to_have_value("en")


def test_numbers_plurals_and_errors(server, browser):
    with opened(browser, server.url, **DESKTOP, locale="cs") as page:
        page.locator("summary").click()
        expect(page.locator("#guidance").locator("xpath=..").locator(".value")).to_have_text("0,2")
        for count, told in ((1, "1 fotka"), (2, "2 fotky"), (5, "5 fotek")):
            choose(page, *[NOTES] * (count - page.locator("#cards > li").count()))
            expect(page.locator("#count")).to_have_text(told)
        error = card(page).locator(".error")
        expect(error).to_have_text(languages()["cs"]["error.not_an_image"])
        page.locator("#page-language").select_option("en")
        expect(error).to_contain_text("This is a text")
        body = {"error": {"code": "too_much_rain", "message": "It rains."}}
        page.route("**/predict", lambda route: route.fulfill(status=500, json=body))
        page.locator("#page-language").select_option("de")
        card(page).locator(".again:visible").click()
        expect(error).to_have_text("It rains.")
        expect(error).to_have_attribute("lang", "en")


def with_languages(page, *had):
    """As if the model had these; "" is what a page has that came before the model was loaded."""

    def served(route):
        html = re.sub(r'data-had="[^"]*"', f'data-had="{" ".join(had)}"', route.fetch().text())
        route.fulfill(body=html, content_type="text/html; charset=utf-8")

    page.route(re.compile(r"/(\?.*)?$"), served)


def chosen(page):
    return page.locator("#language").evaluate("select => select.value")


def test_captions_have_a_language_of_their_own(server, browser):
    def german(route):
        response = route.fetch()
        route.fulfill(response=response, json=response.json() | {"language": "de", "low_confidence": False})

    with opened(browser, server.url, **DESKTOP) as page:
        with_languages(page, "en", "de", "zh")
        page.reload()
        page.locator("summary").click()
        assert page.locator("#language option").all_inner_texts() == ["English", "Deutsch", "中文"]
        assert chosen(page) == "en"
        page.locator("#language").select_option("zh")
        expect(page.locator("#changed")).to_have_text("Language: 中文")
        assert page.evaluate("location.search") == "?language=zh"
        page.goto(server.url)  # without what the address held
        assert chosen(page) == "zh"
        page.goto(server.url + "/?language=de")
        assert chosen(page) == "de"
        page.goto(server.url + "/?language=tlh")
        assert chosen(page) == "zh"
        listen(page)
        page.route("**/predict", german)
        choose(page)
        wait_until(page, "done")
        assert sent_options(page)["language"] == "zh"
        for place in (".caption", ".told", ".ranking ol", ".tags", "img"):
            expect(card(page).locator(place)).to_have_attribute("lang", "de")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download JSON").click()
        [record] = json.loads(download.value.path().read_text())
        assert record["answer"]["language"] == "de" and record["settings"]["language"] == "zh"


def test_at_first_captions_are_in_the_pages_language(server, browser):
    with opened(browser, server.url, **DESKTOP, locale="de-AT") as page:
        with_languages(page, "en", "de")
        page.reload()
        assert chosen(page) == "de"
    with opened(browser, server.url, **DESKTOP, locale="fr") as page:
        with_languages(page, "en", "de")
        page.reload()
        assert chosen(page) == "en"


def test_where_there_is_one_language_there_is_nothing_to_choose(server, browser):
    with opened(browser, server.url, **DESKTOP) as page:
        with_languages(page, "en")
        page.reload()
        page.locator("summary").click()
        expect(page.locator("#method")).to_be_visible()
        expect(page.locator("#language")).to_be_hidden()


def test_a_page_that_came_before_the_model_learns_its_languages(server, browser):
    told = requests.get(server.url + "/info", timeout=10).json()
    told["model"]["capabilities"]["languages"] = ["en", "de"]
    with opened(browser, server.url, **DESKTOP) as page:
        with_languages(page)
        page.route("**/info", lambda route: route.fulfill(json=told))
        page.reload()
        page.locator("summary").click()
        expect(page.locator("#language")).to_be_hidden()
        choose(page)
        wait_until(page, "done")
        expect(page.locator("#language")).to_be_visible()
        expect(page.locator("#language option")).to_have_text(["English", "Deutsch"])
