"""Several photographs in one request: a result or an error each, in their order."""

import pytest
import requests

from tests.pictures import encoded, photograph

NAMES = ("chelsea", "astronaut", "coffee", "rocket")


@pytest.fixture(scope="module")
def pictures():
    return [encoded(photograph(name), "JPEG") for name in NAMES]


def ask(server, *parts, field="image", **form):
    files = [(field, ("photo.jpg", part)) for part in parts]
    return requests.post(server.url + "/predict/batch", files=files, data=form, timeout=120)


def test_each_is_answered_as_if_alone(server, pictures):
    answer = ask(server, *pictures, num_captions="2")
    assert answer.status_code == 200 and list(answer.json()) == ["results", "model"]
    for picture, result in zip(pictures, answer.json()["results"], strict=True):
        form = {"num_captions": "2", "include_image": "false"}
        alone = requests.post(server.url + "/predict", files={"image": picture}, data=form, timeout=60).json()
        assert answer.json()["model"] == alone.pop("model") and list(result) == list(alone)
        assert [c["text"] for c in result["captions"]] == [c["text"] for c in alone["captions"]]


def test_bad_ones_do_not_fail_the_others(server, pictures):
    parts = [b"no image", pictures[0], b"", pictures[1][:5000], bytes(16 * 2**20 + 1), pictures[2]]
    results = ask(server, *parts).json()["results"]
    told = [result["error"]["code"] if "error" in result else "captioned" for result in results]
    assert told == ["not_an_image", "captioned", "empty_image", "damaged_image", "too_large", "captioned"]
    assert results[1]["caption"] != results[5]["caption"]


def test_the_image_on_request(server, pictures):
    [result] = ask(server, pictures[0], field="file", include_image="true").json()["results"]
    assert result["image"].startswith("data:image/jpeg;base64,")


def test_at_most_32(server, pictures):
    assert len(ask(server, *pictures * 8, method="greedy", max_words="3").json()["results"]) == 32
    refused = ask(server, *pictures * 8, pictures[0])
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "too_many_images"
    assert "32" in refused.json()["error"]["message"]


def test_nothing_or_bad_options_are_refused_as_a_whole(server, pictures):
    assert ask(server).json()["error"]["code"] == "no_image"
    refused = ask(server, pictures[0], beam_size="0")
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "bad_parameter"


def test_a_total_that_is_too_large(server):
    refused = ask(server, *[bytes(13 * 2**20)] * 5)
    assert refused.status_code == 413 and "64 MB" in refused.json()["error"]["message"]
