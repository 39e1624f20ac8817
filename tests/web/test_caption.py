"""What comes out: the caption, its words and where the model looked, the alternatives, copying."""

import pytest
import requests
from playwright.sync_api import expect

from tests.web.gestures import caption, card, choose, picture, wait_until

HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture
def expected(server):
    """What the API says to the page's settings."""
    form = {"num_captions": 3, "attention": "true"}
    files = {"image": picture("camera.jpg")["buffer"]}
    return requests.post(server.url + "/predict", files=files, data=form, timeout=60).json()


def answered(page, **changes):
    """The service's answer is as given, or its own with the changes."""

    def answer(route):
        response = route.fetch()
        route.fulfill(response=response, json=response.json() | changes)

    page.route("**/predict", answer)


def test_tags_and_what_a_second_look_supports(page, expected):
    choose(page, picture("camera.jpg"))
    expect(caption(page)).to_have_text(expected["caption"])
    assert card(page).locator(".tags li").all_inner_texts() == [tag["name"] for tag in expected["tags"]]
    words = {word["text"]: word["support"] for word in expected["captions"][0]["words"] if "support" in word}
    told = card(page).locator(".support").inner_text()
    seen, _, unseen = told.partition("It is not sure of:")
    assert words and all((word in seen) == (support >= 0.25) for word, support in words.items())
    assert all((word in unseen) == (support < 0.25) for word, support in words.items())


def test_the_caption_and_its_alternatives_are_the_apis(page, expected):
    choose(page, picture("camera.jpg"))
    expect(caption(page)).to_have_text(expected["caption"])
    assert [text.split() for text in card(page).locator(".ranking button").all_inner_texts()] == [
        f"{c['text']} {round(c['mean_probability'] * 100)}%".split() for c in expected["captions"]
    ]
    assert expected["low_confidence"]  # so its tags are offered first
    tags = ", ".join(tag["name"] for tag in expected["tags"][:4])
    expect(card(page).locator("img")).to_have_attribute("alt", f"Perhaps: {tags}")
    expect(card(page).locator(".note")).to_be_visible(visible=expected["low_confidence"])
    expect(card(page).locator(".fine")).to_contain_text("cnn-lstm on ")


def test_an_alternative_can_be_chosen(page, expected):
    choose(page, picture("camera.jpg"))
    second = card(page).locator(".ranking button").nth(1)
    second.click()
    expect(caption(page)).to_have_text(expected["captions"][1]["text"])
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(card(page).locator(".ranking button").first).to_have_attribute("aria-pressed", "false")
    card(page).get_by_role("button", name="Copy", exact=True).click()
    expect(card(page).get_by_role("button", name="Copied", exact=True)).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == expected["captions"][1]["text"]


def test_each_word_tells_how_sure_the_model_was(page, expected):
    choose(page, picture("camera.jpg"))
    wait_until(page, "done")
    words = expected["captions"][0]["words"]
    names = page.evaluate("[...document.querySelectorAll('.word')].map(w => w.getAttribute('aria-label'))")
    assert names == [f"{word['text']}, {round(word['probability'] * 100)}% sure" for word in words]
    colours = page.evaluate("[...document.querySelectorAll('.word')].map(w => getComputedStyle(w).color)")
    assert len(set(colours)) == len({word["probability"] for word in words}) > 1


def darkness(page, cells):
    """How dark the veil is, cell by cell of the model's grid of cells x cells."""
    return page.evaluate(
        """cells => {
            const {width: side} = document.querySelector('.heat'), cell = side / cells;
            const {data} = document.querySelector('.heat').getContext('2d').getImageData(0, 0, side, side);
            const middle = n => Math.floor((n + .5) * cell);
            const at = (row, column) => data[4 * (middle(row) * side + middle(column)) + 3];
            return Array.from({length: cells * cells}, (_, i) => at(Math.floor(i / cells), i % cells));
        }""",
        cells,
    )


def lights_up(page, word, expected):
    """The photograph is veiled, least where the model looked most."""
    heat = card(page).locator(".heat")
    expect(heat).to_be_visible()
    expect(word).to_have_class("word lit")
    covered, image = (card(page).locator(selector).bounding_box() for selector in (".heat", "img"))
    assert covered == image
    grid = expected["captions"][0]["words"][1]["attention"]
    weights = [weight for row in grid for weight in row]
    veil = darkness(page, len(grid))
    assert veil[weights.index(max(weights))] < veil[weights.index(min(weights))] - 60


@pytest.fixture
def word(page):
    page.emulate_media(reduced_motion="reduce")  # the veil is there at once
    choose(page, picture("camera.jpg"))
    return card(page).locator(".word").nth(1)


def test_attention_on_focus(page, word, expected):
    word.focus()
    lights_up(page, word, expected)
    word.blur()
    expect(card(page).locator(".heat")).to_be_hidden()


def test_attention_under_the_pointer_or_the_finger(page, size, word, expected):
    if size.get("has_touch"):
        word.tap()
        lights_up(page, word, expected)
        page.locator("h1").tap()
    else:
        word.hover()
        lights_up(page, word, expected)
        page.mouse.move(0, 0)
    expect(card(page).locator(".heat")).to_be_hidden()


def test_arrows_walk_through_the_words(desktop):
    choose(desktop)
    words = card(desktop).locator(".word")
    words.first.focus()
    for key, at in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("Home", 0), ("ArrowLeft", 0)):
        desktop.keyboard.press(key)
        expect(words.nth(at)).to_be_focused()
    desktop.keyboard.press("End")
    expect(words.last).to_be_focused()
    assert desktop.locator(".word[tabindex='0']").count() == 1


