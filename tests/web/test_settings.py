"""The controls: the API's ranges, the address, what is sent."""

import dataclasses

import pytest
import requests
from playwright.sync_api import expect

from model.captioner import DecodingOptions
from model.errors import OptionRefused
from tests.web.conftest import DESKTOP, opened
from tests.web.gestures import caption, card, choose, listen, picture, sent_options, wait_until

OPTIONS = {
    option.name: option for option in dataclasses.fields(DecodingOptions) if option.name not in ("attention", "rerank")
}


def unfold(page):
    page.get_by_text("Settings").click()


def set_to(page, name, value):
    """Moves a slider as a person would have it in the end."""
    page.locator(f"#{name}").evaluate(
        "(c, v) => { c.value = v; c.dispatchEvent(new Event('input', {bubbles: true})); }", str(value)
    )


def query(page):
    return page.evaluate("location.search")


def test_they_are_folded_away(page):
    expect(page.locator("#settings")).to_be_hidden()
    unfold(page)
    expect(page.locator("#settings")).to_be_visible()


def test_they_mirror_the_apis_ranges(desktop, server):
    languages = requests.get(server.url + "/info", timeout=10).json()["model"]["capabilities"]["languages"]
    controls = desktop.evaluate(
        "[...document.querySelectorAll('#settings [name]')].map(c => "
        "({name: c.name, min: c.min, max: c.max, choices: [...c.options ?? []].map(o => o.value), value: c.value, "
        "checked: c.checked}))"
    )
    assert [control["name"] for control in controls] == list(OPTIONS)
    for control in controls:
        option = OPTIONS[control["name"]]
        if "choices" in option.metadata:
            assert tuple(control["choices"]) == option.metadata["choices"]
        elif option.type == "bool":
            assert (control["value"], control["checked"]) == ("true", option.default)
            continue
        elif option.name == "language":
            assert control["choices"] == languages
        else:
            assert float(control["min"]) == option.metadata["minimum"]
            assert float(control["max"]) == option.metadata["maximum"]
        if control["name"] != "num_captions":
            assert control["value"] == (
                ""
                if option.default is None
                else f"{option.default:g}"
                if isinstance(option.default, float)
                else str(option.default)
            )


def test_what_the_method_does_not_heed_is_not_offered(desktop):
    unfold(desktop)
    expect(desktop.get_by_label("Beam size")).to_be_visible()
    expect(desktop.get_by_label("Temperature")).to_be_hidden()
    desktop.get_by_label("Method").select_option("sample")
    expect(desktop.get_by_label("Beam size")).to_be_hidden()
    expect(desktop.get_by_label("Temperature")).to_be_visible()
    desktop.get_by_label("Method").select_option("greedy")
    expect(desktop.get_by_label("Captions", exact=True)).to_be_hidden()


@pytest.mark.parametrize("method", OPTIONS["method"].metadata["choices"])
def test_every_setting_that_can_be_made_is_accepted(desktop, method):
    """All sliders at their ends, in both orders."""
    unfold(desktop)
    listen(desktop)
    desktop.get_by_label("Method").select_option(method)
    for number, end in enumerate(("min", "max")):
        for control in desktop.locator("#settings input[min]:visible").all():
            set_to(desktop, control.get_attribute("name"), control.get_attribute(end))
        choose(desktop)
        wait_until(desktop, "done", number)
        sent = sent_options(desktop)
        DecodingOptions.parse(sent, also=("include_image",))
        assert sent["method"] == method
        heeded = {name for name, o in OPTIONS.items() if method in o.metadata.get("methods", (method,))} - {"gendered"}
        heeded -= set() if desktop.locator("#language option").count() > 1 else {"language"}
        assert set(sent) == heeded | {"attention", "include_image"}


def test_settings_are_sent_and_shown(page):
    unfold(page)
    page.get_by_label("Method").select_option("sample")
    set_to(page, "temperature", 0.5)
    set_to(page, "num_captions", 4)
    page.get_by_label("Seed").fill("7")
    listen(page)
    choose(page)
    wait_until(page, "done")
    assert sent_options(page) | {"include_image": ""} == {
        "language": "en",
        "method": "sample",
        "num_captions": "4",
        "max_words": "20",
        "no_repeat_ngram_size": "2",
        "temperature": "0.5",
        "top_p": "0.9",
        "guidance": "0.2",
        "seed": "7",
        "style": "caption",
        "attention": "true",
        "include_image": "",
    }
    assert 1 < card(page).locator(".ranking li").count() <= 4
    expect(page.locator("#changed")).to_have_text("Method: sample · Captions: 4 · Temperature: 0.5 · Seed: 7")
    assert query(page) == "?method=sample&num_captions=4&temperature=0.5&seed=7"


