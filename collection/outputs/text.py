"""For reading: a line a caption, as `python -m model` prints them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from collection.journal import Record
from collection.outputs.base import Lines, report_problems
from model.answer import text_lines


class Text(Lines):
    help = "a line a caption, for reading"
    takes_file = False
    is_for_reading = True

    def lines(self, records: Iterable[Record]) -> Iterator[str]:
        return (line for record in records for line in _lines(record))

    def write(self, records: Sequence[Record]) -> None:
        super().write(records)
        report_problems(records)


def _lines(record: Record) -> Iterable[str]:
    """A person's caption stands alone; of what was rejected there is none."""
    if "reviewed" not in record:
        return text_lines(record["path"], record)
    return [f"{record['path']}: {record['caption']}\n"] if record["caption"] else []
