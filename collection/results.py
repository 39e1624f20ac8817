"""The records of finished results, with the photographs' stamps where they are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from collection.journal import Record
from model.files import file_digest


class CollectionRefused(RuntimeError):
    """The file is not a collection of captions that could be read; the message says why."""


def records(file: Path) -> Iterator[Record]:
    """From the journal beside the results, where it is of them: it knows the photographs' digests, and is JSON whatever
    the results are; else from the results, as JSONL. Raises CollectionRefused, OSError.
    """
    journal = journal_of(file)
    is_of = _is_of(journal, file)
    source = journal if is_of else file
    with source.open("rb") as lines:
        if is_of:
            lines.readline()
        for number, line in enumerate(lines, 1):
            record = _parsed(line)
            if record is None:
                raise CollectionRefused(f"{source}, line {number + is_of} is not a photograph's record in JSON")
            yield record


def journal_of(file: Path) -> Path:
    return file.with_name(file.name + ".journal")


def _parsed(line: bytes) -> Record | None:
    """None for what is no record."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("path"), str):
        return None
    return record if "error" in record or isinstance(record.get("caption"), str) else None


def _is_of(journal: Path, file: Path) -> bool:
    try:
        with journal.open("rb") as stream:
            return bool(json.loads(stream.readline())["file"] == file_digest(file))
    except (OSError, ValueError, KeyError, TypeError):
        return False
