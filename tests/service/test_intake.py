"""The three ways to send a photograph, base64 as people write it, and each wrong way with its own code and sentence."""

import base64
import gzip
import json
from urllib.parse import quote

import pytest
import requests
from flask import Flask

from service.errors import BadRequest
from service.intake.base64 import read_photograph
from tests.pictures import drawn, encoded, photograph

GOOD = encoded(drawn(64, 64), "JPEG")
TEXT = base64.b64encode(GOOD).decode()
QUICK = {"method": "greedy", "max_words": "2", "include_image": "false"}
FORM = "multipart/form-data; boundary=x"
JSON = "application/json"


def post(server, data=None, kind=None, path="/predict", **more):
    headers = more.pop("headers", {}) | ({"Content-Type": kind} if kind else {})
    return requests.post(server.url + path, data=data, headers=headers, params=QUICK, timeout=60, **more)


def part(name="image", filename=b"photo.jpg", data=GOOD):
    head = b'--x\r\nContent-Disposition: form-data; name="%s"' % name.encode()
    return head + (b'; filename="%s"' % filename if filename is not None else b"") + b"\r\n\r\n" + data + b"\r\n"


@pytest.fixture(scope="module")
def cat():
    return encoded(photograph("chelsea").resize((300, 200)), "JPEG")


def test_the_three_ways_give_one_answer(server, cat):
    text = base64.b64encode(cat).decode()
    answers = [
        requests.post(server.url + "/predict", files={"image": cat}, data={"num_captions": "2"}, timeout=60),
        requests.post(
            server.url + "/predict?num_captions=2", data=cat, headers={"Content-Type": "image/jpeg"}, timeout=60
        ),
        requests.post(
            server.url + "/predict", json={"image": f"data:image/png;base64,{text}", "num_captions": 2}, timeout=60
        ),
        requests.post(server.url + "/predict?num_captions=2", json={"file": text, "num_captions": 1}, timeout=60),
    ]
    first, *others = [answer.json() for answer in answers]
    for body in (first, *others):
        del body["timing_ms"]
    assert len(first["captions"]) == 2 and "image" in first and all(other == first for other in others)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (part() + b"--x--\r\n", FORM),
        (part("file") + b"--x--\r\n", FORM),
        (part(filename="Café.jpg".encode("latin-1")) + b"--x--\r\n", FORM),
        (part(filename=b"\xff\xfe\x80.jpg") + b"--x--\r\n", FORM),
        (part("note", b"\xe9.txt", b"\xe9") + part() + b"--x--\r\n", FORM),
        (part(filename="写真.jpg".encode("shift-jis")) + b"--x--\r\n", FORM),
        (GOOD, "image/jpeg"),
        (GOOD, "image/heic"),  # the bytes decide
        (GOOD, "application/octet-stream"),
        (GOOD, None),
        (json.dumps({"image": TEXT}), JSON),
        (json.dumps({"image": TEXT, "beam_size": None, "attention": False, "length_penalty": 0.5}), JSON),
        ("﻿" + json.dumps({"image": TEXT}), "application/vnd.api+json"),
        (json.dumps({"image": TEXT}).encode("utf-16"), JSON + "; charset=utf-16"),
        (json.dumps({"image": [TEXT]}), JSON),
    ],
    ids=range(15),
)
def test_accepted(server, data, kind):
    answer = post(server, data.encode() if isinstance(data, str) else data, kind)
    assert answer.status_code == 200 and answer.json()["caption"], answer.text


