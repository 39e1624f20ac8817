"""What a list of captions is read into, and how its text is read. What rows mean is in training/data/records.py."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class DatasetRefused(ValueError):
    """The folder holds no layout that is known, or one that contradicts itself."""


class OtherLayout(DatasetRefused):
    """The file is of another kind, or its photographs are not here: perhaps another file is what is looked for."""


class OwnResults(OtherLayout):
    """The file's captions are what a captioner of this project said."""


@dataclass(frozen=True)
class Row:
    """Some captions of a photograph."""

    place: str
    """Where it stands, for messages: the file and the line."""
    name: str
    """The photograph's path, from the folder of photographs."""
    captions: tuple[str, ...]
    split: str | None = None
    """In the file's own words."""


_MARKS = {  # the longer first: that of UTF-16 begins that of UTF-32
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(file: Path) -> str:
    """In UTF-8, or UTF-16 or UTF-32 as spreadsheets write them, with lines that end in a line feed.

    Raises OtherLayout, which names the line that is in another encoding.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise OtherLayout(f"{file} cannot be read: {error.strerror}") from error
    encoding = _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].decode(encoding, "replace").count("\n") + 1
        raise OtherLayout(
            f"{file}, line {line}: this is not {encoding.removesuffix('-sig').upper()} (byte {data[error.start]:#04x})"
            ": save the file as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes) -> str:
    """By the byte order mark, with which Excel begins UTF-8 as well, or by the zeros that ASCII has in UTF-16."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    even, odd = (data[place:4:2] == b"\0\0" for place in (0, 1))
    return "utf-8-sig" if even == odd else "utf-16-be" if even else "utf-16-le"


def parse_json(
    text: str, place: str, kind: type[DatasetRefused] = OtherLayout, hook: Callable[[Any], Any] | None = None
) -> Any:
    """`hook` makes a value of an object's names and values, in their order."""
    try:
        return json.loads(text, object_pairs_hook=hook)
    except (ValueError, RecursionError) as error:
        raise kind(f"{place}: this is not JSON: {error}") from error