def test_alt_text(desktop, server):
    unfold(desktop)
    expect(desktop.get_by_label("Gendered words")).to_be_hidden()
    desktop.get_by_label("Style").select_option("alt")
    desktop.get_by_label("Gendered words").check()
    expect(desktop.locator("#changed")).to_have_text("Style: alt · Gendered words")
    assert query(desktop) == "?style=alt&gendered=true"
    desktop.reload()
    unfold(desktop)
    expect(desktop.get_by_label("Gendered words")).to_be_checked()
    desktop.get_by_label("Gendered words").uncheck()
    listen(desktop)
    choose(desktop, picture("astronaut.jpg"))
    wait_until(desktop, "done")
    sent = sent_options(desktop)
    assert (sent["style"], sent["gendered"]) == ("alt", "false")
    files = {"image": picture("astronaut.jpg")["buffer"]}
    told = requests.post(server.url + "/predict", files=files, data={"style": "alt"}, timeout=60).json()
    expect(card(desktop).locator(".told")).to_have_text(told["caption"])
    expect(card(desktop).locator("img")).to_have_attribute("alt", told["caption"])
    expect(card(desktop).locator(".word")).to_have_text([word["text"] for word in told["captions"][0]["words"]])


def test_the_address_is_the_setting(server, browser):
    address = server.url + "/?method=sample&num_captions=2&seed=11"
    captions = []
    for _ in range(2):
        with opened(browser, address, **DESKTOP) as page:
            expect(page.locator("#changed")).to_have_text("Method: sample · Captions: 2 · Seed: 11")
            listen(page)
            choose(page)
            expect(caption(page)).not_to_be_empty()
            assert sent_options(page)["seed"] == "11"
            captions.append(card(page).locator(".ranking").inner_text())
    assert captions[0] == captions[1]


def test_an_address_with_what_cannot_be(server, browser):
    address = server.url + "/?method=magic&beam_size=99&seed=-4&temperature=cold&max_words=30&utm_source=x"
    with opened(browser, address, **DESKTOP) as page:
        expect(page.locator("#changed")).to_have_text("Words at most: 30")
        assert query(page) == "?max_words=30"
    with opened(browser, server.url + "/?method=sample&temperature=cold&top_p=", **DESKTOP) as page:
        expect(page.locator("#changed")).to_have_text("Method: sample")
        assert query(page) == "?method=sample"


def test_captions_and_beam_keep_together(desktop):
    set_to(desktop, "beam_size", 5)
    set_to(desktop, "num_captions", 8)
    expect(desktop.locator("#beam_size")).to_have_value("8")
    set_to(desktop, "beam_size", 2)
    expect(desktop.locator("#num_captions")).to_have_value("2")
    with pytest.raises(OptionRefused):  # which the API holds to as well
        DecodingOptions(beam_size=2, num_captions=3)


def test_back_to_the_defaults(desktop):
    unfold(desktop)
    set_to(desktop, "max_words", 5)
    assert query(desktop) == "?max_words=5"
    desktop.get_by_role("button", name="Back to the defaults").click()
    expect(desktop.locator("#changed")).to_be_empty()
    assert query(desktop) == ""
    expect(desktop.locator("#max_words")).to_have_value("20")


def test_again_with_other_settings(page, server):
    choose(page)
    wait_until(page, "done")
    unfold(page)
    set_to(page, "max_words", 3)
    page.get_by_role("button", name="Caption all again").click()
    expect(card(page).locator(".word")).to_have_count(3)
    set_to(page, "max_words", 4)
    card(page).get_by_role("button", name="Caption again").click()
    expect(card(page).locator(".word")).to_have_count(4)


def test_the_apis_own_default_stays(server):
    files = {"image": picture()["buffer"]}
    assert len(requests.post(server.url + "/predict", files=files, timeout=60).json()["captions"]) == 1
