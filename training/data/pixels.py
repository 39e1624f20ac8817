"""Photographs as small squares of pixels, decoded once and memory-mapped, and how such arrays are kept on the disk.

Imports no torch, so that the processes that share the decoding start at once and stay small.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from stat import S_ISREG
from threading import Thread
from typing import Any

import numpy as np
from loky import ProcessPoolExecutor, cpu_count
from PIL import Image
from tqdm import tqdm

from model.files import atomic_write
from training.data.records import Record, read_image

_MAX_REFUSED_SHARE = 0.01
_SAVED_EVERY = 512  # photographs: what a kill can cost
_CHUNK = 64  # photographs that a process decodes at a time

Array = np.ndarray[Any, Any]


class TooManyRefused(RuntimeError):
    """More photographs are missing or damaged than a sound dataset has."""


def check_refused(refused: Mapping[str, str], dataset_size: int) -> None:
    """Raises TooManyRefused when more than one photograph in a hundred of the dataset could not be read."""
    if len(refused) > _MAX_REFUSED_SHARE * dataset_size:
        raise TooManyRefused(
            f"{len(refused)} of the dataset's {dataset_size} photographs are missing or damaged, more than "
            f"{_MAX_REFUSED_SHARE:.0%}: {', '.join(list(refused)[:5])}, …"
        )


def stamps(records: Sequence[Record]) -> bytes:
    """By what it is told whether the photographs are still the same files: places, sizes and times."""
    lines = []
    for record in records:
        try:
            file = record.path.stat()
            stamp = (file.st_size, file.st_mtime_ns) if S_ISREG(file.st_mode) else None
        except OSError:
            stamp = None
        lines.append(f"{os.path.realpath(record.path)} {stamp}\n")
    return "".join(lines).encode(errors="surrogateescape")


class KeptArray:
    """An array on the disk with a row for each photograph, filled from the first to the last: `KEY.npy`, beside
    `KEY.json`, which says how far it is and which photographs were refused. A killed run goes on where it stopped.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        names: Sequence[str],
        shape: Callable[[], Sequence[int]],
        dtype: type[np.generic],
        dataset_size: int,
    ) -> None:
        """`shape` gives that of a row, and is asked where the file is not there yet. Raises OSError on a full disk."""
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self._progress_file = folder / f"{key}.npy", folder / f"{key}.json"
        self._names, self._dataset_size = names, dataset_size
        self._progress = _Progress.load(self._progress_file) if self.file.is_file() else _Progress()
        for name, reason in self.refused.items():
            tqdm.write(f"skipped {name}: {reason}")
        if not self.file.is_file():
            _create(self.file, (len(names), *shape()), dtype)
        self.array: np.memmap[Any, Any] = np.lib.format.open_memmap(self.file, mode="r+")

    @property
    def done(self) -> int:
        """How many rows are filled."""
        return self._progress.done

    @property
    def refused(self) -> dict[str, str]:
        """The reasons, by name."""
        return self._progress.refused

    def refuse(self, row: int, reason: str) -> None:
        """That photograph cannot be read; its row stays zero."""
        tqdm.write(f"skipped {self._names[row]}: {reason}")
        self.refused[self._names[row]] = reason

    def advance(self, count: int) -> None:
        """So many more rows are filled or refused. Raises TooManyRefused."""
        check_refused(self.refused, self._dataset_size)
        before, self._progress.done = self.done, self.done + count
        if before // _SAVED_EVERY < self.done // _SAVED_EVERY or self.done == len(self._names):
            self.array.flush()
            self._progress.save(self._progress_file)

    def bar(self, description: str) -> tqdm[Any]:
        """Of progress, by photographs; it shows nothing where all is done."""
        total = len(self._names)
        return tqdm(total=total, initial=self.done, unit="image", desc=description, disable=self.done == total)


