"""Whether a photograph is still the one that was captioned: by its size and time first, then by its digest."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict, deque
from stat import S_ISREG

from collection.walk import PhotographUnreadable, read_photograph

Stamp = tuple[int, int, str]
"""Bytes, time of the last change in nanoseconds, SHA-256 in hexadecimal ("" where it could not be read). In JSON it is
a list; None is that of a photograph which was not there.
"""


class StampedReader:
    """Reads photographs, for several threads, and keeps the stamp of each until it is taken."""

    def __init__(self) -> None:
        self._stamps: dict[str, deque[Stamp | None]] = defaultdict(deque)  # one a reading: a path may be named twice

    def read(self, path: str) -> bytes:
        """As `read_photograph`."""
        status, digest = _status(path), ""
        try:
            photograph = read_photograph(path)
            digest = hashlib.sha256(photograph).hexdigest()
            return photograph
        finally:
            self._stamps[path].append((*status, digest) if status else None)

    def take(self, path: str) -> Stamp | None:
        stamps = self._stamps[path]
        stamp = stamps.popleft()
        if not stamps:
            del self._stamps[path]
        return stamp


def refreshed(path: str, before: Stamp | None) -> Stamp | None:
    """The photograph's stamp of now. It is read only where that can show that it is the same: where its time is another
    and its size is not, and where it could not be read before.
    """
    status = _status(path)
    if status is None or before is None:
        return (*status, "") if status else None
    size, _, digest = before
    if digest and (status == before[:2] or status[0] != size):
        return (*status, digest if status == before[:2] else "")
    try:
        return (*status, hashlib.sha256(read_photograph(path)).hexdigest())
    except PhotographUnreadable:
        return (*status, "")


def is_same(before: Stamp | None, now: Stamp | None) -> bool:
    """Whether the content is, by two stamps of a photograph."""
    return before == now if before is None or now is None else (before[0], before[2]) == (now[0], now[2])


def _status(path: str) -> tuple[int, int] | None:
    """Size and time; None where there is no plain file."""
    try:
        status = os.stat(path)  # noqa: PTH116  # whatever the name
    except (OSError, ValueError):
        return None
    return (status.st_size, status.st_mtime_ns) if S_ISREG(status.st_mode) else None
