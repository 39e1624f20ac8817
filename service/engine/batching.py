"""The queue between requests and the captioner: bounded, oldest first, in batches of equal options.

A lone photograph is taken at once. While the captioner is busy photographs gather; what is taken then is the oldest
and, after it, those that can share its batch. Only where others are known to be on their way, being decoded at this
moment, does a batch wait for them, and not for long.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from PIL import Image

from model.captioner import DecodingOptions, Stopwatch


class Busy(RuntimeError):
    """As many photographs as may are under way already."""


@dataclass(eq=False)
class Request:
    """One photograph on its way to its captions."""

    options: DecodingOptions
    image: Image.Image | None = None
    """None until it is decoded."""
    answer: Future[dict[str, Any]] = field(default_factory=Future)
    """model.answer.describe_captions'."""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    failures: int = 0
    """Captioners that failed while they had it. After the first it goes alone: it may be what they fail of."""
    batch: int = 0
    """How many photographs were captioned together with it, itself included."""
    admitted_at: float = field(default_factory=monotonic)
    put_at: float = 0.0

    def finish(self, answer: dict[str, Any], milliseconds: Mapping[str, float], batch: int) -> None:
        """`milliseconds` are those of its batch; whatever else it took since it was admitted, it spent queueing."""
        self.batch = batch
        spent = sum(self.stopwatch.milliseconds.values()) + sum(milliseconds.values())
        self.stopwatch.milliseconds["queue"] = max(0.0, (monotonic() - self.admitted_at) * 1000 - spent)
        self.stopwatch.milliseconds.update(milliseconds)
        self.answer.set_result(answer)


class Queue:
    """At most `capacity` photographs are under way at once: being decoded, waiting or being captioned."""

    def __init__(
        self,
        capacity: int,
        max_batch: int,
        max_wait_seconds: float,
        on_depth: Callable[[int], None] = lambda depth: None,
    ) -> None:
        """`on_depth` is told how many photographs wait, whenever that changes."""
        self.capacity, self._max_batch, self._max_wait, self._on_depth = capacity, max_batch, max_wait_seconds, on_depth
        self._under_way: set[Request] = set()
        self._waiting: deque[Request] = deque()
        self._changed = threading.Condition()

    @property
    def depth(self) -> int:
        """How many photographs wait for the captioner."""
        return len(self._waiting)

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def check(self, count: int = 1) -> None:
        """Raises Busy where there are no places for `count` photographs now."""
        if len(self._under_way) + count > self.capacity:
            raise Busy("The service is busy; please try again in a few seconds.")

    def admit(self, count: int, options: DecodingOptions) -> list[Request]:
        """Places for `count` photographs, to be given back by `release`. Raises Busy."""
        works = [Request(options) for _ in range(count)]
        with self._changed:
            self.check(count)
            self._under_way.update(works)
        return works

    def put(self, work: Request, image: Image.Image) -> None:
        with self._changed:
            work.image, work.put_at = image, monotonic()
            self._waiting.append(work)
            self._tell()

    def requeue(self, batch: Sequence[Request]) -> None:
        """What the captioner could not finish is next again, in its order."""
        with self._changed:
            self._waiting.extendleft(work for work in reversed(batch) if work in self._under_way)
            self._tell()

    def release(self, works: Sequence[Request]) -> None:
        """Whoever asked for these is answered or gone; those that still wait are dropped."""
        with self._changed:
            self._under_way.difference_update(works)
            self._waiting = deque(work for work in self._waiting if work in self._under_way)
            self._tell()

    def take(self, timeout: float) -> list[Request]:
        """The next batch; empty where nothing came within `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, timeout)
            while (batch := self._next_batch()) and self._could_grow(batch):
                left = batch[0].put_at + self._max_wait - monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            for work in batch:
                self._waiting.remove(work)
            self._tell()
            return batch

    def clear(self) -> list[Request]:
        """Takes out all that wait."""
        with self._changed:
            works = list(self._waiting)
            self._waiting.clear()
            self._tell()
            return works

    def _next_batch(self) -> list[Request]:
        if not self._waiting:
            return []
        oldest = self._waiting[0]
        if oldest.failures:
            return [oldest]
        alike = [work for work in self._waiting if work.options == oldest.options and not work.failures]
        return alike[: self._max_batch]

    def _could_grow(self, batch: Sequence[Request]) -> bool:
        arriving = any(work.image is None and not work.answer.done() for work in self._under_way)
        return arriving and len(batch) < self._max_batch and not batch[0].failures

    def _tell(self) -> None:
        self._on_depth(len(self._waiting))
        self._changed.notify_all()
