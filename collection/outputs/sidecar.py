"""A text beside each photograph, where other programs look for it: photo.txt beside photo.jpg."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from collection.journal import Record
from collection.outputs.base import Format, report_problems
from model.files import atomic_write


class Sidecar(Format):
    """One that is there is left as it is, whoever wrote it."""

    help = "a .txt beside each photograph"
    uses_standard_output = False
    is_resumable_without_file = True

    def is_done(self, path: str) -> bool:
        return _sidecar(path).exists()

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            text = _sidecar(record["path"])
            if "caption" in record and not text.exists():
                with atomic_write(text) as temporary:
                    temporary.write_text(record["caption"] + "\n", encoding="utf-8")
        report_problems(records)


def _sidecar(path: str) -> Path:
    return Path(path).with_suffix(".txt")
