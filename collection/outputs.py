"""Where the records of captioned photographs go, and as what: a terminal's lines, JSONL, CSV, a text beside each."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from collection.journal import Journal, Record, record_line
from model.answer import text_lines
from model.files import atomic_write

FORMATS = ("jsonl", "csv", "text", "sidecar")
_COLUMNS = ("path", "caption", "mean_probability", "low_confidence", "alternatives", "error")


class Output(Protocol):
    def write(self, records: Sequence[Record]) -> None: ...

    def finish(self) -> None:
        """Everything was written."""


class Stream:
    """To standard output, as it comes."""

    def __init__(self, format: str) -> None:
        self._format, self._is_first = format, True
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="surrogateescape")  # a name that is no UTF-8 goes out as it came in

    def write(self, records: Sequence[Record]) -> None:
        if self._format == "text":
            sys.stdout.writelines(line for record in records for line in text_lines(record["path"], record))
            _report_problems(records)
        elif self._format == "csv":
            sys.stdout.writelines(csv_lines(records, with_header=self._is_first))
        else:
            sys.stdout.writelines(map(record_line, records))
        sys.stdout.flush()
        self._is_first = False

    def finish(self) -> None:
        pass


class File:
    """To a file by way of its journal, which is JSONL whatever the file will be."""

    def __init__(self, format: str, journal: Journal) -> None:
        self._format, self._journal = format, journal

    def write(self, records: Sequence[Record]) -> None:
        self._journal.append(records)

    def finish(self) -> None:
        self._journal.finish(csv_lines(self._journal.records()) if self._format == "csv" else None)


class Sidecars:
    """To a text beside each photograph. One that is there is left as it is, whoever wrote it."""

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            text = sidecar(record["path"])
            if "caption" in record and not text.exists():
                with atomic_write(text) as temporary:
                    temporary.write_text(record["caption"] + "\n", encoding="utf-8")
        _report_problems(records)

    def finish(self) -> None:
        pass


def sidecar(path: str) -> Path:
    """photo.jpg to photo.txt, where other programs look for it."""
    return Path(path).with_suffix(".txt")


def problem(record: Record) -> str:
    """Why the photograph has no caption, or its copy none; "" where all went well."""
    message: str = (record.get("error") or record.get("copy_error") or {}).get("message", "")
    return message


def _report_problems(records: Iterable[Record]) -> None:
    for record in records:
        if message := problem(record):
            tqdm.write(f"{record['path']}: {message}", file=sys.stderr)  # above the progress bar, where there is one


def csv_lines(records: Iterable[Record], with_header: bool = True) -> Iterator[str]:
    """RFC 4180: a header and a row a record."""
    if with_header:
        yield _csv_line(_COLUMNS)
    for record in records:
        best, *others = record.get("captions") or [{}]
        yield _csv_line(
            (
                record["path"],
                record.get("caption", ""),
                best.get("mean_probability", ""),
                str(record.get("low_confidence", "")).lower(),
                " | ".join(caption["text"] for caption in others),
                problem(record),
            )
        )


def _csv_line(cells: Iterable[str | float]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(_guarded(cell) if isinstance(cell, str) else cell for cell in cells)
    return line.getvalue()


def _guarded(cell: str) -> str:
    """A spreadsheet would run it as a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
