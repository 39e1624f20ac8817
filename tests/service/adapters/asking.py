"""Photographs for the doors' tests, and what /predict says of them."""

import base64
from functools import cache

import requests

from tests.pictures import drawn, encoded, photograph

NAMES = ("coffee", "chelsea")
PICTURES = [encoded(photograph(name).resize((300, 200)), "JPEG") for name in NAMES]
TEXTS = [base64.b64encode(picture).decode() for picture in PICTURES]
ADDRESSES = [f"data:image/jpeg;base64,{text}" for text in TEXTS]
SMALL = base64.b64encode(encoded(drawn(64, 64), "JPEG")).decode()
QUESTION = "What is in this picture? Answer in one sentence."


def predict(server, picture=PICTURES[0], **options):
    return _predicted(server.url, picture, tuple(options.items()))


@cache
def _predicted(url, picture, options):
    form = {"include_image": "false"} | dict(options)
    answer = requests.post(url + "/predict", files={"image": picture}, data=form, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.json()


def caption_of(server, picture=PICTURES[0], **options):
    return predict(server, picture, **options)["caption"]


def image_url(text=TEXTS[0], **more):
    """A part of OpenAI's chat."""
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{text}", **more}}


def asked(*parts):
    """OpenAI's messages with one of a user's."""
    return [{"role": "user", "content": list(parts)}]