@dataclass(frozen=True)
class PixelCache:
    """Upright sRGB photographs, each whole, resized to a square; row i belongs to `names[i]`. Rows of refused
    photographs are black.
    """

    array: Array  # (photographs, side, side, 3), uint8, on the disk
    names: tuple[str, ...]
    refused: dict[str, str]  # name -> reason


def compute_pixels(
    records: Sequence[Record],
    side: int,
    folder: Path,
    *,
    dataset_size: int | None = None,
    processes: int = 0,
) -> PixelCache:
    """The photographs as squares of `side` pixels, resized as Preprocessing does, from `folder` if they are there, else
    decoded by so many processes (0: as many as there are cores).

    Raises TooManyRefused when too many cannot be read for a dataset of `dataset_size` photographs (default: these).
    """
    names = tuple(record.name for record in records)
    kept = KeptArray(
        folder, _key(records, side), names, lambda: (side, side, 3), np.uint8, dataset_size or len(records)
    )
    firsts = range(kept.done, len(records), _CHUNK)
    chunks = [records[first : first + _CHUNK] for first in firsts]
    with kept.bar(f"decoding to {side} x {side}") as bar, _mapping(min(processes or cpu_count(), len(chunks))) as run:
        for chunk, refused in zip(chunks, run(_fill, [kept.file] * len(chunks), firsts, chunks), strict=True):
            for row, reason in refused.items():
                kept.refuse(row, reason)
            kept.advance(len(chunk))
            bar.update(len(chunk))
    return PixelCache(kept.array, names, kept.refused)


def _fill(file: Path, first: int, records: Sequence[Record]) -> dict[int, str]:
    """Writes the photographs into the file's rows from `first` on; gives the reasons of those that cannot be read, by
    row. Done again, it does the same.
    """
    array = np.lib.format.open_memmap(file, mode="r+")
    size = (array.shape[2], array.shape[1])
    refused = {}
    for row, record in enumerate(records, start=first):
        image = read_image(record)
        if isinstance(image, str):
            refused[row] = image
        else:
            array[row] = image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)
    return refused


@contextmanager
def _mapping(processes: int) -> Iterator[Callable[..., Iterator[dict[int, str]]]]:
    """`map`, by so many processes, which are gone when the block is left; up to one, it is done here."""
    if processes <= 1:
        yield map
        return
    pool = ProcessPoolExecutor(processes, initializer=_begin, initargs=(os.getpid(),))

    def run(function: Callable[..., dict[int, str]], *arguments: Iterable[Any]) -> Iterator[dict[int, str]]:
        # Not by the pool's own `map`, which cancels what it is killed with, and then tells of it.
        futures = [pool.submit(function, *own) for own in zip(*arguments, strict=True)]
        return (future.result() for future in futures)

    try:
        yield run
    finally:
        pool.shutdown(kill_workers=True)


def _begin(parent: int) -> None:
    """In a process that decodes. Ctrl-C reaches all processes of a terminal: it is for the parent, which ends the
    others. A parent that is killed cannot, and they would wait for it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


@dataclass
class _Progress:
    """How far the array is filled, and which photographs could not be read."""

    done: int = 0
    refused: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> _Progress:
        return cls(**json.loads(path.read_text())) if path.is_file() else cls()

    def save(self, path: Path) -> None:
        with atomic_write(path) as file:
            file.write_text(json.dumps(asdict(self)))


def _create(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    """A file of zeros for which there is room."""
    with atomic_write(path) as new:
        np.lib.format.open_memmap(new, mode="w+", dtype=dtype, shape=shape)
        if hasattr(os, "posix_fallocate"):  # a full disk is an error here, not a bus error in the middle
            with new.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, new.stat().st_size)


def _key(records: Sequence[Record], side: int) -> str:
    """A digest of all that the pixels depend on."""
    digest = hashlib.sha256(repr(("pixels", side)).encode())
    digest.update(stamps(records))
    return digest.hexdigest()[:20]
