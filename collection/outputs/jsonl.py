"""JSON Lines: a record a line, as the API answers; what search reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from collection.journal import Record, record_line
from collection.outputs.base import Lines


class Jsonl(Lines):
    help = "a record a line, as the API answers"

    def lines(self, records: Iterable[Record]) -> Iterator[str]:
        return map(record_line, records)
