"""Whether a photograph is written completely, for whoever comes upon it while another program may still write it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from collection.walk import PhotographUnreadable, read_photograph
from model.errors import ImageRefused
from model.images import decode_image, warning_of

PATIENCE = 60.0  # seconds; what is the same for so long is as whole as it gets
_Signature = tuple[int, int, int]


@dataclass
class _Seen:
    signature: _Signature
    since: float
    is_whole: bool | None = None
    """Whether it decodes; None where nobody looked."""


class Settled:
    """A photograph is settled when it has been the same for `seconds` and decodes whole, or for PATIENCE."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[str, _Seen] = {}

    def has(self, path: str) -> bool:
        """True for what is not there: that is for others to find out."""
        try:
            status = os.stat(path)  # noqa: PTH116  # whatever the name
        except (OSError, ValueError):
            self._seen.pop(path, None)
            return True
        if time.time() - status.st_ctime > PATIENCE:
            self._seen.pop(path, None)
            return True
        signature = (status.st_ino, status.st_size, status.st_mtime_ns)
        seen = self._seen.get(path)
        if seen is None or seen.signature != signature:  # by this machine's clock: a server's may be another
            seen = self._seen[path] = _Seen(signature, time.monotonic())
        age = time.monotonic() - seen.since
        if age < self._seconds:
            return False
        if seen.is_whole is None:
            seen.is_whole = _decodes_whole(path)
        return seen.is_whole or age > PATIENCE


def _decodes_whole(path: str) -> bool:
    try:
        return not warning_of(decode_image(read_photograph(path)))
    except (PhotographUnreadable, ImageRefused):
        return False