def test_play_walks_through_the_words_and_stops(page):
    choose(page, picture("camera.jpg"))
    wait_until(page, "done")
    page.evaluate(
        """() => {
            window.seen = [];
            const watch = new MutationObserver(() => {
                const lit = document.querySelector('.word.lit');
                if (lit && lit !== seen.at(-1)) seen.push(lit);
            });
            watch.observe(document.querySelector('.caption'), {attributes: true, subtree: true});
        }"""
    )
    card(page).get_by_role("button", name="Play", exact=True).click()
    expect(card(page).get_by_role("button", name="Stop", exact=True)).to_be_visible()
    expect(card(page).locator(".heat")).to_be_visible()
    expect(card(page).get_by_role("button", name="Play", exact=True)).to_be_visible()
    expect(card(page).locator(".heat")).to_be_hidden()
    assert page.evaluate("seen.map(w => w.textContent).join(' ')") == caption(page).inner_text()


def test_play_can_be_stopped(desktop):
    choose(desktop)
    card(desktop).get_by_role("button", name="Play", exact=True).click()
    expect(card(desktop).locator(".word").nth(1)).to_have_class("word lit")
    card(desktop).get_by_role("button", name="Stop", exact=True).click()
    expect(desktop.locator(".lit")).to_have_count(0)
    expect(card(desktop).locator(".heat")).to_be_hidden()


def test_copy(page):
    choose(page)
    wait_until(page, "done")
    text = caption(page).inner_text()
    for name, copied in (("Copy", text), ('Copy as alt="…"', f'alt="{text}"')):
        button = card(page).get_by_role("button", name=name, exact=True)
        button.click()
        expect(card(page).get_by_role("button", name="Copied", exact=True)).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == copied
        expect(button).to_be_visible()  # and is itself again


def test_copying_without_https(desktop):
    """Browsers have no navigator.clipboard there."""
    choose(desktop)
    wait_until(desktop, "done")
    desktop.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not secure')) }")
    card(desktop).get_by_role("button", name="Copy", exact=True).click()
    expect(card(desktop).get_by_role("button", name="Copied", exact=True)).to_be_focused()
    assert desktop.evaluate("navigator.clipboard.readText()") == caption(desktop).inner_text()


def test_a_caption_that_the_model_doubts_is_marked(page):
    answered(page, low_confidence=True)
    choose(page)
    expect(card(page).locator(".note")).to_have_text(
        "The model is not sure of this photograph: check the caption before you use it."
    )
    expect(page.locator("#announcer")).to_contain_text("not sure of this photograph")


def test_of_a_doubted_caption_the_tags_are_offered_first(desktop):
    tags = [{"name": name, "probability": 0.6} for name in ("cup", "table")]
    answered(desktop, low_confidence=True, confidence=0.41, tags=tags)
    choose(desktop)
    wait_until(desktop, "done")
    expect(card(desktop).locator(".told")).to_have_text("Perhaps: cup, table")
    expect(card(desktop).locator("img")).to_have_attribute("alt", "Perhaps: cup, table")
    expect(card(desktop).locator(".confidence")).to_contain_text("41% confident: 41 of 100 captions")
    expect(caption(desktop)).to_be_visible()
    card(desktop).locator(".ranking button").nth(1).click()
    expect(card(desktop).locator(".told")).to_be_hidden()


def test_no_doubt_no_mark(desktop):
    answered(desktop, low_confidence=False)
    choose(desktop)
    wait_until(desktop, "done")
    expect(card(desktop).locator(".note")).to_be_hidden()


def test_a_file_that_is_cut_off_is_marked(desktop):
    data = picture("coffee.jpg")["buffer"]
    choose(desktop, picture("coffee.jpg") | {"buffer": data[: int(len(data) * 0.97)]})
    wait_until(desktop, "done")
    expect(card(desktop).locator(".cut-off")).to_have_text(
        "The file of this photograph is cut off: its end is missing."
    )
    expect(desktop.locator("#announcer")).to_contain_text("cut off")
    choose(desktop)
    expect(card(desktop, 1).locator(".cut-off")).to_be_hidden()


def test_markup_in_an_answer_or_a_name_stays_text(desktop):
    word = {"text": HOSTILE, "probability": 1}
    one = {"text": HOSTILE, "mean_probability": 0.5, "log_probability": -1, "words": [word]}
    answered(desktop, caption=HOSTILE, captions=[one, one], model={"name": HOSTILE, "digest": "", "device": "cpu"})
    choose(desktop, picture("coffee.jpg") | {"name": HOSTILE})
    expect(caption(desktop)).to_have_text(HOSTILE)
    expect(card(desktop).locator("h2")).to_have_text(HOSTILE)
    expect(desktop.locator("#announcer")).to_contain_text(HOSTILE)
    assert card(desktop).locator("img").count() == 1 and desktop.title() == "Image captioner"
    card(desktop).get_by_role("button", name="Copy as alt").click()
    expect(card(desktop).get_by_role("button", name="Copied", exact=True)).to_be_visible()
    escaped = 'alt="&lt;img src=x onerror=&quot;document.title=1&quot;&gt;"'
    assert desktop.evaluate("navigator.clipboard.readText()") == escaped


def test_a_back_end_without_attention_has_words_all_the_same(desktop):
    words = [{"text": "a", "probability": 0.9}, {"text": "dog", "probability": 0.4}, {"text": "'s", "probability": 0.4}]
    one = {"text": "a dog's", "mean_probability": 0.5, "log_probability": -1, "words": words}
    answered(desktop, caption="a dog's", captions=[one])
    choose(desktop)
    expect(caption(desktop)).to_have_text("a dog's")
    expect(card(desktop).locator(".ranking")).to_be_hidden()  # nothing besides
    card(desktop).locator(".word").first.focus()
    expect(card(desktop).locator(".heat")).to_be_hidden()
