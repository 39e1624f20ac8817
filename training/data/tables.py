"""Lists with names for their columns, as CSV or as JSON lines, read into rows.

A photograph is under `image`, `path`, `file` and the like, a caption under `caption`, `text`, `sentence` or `comment`.
A photograph may have several rows, several such columns (`caption,caption`, `caption_1,…,caption_5`) or a list in one.
Cells are divided by commas, semicolons, tabs or bars. Names may be in capitals.
"""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from training.data.rows import DatasetRefused, OtherLayout, OwnResults, Row, parse_json, read_text

_IMAGE_NAMES = (
    *("path", "image", "file", "file_name", "filename", "image_path", "image_name", "image_file"),
    *("img", "photo", "photograph", "picture", "image_id"),
)
_CAPTION_NAMES = ("caption", "text", "sentence", "comment")
_NUMBERED = re.compile(r"[ _.-]?\d+$")  # pandas makes caption.1 of a second column caption
_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"sep=.\n")  # with which Excel says which one it is
_OF_RESULTS = frozenset(("mean_probability", "confidence", "low_confidence", "alternatives"))
"""Columns of `collection caption --format csv` and of the page's download."""


@dataclass(frozen=True)
class _Columns:
    """Where in a row what stands."""

    image: int
    captions: tuple[int, ...]
    split: int | None

    @classmethod
    def of(cls, names: Sequence[str]) -> _Columns | None:
        """None where there is no photograph or no caption."""
        found = [name.strip().lower() for name in names]
        image = next((found.index(name) for name in _IMAGE_NAMES if name in found), None)
        kinds = [_NUMBERED.sub("", name).removesuffix("s") for name in found]
        kind = next((kind for kind in _CAPTION_NAMES if kind in kinds), None)
        if image is None or kind is None:
            return None
        captions = tuple(place for place, own in enumerate(kinds) if own == kind)
        return cls(image, captions, found.index("split") if "split" in found else None)

    def row(self, values: Sequence[Any], place: str) -> Row:
        """Raises DatasetRefused for captions that are no text. Of several columns some may be empty."""
        texts = [text for column in self.captions for text in texts_of(values[column], place)]
        filled = [text for text in texts if text.strip()]
        split = None if self.split is None else values[self.split] or None
        return Row(place, values[self.image], tuple(filled or texts[:1]), split)


def read_table(file: Path) -> Iterator[Row]:
    """CSV, whichever its separator. Raises DatasetRefused, which names the line."""
    text = read_text(file)
    first = _SEPARATOR_LINE.match(text)
    lines_before = text[: first.end()].count("\n") if first else 0
    text = text[first.end() :] if first else text
    header, separator = _header(text, file)
    columns = _Columns.of(header)
    if columns is None:
        raise OtherLayout(f"{file}: expected a header like 'image,caption', found {separator.join(header)[:80]!r}")
    if len(_OF_RESULTS.intersection(name.strip() for name in header)) > 1:
        raise _own_results(file)
    reader = _cells(StringIO(text, newline=""), separator)
    try:
        next(reader)
        for cells in reader:
            place = f"{file}, line {reader.line_num + lines_before}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise DatasetRefused(
                    f"{place}: expected {len(header)} cells ({separator.join(header)}), found {len(cells)}; "
                    f"a caption with a {_SPOKEN[separator]} stands in double quotes"
                )
            yield columns.row([_listed(cell) for cell in cells], place)
    except csv.Error as error:
        raise DatasetRefused(f"{file}, line {reader.line_num + lines_before}: {error}") from error


_SPOKEN = dict(zip(_SEPARATORS, ("comma", "semicolon", "tab", "bar"), strict=True))


def _cells(lines: Iterable[str], separator: str) -> Any:
    return csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)


def _header(text: str, file: Path) -> tuple[list[str], str]:
    """The names of the columns, and the separator by which they are some that are known, else a comma."""
    headers: list[list[str]] = []
    line = text.partition("\n")[0]
    for separator in _SEPARATORS:
        try:
            header: list[str] = next(_cells([line], separator), [])
        except csv.Error as error:
            raise OtherLayout(f"{file}, line 1: {error}") from error
        if _Columns.of(header):
            return header, separator
        headers.append(header)
    return headers[0], _SEPARATORS[0]


def _listed(cell: str) -> Any:
    """The list that stands in a cell, as JSON or as pandas writes Python's, else the cell."""
    if cell.startswith("[") and cell.endswith("]"):
        for read in (json.loads, ast.literal_eval):
            with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
                found = read(cell)
                if found and all(isinstance(text, str) for text in found):
                    return found
    return cell


class _Pairs(list[tuple[str, Any]]):
    """A JSON object: in a dictionary the second of two captions under one name would take the place of the first."""


def read_lines(file: Path) -> Iterator[Row]:
    """JSON lines. Raises DatasetRefused, which names the line."""
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{file}, line {number}"
        kind = OtherLayout if number == 1 else DatasetRefused
        pairs = parse_json(line, place, kind, _Pairs)
        names, values = zip(*pairs, strict=True) if isinstance(pairs, _Pairs) and pairs else ((), ())
        if "path" in names and {"model", "error"} & {name for name, value in pairs if isinstance(value, _Pairs)}:
            raise _own_results(file)
        columns = _Columns.of(names)
        if columns is None:
            raise kind(f'{place}: expected {{"path": …, "caption": …}}')
        yield columns.row(values, place)


def _own_results(file: Path) -> OwnResults:
    return OwnResults(
        f"{file} was written by this project: its captions are a captioner's words (to learn from them all the same, "
        "make a list of the photographs and captions alone)"
    )


def texts_of(found: Any, place: str) -> tuple[str, ...]:
    """A caption, or a list of them. Raises DatasetRefused."""
    texts = found if isinstance(found, list) else [found]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise DatasetRefused(f"{place}: a caption is text, several are a list of texts")
    return tuple(texts)
