"""Every door with what is wrong in every way: no answer is a mistake of the service's, each has its door's shape."""

import base64
import copy
import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.hostile.corpus import Case, bombs, metadata, no_images, picture, polyglots, truncations
from tests.pictures import encoded

GOOD = encoded(picture(), "JPEG")
QUICK = {"method": "greedy", "max_words": 1}
ODD = (None, True, -1, 1e308, "", "\ud800", "x" * 5000, [], [[]], {}, {"type": "json_schema"}, [None], 10**40)
BODIES = {
    "empty": b"",
    "blank": b" \n",
    "null": b"null",
    "a number": b"5",
    "a list": b"[]",
    "an empty object": b"{}",
    "cut off": b'{"model": "x", "mess',
    "not UTF-8": b'{"model": "\xff"}',
    "NaN": b'{"model": NaN}',
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "a long number": b'{"n": ' + b"1" * 6000 + b"}",
    "HTML": b"<html></html>",
    "twice the same key": b'{"messages": 1, "messages": 2, "images": 3, "images": 4}',
    "UTF-16": '{"model": "x"}'.encode("utf-16"),
    "NUL": b"\0" * 100,
}


@dataclass(frozen=True)
class Door:
    path: str
    question: Callable[[str], dict[str, Any]]
    """A sound request with this photograph, in base64."""
    has_shape: Callable[[dict[str, Any]], bool]
    """Whether an error's body is this door's."""


def _ours(body):
    return body["error"].keys() == {"code", "message", "request_id"}


def _openais(body):
    return body.keys() == {"error"} and body["error"].keys() == {"message", "type", "param", "code"}


def _a_sentence(body):
    return body.keys() == {"error"} and isinstance(body["error"], str) and len(body["error"]) > 5


def _message(content):
    return [{"role": "user", "content": content}]


DOORS = [
    Door("/predict", lambda text: {"image": text, **QUICK}, _ours),
    Door(
        "/v1/chat/completions",
        lambda text: {"messages": _message([{"type": "image_url", "image_url": {"url": text}}]), **QUICK},
        _openais,
    ),
    Door(
        "/v1/responses",
        lambda text: {"input": _message([{"type": "input_image", "image_url": text}]), **QUICK},
        _openais,
    ),
    Door(
        "/api/generate", lambda text: {"prompt": "x", "images": [text], "options": QUICK, "stream": False}, _a_sentence
    ),
    Door(
        "/api/chat",
        lambda text: {
            "messages": [{"role": "user", "content": "x", "images": [text]}],
            "options": QUICK,
            "stream": False,
        },
        _a_sentence,
    ),
    Door("/image-to-text", lambda text: {"inputs": text, "parameters": {"max_new_tokens": 1, **QUICK}}, _a_sentence),
]
_FIELDS = {
    "/predict": ("beam_size", "include_image", "file"),
    "/v1/chat/completions": (
        *("model", "n", "max_tokens", "temperature", "top_p", "seed", "stop", "stream", "stream_options"),
        *("response_format", "tools", "logit_bias", "beam_size"),
    ),
    "/v1/responses": ("model", "instructions", "max_output_tokens", "text", "stream", "temperature", "tool_choice"),
    "/api/generate": ("model", "system", "format", "keep_alive", "context", "think"),
    "/api/chat": ("model", "format", "keep_alive", "tools"),
    "/image-to-text": ("options",),
}
"""What may be in a request besides what is in the sound one."""


@pytest.fixture(params=DOORS, ids=[door.path for door in DOORS])
def door(request) -> Door:
    return request.param


@pytest.fixture
def post(server, door):
    """Sends a body, and checks that the answer is a captioned photograph or a refusal of this door's shape."""
    with requests.Session() as session:

        def send(body, name, **headers):
            answer = session.post(server.url + door.path, data=body, headers=headers, timeout=60)
            assert answer.status_code < 500, (name, answer.text[:300])
            if answer.status_code != 200:
                assert door.has_shape(answer.json()), (name, answer.text[:300])
                assert len(answer.text) < 2000, name
            return answer.status_code

        yield send
        assert send(_json(door.question(base64.b64encode(GOOD).decode())), "sound", **JSON) == 200


JSON = {"Content-Type": "application/json"}


def _json(body):
    return json.dumps(body).encode()


def photographs() -> Iterator[Case]:
    """A choice of each kind: test_corpus.py has them all."""
    yield from [case for number, case in enumerate(truncations()) if number % 12 == 1]
    yield from [case for case in bombs() if len(case.data) < 2**20]
    yield from [*polyglots(), *metadata(), *no_images()]
    sound = encoded(picture(), "JPEG")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
    for name, data in {
        "LFS pointer": pointer,
        "error page": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "gzip'd JPEG": gzip.compress(sound),
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
        "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(200),
        "bare JPEG XL": b"\xff\x0a" + bytes(200),
        "SVG": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "RAW": b"II*\0\x10\0\0\0CR\x02\0" + bytes(200),
        "MP4": b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2mp41" + bytes(200),
    }.items():
        yield Case("other kind", name, data, (415, 422))


def test_photographs(post, door):
    counts = Counter()
    for case in [*photographs()][DOORS.index(door) % 3 :: 3]:  # they are decoded alike, whatever the door
        text = base64.b64encode(case.data).decode()
        status = post(_json(door.question(text)), case.name, **JSON)
        counts[case.kind] += 1
        assert status in case.statuses, (case.name, status)
    assert sum(counts.values()) > 15 and len(counts) >= 4


def test_bodies(post):
    for name, body in BODIES.items():
        assert post(body, name, **JSON) in (200, 400, 415), name
    assert post(gzip.compress(b"{}"), "gzip", **JSON, **{"Content-Encoding": "gzip"}) == 415
    assert post(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n', "a form") in (400, 415)


def test_fields_of_the_wrong_kind(post, door):
    sound = door.question(base64.b64encode(GOOD).decode())
    tried = 0
    for number, path in enumerate([*_paths(sound), *((name,) for name in _FIELDS[door.path])]):
        for value in ODD[number % 3 :: 3]:
            body = copy.deepcopy(sound)
            _put(body, path, value)
            assert post(_json(body), (path, value), **JSON) in (200, 400, 404, 415, 422), (path, value)
            tried += 1
    assert tried > 20


def test_texts_in_place_of_a_photograph(post, door):
    texts = (
        "",
        "A",
        "AA=A",
        "héllo",
        "\0",
        "data:",
        "data:,",
        "data:image/png;base64",
        "/etc/passwd",
        "%",
        "%zz",
        "=" * 100,
    )
    addresses = ("http://127.0.0.1/a.jpg", "file:///etc/passwd", "ftp://x/y", "HTTPS://x", "javascript:alert(1)")
    for text in (*texts, *addresses):
        assert post(_json(door.question(text)), text, **JSON) in (400, 415), text


def _paths(value: Any, so_far: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Of everything in it, the parts of the parts, too."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*so_far, key)
        yield from _paths(part, (*so_far, key))


def _put(body: Any, path: tuple[str | int, ...], value: Any) -> None:
    for key in path[:-1]:
        body = body[key]
    body[path[-1]] = value
