"""The API over a real socket: a server process with the shipped checkpoint."""

import base64
import io
import math

import pytest
import requests
from PIL import Image

from model.style.alt_text import alt_text
from tests.pictures import drawn, encoded, photograph


@pytest.fixture(scope="module")
def cat():
    return encoded(photograph("chelsea"), "JPEG", quality=95)


def predict(server, image=None, field="image", query=None, **form):
    files = {field: ("photo.jpg", image)} if image is not None else None
    return requests.post(server.url + "/predict", files=files, data=form, params=query, timeout=60)


def test_health(server):
    answer = requests.get(server.url + "/health", timeout=10)
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "healthy" and body["device"] in ("cpu", "cuda")
    assert body["model"] == "cnn-lstm" and len(body["digest"]) == len("sha256:") + 64


def test_the_contract(server, cat):
    answer = predict(server, cat)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    named = ["caption", "captions", "language", "confidence", "low_confidence", "tags", "model", "image", "timing_ms"]
    assert list(body) == named
    [caption] = body["captions"]
    assert body["caption"] == caption["text"] and len(caption["words"]) >= 3
    assert caption["log_probability"] < 0 and body["confidence"] == caption["confidence"] < 0.85
    assert body["low_confidence"] is True  # a cat fills it: nothing like Flickr8k
    assert all(0 < word["probability"] <= 1 for word in caption["words"])
    assert all(set(word) - {"support"} == {"text", "probability"} for word in caption["words"])
    assert "cat" in {tag["name"] for tag in body["tags"]} and any("support" in word for word in caption["words"])
    assert body["model"]["digest"] == requests.get(server.url + "/health", timeout=10).json()["digest"]
    assert set(body["timing_ms"]) == {"decode", "queue", "encoder", "decoder", "image", "total"}


def test_a_photograph_that_is_cut_off_is_captioned_with_a_warning(server, cat):
    answer = predict(server, cat[: int(len(cat) * 0.96)])
    assert answer.status_code == 200 and answer.json()["warning"] == "truncated"
    assert answer.json()["caption"] == predict(server, cat).json()["caption"]
    assert predict(server, cat[: int(len(cat) * 0.8)]).json()["error"]["code"] == "damaged_image"


@pytest.mark.parametrize("gendered", [True, False])
def test_alt_text(server, gendered):
    """Of the same captions, whose words stay the model's own."""
    astronaut = encoded(photograph("astronaut"), "JPEG")
    plain = predict(server, astronaut, num_captions=3).json()["captions"]
    body = predict(server, astronaut, query={"style": "alt", "gendered": gendered}).json()
    [told] = body["captions"]
    assert body["caption"] == told["text"] == alt_text(plain[0]["text"], gendered)
    assert told | {"text": ""} == plain[0] | {"text": ""} and "style" in body["timing_ms"]


def test_it_says_what_the_library_says(server, cat, captioner):
    from model.images import decode_image

    [[expected]] = captioner.caption([decode_image(cat)])
    assert predict(server, cat).json()["caption"] == expected.text


def test_the_other_field_name(server, cat):
    assert predict(server, cat, field="file").json()["caption"] == predict(server, cat).json()["caption"]


def test_the_image_is_what_the_model_saw(server):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: 90 degrees clockwise makes it upright
    sideways = encoded(drawn(2000, 1000), "JPEG", exif=exif.tobytes())
    head, _, data = predict(server, sideways).json()["image"].partition(",")
    assert head == "data:image/jpeg;base64"
    seen = Image.open(io.BytesIO(base64.b64decode(data)))
    assert seen.size == (512, 1024) and not seen.getexif()


def test_the_image_can_be_left_out(server, cat):
    assert "image" not in predict(server, cat, include_image="false").json()


def test_options_in_the_form_and_in_the_address(server, cat):
    form = predict(server, cat, num_captions="3", beam_size="5").json()["captions"]
    address = predict(server, cat, query={"num_captions": 3, "beam_size": 5}).json()["captions"]
    assert form == address and len(form) == 3


def test_attention_on_request(server, cat):
    [caption] = predict(server, cat, attention="true").json()["captions"]
    for word in caption["words"]:
        grid = word["attention"]
        assert len(grid) == 9 and all(len(row) == 9 for row in grid)
        assert math.isclose(sum(map(sum, grid)), 1, abs_tol=0.01)


def test_samples_repeat_with_a_seed(server, cat):
    once, twice, other = (
        [c["text"] for c in predict(server, cat, method="sample", num_captions="3", seed=seed).json()["captions"]]
        for seed in ("5", "5", "6")
    )
    assert once == twice != other


def test_greedy_and_max_words(server, cat):
    body = predict(server, cat, method="greedy", max_words="4").json()
    assert len(body["captions"][0]["words"]) <= 4


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_formats(server, format):
    assert predict(server, encoded(photograph("coffee"), format)).status_code == 200


def test_clients_at_the_same_time_get_their_own_answers(server):
    from concurrent.futures import ThreadPoolExecutor

    images = [encoded(photograph(name), "JPEG") for name in ("chelsea", "astronaut", "coffee", "rocket")]
    alone = [predict(server, image).json()["caption"] for image in images]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda image: predict(server, image).json()["caption"], images * 4))
    assert answers == alone * 4


def test_the_page_and_its_parts(server):
    page = requests.get(server.url + "/", timeout=10)
    assert page.status_code == 200 and "<h1" in page.text
    for part in ("app.js", "api.js", "heat.js", "style.css", "icon.svg"):
        assert requests.get(f"{server.url}/static/{part}", timeout=10).status_code == 200


def test_security_headers(server):
    for path in ("/", "/health", "/nothing", "/static/app.js"):
        headers = requests.get(server.url + path, timeout=10).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
