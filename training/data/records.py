"""Photographs with captions, from whichever layout of training/data/layouts.py they are in, as one record type.

A split is what the file says of a row, else what the name of the file or of its folder says (`train.csv`,
`captions_val2017.json`, `test/metadata.jsonl`; files that differ in this word alone are read together), else one is
made from the photograph's name.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

from PIL import Image

from model.errors import ImageRefused
from model.images import decode_image
from model.languages import tokenise
from training.data.layouts import LAYOUTS, read_list
from training.data.lists import lists_below, locate, split_word, together
from training.data.names import NameUnclear, PhotographFolder, printable
from training.data.rows import DatasetRefused as DatasetRefused
from training.data.rows import OtherLayout, Row

Split = Literal["train", "dev", "test"]
_SPLITS: dict[str, Split] = {
    **{"train": "train", "training": "train", "restval": "train"},
    **{"dev": "dev", "val": "dev", "valid": "dev", "validation": "dev"},
    **{"test": "test", "testing": "test"},
}
_IMAGE_FOLDERS = (
    "Flicker8k_Dataset", "Flickr8k_Dataset", "Images", "images", "flickr30k-images", "flickr30k_images", "."
)  # fmt: skip
_PROBLEMS_TOLD = 5
_PROBED = 200  # photographs: enough that some of them exist where most do
_NAMES_TOLD = 3
_FLICKR8K_TEST_NAMES = "dcb37c9f44f9c0877c1310abe53203e7f06f720af2db2bb53438697d69988548"


@dataclass(frozen=True)
class Record:
    """A photograph and what people said of it."""

    name: str
    path: Path
    split: Split
    captions: tuple[str, ...]
    place: str = ""
    """The file and line that name it first, for messages."""
    sources: tuple[Path, ...] = ()
    """The files in which its captions are."""


def read_dataset(folder: Path, captions: Sequence[Path] = ()) -> list[Record]:
    """All records below `folder`, whichever layout it has, ordered by name: of the lists that are chosen by `captions`,
    which are read together, else of the one that can be meant.

    Photographs are not opened: a missing or damaged one shows when its features are computed.
    Raises DatasetRefused, which names the file and the line, or the lists between which it cannot choose.
    """
    if not folder.is_dir():
        raise DatasetRefused(f"{folder} is not a folder")
    if captions:
        [chosen] = locate(captions, [folder])
        return _records(chosen, folder)
    meant: dict[str, list[Record]] = {}
    problems: list[str] = []
    broken: dict[str, DatasetRefused] = {}
    for files in together(lists_below(folder), folder):
        names = " and ".join(map(str, files))
        try:
            meant[names] = _records(files, folder)
        except OtherLayout as error:
            problems.append(str(error))
        except DatasetRefused as error:
            broken[names] = error
    if len(broken) == 1 and not meant:
        raise next(iter(broken.values()))
    if broken or len({_content(records) for records in meant.values()}) > 1:
        raise DatasetRefused(
            f"several lists of captions can be meant: {'; '.join([*meant, *broken])}. Choose one by --captions FILE"
        )
    if not meant:
        raise DatasetRefused("; ".join(problems[:_PROBLEMS_TOLD]) or f"{folder} holds none of: {', '.join(LAYOUTS)}")
    return next(iter(meant.values()))


def lists_of(records: Iterable[Record]) -> list[Path]:
    """The files in which their captions are."""
    return list(dict.fromkeys(file for record in records for file in record.sources))


def name_lists(records: Iterable[Record]) -> str:
    """A line that tells from which files captions are taken."""
    return printable(f"captions: {', '.join(map(str, lists_of(records)))}")


def in_split(records: Iterable[Record], split: Split) -> list[Record]:
    return [record for record in records if record.split == split]


def spread(records: Sequence[Record], count: int) -> list[Record]:
    """So many of the records, evenly spaced; all where there are no more, or for 0."""
    if not 0 < count < len(records):
        return list(records)
    step = len(records) / count
    return [records[int(number * step)] for number in range(count)]


def name_dataset(folder: Path, records: Iterable[Record]) -> str:
    """The folder's name and a digest of names, splits and captions: where it lies does not matter."""
    digest = hashlib.sha256(repr([(r.name, r.split, r.captions) for r in records]).encode()).hexdigest()
    return f"{folder.resolve().name} (sha256 {digest})"


def read_image(record: Record) -> Image.Image | str:
    """The photograph, or the reason why there is none."""
    try:
        return decode_image(read_file(record))
    except (OSError, ImageRefused) as error:
        return why_unreadable(record, error)


def read_file(record: Record) -> bytes:
    """Raises OSError."""
    if not stat.S_ISREG(record.path.stat().st_mode):  # a pipe would be waited for
        raise OSError("this is not a plain file")
    return record.path.read_bytes()


def why_unreadable(record: Record, error: OSError | ImageRefused) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"no file can have a name of {len(record.name)} characters ({record.place})"
    return str(error)


def is_flickr8k_test(records: Iterable[Record]) -> bool:
    """Whether these are the photographs of Flickr8k's official test split, on which published figures are."""
    names = "\n".join(sorted(record.name for record in records))
    return hashlib.sha256(names.encode()).hexdigest() == _FLICKR8K_TEST_NAMES


