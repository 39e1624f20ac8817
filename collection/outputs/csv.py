"""CSV for a spreadsheet, by RFC 4180: a header and a row a record."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from collection.journal import Record
from collection.outputs.base import Lines, problem, texts_in


def _row(cells: Iterable[str | float]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(_guarded(cell) if isinstance(cell, str) else cell for cell in cells)
    return line.getvalue()


def _guarded(cell: str) -> str:
    """A spreadsheet would run it as a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


_COLUMNS = (
    *("path", "caption", "mean_probability", "confidence", "low_confidence"),
    *("tags", "alternatives", "error", "warning"),
    *("reviewed", "reviewed_by", "reviewed_at", "machine_caption"),
    "language",
)


class Csv(Lines):
    help = "for a spreadsheet"
    header = _row(_COLUMNS)

    def add_languages(self, tags: Sequence[str]) -> None:
        super().add_languages(tags)
        self.header = _row((*_COLUMNS, *(f"caption_{tag}" for tag in tags)))

    def lines(self, records: Iterable[Record]) -> Iterator[str]:
        for record in records:
            best, *others = record.get("captions") or [{}]
            yield _row(
                (
                    record["path"],
                    record.get("caption", ""),
                    best.get("mean_probability", ""),
                    "" if record.get("confidence") is None else record["confidence"],
                    str(record.get("low_confidence", "")).lower(),
                    ", ".join(tag["name"] for tag in record.get("tags", ())),
                    " | ".join(caption["text"] for caption in others),
                    problem(record),
                    record.get("warning", ""),
                    record.get("reviewed", ""),
                    record.get("reviewed_by", ""),
                    record.get("reviewed_at", ""),
                    record.get("machine_caption", ""),
                    record.get("language", ""),
                    *(text or "" for text in texts_in(record, self.languages)),
                )
            )
