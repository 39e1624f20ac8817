"""Requests of a hostile shape: multipart bodies and headers that no browser sends, as raw bytes over a socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

_PART = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'


@dataclass(frozen=True)
class Shape:
    name: str
    request: bytes
    statuses: tuple[int, ...]


def shapes(photograph: bytes) -> Iterator[Shape]:
    good = _PART + photograph + b"\r\n"
    yield Shape("sound", _post(good + b"--x--\r\n"), (200,))
    yield Shape("no part", _post(b"--x--\r\n"), (400,))
    yield Shape("an empty part", _post(b"--x\r\n\r\n\r\n--x--\r\n"), (400,))
    yield Shape("an empty file", _post(_PART + b"\r\n--x--\r\n"), (400,))
    yield Shape("a thousand parts", _post(_fields(1000) + good + b"--x--\r\n"), (200, 400, 413))
    yield Shape("a hundred thousand parts", _post(_fields(100_000) + good + b"--x--\r\n"), (400, 413))
    yield Shape("a thousand photographs", _post(good * 1000 + b"--x--\r\n"), (400, 413))
    nested = b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n" + good + b"--y--\r\n--x--\r\n"
    yield Shape("nested multipart", _post(nested), (200, 400))
    yield Shape("no end", _post(good), (200, 400))
    yield Shape("another boundary", _post(good.replace(b"--x", b"--y") + b"--y--\r\n"), (400,))
    yield Shape("no boundary", _post(good + b"--x--\r\n", b"multipart/form-data"), (400,))
    yield Shape("a boundary of 10,000", _post(good, b"multipart/form-data; boundary=" + b"x" * 10_000), (400, 431))
    name = _PART.replace(b"a.jpg", b"a" * 100_000 + b".jpg")
    yield Shape("a file name of 100,000", _post(name + photograph + b"\r\n--x--\r\n"), (200, 400, 413))
    odd = _PART.replace(b"a.jpg", b"..\\..\\\xff\xfe\x00%00../../etc/passwd\x1b[2J.jpg")
    yield Shape("a file name of control characters", _post(odd + photograph + b"\r\n--x--\r\n"), (200, 400))
    part = _PART.replace(b"\r\n\r\n", b"\r\nX-Long: " + b"a" * 1_000_000 + b"\r\n\r\n")
    yield Shape("a part's header of 1 MB", _post(part + photograph + b"\r\n--x--\r\n"), (200, 400, 413))
    many = b"".join(b"X-%d: a\r\n" % number for number in range(10_000))
    yield Shape("ten thousand headers", _post(good + b"--x--\r\n", more=many), (400, 431))
    yield Shape(
        "a header of 1 MB", _post(good + b"--x--\r\n", more=b"X-Long: " + b"a" * 1_000_000 + b"\r\n"), (400, 431)
    )
    yield Shape("an address of 1 MB", _post(good + b"--x--\r\n", path=b"/predict?seed=" + b"1" * 1_000_000), (400, 414))
    numbers = b"/predict?" + b"&".join(b"beam_size=%d" % number for number in range(400))
    yield Shape("an option four hundred times", _post(good + b"--x--\r\n", path=numbers), (200, 400, 414))
    yield Shape("two lengths", _post(good + b"--x--\r\n", more=b"Content-Length: 5\r\n"), (400,))
    yield Shape("a negative length", _raw(b"Content-Length: -1\r\n", b""), (400,))
    yield Shape("a length of letters", _raw(b"Content-Length: many\r\n", b""), (400,))
    smuggled = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    yield Shape("length and chunks", _raw(smuggled, b"0\r\n\r\nGET /health HTTP/1.1\r\n\r\n"), (400,))
    yield Shape("an unknown encoding", _raw(b"Transfer-Encoding: zip\r\n", b""), (400, 501))
    yield Shape("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", (400,))
    yield Shape("an unknown method", b"BREW / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", (400, 405))
    yield Shape("HTTP/9", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", (400, 505))
    climb = b"GET /static/../../etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    yield Shape("a path that climbs", climb, (404,))
    yield Shape("a path that climbs in disguise", climb.replace(b"../../", b"%2e%2e%2f..%2f"), (404,))
    yield Shape("a host of control characters", climb.replace(b"Host: a", b"Host: \x00\x1b"), (400,))


def answer_to(port: int, request: bytes, seconds: float = 60) -> tuple[int, dict[str, Any]]:
    """Sends the bytes and gives the answer's status and JSON. Raises TimeoutError where none comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as client:
        with suppress(ConnectionResetError, BrokenPipeError):  # refused before it was sent whole: the answer is there
            client.sendall(request)
        with closing(HTTPResponse(client)) as answer:
            answer.begin()
            return answer.status, json.loads(answer.read())


def _post(
    body: bytes,
    content_type: bytes = b"multipart/form-data; boundary=x",
    *,
    more: bytes = b"",
    path: bytes = b"/predict",
) -> bytes:
    head = b"Content-Type: %s\r\nContent-Length: %d\r\n%s" % (content_type, len(body), more)
    return _raw(head, body, path)


def _raw(head: bytes, body: bytes, path: bytes = b"/predict") -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n%s" % (path, head, body)


def _fields(count: int) -> bytes:
    return b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n1\r\n' % n for n in range(count))