def split_by_name(name: str) -> Split:
    """Six photographs of eight to train, one to dev, one to test (Flickr8k's shares), by a hash of the name:
    the same on every machine, and unchanged for old photographs when new ones are added.
    """
    eighth = hashlib.sha256(name.encode()).digest()[0] % 8
    return "dev" if eighth == 0 else "test" if eighth == 1 else "train"


def _content(records: Iterable[Record]) -> int:
    """The same for lists that say the same."""
    return hash(tuple((record.path, record.split, tuple(sorted(record.captions))) for record in records))


def _records(files: Sequence[Path], root: Path) -> list[Record]:
    """Raises DatasetRefused; OtherLayout where another file may be the one that is meant."""
    records: dict[Path, Record] = {}
    captions: dict[Path, list[str]] = defaultdict(list)
    sources: dict[Path, dict[Path, None]] = defaultdict(dict)  # in order
    folders: dict[Path, PhotographFolder] = {}
    for file in files:
        word = split_word(file, root)
        rows = read_list(file, root)
        for row in rows:
            _check(row)
        folder = _image_folder(file, root, word, list(dict.fromkeys(row.name for row in rows)))
        folder = folders.setdefault(folder.root, folder)
        paths: dict[str, Path] = {}
        for row in rows:
            path = paths.get(row.name) or paths.setdefault(row.name, _find(row, folder))
            known = records.get(path) or _first_record(row, path, word)
            given = row.split or word
            if given and _SPLITS[given.lower()] != known.split:
                raise DatasetRefused(
                    f"{row.place}: {row.name} is in the {known.split} split and in the {_SPLITS[given.lower()]} split"
                )
            records[path] = known
            sources[path][file] = None
            captions[path] += [text.encode(errors="replace").decode() for text in row.captions]
    named = [
        replace(record, captions=tuple(captions[path]), sources=tuple(sources[path]))
        for path, record in records.items()
    ]
    if len(folders) > 1:  # the same name may be in each
        named = [replace(record, name=_with_folder(record, folders)) for record in named]
    return sorted(named, key=lambda record: record.name)


def _first_record(row: Row, path: Path, word: str | None) -> Record:
    """Without captions yet."""
    name = printable(str(PurePosixPath(row.name)))
    given = row.split or word
    return Record(name, path, _SPLITS[given.lower()] if given else split_by_name(name), (), row.place)


def _find(row: Row, folder: PhotographFolder) -> Path:
    """Where the photograph is, or would be. Raises DatasetRefused."""
    try:
        return folder.find(row.name) or folder.root / PurePosixPath(row.name)
    except NameUnclear as error:
        raise DatasetRefused(f"{row.place}: {error}") from error


def _with_folder(record: Record, folders: Iterable[Path]) -> str:
    """The record's name, from above the folder of photographs in which it is."""
    own = max((folder for folder in folders if record.path.is_relative_to(folder)), key=lambda f: len(f.parts))
    return printable(str(PurePosixPath(own.name, record.name)))


def _check(row: Row) -> None:
    """Raises DatasetRefused."""
    if not isinstance(row.name, str) or not row.name.strip() or "\0" in row.name:
        raise DatasetRefused(f"{row.place}: expected the photograph's path, found {row.name!r}")
    try:
        os.fsencode(row.name)
    except UnicodeEncodeError as error:
        raise DatasetRefused(f"{row.place}: {row.name!r} holds half a character: no file can have that name") from error
    for path in (PurePosixPath(row.name), PureWindowsPath(row.name)):
        if path.anchor or ".." in path.parts:
            raise DatasetRefused(
                f"{row.place}: {row.name} leads out of the data folder: write it from the folder of photographs"
            )
    if row.split is not None and str(row.split).lower() not in _SPLITS:
        raise DatasetRefused(f"{row.place}: {row.split!r} is no split (train, dev or val, test)")
    for caption in row.captions:
        if not tokenise(caption):
            raise DatasetRefused(f"{row.place}: the caption {caption!r} of {row.name} has no words")


def _image_folder(captions_file: Path, root: Path, word: str | None, names: Sequence[str]) -> PhotographFolder:
    """The folder that holds the photographs: beside the captions, above them, or one level down.

    One that has them as they are spelt goes before one that has them spelt otherwise. Raises OtherLayout.
    """
    if not names:
        raise OtherLayout(f"{captions_file} names no photograph with captions")
    is_inside = captions_file.is_relative_to(root)
    parents = [captions_file.parent, captions_file.parent.parent, root] if is_inside else [root]
    candidates = [parent / name for parent in parents for name in _IMAGE_FOLDERS]
    below = [child for parent in parents[::2] for child in sorted(parent.iterdir()) if child.is_dir()]
    if word:
        below.sort(key=lambda child: word not in child.name)
    there = [c for c in dict.fromkeys([*candidates, *(c / c.name for c in candidates), *below]) if c.is_dir()]
    folders = [PhotographFolder(candidate) for candidate in there]
    for has in (PhotographFolder.has, _may_have):
        for folder in folders:
            if any(has(folder, name) for name in names[:_PROBED]):
                return folder
    looked_for, looked_in = (", ".join(map(str, some[:_NAMES_TOLD])) for some in (names, there))
    more = f" and {len(there) - _NAMES_TOLD} more folders" if len(there) > _NAMES_TOLD else ""
    raise OtherLayout(f"no photographs of {captions_file} are beside it: looked for {looked_for} in {looked_in}{more}")


def _may_have(folder: PhotographFolder, name: str) -> bool:
    try:
        return folder.find(name) is not None
    except NameUnclear:
        return True
