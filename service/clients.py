"""Clients' connections with deadlines of their own: who sends or reads slowly, or not at all, holds no thread long."""

from __future__ import annotations

import errno
import select
import socket
from time import monotonic
from typing import Any

_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class PatientSocket(socket.socket):
    """Patient for `seconds`, and no longer: so long may a request take from its first byte to its last, headers and
    body together, and an answer.

    What has not come by then is missing, as if the client had left; an answer can still be written. An answer that is
    not taken by then ends the connection.
    """

    seconds: float
    _until: float | None = None
    """When the request that is being read must have come; None between two."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        patience = self.gettimeout()
        if flags or patience == 0:
            return super().recv(size, flags)
        self._until = self._until or monotonic() + self.seconds
        left = self._until - monotonic()
        if self._wait(select.POLLIN, left if patience is None else min(left, patience)):
            return super().recv(size)
        if patience is not None and patience < left:
            raise TimeoutError("timed out")
        return b""

    def send(self, data: Any, flags: int = 0, /) -> int:
        self._until = None
        return super().send(data, flags)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        until, rest = monotonic() + self.seconds, memoryview(data)
        while rest:
            if not self._wait(select.POLLOUT, until - monotonic()):
                raise ConnectionResetError(errno.ECONNRESET, "the client does not read its answer")
            try:
                rest = rest[self.send(rest, flags | socket.MSG_DONTWAIT) :]
            except BlockingIOError:  # there was room for less than the kernel wants to send at once
                continue

    @property
    def is_left(self) -> bool:
        """Whether the client has closed its end."""
        return bool(self._poll(_GONE, 0))

    def _wait(self, event: int, seconds: float) -> bool:
        return bool(self._poll(event, max(0.0, seconds)))

    def _poll(self, events: int, seconds: float) -> list[tuple[int, int]]:
        if self.fileno() < 0:
            return [(-1, select.POLLHUP)]
        waiting = select.poll()
        waiting.register(self, events)
        return waiting.poll(seconds * 1000)


class Listener:
    """A listening socket whose connections are patient."""

    def __init__(self, listening: Any, seconds: float) -> None:
        self._listening, self._seconds = listening, seconds

    def accept(self) -> tuple[PatientSocket, Any]:
        connection, address = self._listening.accept()
        client = PatientSocket(fileno=connection.detach())
        client.seconds = self._seconds
        return client, address

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listening, name)