@pytest.mark.parametrize(
    ("data", "kind", "status", "code", "words"),
    [
        (None, None, 400, "no_image", "no body"),
        (b"", "image/jpeg", 400, "empty_image", "0 bytes"),
        (part("picture") + b"--x--\r\n", FORM, 400, "wrong_field", "'picture'"),
        (part("picture") + part("Image") + b"--x--\r\n", FORM, 400, "wrong_field", "'picture', 'Image'"),
        (part(filename=None, data=b"photo.jpg") + b"--x--\r\n", FORM, 400, "not_a_file", "-F image=@photo.jpg"),
        (part(data=b"") + b"--x--\r\n", FORM, 400, "empty_image", "'photo.jpg' is empty"),
        (part(filename=b"", data=b"") + b"--x--\r\n", FORM, 400, "empty_image", "is empty"),
        (part("beam_size", None, b"3") + b"--x--\r\n", FORM, 400, "no_image", "no file"),
        (part() + b"--x--\r\n", "multipart/form-data", 400, "no_boundary", "has no boundary"),
        (part().replace(b"--x", b"--y") + b"--y--\r\n", FORM, 400, "bad_multipart", "boundary 'x' does not occur"),
        (b"garbage", FORM, 400, "bad_multipart", "boundary 'x' does not occur"),
        (part(), FORM, 400, "bad_multipart", "cut off"),
        (b"--x\r\nno header\r\n\r\nx\r\n--x--\r\n", FORM, 400, "bad_multipart", "header of a part"),
        (b"--x--\r\n", FORM, 400, "no_image", "no file"),
        (b"", FORM, 400, "no_image", "0 bytes"),
        (b"image=photo.jpg", "application/x-www-form-urlencoded", 415, "urlencoded_form", "curl -d"),
        (GOOD, "application/x-www-form-urlencoded", 415, "urlencoded_form", "--data-binary"),
        (GOOD, "text/plain", 415, "unsupported_media_type", "'text/plain'"),
        (GOOD, "video/mp4", 415, "unsupported_media_type", "application/octet-stream"),
        (b"", JSON, 400, "bad_json", "empty"),
        (b"{", JSON, 400, "bad_json", "line 1"),
        (b'{"image": NaN}', JSON, 400, "bad_json", "NaN"),
        (b"\xff{}", JSON, 400, "bad_json", "is no utf-8"),
        (b"[]", JSON, 400, "bad_json", "not a list"),
        (b"null", JSON, 400, "bad_json", "not null"),
        (b"[" * 200_000, JSON, 400, "bad_json", "too deeply"),
        (b'{"beam_size": ' + b"9" * 6000 + b"}", JSON, 400, "bad_json", "4300"),
        (b"{}", JSON, 400, "no_image", "nothing"),
        (b'{"picture": "abc"}', JSON, 400, "no_image", "'picture'"),
        (b'{"image": []}', JSON, 400, "no_image", "empty list"),
        (b'{"image": 5}', JSON, 400, "bad_base64", "must be a text"),
        (b'{"image": ""}', JSON, 400, "empty_image", "image is empty"),
        (b'{"image": "https://example.org/a.jpg"}', JSON, 400, "remote_image", "fetches nothing"),
        (json.dumps({"image": [TEXT, TEXT]}).encode(), JSON, 400, "too_many_images", "/predict/batch"),
        (json.dumps({"image": TEXT, "beam_size": [3]}).encode(), JSON, 400, "bad_parameter", "'beam_size'"),
        (json.dumps({"image": TEXT, "beam_size": "x"}).encode(), JSON, 400, "bad_parameter", "1 and 10"),
    ],
    ids=range(36),
)
def test_refused(server, data, kind, status, code, words):
    answer = post(server, data, kind)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    assert words in error["message"]
    if status == 415:
        assert all(way in error["message"] for way in ("multipart/form-data", "application/octet-stream", "JSON"))


def test_a_compressed_body_is_refused_at_once(server):
    headers = {"Content-Encoding": "gzip"}
    answer = post(server, gzip.compress(part() + b"--x--\r\n"), FORM, headers=headers)
    assert answer.status_code == 415 and answer.json()["error"]["code"] == "compressed_body"
    assert "gzip" in answer.json()["error"]["message"]
    assert post(server, GOOD, "image/jpeg", headers={"Content-Encoding": "identity"}).status_code == 200


