"""What an output format declares and does, and what formats made of lines share."""

from __future__ import annotations

import io
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, ClassVar

from tqdm import tqdm

from collection.collisions import Output
from collection.journal import Record, without_stamp
from model.images import WARNINGS
from model.language_tags import find_language


class Format(ABC):
    """A format of a run's records; an instance is good for one run."""

    help: ClassVar[str]
    """What `--help` says of it, in a few words."""
    takes_file: ClassVar[bool] = False
    """It can be written to `--output FILE`: `write_file` does. Its journal resumes such a run, JSONL in any format."""
    uses_standard_output: ClassVar[bool] = True
    """Where there is no FILE, `write` goes there."""
    is_for_reading: ClassVar[bool] = False
    """By a person: there is neither progress nor a summary beside it where there is no FILE."""
    is_resumable_without_file: ClassVar[bool] = False
    """`earlier` knows what an earlier run wrote."""
    has_own_files: ClassVar[bool] = False
    """Each photograph gets an `output` of its own; no two may get one."""
    advice: ClassVar[str] = ""
    """What to do where two would."""
    languages: Sequence[str] = ()
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """What may be chosen of it on the command line: names of the constructor's arguments, and argparse's of each."""

    def earlier(self, path: str) -> Record | None:
        """Where an earlier run was done with the photograph, so that it is not captioned again, what its record tells
        of that: a caption, or an error.
        """
        return None

    def add_languages(self, tags: Sequence[str]) -> None:
        """Records have captions in these, too, as far as the captioner has them."""
        self.languages = tags

    def output(self, path: str) -> Output:
        """The file that the photograph gets for itself, where it gets one."""
        raise NotImplementedError(f"{type(self).__name__} writes all photographs to one place")

    @abstractmethod
    def write(self, records: Sequence[Record]) -> None:
        """The next batch, where there is no FILE. The records have their stamps."""

    def write_file(self, records: Iterable[Record], file: IO[bytes]) -> None:
        """The whole of FILE."""
        raise NotImplementedError(f"{type(self).__name__} takes no file")


class Lines(Format):
    """A format of text lines, for standard output and for files."""

    takes_file = True
    header: str = ""
    """The lines before all others, with their ends."""

    def __init__(self) -> None:
        self._is_first = True

    @abstractmethod
    def lines(self, records: Iterable[Record]) -> Iterator[str]:
        """Of records, with their ends."""

    def write(self, records: Sequence[Record]) -> None:
        if self._is_first:
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(errors="surrogateescape")  # a name that is no UTF-8 goes out as it came in
            sys.stdout.write(self.header)
            self._is_first = False
        sys.stdout.writelines(self.lines(map(without_stamp, records)))
        sys.stdout.flush()

    def write_file(self, records: Iterable[Record], file: IO[bytes]) -> None:
        """In UTF-8; a name that is none as it came in."""
        file.write(self.header.encode())
        file.writelines(line.encode(errors="surrogateescape") for line in self.lines(records))


def texts_by_language(record: Record) -> dict[str, str]:
    """Captions by tag, the record's own first; none where there is none."""
    if "caption" not in record:
        return {}
    others = {tag: other["caption"] for tag, other in record.get("languages", {}).items()}
    return {record.get("language", ""): record["caption"]} | others


def texts_in(record: Record, tags: Sequence[str]) -> list[str | None]:
    """The captions of the languages that these tags mean."""
    texts = texts_by_language(record)
    return [texts.get(find_language([tag], texts) or "") for tag in tags]


def problem(record: Record) -> str:
    """Why the photograph has no caption, or its metadata none; "" where all went well."""
    found: Mapping[str, str] = next(
        (record[name] for name in ("error", "copy_error", "metadata_error") if record.get(name)), {}
    )
    return found.get("message", "")


def report_warnings(records: Iterable[Record]) -> None:
    """On standard error, for formats that have no place for them."""
    for record in records:
        if "warning" in record:
            tqdm.write(f"{record['path']}: {WARNINGS[record['warning']]}", file=sys.stderr)


def report_problems(records: Iterable[Record]) -> None:
    """As warnings are."""
    for record in records:
        if message := problem(record):
            tqdm.write(f"{record['path']}: {message}", file=sys.stderr)  # above the progress bar, where there is one
