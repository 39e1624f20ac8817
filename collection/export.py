"""What people reviewed, as a dataset to learn from or as results: python -m collection export RESULTS --format coco

A dataset is a folder that training reads (docs/own-pictures.md) and that grows with the collection: the same command
once more adds what was reviewed since, and takes out what is no more; old photographs stay in their split.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from collection.catalogue import Collection, Photograph
from collection.datasets import DATASETS, Dataset, Example
from collection.datasets.base import SPLITS, in_split, split_by_digest
from collection.journal import without_stamp
from collection.outputs import FORMATS, Format
from collection.outputs.sidecar import Sidecar
from collection.query import QueryRefused
from collection.results import CollectionRefused, records
from collection.reviewed import with_people
from model.files import atomic_write
from model.names import Parser

_MARK = ".export.json"
"""In a dataset's folder: which files of it were written here."""
_RESULTS = {name: format for name, format in FORMATS.items() if name not in DATASETS}
_BATCH = 1000


class ExportRefused(RuntimeError):
    """Nothing can be written there; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 where photographs that were asked for are gone, 2 where nothing could be written."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    try:
        if parsed.format in _RESULTS:
            return _export_results(parsed, _RESULTS[parsed.format]())
        if parsed.output is None:
            parser.error("--output names the dataset's folder")
        return _export_dataset(parsed, DATASETS[parsed.format]())
    except (ExportRefused, QueryRefused, CollectionRefused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> Parser:
    parser = Parser(
        prog="python -m collection export",
        description="Writes reviewed captions as a dataset that training reads, or results with people's words.",
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="what `caption --output` wrote")
    formats = "; ".join(f"{name}: {format.help}" for name, format in (DATASETS | _RESULTS).items())
    parser.add_argument("--format", choices=[*DATASETS, *_RESULTS], required=True, help=formats)
    parser.add_argument("--output", type=Path, metavar="PATH", help="the dataset's folder, or the results' file")
    parser.add_argument("--unreviewed", action="store_true", help="also captions that no person has reviewed")
    parser.add_argument("--where", default="", metavar="WORDS", help="only these, as in search")
    parser.add_argument("--photographs", choices=("link", "copy"), default="link", help="default: link")
    return parser


def _export_results(parsed: argparse.Namespace, format: Format) -> int:
    """All of them, reviewed or not, as `caption` writes them."""
    found = with_people(parsed.results, lambda: records(parsed.results))
    if format.takes_file and parsed.output:
        with atomic_write(parsed.output) as temporary, temporary.open("wb") as stream:
            format.write_file(map(without_stamp, found), stream)
        return 0
    if parsed.output:
        raise ExportRefused(f"{parsed.format} goes into no file: leave --output out")
    if isinstance(format, Sidecar):
        format.knows_people = True
    batch = []
    for record in found:
        batch.append(record)
        if len(batch) == _BATCH:
            format.write(batch)
            batch = []
    format.write(batch)
    return 0


def _export_dataset(parsed: argparse.Namespace, dataset: Dataset) -> int:
    collection, folder = Collection(parsed.results), parsed.output
    states = ("reviewed:yes", "reviewed:no") if parsed.unreviewed else ("reviewed:yes",)
    found = [
        photograph
        for state in states
        for photograph in collection.search(f"{state} {parsed.where}", sys.maxsize, "path")[1]
    ]
    there = [photograph for photograph in found if collection.place(photograph.path).is_file()]
    if not there:
        raise ExportRefused(
            "there is nothing to export: no caption is accepted or edited, or the photographs are not where the "
            "results have them (--unreviewed takes the machine's captions, too)"
        )
    sources = [Path(os.path.abspath(collection.place(one.path))) for one in there]  # noqa: PTH100  # links stay links
    examples = dict(zip(sources, _examples(there), strict=True))
    _write(folder, dataset, examples, _copy if parsed.photographs == "copy" else _link)
    counts = ", ".join(f"{len(in_split(examples.values(), split)):,} {split}" for split in SPLITS)
    gone = len(found) - len(there)
    print(f"{len(examples):,} photographs in {folder}: {counts}" + (f"; {gone:,} are gone" if gone else ""))
    return 1 if gone else 0


def _examples(photographs: Iterable[Photograph]) -> list[Example]:
    taken: set[str] = set()
    examples = []
    for one in photographs:
        digest = one.digest or hashlib.sha256(os.fsencode(one.path)).hexdigest()
        name = _name(one.path)
        if name is None or name.casefold() in taken:
            by_path = hashlib.sha256(os.fsencode(one.path)).hexdigest()
            name = f"{by_path[:16]}{PurePosixPath(name or '').suffix}"
        taken.add(name.casefold())
        examples.append(Example(name, one.caption, split_by_digest(digest)))
    return examples


def _name(path: str) -> str | None:
    """The path below the dataset's folder, never out of it; None for one that lists of captions cannot hold."""
    given = PurePosixPath(path)
    if given.is_absolute() or ".." in given.parts:
        given = PurePosixPath(os.path.abspath(path)).relative_to("/")  # noqa: PTH100
    name = str(given)
    is_plain = name.isprintable() and not any(character in name for character in '\\:"') and name == name.strip()
    return name if is_plain and name.encode(errors="replace").decode() == name else None


def _write(folder: Path, dataset: Dataset, examples: dict[Path, Example], put: Callable[[Path, Path], None]) -> None:
    """Photographs first and lists last, so that no list is without its photographs, whenever it is read.

    Raises ExportRefused, OSError.
    """
    lists = dict(dataset.lists(list(examples.values())))
    places = {dataset.place(example): source for source, example in examples.items()}
    mark, before = folder / _MARK, _written(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _save(mark, sorted(before | lists.keys() | places.keys()))
    for place, source in places.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        put(source, target)
    for name, content in lists.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8", newline="")
    for name in before - lists.keys() - places.keys():
        (folder / name).unlink(missing_ok=True)
    _save(mark, sorted(lists.keys() | places.keys()))


def _written(folder: Path) -> set[str]:
    """Files below the folder that an earlier export wrote. Raises ExportRefused where others are in it."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return set()
    try:
        names = json.loads((folder / _MARK).read_bytes())
        own = {name for name in names if ".." not in PurePosixPath(name).parts and not name.startswith("/")}
    except (OSError, ValueError, TypeError):
        raise ExportRefused(f"{folder} holds something else: name a new folder, or one of an earlier export") from None
    return own


def _save(mark: Path, names: Sequence[str]) -> None:
    with atomic_write(mark) as temporary:
        temporary.write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    if target.is_symlink() and target.readlink() == source:
        return
    with atomic_write(target) as temporary:
        temporary.unlink(missing_ok=True)  # of one that was killed
        temporary.symlink_to(source)


def _copy(source: Path, target: Path) -> None:
    with atomic_write(target) as temporary:
        temporary.unlink(missing_ok=True)
        shutil.copy2(source, temporary)