@pytest.mark.parametrize("kind", ["image/jpeg", JSON])
def test_sizes_hold_for_every_way(server, kind):
    for size in (16 * 2**20 + 1, 40 * 2**20):
        data = bytes(size) if kind != JSON else json.dumps({"image": "A" * (size * 4 // 3 + 4)})
        answer = post(server, data, kind)
        assert answer.status_code == 413 and answer.json()["error"]["code"] == "too_large"


def test_several_as_json(server):
    body = {"image": [TEXT, "no base64!", "", TEXT], "num_captions": 1}
    results = requests.post(server.url + "/predict/batch", json=body, params=QUICK, timeout=60).json()["results"]
    told = [result["error"]["code"] if "error" in result else "captioned" for result in results]
    assert told == ["captioned", "bad_base64", "empty_image", "captioned"]


@pytest.mark.parametrize(
    ("accepted", "kind"),
    [
        ("text/plain", "text/plain"),
        ("text/plain, application/json;q=0.5", "text/plain"),
        ("application/json, text/plain;q=0.5", JSON),
        ("*/*", JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("image/png", JSON),
    ],
)
def test_the_caption_alone(server, accepted, kind):
    answer = post(server, GOOD, "image/jpeg", headers={"Accept": accepted})
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith(kind)
    caption = post(server, GOOD, "image/jpeg").json()["caption"]
    assert answer.text == caption if kind == "text/plain" else answer.json()["caption"] == caption


def test_how_long_it_took_is_in_a_header(server):
    timings = post(server, GOOD, "image/jpeg").headers["Server-Timing"].split(", ")
    assert {one.partition(";dur=")[0] for one in timings} >= {"decode", "queue", "encoder", "decoder", "total"}
    assert all(float(one.partition(";dur=")[2]) >= 0 for one in timings)
    assert "Server-Timing" not in requests.get(server.url + "/health", timeout=10).headers


@pytest.fixture
def limited():
    app = Flask("limited")
    app.config.update(MAX_UPLOAD_BYTES=1000, MAX_IMAGES_UPLOAD_BYTES=2000)
    with app.app_context():
        yield


DATA = bytes(range(256))
PLAIN = base64.b64encode(DATA).decode()
WITH_LINES = base64.encodebytes(DATA).decode()


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.rstrip("="),
        WITH_LINES,
        WITH_LINES.replace("\n", "\r\n"),
        " \t" + PLAIN + "\n",
        PLAIN[:7] + "  " + PLAIN[7:-1] + " =",
        base64.urlsafe_b64encode(DATA).decode(),
        base64.urlsafe_b64encode(DATA).decode().rstrip("="),
        quote(PLAIN, safe=""),
        "data:image/jpeg;base64," + PLAIN,
        "data:image/jpeg;base64," + WITH_LINES,
        "DATA:IMAGE/JPEG;BASE64," + PLAIN,
        "data:;base64," + PLAIN,
        "data:base64," + PLAIN,
        "base64," + PLAIN,
        "image/jpeg;base64," + PLAIN,
        "data:text/html;base64," + PLAIN,
        "data:not a type;base64," + PLAIN,
        "data:image/svg+xml;charset=utf-8;base64," + PLAIN,
        'data:image/png;name="a, b.png";base64,' + PLAIN,
        "data:image/png; base64 , " + PLAIN,
        "  data:image/png;base64,\n" + PLAIN,
        "data:image/png," + PLAIN,
        "data:," + quote(DATA, safe=""),
        "data:image/jpeg;base64," + quote(PLAIN, safe=""),
        quote("data:image/jpeg;base64," + PLAIN, safe=""),
        "data:image/jpeg;base64," + base64.urlsafe_b64encode(DATA).decode().rstrip("="),
    ],
    ids=range(27),
)
def test_base64_as_people_write_it(limited, text):
    assert read_photograph(text, "image") == DATA


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "empty_image", "image is empty"),
        (" \n", "empty_image", "image is empty"),
        ("====", "empty_image", "image is empty"),
        ("data:image/png;base64,", "empty_image", "image is empty"),
        (None, "bad_base64", "must be a text"),
        (b"QUJD", "bad_base64", "must be a text"),
        ({"url": PLAIN}, "bad_base64", "must be a text"),
        ("QUJD!UJD", "bad_base64", "character 5, '!'"),
        ("data:image/png;base64,QUJD*", "bad_base64", "character 27, '*'"),
        ("QU=JDQUJ", "bad_base64", "character 3, '='"),
        ("QUJDé", "bad_base64", "character 5"),
        ("QUJD\0", "bad_base64", "character 5"),
        ("QUJD%21", "bad_base64", "'!'"),
        ("QUJDQ", "bad_base64", "cut off"),
        ("data:image/png", "bad_base64", "character 5, ':'"),
        ("photo.jpg", "bad_base64", "character 6, '.'"),
        ("http://example.org/a.jpg", "remote_image", "http:"),
        (" HTTPS://EXAMPLE.ORG/A.JPG", "remote_image", "https:"),
        ("file:///etc/passwd", "remote_image", "file:"),
        ("ftp://example.org/a", "remote_image", "ftp:"),
        ("blob:https://example.org/1-2", "remote_image", "blob:"),
        ("C:\\photos\\a.jpg", "remote_image", "c:"),
        ("A" * 1340, "too_large", "too large"),
        ("A" * 10_000, "too_large", "too large"),
        ("data:," + quote(bytes(1001)), "too_large", "too large"),
        ("data:" + ";" * 100_000, "too_large", "too large"),
        ("data:" + "; " * 400 + "base64", "bad_base64", "breaks"),
    ],
    ids=range(27),
)
def test_what_is_no_base64(limited, text, code, words):
    with pytest.raises(BadRequest) as refused:
        read_photograph(text, "image")
    assert refused.value.code == code and words in str(refused.value) and refused.value.param == "image"
    assert len(str(refused.value)) < 300
