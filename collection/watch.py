"""Keeps a collection's captions as its folders are: python -m collection watch FOLDER --output results.jsonl

New and changed photographs are captioned once they are written completely, those that are gone leave the results, moved
ones are known by their digests. Each round is the run that `caption` is, so a kill loses nothing, and what happened
while nobody watched is caught up.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from collection.arguments import Asked, parse_watch
from collection.caption import REFUSED
from collection.finished import Finished
from collection.job import Job
from collection.run import Run
from collection.settled import Settled
from collection.walk import find_photographs
from model.arguments import model_settings
from model.folders import is_photograph_name
from model.registry import load_captioner

_LOOK_AGAIN = 300.0  # seconds: some file systems tell of nothing, and none of all
_WAKE = 1000  # milliseconds between looks at what is being written


class _Round(Run):
    """What has happened since the last one."""

    hold: frozenset[str] = frozenset()
    """Photographs that are still being written: their records stay as they are."""
    job: Job | None = None
    """The captioner stays loaded."""
    paths: Sequence[str] = ()
    is_first = False

    def _finder(self) -> Callable[[], Iterator[str]]:
        return lambda: iter(self.paths)

    def _job(self) -> Job:
        self.job = Job(
            self.job.captioner if self.job else load_captioner(model_settings(self.parsed)),
            self.options,
            self.parsed.batch_size,
            self.parsed.workers,
            self.reader.read,
        )
        return self.job

    def _update_file(self, finished: Finished) -> None:
        finished.held.update(self.hold)
        super()._update_file(finished)

    def _tell_nothing_to_do(self) -> None:
        if self.is_first:
            super()._tell_nothing_to_do()


class Watch:
    def __init__(self, asked: Asked) -> None:
        self._asked, self._parsed, self._settled = asked, asked.parsed, Settled(asked.parsed.settle)
        self._held: frozenset[str] = frozenset()
        self._job: Job | None = None
        self._looked = 0.0

    def __call__(self) -> None:
        """Until it is interrupted. Raises what Run does where the first round cannot be done, ImportError."""
        import watchfiles

        print(f"watching {', '.join(self._parsed.paths)}; Ctrl-C ends it", file=sys.stderr, flush=True)
        changes = watchfiles.watch(
            *self._parsed.paths,
            watch_filter=_is_of_interest,
            rust_timeout=_WAKE,
            yield_on_timeout=True,
            force_polling=self._parsed.poll or None,
            poll_delay_ms=_WAKE,
            ignore_permission_denied=True,
        )
        for found in changes:  # the first, empty or not, comes when it is being watched: nothing is missed
            is_due = time.monotonic() - self._looked > _LOOK_AGAIN
            if found or not self._looked or is_due or any(map(self._settled.has, self._held)):
                self._look()

    def _look(self) -> None:
        is_first, self._looked = not self._looked, time.monotonic()
        try:
            self._round(is_first)
        except REFUSED as error:
            if is_first:
                raise
            print(f"error: {error}; tried again when something changes", file=sys.stderr, flush=True)

    def _round(self, is_first: bool) -> None:
        if lost := [folder for folder in self._parsed.paths if not os.path.isdir(folder)]:  # noqa: PTH112
            print(f"error: {lost[0]} is no folder; the results stay", file=sys.stderr, flush=True)
            return
        found = list(find_photographs(self._parsed.paths, self._parsed.write_metadata))
        self._held = frozenset(path for path in found if not self._settled.has(path))
        known = _known(self._parsed.output)
        run = _Round(self._asked)
        run.paths = [path for path in found if path not in self._held or path in known]
        if not run.paths:  # a disk that is not mounted is an empty folder
            return
        run.hold, run.job, run.is_first = self._held, self._job, is_first
        try:
            run()
        finally:
            self._job = run.job


def _known(file: Path) -> frozenset[str]:
    finished = Finished.load(file)
    if finished is None:
        return frozenset()
    finished.records.close()
    return frozenset(finished.records)


def _is_of_interest(change: Any, path: str) -> bool:
    """Photographs, and folders, which come and go as one."""
    name = os.path.basename(path)  # noqa: PTH119
    return not name.startswith(".") and (is_photograph_name(name) or "." not in name or os.path.isdir(path))  # noqa: PTH112


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when it was ended (Ctrl-C, SIGTERM), 2 where options, model or files forbid it."""
    asked = parse_watch(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if asked.writer:
            asked.writer.place.require()
        Watch(asked)()
    except KeyboardInterrupt:
        print("\nended; the same command goes on from there", file=sys.stderr)
        return 0
    except ImportError as error:
        print(f"error: {error}; watching needs: pip install -r requirements/watch.txt", file=sys.stderr)
        return 2
    except REFUSED as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
