"""Photographs with captions, from whichever layout of training/data/layouts.py they are in, as one record type.

A split is what the file says of a row, else what the name of the file or of its folder says (`train.csv`,
`captions_val2017.json`, `test/metadata.jsonl`; files that differ in this word alone are read together), else one is
made from the photograph's name.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

from PIL import Image

from model.cnn_lstm.vocabulary import tokenise
from model.errors import ImageRefused
from model.images import decode_image
from training.data.layouts import LAYOUTS, SPLIT_FOLDERS, OtherLayout, Row
from training.data.layouts import DatasetRefused as DatasetRefused

Split = Literal["train", "dev", "test"]
_SPLITS: dict[str, Split] = {
    **{"train": "train", "training": "train", "restval": "train"},
    **{"dev": "dev", "val": "dev", "valid": "dev", "validation": "dev"},
    **{"test": "test", "testing": "test"},
}
_SPLIT_IN_A_NAME = re.compile(rf"(?<![a-z])({'|'.join(sorted(SPLIT_FOLDERS, key=len, reverse=True))})(?![a-z])", re.I)
_IMAGE_FOLDERS = (
    "Flicker8k_Dataset", "Flickr8k_Dataset", "Images", "images", "flickr30k-images", "flickr30k_images", "."
)  # fmt: skip
_SUFFIXES = {Path(pattern).suffix for pattern in LAYOUTS}
_PROBLEMS_TOLD = 5
_PROBED = 200  # photographs: enough that some of them exist where most do
_FLICKR8K_TEST_NAMES = "dcb37c9f44f9c0877c1310abe53203e7f06f720af2db2bb53438697d69988548"


@dataclass(frozen=True)
class Record:
    """A photograph and what people said of it."""

    name: str
    path: Path
    split: Split
    captions: tuple[str, ...]


def read_dataset(folder: Path) -> list[Record]:
    """All records below `folder`, whichever layout it has, ordered by name.

    Photographs are not opened: a missing or damaged one shows when its features are computed.
    Raises DatasetRefused, which names the file and the line.
    """
    if not folder.is_dir():
        raise DatasetRefused(f"{folder} is not a folder")
    files = sorted((path for path in folder.rglob("*") if path.suffix in _SUFFIXES), key=_shallow_first)
    problems: list[str] = []
    for pattern in LAYOUTS:
        found = [path for path in files if path.match(pattern)]
        files = [path for path in files if not path.match(pattern)]
        for group in _together(found, folder):
            try:
                return _records(group, pattern, folder)
            except OtherLayout as error:
                problems.append(str(error))
    raise DatasetRefused("; ".join(problems[:_PROBLEMS_TOLD]) or f"{folder} holds none of: {', '.join(LAYOUTS)}")


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
        return decode_image(record.path.read_bytes())
    except (OSError, ImageRefused) as error:
        return why_unreadable(error)


def why_unreadable(error: OSError | ImageRefused) -> str:
    return "there is no such file" if isinstance(error, FileNotFoundError) else str(error)


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


def _shallow_first(path: Path) -> tuple[int, str]:
    return len(path.parts), str(path)


def _split_of_file(file: Path, root: Path) -> re.Match[str] | None:
    """The word for a split in the file's name, or else in that of its folder below the root."""
    inside = str(file.relative_to(root))
    name = len(inside) - len(file.name)
    return _SPLIT_IN_A_NAME.search(inside, name) or _SPLIT_IN_A_NAME.fullmatch(
        inside, max(0, name - 1 - len(file.parent.name)), max(0, name - 1)
    )


def _together(files: Iterable[Path], root: Path) -> list[list[Path]]:
    """Files whose paths are the same but for the word for a split, which make one dataset; all others alone."""
    groups: dict[str, list[Path]] = {}
    for file in files:
        word = _split_of_file(file, root)
        key = f"{word.string[: word.start()]}*{word.string[word.end() :]}" if word else str(file)
        groups.setdefault(key, []).append(file)
    return list(groups.values())


def _records(files: list[Path], pattern: str, root: Path) -> list[Record]:
    """Raises DatasetRefused; OtherLayout where another file may be the one that is meant."""
    names: dict[Path, PurePosixPath] = {}
    splits: dict[Path, Split] = {}
    captions: dict[Path, list[str]] = defaultdict(list)
    folders = set()
    for file in files:
        word = _split_of_file(file, root)
        rows = list(LAYOUTS[pattern](file))
        for row in rows:
            _check(row)
        folder = _image_folder(file, root, word, list(dict.fromkeys(row.name for row in rows)))
        folders.add(folder)
        for row in rows:
            name = PurePosixPath(row.name)
            path = folder / name
            given = row.split or (word.group() if word else None)
            split = _SPLITS[given.lower()] if given else split_by_name(str(name))
            if splits.setdefault(path, split) != split:
                raise DatasetRefused(f"{row.place}: {name} is in the {splits[path]} split and in the {split} split")
            names[path] = name
            captions[path] += row.captions
    if len(folders) > 1:  # the same name may be in each
        names = {path: PurePosixPath(_above(path, name).name, name) for path, name in names.items()}
    records = [Record(str(name), path, splits[path], tuple(captions[path])) for path, name in names.items()]
    return sorted(records, key=lambda record: record.name)


def _above(path: Path, name: PurePosixPath) -> Path:
    """The folder of photographs in which `path` has that name."""
    return path.parents[len(name.parts) - 1]


def _check(row: Row) -> None:
    """Raises DatasetRefused."""
    if not isinstance(row.name, str) or not row.name.strip() or "\0" in row.name:
        raise DatasetRefused(f"{row.place}: expected the photograph's path, found {row.name!r}")
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


def _image_folder(captions_file: Path, root: Path, word: re.Match[str] | None, names: Sequence[str]) -> Path:
    """The folder that holds the photographs: beside the captions, above them, or one level down."""
    if not names:
        raise OtherLayout(f"{captions_file} names no photograph with captions")
    parents = [captions_file.parent, captions_file.parent.parent, root]
    candidates = [parent / name for parent in parents for name in _IMAGE_FOLDERS]
    below = [child for parent in parents[::2] for child in sorted(parent.iterdir()) if child.is_dir()]
    if word:
        below.sort(key=lambda child: word.group() not in child.name)
    for candidate in [*candidates, *(c / c.name for c in candidates), *below]:
        if any((candidate / name).is_file() for name in names[:_PROBED]):
            return candidate
    raise OtherLayout(f"no photographs of {captions_file} beside it (tried {', '.join(_IMAGE_FOLDERS)})")
