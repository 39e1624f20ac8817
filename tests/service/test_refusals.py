"""Every refusal is JSON with a code and words for a person, the right status, and the process goes on."""

import socket
import struct
import time
import zlib
from contextlib import ExitStack

import numpy as np
import pytest
import requests
from PIL import Image

from benchmarks.server import running_server
from tests.pictures import drawn, encoded

GOOD = encoded(drawn(64, 64), "JPEG")


@pytest.fixture(autouse=True)
def goes_on(server):
    yield
    assert requests.post(server.url + "/predict", files={"image": GOOD}, timeout=60).status_code == 200


def refusal(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    error = answer.json()["error"]
    assert (
        set(error) == {"code", "message", "request_id"}
        and error["message"][0].isupper() | error["message"][0].islower()
    )
    return error


def send(server, data, name="photo.jpg", **form):
    return requests.post(server.url + "/predict", files={"image": (name, data)}, data=form, timeout=60)


def test_400_two_images(server):
    files = [("image", ("a.jpg", GOOD)), ("file", ("b.jpg", GOOD))]
    assert refusal(requests.post(server.url + "/predict", files=files, timeout=60), 400)["code"] == "too_many_images"


@pytest.mark.parametrize(
    ("name", "value", "range"),
    [
        ("method", "magic", "beam, greedy, sample"),
        ("beam_size", "0", "1 and 10"),
        ("beam_size", "x", "1 and 10"),
        ("num_captions", "11", "1 and 10"),
        ("max_words", "0", "1 and 50"),
        ("temperature", "nan", "0.05 and 5"),
        ("top_p", "0", "0.01 and 1"),
        ("seed", "-1", "0 and 2147483647"),
        ("length_penalty", "3", "0 and 2"),
        ("attention", "perhaps", "true or false"),
        ("include_image", "perhaps", "true or false"),
        ("beamsize", "5", "did you mean beam_size?"),
        ("includeimage", "", "did you mean include_image?"),
    ],
)
def test_400_bad_parameter_is_named_with_its_range(server, name, value, range):
    error = refusal(send(server, GOOD, **{name: value}), 400)
    assert error["code"] == "bad_parameter" and name in error["message"] and range in error["message"]


def test_400_an_unknown_option_in_the_address(server):
    answer = requests.post(server.url + "/predict?beamsize=5", files={"image": GOOD}, timeout=60)
    error = refusal(answer, 400)
    assert error["code"] == "bad_parameter" and "'beamsize'; did you mean beam_size?" in error["message"]


@pytest.mark.parametrize("size", [16 * 2**20 + 1, 40 * 2**20])
def test_413_too_large(server, size):
    error = refusal(send(server, bytes(size)), 413)
    assert error["code"] == "too_large" and "16 MB" in error["message"]


def test_413_without_a_content_length(server):
    def body():
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        for _ in range(20):
            yield bytes(2**20)
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = requests.post(server.url + "/predict", data=body(), headers=headers, timeout=60)
    assert refusal(answer, 413)["code"] == "too_large"


def test_exactly_16_mb_is_read(server):
    data = GOOD + bytes(16 * 2**20 - len(GOOD))  # what follows a JPEG's end does not matter
    assert send(server, data).status_code == 200


@pytest.mark.parametrize("data", [b"hello", b"%PDF-1.7", b"<svg/>", bytes(1000), b"GIF", encoded(drawn(), "ICO")])
def test_415_not_an_image(server, data):
    error = refusal(send(server, data), 415)
    assert error["code"] == "not_an_image" and "JPEG" in error["message"]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_422_truncated(server, format):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    data = encoded(noise, format)
    error = refusal(send(server, data[: len(data) // 2]), 422)
    assert error["code"] == "damaged_image" and "truncated or corrupt" in error["message"]


def test_422_too_many_pixels(server):
    error = refusal(send(server, encoded(Image.new("1", (8000, 5001)))), 422)
    assert error["code"] == "too_many_pixels" and "40 megapixels" in error["message"]


def test_422_decompression_bomb(server):
    header = bytearray(encoded(Image.new("1", (8, 8))))
    header[16:24] = struct.pack(">II", 200_000, 200_000)
    header[29:33] = struct.pack(">I", zlib.crc32(bytes(header[12:29])))
    assert refusal(send(server, bytes(header)), 422)["code"] == "too_many_pixels"


def test_404_and_405_are_json_too(server):
    assert refusal(requests.get(server.url + "/nothing", timeout=10), 404)["code"] == "not_found"
    answer = requests.get(server.url + "/predict", timeout=10)
    assert refusal(answer, 405)["code"] == "method_not_allowed" and "POST" in answer.headers["Allow"]


def test_a_file_name_is_not_believed(server):
    assert send(server, GOOD, name="../../etc/passwd<script>.exe").status_code == 200


def test_a_client_that_leaves_in_mid_upload(server):
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(_head(1000) + b"the first part of")


def stalls(port):
    """Connections of clients that send too slowly, or stop: in the headers, in the body, or a byte at a time."""
    for beginning in (b"GET / HT", _head(1000) + b"the first part of"):
        for _ in range(40):
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(beginning)
            yield client


def test_slow_clients_do_not_hold_the_threads(tmp_path):
    few = {"CAPTION_CLIENT_TIMEOUT_SECONDS": "2", "CAPTION_MAX_QUEUE": "1"}
    with running_server(tmp_path, **few) as server, ExitStack() as stack:
        server.wait_until_healthy()
        clients = [stack.enter_context(client) for client in stalls(server.port)]  # more than there are threads
        drip = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        drip.sendall(_head(1000))
        began = time.monotonic()
        while time.monotonic() - began < 30:
            try:
                drip.sendall(b"x")
            except OSError:
                break
            time.sleep(0.2)
        assert time.monotonic() - began < 30, "a client that sends a byte now and then was never given up"
        assert requests.get(server.url + "/health", timeout=20).ok
        assert requests.post(server.url + "/predict", files={"image": GOOD}, timeout=60).ok
        for client in clients:
            client.settimeout(20)
            answer = client.recv(1000)  # an answer or the end of the connection, not silence
            assert not answer or answer.startswith(b"HTTP/1.1 4")


def test_a_slow_upload_within_the_time_is_answered(tmp_path):
    with running_server(tmp_path, CAPTION_CLIENT_TIMEOUT_SECONDS="20") as server:
        server.wait_until_healthy()

        def body():
            yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
            for start in range(0, len(GOOD), 100):
                yield GOOD[start : start + 100]
                time.sleep(0.1)
            yield b"\r\n--x--\r\n"

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert requests.post(server.url + "/predict", data=body(), headers=headers, timeout=60).status_code == 200


@pytest.mark.parametrize("chunk", [b"ZZ\r\n", b"5\r\nhello--\r\n"])
def test_400_a_body_that_is_not_http(server, chunk):
    head = _head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked").partition(b"--x")[0]
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.settimeout(20)
        client.sendall(head + chunk)
        answer = b""
        while b'"code"' not in answer and (block := client.recv(10_000)):
            answer += block
    assert answer.startswith(b"HTTP/1.1 400") and b'"code"' in answer


def test_400_a_long_text_field_is_no_image(server):
    form = {"image": (None, "A" * 600_000)}
    assert refusal(requests.post(server.url + "/predict", files=form, timeout=60), 400)["code"] == "not_a_file"


def test_415_a_form_of_another_kind_is_not_read(server):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(server.url + "/predict", data=b"a&" * 4_000_000, headers=headers, timeout=60)
    assert refusal(answer, 415)["code"] == "urlencoded_form"


def test_422_a_jpeg_of_very_many_scans(server):
    picture = encoded(Image.new("RGB", (2000, 2000)), "JPEG", progressive=True)
    scan = picture[picture.rindex(b"\xff\xda") : -2]
    error = refusal(send(server, picture[:-2] + scan * 3000 + picture[-2:]), 422)
    assert error["code"] == "damaged_image"


def test_an_empty_option_means_its_default(server):
    assert "image" in send(server, GOOD, include_image="", beam_size="").json()


def _head(length):
    return (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: %d\r\n\r\n--x\r\n" % length
    )
