"""Which language captions are in: by name, in words, by Accept-Language where the operator allows it."""

from types import SimpleNamespace

import pytest
import requests
from flask import Flask

from model.errors import OptionRefused
from model.language_tags import choose_language
from service.intake.options import parse_options
from service.settings import Settings
from tests.service.adapters.asking import PICTURES, SMALL, TEXTS, asked, image_url, predict


@pytest.fixture(scope="module")
def had(server):
    languages = requests.get(server.url + "/info", timeout=30).json()["model"]["capabilities"]["languages"]
    assert languages[0] == "en"
    return languages


@pytest.mark.parametrize("tag", ["en", "de", "de-AT", "zh-Hans-CN", "tlh"])
def test_an_answer_says_its_language(server, had, tag):
    form = {"language": tag, "include_image": "false"}
    answer = requests.post(server.url + "/predict", files={"image": PICTURES[0]}, data=form, timeout=120)
    given = choose_language(tag, had)
    assert answer.json()["language"] == answer.headers["Content-Language"] == given
    assert (answer.json()["caption"] == predict(server)["caption"]) == (given == "en")
    assert "Accept-Language" not in answer.headers.get("Vary", "")


def test_of_several_photographs_each(server, had):
    files = [("image", PICTURES[0]), ("image", b"none")]
    found = requests.post(server.url + "/predict/batch?language=de", files=files, timeout=120)
    assert found.json()["results"][0]["language"] == found.headers["Content-Language"] == choose_language("de", had)


@pytest.mark.parametrize(
    ("tag", "words"), [("German", "language tag"), ("de_AT", "language tag"), ("x" * 36, "language tag")]
)
def test_what_is_no_tag_is_refused(server, tag, words):
    answer = requests.post(server.url + "/predict", files={"image": PICTURES[0]}, data={"language": tag}, timeout=60)
    assert answer.status_code == 400 and words in answer.json()["error"]["message"]


BODIES = {
    "/v1/chat/completions": lambda words, more: {"messages": asked(words, image_url())} | more,
    "/v1/responses": lambda words, more: (
        {
            "input": [
                {
                    "role": "user",
                    "content": [words, {"type": "input_image", "image_url": image_url()["image_url"]["url"]}],
                }
            ]
        }
        | more
    ),
    "/api/generate": lambda words, more: {"prompt": words, "images": TEXTS[:1], "stream": False, "options": more},
    "/api/chat": lambda words, more: {
        "messages": [{"role": "user", "content": words, "images": TEXTS[:1]}],
        "stream": False,
        "options": more,
    },
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("words", "more", "tag"),
    [
        ("Describe this image in German.", {}, "de"),
        ("Describe this image in German.", {"language": "en"}, "en"),
        ("Describe this image.", {"language": "fr"}, "fr"),
        ("Describe this image.", {}, "en"),
    ],
)
def test_other_apis(server, had, path, words, more, tag):
    answer = requests.post(server.url + path, json=BODIES[path](words, more), timeout=120)
    given = choose_language(tag, had)
    assert answer.status_code == 200 and answer.json()["language"] == answer.headers["Content-Language"] == given
    assert ("language" in answer.json().get("warning", "")) == (given != tag)
    assert predict(server, language=tag)["caption"] in answer.text.encode().decode("unicode_escape", "replace")


def test_hugging_face(server, had):
    for parameters in ({"language": "de"}, {"generate_kwargs": {"language": "de"}}):
        body = {"inputs": SMALL, "parameters": parameters}
        answer = requests.post(server.url + "/image-to-text", json=body, timeout=120)
        assert answer.status_code == 200 and answer.headers["Content-Language"] == choose_language("de", had)


def chosen(accepted, texts=None, **settings):
    app = Flask("languages")
    host = SimpleNamespace(settings=Settings(**settings), capabilities={"languages": ("en", "de", "zh")})
    app.extensions["captioner"] = host
    with app.test_request_context(headers={"Accept-Language": accepted} if accepted else {}):
        return parse_options(texts or {}).language


@pytest.mark.parametrize(
    ("accepted", "texts", "language"),
    [
        ("de", {}, "de"),
        ("fr-CA, zh-TW;q=0.9, de;q=0.8", {}, "zh"),
        ("de;q=0, zh;q=0.1", {}, "zh"),
        ("fr, *;q=0.5", {}, "en"),
        ("", {}, "en"),
        ("?;;=,", {}, "en"),
        ("de", {"language": "zh"}, "zh"),
        ("de", {"language": "fr"}, "fr"),
        ("de", {"language": " "}, "de"),
        ("de," * 2000, {}, "de"),
    ],
)
def test_accept_language_where_the_operator_allows_it(accepted, texts, language):
    assert chosen(accepted, texts, accept_language=True) == language
    assert chosen(accepted, texts) == (texts.get("language", "").strip() or "en")


def test_an_option_that_is_wrong_is_refused_there_too():
    with pytest.raises(OptionRefused, match="beam_size"):
        chosen("de", {"beam_size": "0"}, accept_language=True)
