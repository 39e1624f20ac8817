"""gunicorn's thread worker with a deadline: a client that sends slowly, or not at all, does not hold a thread."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from threading import Timer
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from service.settings import Settings

_ESTABLISHED = 1  # Linux' TCP_ESTABLISHED


def has_left(client: socket.socket) -> bool:
    """Whether a client has closed its connection. Not told by reading: `_stop_reading` would look the same."""
    if sys.platform != "linux":
        return False
    try:
        [state, *_] = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except OSError:
        return client.fileno() < 0  # a socket file has no such state
    return bool(state != _ESTABLISHED)


class DeadlineWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """After `Settings.client_timeout_seconds` nothing more is read of a request, headers and body together.

    What was not sent by then is missing, as if the client had left; the answer can still be written.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seconds = Settings.from_environment(os.environ).client_timeout_seconds

    def handle(self, conn: Any) -> Any:
        deadline = Timer(self._seconds, _stop_reading, [conn.sock])
        deadline.daemon = True
        deadline.start()
        try:
            return super().handle(conn)
        finally:
            deadline.cancel()


def _stop_reading(connection: socket.socket) -> None:
    with suppress(OSError):  # it is over already
        connection.shutdown(socket.SHUT_RD)
