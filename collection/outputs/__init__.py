"""What records of captioned photographs are written as, and where they go: one small class a format."""

from __future__ import annotations

from collection.outputs.base import Format, Lines, problem
from collection.outputs.csv import Csv
from collection.outputs.jsonl import Jsonl
from collection.outputs.sidecar import Sidecar
from collection.outputs.text import Text

__all__ = ["DEFAULT", "FORMATS", "Format", "Lines", "problem"]

FORMATS: dict[str, type[Format]] = {
    "jsonl": Jsonl,
    "csv": Csv,
    "text": Text,
    "sidecar": Sidecar,
}
"""By the name that `--format` knows it by. What a format can do, its class declares."""

DEFAULT = next(iter(FORMATS))
