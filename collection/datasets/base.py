"""What a layout of a dataset declares and does."""

from __future__ import annotations

import csv
import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Example:
    """A photograph with what is said of it."""

    name: str
    """Its path below the folder of photographs, with / between."""
    caption: str
    split: Split

    @property
    def number(self) -> int:
        """The same whatever else is in the dataset: of 48 bits, which every program's integers hold."""
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:6])


class Dataset(ABC):
    help: ClassVar[str]
    """What `--help` says of it, in a few words."""

    def place(self, example: Example) -> str:
        """Where in the dataset's folder the photograph goes."""
        return f"images/{example.name}"

    @abstractmethod
    def lists(self, examples: Sequence[Example]) -> Iterator[tuple[str, str]]:
        """The files that hold the captions: name and content."""


def split_by_digest(digest: str) -> Split:
    """Six photographs of eight to train, one to val, one to test, by the digest of the content: a photograph stays
    where it is when others come, and a copy of it goes to the same split.
    """
    eighth = int(digest[:8], 16) % 8
    return "val" if eighth == 0 else "test" if eighth == 1 else "train"


def in_split(examples: Iterable[Example], split: Split) -> list[Example]:
    return [example for example in examples if example.split == split]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """CSV by RFC 4180. To be read by programs: nothing in it is changed for spreadsheets."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
