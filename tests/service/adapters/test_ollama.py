"""Ollama's own client against the real server: generate, chat, list, show, ps; whole and in pieces; a schema."""

import json

import ollama
import pytest
import requests
from jsonschema import Draft202012Validator

from tests.service.adapters.asking import PICTURES, QUESTION, SMALL, TEXTS, caption_of

LABELS = {
    "type": "object",
    "properties": {
        "labels": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string", "minLength": 1}, "score": {"type": "number", "maximum": 1}},
                "required": ["name", "score"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["labels"],
    "additionalProperties": False,
}
DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


@pytest.fixture(scope="module")
def client(server):
    with ollama.Client(host=server.url, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def caption(server):
    return caption_of(server)


def post(server, path, **body):
    return requests.post(server.url + path, data=json.dumps(body), timeout=120)  # as curl -d: no Content-Type for JSON


def test_generate(client, caption):
    answer = client.generate("cnn-lstm", QUESTION, images=[PICTURES[0]], options={"temperature": 0.1, "num_ctx": 4096})
    assert answer.response == caption and answer.done and answer.done_reason == "stop" and answer.model == "cnn-lstm"
    parts = [answer[name] for name in DURATIONS[1:]]
    assert answer.total_duration >= sum(parts) > 0 and answer.eval_duration > 0
    assert answer.eval_count == len(caption.split()) and answer.prompt_eval_count > 0


def test_generate_in_pieces(client, caption):
    pieces = list(
        client.generate("llava", QUESTION, images=[TEXTS[0]], stream=True, keep_alive="5m", suffix="", raw=True)
    )
    assert "".join(piece.response for piece in pieces) == caption and len(pieces) == len(caption.split()) + 1
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[-1].total_duration > 0 and pieces[0].total_duration is None
    assert {piece.model for piece in pieces} == {"cnn-lstm"}


def test_pieces_are_what_is_sent_unasked(server, caption):
    answer = post(server, "/api/generate", model="x", prompt="", images=[TEXTS[0]], context=[1, 2], think=False)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(line["response"] for line in lines) == caption and lines[-1]["done"]
    whole = post(server, "/api/generate", model="x", prompt="", images=[TEXTS[0]], stream=False)
    assert whole.headers["Content-Type"] == "application/json" and whole.json()["response"] == caption


def test_chat(client, caption):
    message = {"role": "user", "content": QUESTION, "images": [PICTURES[0]]}
    answer = client.chat("cnn-lstm:latest", [{"role": "system", "content": "Be brief."}, message])
    assert answer.message.content == caption and answer.message.role == "assistant" and answer.done
    assert answer.model == "cnn-lstm:latest"
    pieces = list(client.chat("cnn-lstm", [message], stream=True, think=False))
    assert "".join(piece.message.content for piece in pieces) == caption and pieces[-1].eval_count > 0


def test_frames_in_a_message_each(server, client):
    frames = [{"role": "user", "content": f"cam {n}:", "images": [text]} for n, text in enumerate(TEXTS)]
    earlier = [{"role": "user", "content": "", "images": [SMALL]}, {"role": "assistant", "content": "Colours."}]
    lines = client.chat("x", [*earlier, *frames, {"role": "user", "content": QUESTION}]).message.content.splitlines()
    assert lines == [f"cam {n}: {caption_of(server, picture)}" for n, picture in enumerate(PICTURES)]


def test_several_in_one_message(server, client):
    lines = client.generate("x", QUESTION, images=PICTURES).response.splitlines()
    assert lines == [caption_of(server, picture) for picture in PICTURES]


def test_options(server, client, caption):
    short = client.generate("x", images=[TEXTS[0]], options={"num_predict": 3})
    assert len(short.response.split()) == 3 and short.done_reason == "length"
    assert client.generate("x", images=[TEXTS[0]], options={"num_predict": -1, "stop": ["\n\n"]}).response == caption
    wide = client.generate("x", images=[TEXTS[0]], options={"beam_size": 4, "length_penalty": 0.2}).response
    assert wide == caption_of(server, beam_size="4", length_penalty="0.2")
    sampled = [
        client.generate("x", images=[TEXTS[0]], options={"temperature": 1.8, "seed": s}).response for s in (3, 3, 4)
    ]
    assert sampled[0] == sampled[1] != sampled[2]


def test_formats(client, caption):
    found = json.loads(client.generate("x", QUESTION, images=[TEXTS[0]], format="json").response)
    assert found["caption"] == caption and found["labels"]
    filled = json.loads(
        client.chat("x", [{"role": "user", "content": "", "images": [TEXTS[0]]}], format=LABELS).message.content
    )
    Draft202012Validator(LABELS).validate(filled)
    assert [label["name"] for label in filled["labels"]] == found["tags"]
    with pytest.raises(ollama.ResponseError, match="'artist'") as refused:
        schema = {"type": "object", "properties": {"artist": {"type": "string"}, "b": {"type": "string"}}}
        client.generate("x", images=[TEXTS[0]], format=schema | {"required": ["artist"]})
    assert refused.value.status_code == 422


def test_what_there_is(server, client):
    [model] = client.list().models
    assert model.model == "cnn-lstm:latest" and f"sha256:{model.digest}" == server.health()["digest"]
    assert model.size > 10_000_000
    [loaded] = client.ps().models
    assert loaded.model == model.model and loaded.size_vram == 0 and loaded.expires_at.year > 2000
    for name in ("cnn-lstm", "cnn-lstm:latest", "llava"):
        shown = client.show(name)
        assert shown.capabilities == ["completion", "vision"] and "Flickr8k" in shown.license
    version = requests.get(server.url + "/api/version", timeout=10).json()["version"]
    assert tuple(map(int, version.split("."))) >= (0, 5, 0)  # since when there are schemas


def test_the_model_is_loaded_and_stays(client):
    assert client.generate("cnn-lstm").done_reason == "load"
    assert client.chat("cnn-lstm", []).done_reason == "load"
    assert client.generate("cnn-lstm", keep_alive=0).done_reason == "unload"


@pytest.mark.parametrize(
    ("images", "status", "words"),
    [
        ([], 400, "only describes images"),
        (["AA*A"], 400, "breaks at character 3"),
        (["https://example.org/a.jpg"], 400, "fetches nothing"),
        (["aGVsbG8="], 415, "This is a text"),
        ([SMALL, TEXTS[0][:4000]], 422, "truncated"),
        (["A" * 24_000_000], 413, "16 MB"),
        ([SMALL] * 33, 400, "at most 32"),
    ],
    ids=range(7),
)
def test_refusals(server, images, status, words):
    message = {"role": "user", "content": QUESTION, "images": images}
    for path, asked in (("generate", {"prompt": QUESTION, "images": images}), ("chat", {"messages": [message]})):
        for stream in (False, True) if status != 413 else (True,):  # that is much to send
            answer = post(server, f"/api/{path}", model="x", stream=stream, **asked)
            assert answer.status_code == status and list(answer.json()) == ["error"], answer.text
            assert words in answer.json()["error"]


def test_its_client_is_told_why(client):
    with pytest.raises(ollama.ResponseError, match="This is a text") as refused:
        client.chat("x", [{"role": "user", "content": QUESTION, "images": [b"hello"]}])
    assert refused.value.status_code == 415


def test_what_is_not_there(server):
    for path in ("/api/embed", "/api/pull"):
        answer = post(server, path, model="x")
        assert answer.status_code == 404 and isinstance(answer.json()["error"], str)
