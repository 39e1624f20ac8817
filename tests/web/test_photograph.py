"""What is sent of a photograph: large ones are made smaller in the browser, upright, and others go as they are."""

import io

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from model.images import LONGEST_SIDE
from tests.pictures import corners, drawn, encoded
from tests.web.gestures import (
    caption,
    card,
    choose,
    listen,
    picture,
    sent_image,
    sent_options,
    sent_photograph,
    wait_until,
)

_TURNED = Image.Exif()
_TURNED[0x0112] = 6  # the camera was turned: 90 degrees clockwise makes it upright


def near(one, other):
    return np.abs(np.subtract(one, other)).max() < 60


def noise(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def test_a_large_photograph_is_made_smaller_and_upright(page):
    listen(page)
    upright = drawn(1500, 2400)
    choose(page, picture("a.jpg", upright.transpose(Image.Transpose.ROTATE_90), exif=_TURNED.tobytes(), quality=98))
    wait_until(page, "done")
    sent = sent_image(page)
    assert sent.format == "JPEG" and sent.size == (640, LONGEST_SIDE) and not sent.getexif()
    assert near(corners(sent), corners(upright))
    ratio = page.evaluate("(i => i.naturalWidth / i.naturalHeight)(document.querySelector('#cards img'))")
    assert ratio == 640 / 1024


def test_a_small_photograph_goes_as_it_is(page):
    listen(page)
    file = picture("chelsea.jpg")
    choose(page, file)
    wait_until(page, "done")
    assert sent_photograph(page) == ("image/jpeg", file["buffer"])
    assert sent_options(page)["include_image"] == "false"  # the browser has it


def test_whichever_is_smaller_is_sent(desktop):
    listen(desktop)
    plain = picture("plain.png", Image.new("1", (1100, 1100)))  # some hundred bytes; a JPEG has thousands
    choose(desktop, plain)
    wait_until(desktop, "done")
    assert sent_photograph(desktop)[1] == plain["buffer"]


def test_more_than_the_service_takes_is_made_to_fit(desktop):
    listen(desktop)
    file = picture("huge.png", noise(2600, 2300))
    assert len(file["buffer"]) > 16 * 2**20
    choose(desktop, file)
    wait_until(desktop, "done")
    assert len(sent_photograph(desktop)[1]) < 2**21


def test_what_is_transparent_becomes_white_as_in_the_service(desktop):
    listen(desktop)
    layer = noise(1300, 1200)
    layer.putalpha(0)
    choose(desktop, picture("ghost.png", layer))
    wait_until(desktop, "done")
    assert np.asarray(sent_image(desktop).convert("L")).min() > 250


def test_a_picture_that_may_move_goes_as_it_is_and_is_shown_as_the_model_saw_it(desktop):
    listen(desktop)
    file = picture("two.gif", drawn(), save_all=True, append_images=[Image.new("RGB", (96, 64))], duration=50)
    choose(desktop, file)
    wait_until(desktop, "done")
    assert sent_photograph(desktop) == ("image/gif", file["buffer"])
    assert card(desktop).locator("img").get_attribute("src").startswith("data:image/jpeg")


def test_what_the_browser_cannot_show_is_shown_from_the_answer(page):
    listen(page)
    file = picture("rocket.tiff")
    choose(page, file)
    expect(card(page).locator("img")).to_be_visible()
    expect(caption(page)).not_to_be_empty()
    assert sent_photograph(page)[1] == file["buffer"]
    assert card(page).locator("img").get_attribute("src").startswith("data:image/jpeg")


def test_what_only_the_browser_knows_becomes_a_jpeg(desktop):
    listen(desktop)
    choose(desktop, {"name": "a.ico", "mimeType": "image/x-icon", "buffer": encoded(drawn(64, 64), "ICO")})
    expect(caption(desktop)).not_to_be_empty()
    type, data = sent_photograph(desktop)
    assert type == "image/jpeg" and Image.open(io.BytesIO(data)).size == (64, 64)


def test_the_name_of_the_file_stays_here(desktop):
    listen(desktop)
    choose(desktop, picture("rocket.jpg") | {"name": "grandmother at home.jpg"})
    wait_until(desktop, "done")
    assert desktop.evaluate("sent[0].get('image').name") == "photograph"
