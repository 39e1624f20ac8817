"""People's words over a collection's captions: python -m collection review RESULTS

By keys in a terminal, the least sure caption first; or one decision a call, for scripts:

    python -m collection review results.jsonl accept PATH …
    python -m collection review results.jsonl edit PATH "a tabby cat sleeps"
    python -m collection review results.jsonl reject PATH …
    python -m collection review results.jsonl undo PATH …
    python -m collection review results.jsonl list --where reviewed:yes
    python -m collection review results.jsonl history PATH
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from collection.catalogue import Collection, Photograph
from collection.query import ORDERS, QueryRefused
from collection.results import CollectionRefused
from collection.search import described, line, write_line
from collection.terminal import Terminal
from collection.written import ReviewRefused
from model.names import Parser

_TO_REVIEW = "reviewed:no"
_LEAST_SURE = "least-sure"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where all was done, 1 where something could not be decided, 2 where the collection cannot be read."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    given, needed = len(parsed.what), {"edit": 2, "history": 1}.get(parsed.action)
    if needed is not None and given != needed:
        parser.error(f"{parsed.action} takes {'PATH and the caption' if needed == 2 else 'one PATH'}")
    if parsed.action in ("accept", "reject", "undo") and not given:
        parser.error(f"{parsed.action} which photographs? Name them as the results do")
    if parsed.action in (None, "list") and given:
        parser.error(f"what is meant by {' '.join(parsed.what)}?")
    collection = Collection(parsed.results)
    try:
        match parsed.action:
            case None:
                return Terminal(collection, parsed.by, parsed.where, parsed.order)()
            case "list":
                return _list(collection, parsed)
            case "history":
                return _on_each(collection, parsed.what, lambda found: _tell_history(collection, found, parsed.format))
            case "edit":
                path, caption = parsed.what
                return _on_each(collection, [path], lambda found: _decide(collection, parsed, found, caption))
            case _:
                return _on_each(collection, parsed.what, lambda found: _decide(collection, parsed, found))
    except (QueryRefused, CollectionRefused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> Parser:
    parser = Parser(
        prog="python -m collection review",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="what `caption --output` wrote")
    actions = ("accept", "edit", "reject", "undo", "list", "history")
    parser.add_argument("action", nargs="?", choices=actions, help="one decision, or a look; default: by keys")
    parser.add_argument("what", nargs="*", metavar="PATH", help="as the results have it; for edit, then the caption")
    parser.add_argument("--by", default=_user(), metavar="NAME", help="who decides (default: the user, %(default)s)")
    parser.add_argument("--where", default=_TO_REVIEW, metavar="WORDS", help=f"as in search (default {_TO_REVIEW})")
    parser.add_argument("--order", choices=ORDERS, default=_LEAST_SURE, help=f"default: {_LEAST_SURE}")
    parser.add_argument("--format", choices=("text", "jsonl"), default="text", help="of list and history")
    return parser


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return ""


def _on_each(collection: Collection, paths: Sequence[str], do: Callable[[Photograph], None]) -> int:
    status = 0
    for path in paths:
        found = collection.at(path)
        try:
            if found is None:
                raise ReviewRefused("the collection has no such photograph, or no caption of it")
            do(found)
        except ReviewRefused as error:
            print(f"error: {path}: {error}", file=sys.stderr)
            status = 1
    return status


def _decide(collection: Collection, parsed: argparse.Namespace, found: Photograph, caption: str = "") -> None:
    decided = collection.decide(found, parsed.action, parsed.by, caption, found.version)
    print(f"{decided.status or 'not reviewed'}: {line(decided)}", file=sys.stderr)


def _list(collection: Collection, parsed: argparse.Namespace) -> int:
    total, found = collection.search(parsed.where, sys.maxsize, parsed.order)
    for one in found:
        write_line(json.dumps(described(one)) if parsed.format == "jsonl" else line(one))
    print(f"{total:,} found", file=sys.stderr)
    return 0


def _tell_history(collection: Collection, found: Photograph, format: str) -> None:
    for one in collection.history(found):
        if format == "jsonl":
            print(json.dumps(asdict(one)))
            continue
        print(f"{one.at} {one.by}: {one.action} “{one.caption}” (the machine said “{one.machine_caption}”)")
