"""Finds photographs by the words of their captions and by their tags: python -m collection search RESULTS --where "dog"

RESULTS is what `python -m collection caption --output` wrote. Its full-text index is made once and stands beside it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from collection.catalogue import Collection, Photograph
from collection.query import ORDERS, QueryRefused
from collection.results import CollectionRefused
from model.names import Parser


def described(found: Photograph) -> dict[str, Any]:
    """As a line of JSON has it."""
    people = {"machine_caption": found.machine_caption, "reviewed_by": found.by, "reviewed_at": found.at}
    return {
        "id": found.id,
        "path": found.path,
        "caption": found.caption,
        "confidence": found.confidence,
        "reviewed": found.status or None,
    } | (people if found.status else {})


def line(found: Photograph) -> str:
    """For reading."""
    said = found.caption or f"({found.status}: {found.machine_caption})"
    return f"{found.path}: {said}"


_FORMATS: dict[str, Callable[[Photograph], str]] = {
    "text": line,
    "jsonl": lambda found: json.dumps(described(found)),
}
"""A line of standard output, by the name that `--format` knows it by. The first is the default."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if something was found, 1 if nothing was, 2 if it could not be searched: as grep does."""
    parser = Parser(prog="python -m collection search", description="Finds photographs by the words of their captions.")
    parser.add_argument("results", type=Path, metavar="RESULTS", help="what `caption --output` wrote")
    parser.add_argument(
        "--where",
        required=True,
        metavar="WORDS",
        help='all must occur; "in quotes" together; snow* begins a word; tag:dog, reviewed:no|yes|rejected, '
        "confidence<0.5 filter",
    )
    parser.add_argument("--order", choices=ORDERS, default=next(iter(ORDERS)), help="default: best")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="the first N (default 20)")
    parser.add_argument("--format", choices=_FORMATS, default=next(iter(_FORMATS)))
    parsed = parser.parse_args(arguments)
    if parsed.limit < 1:
        parser.error("--limit must be above 0")
    try:
        total, found = Collection(parsed.results).search(parsed.where, parsed.limit, parsed.order)
    except (QueryRefused, CollectionRefused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for one in found:
        write_line(_FORMATS[parsed.format](one))
    print(f"{len(found):,} of {total:,} found", file=sys.stderr)
    return 0 if found else 1


def write_line(text: str) -> None:
    """A name that is no UTF-8 goes out as it came in."""
    sys.stdout.buffer.write(os.fsencode(text) + b"\n")
