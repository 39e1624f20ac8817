"""Hugging Face's own client against the real server, wherever it posts; and by hand."""

import base64

import pytest
import requests
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from tests.service.adapters.asking import PICTURES, TEXTS, caption_of, image_url, predict


@pytest.fixture(scope="module")
def caption(server):
    return caption_of(server)


@pytest.mark.parametrize("path", ["", "/", "/image-to-text", "/models/Salesforce/blip-image-captioning-base"])
def test_wherever_it_posts(server, caption, path, tmp_path):
    file = tmp_path / "photo.jpg"
    file.write_bytes(PICTURES[0])
    with InferenceClient(model=server.url + path, timeout=120) as client:
        assert client.image_to_text(PICTURES[0]).generated_text == caption
        assert client.image_to_text(file).generated_text == caption


def test_its_chat(server, caption):
    with InferenceClient(base_url=server.url, api_key="any", timeout=120) as client:
        answer = client.chat_completion([{"role": "user", "content": [image_url()]}])
        assert answer.choices[0].message.content == caption
        pieces = client.chat_completion([{"role": "user", "content": [image_url()]}], stream=True)
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == caption


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", "application/x-www-form-urlencoded", None])
def test_the_photograph_itself(server, caption, kind):
    headers = {"Content-Type": kind} if kind else {}
    answer = requests.post(server.url + "/image-to-text", data=PICTURES[0], headers=headers, timeout=60)
    assert answer.json() == [{"generated_text": caption}]


def test_options_in_the_address(server):
    address = server.url + "/image-to-text?style=alt&gendered=true"
    [found] = requests.post(address, data=PICTURES[0], timeout=60).json()
    assert found["generated_text"] == caption_of(server, style="alt", gendered="true")
    answer = requests.post(server.url + "/image-to-text?style=long", data=PICTURES[0], timeout=60)
    assert answer.status_code == 400 and "style must be" in answer.json()["error"]


def test_with_parameters(server, caption):
    def ask(**parameters):
        body = {"inputs": TEXTS[0], "parameters": parameters}
        answer = requests.post(server.url + "/image-to-text", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return [one["generated_text"] for one in answer.json()]

    ranked = [one["text"] for one in predict(server, num_captions="3", beam_size="5")["captions"]]
    assert ask(num_beams=5, num_return_sequences=3) == ranked
    assert ask(temperature=0.7, top_p=0.5) == [caption]  # no sampling without do_sample
    sampled = [ask(do_sample=True, temperature=1.2, seed=seed) for seed in (1, 1, 2)]
    assert sampled[0] == sampled[1] != sampled[2]
    assert (
        ask(generate_kwargs={"max_new_tokens": 3}) == [" ".join(caption.split()[:3])]
        or len(ask(max_length=3)[0].split()) == 3
    )


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "0 bytes"),
        (b"hello", 415, "This is a text"),
        (PICTURES[0][:4000], 422, "truncated"),
        (bytes(17 * 2**20), 413, "16 MB"),
        (b"{", 400, "not JSON"),
        (b"{}", 400, "inputs"),
        (b'{"inputs": 5}', 400, "must be a text"),
        (b'{"inputs": "https://example.org/a.jpg"}', 400, "fetches nothing"),
        (b'{"inputs": "' + base64.b64encode(b"hello") + b'"}', 415, "This is a text"),
        (b'{"inputs": "QUJD", "parameters": [1]}', 400, "parameters"),
        (b'{"inputs": "QUJD", "parameters": {"num_beams": 99}}', 400, "num_beams"),
        (b'{"inputs": "QUJD", "parameters": {"generate_kwargs": 1}}', 400, "parameters"),
    ],
    ids=range(12),
)
def test_refusals(server, body, status, words):
    answer = requests.post(server.url + "/image-to-text", data=body, timeout=60)
    assert answer.status_code == status and list(answer.json()) == ["error"] and words in answer.json()["error"], (
        answer.text
    )


def test_its_client_is_told_why(server):
    with InferenceClient(model=server.url, timeout=60) as client, pytest.raises(HfHubHTTPError, match="This is a text"):
        client.image_to_text(b"hello")


def test_a_form_is_not_read(server):
    answer = requests.post(server.url + "/image-to-text", files={"image": PICTURES[0]}, timeout=60)
    assert answer.status_code == 415 and "inputs" in answer.json()["error"]
