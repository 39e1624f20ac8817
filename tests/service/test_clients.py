"""Connections by themselves: slow ones, ones that stop, ones that do not read and ones that are closed."""

import socket
import threading
import time
from contextlib import closing

import pytest

from service.clients import Listener


@pytest.fixture(params=[socket.AF_INET, socket.AF_UNIX], ids=["TCP", "a socket file"])
def pair(request, tmp_path):
    """A client and the server's end of its connection, which is patient for a second."""
    family = request.param
    with socket.socket(family) as listening, socket.socket(family) as client:
        listening.bind(("127.0.0.1", 0) if family == socket.AF_INET else str(tmp_path / "socket"))
        listening.listen()
        client.connect(listening.getsockname())
        server, _ = Listener(listening, 1.0).accept()
        with closing(server):
            yield client, server


def test_what_comes_in_time_is_read(pair):
    client, server = pair
    client.sendall(b"one")
    assert server.recv(10) == b"one"
    threading.Timer(0.2, client.sendall, [b"two"]).start()
    assert server.recv(10) == b"two"
    client.close()
    assert server.recv(10) == b""


@pytest.mark.parametrize("beginning", [b"", b"GET / HT"])
def test_one_that_stops_is_as_if_it_had_left(pair, beginning):
    client, server = pair
    client.sendall(beginning)
    began = time.monotonic()
    while server.recv(10):
        pass
    assert 0.9 < time.monotonic() - began < 5
    server.sendall(b"too late")  # and can be told so
    assert client.recv(10) == b"too late"


def test_a_byte_now_and_then_does_not_make_it_longer(pair):
    client, server = pair
    over = threading.Event()
    drip = threading.Thread(target=lambda: [client.sendall(b"x") for _ in range(100) if not over.wait(0.05)])
    drip.start()
    began = time.monotonic()
    while server.recv(1):
        pass
    assert 0.9 < time.monotonic() - began < 5
    over.set()
    drip.join()


def test_the_next_request_has_its_own_time(pair):
    client, server = pair
    client.sendall(b"one")
    assert server.recv(10) == b"one"
    server.sendall(b"answer")
    time.sleep(1.2)
    client.sendall(b"two")
    assert server.recv(10) == b"two"


def test_one_that_does_not_read_its_answer_is_given_up(pair):
    _, server = pair
    began = time.monotonic()
    with pytest.raises(ConnectionResetError):
        server.sendall(bytes(50_000_000))
    assert 0.9 < time.monotonic() - began < 5


def test_an_answer_that_is_read_slowly_arrives_whole(pair):
    client, server = pair
    answer, received = bytes(range(256)) * 8000, bytearray()

    def read():
        while len(received) < len(answer):
            received.extend(client.recv(100_000))
            time.sleep(0.005)

    reader = threading.Thread(target=read)
    reader.start()
    server.sendall(answer)
    reader.join(20)
    assert received == answer


def test_whether_it_is_closed_is_known_whatever_was_sent(pair):
    client, server = pair
    assert not server.is_left
    client.sendall(b"more than is read")
    assert not server.is_left
    client.close()
    assert server.is_left


def test_a_time_of_ones_own_and_none_at_all(pair):
    client, server = pair
    server.settimeout(0.1)
    with pytest.raises(TimeoutError):
        server.recv(10)
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(10)
    client.sendall(b"one")
    time.sleep(0.05)
    assert server.recv(10) == b"one"
