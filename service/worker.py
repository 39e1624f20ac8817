"""gunicorn's thread worker with a deadline: a client that sends slowly, or not at all, does not hold a thread.
What is refused before the application is asked (no HTTP, an address that is too long) is answered in JSON, too.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import uuid
from contextlib import suppress
from threading import Timer
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import ThreadWorker

from service.settings import Settings

log = logging.getLogger(__name__)

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


def _write_error(client: socket.socket, status: int, reason: str, message: str) -> None:
    """See service/errors.py, which is not asked here: there is no request yet."""
    error = {
        "code": reason.lower().replace(" ", "_"),
        "message": message or reason,
        "request_id": uuid.uuid4().hex,
    }
    log.warning("refused", extra={"request_id": error["request_id"], "status": status})
    body = json.dumps({"error": error}).encode()
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    util.write_nonblock(client, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


util.write_error = _write_error  # gunicorn's writes HTML, and no setting changes that
