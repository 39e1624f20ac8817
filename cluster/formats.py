"""What a part of the output is written as: one function a format, those of lines from collection.outputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import IO

import pyarrow
from pyarrow import parquet

from collection.journal import Record
from collection.outputs.base import texts_in
from collection.outputs.jsonl import Jsonl

_WORD = pyarrow.struct(
    {
        "text": pyarrow.string(),
        "probability": pyarrow.float64(),
        "support": pyarrow.float64(),
        "attention": pyarrow.list_(pyarrow.list_(pyarrow.float64())),
    }
)
_CAPTION = pyarrow.struct(
    {
        "text": pyarrow.string(),
        "log_probability": pyarrow.float64(),
        "mean_probability": pyarrow.float64(),
        "confidence": pyarrow.float64(),
        "words": pyarrow.list_(_WORD),
    }
)
SCHEMA = pyarrow.schema(
    {
        "path": pyarrow.string(),
        "caption": pyarrow.string(),
        "captions": pyarrow.list_(_CAPTION),
        "language": pyarrow.string(),
        "confidence": pyarrow.float64(),
        "low_confidence": pyarrow.bool_(),
        "tags": pyarrow.list_(pyarrow.struct({"name": pyarrow.string(), "probability": pyarrow.float64()})),
        "model": pyarrow.struct({name: pyarrow.string() for name in ("name", "digest", "device")}),
        "error": pyarrow.struct({name: pyarrow.string() for name in ("code", "message")}),
    }
)
"""A record of `collection.job.Job` as Parquet has it."""


def write_parquet(records: Sequence[Record], file: IO[bytes], languages: Sequence[str] = ()) -> None:
    """With a column of captions for each of the languages besides.

    A path that is not UTF-8 has its other bytes as \\xNN: a string of Parquet's cannot hold them.
    """
    schema = SCHEMA
    for tag in languages:
        schema = schema.append(pyarrow.field(f"caption_{tag}", pyarrow.string()))
    parquet.write_table(pyarrow.Table.from_pylist([_row(record, languages) for record in records], schema), file)


def _row(record: Record, languages: Sequence[str]) -> Record:
    path = os.fsencode(record["path"]).decode(errors="backslashreplace")
    columns = (f"caption_{tag}" for tag in languages)
    return record | {"path": path} | dict(zip(columns, texts_in(record, languages), strict=True))


def _write_jsonl(records: Sequence[Record], file: IO[bytes], languages: Sequence[str] = ()) -> None:
    Jsonl().write_file(records, file)


FORMATS: dict[str, Callable[..., None]] = {
    "parquet": write_parquet,
    "jsonl": _write_jsonl,
}
"""By the name that `--format` knows it by, which is the ending of a part's file as well."""

DEFAULT = next(iter(FORMATS))
