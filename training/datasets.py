"""The layouts in which people have captioned photographs, read into one record type.

- the Flickr8k release: `Flickr8k.token.txt`, `Flickr_8k.{train,dev,test}Images.txt` and a folder of photographs;
- Kaggle's copy: `captions.txt` (CSV, header `image,caption`) and `Images/`; no split, so one is made by name;
- Karpathy's: `dataset*.json` (`images[].{filename, split, sentences[].raw}`) and a folder of photographs.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

Split = Literal["train", "dev", "test"]
_IMAGE_FOLDERS = (
    "Flicker8k_Dataset", "Flickr8k_Dataset", "Images", "images", "flickr30k-images", "flickr30k_images", "."
)  # fmt: skip
_PROBED = 200  # photographs: enough that some of them exist where most do
_FLICKR8K_TEST_NAMES = "dcb37c9f44f9c0877c1310abe53203e7f06f720af2db2bb53438697d69988548"


@dataclass(frozen=True)
class Record:
    """A photograph and what people said of it."""

    name: str
    path: Path
    split: Split
    captions: tuple[str, ...]


class DatasetRefused(ValueError):
    """The folder holds no layout that is known, or one that contradicts itself."""


def read_dataset(folder: Path) -> list[Record]:
    """All records below `folder`, whichever of the three layouts it has, ordered by name.

    Photographs are not opened: a missing or damaged one shows when its features are computed.
    Raises DatasetRefused.
    """
    if not folder.is_dir():
        raise DatasetRefused(f"{folder} is not a folder")
    problem = DatasetRefused(f"{folder} holds none of: {', '.join(_LAYOUTS)}")
    for pattern, read in _LAYOUTS.items():
        for found in sorted(folder.rglob(pattern), key=lambda path: (len(path.parts), path.name)):
            try:
                records = sorted(read(found, folder), key=lambda record: record.name)
            except DatasetRefused as error:  # perhaps another file's photographs are here
                problem = error
                continue
            if records:
                return records
            problem = DatasetRefused(f"{found} names no photograph with captions")
    raise problem


def in_split(records: Iterable[Record], split: Split) -> list[Record]:
    return [record for record in records if record.split == split]


def is_flickr8k_test(records: Iterable[Record]) -> bool:
    """Whether these are the photographs of Flickr8k's official test split, on which published figures are."""
    names = "\n".join(sorted(record.name for record in records))
    return hashlib.sha256(names.encode()).hexdigest() == _FLICKR8K_TEST_NAMES


def _image_folder(captions_file: Path, root: Path, names: Iterable[str]) -> Path:
    """The folder that holds the photographs: beside the captions, above them, or one level down."""
    parents = [captions_file.parent, captions_file.parent.parent, root]
    candidates = [parent / name for parent in parents for name in _IMAGE_FOLDERS]
    probed = list(islice(names, _PROBED))
    for candidate in [*candidates, *(c / c.name for c in candidates)]:
        if any((candidate / name).is_file() for name in probed):
            return candidate
    raise DatasetRefused(f"no photographs of {captions_file} beside it (tried {', '.join(_IMAGE_FOLDERS)})")


def _read_release(token_file: Path, root: Path) -> Iterable[Record]:
    captions: dict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(token_file.read_text(encoding="utf-8").splitlines(), start=1):
        key, tab, caption = line.partition("\t")
        if not tab:
            raise DatasetRefused(f"{token_file}, line {number}: expected 'name#n<tab>caption'")
        captions[key.rpartition("#")[0]].append(caption)
    splits: dict[str, Split] = {}
    for split in ("train", "dev", "test"):
        names = token_file.parent / f"Flickr_8k.{split}Images.txt"
        if not names.is_file():
            raise DatasetRefused(f"{names} is missing: the release's split is part of it")
        for name in names.read_text(encoding="utf-8").split():
            if splits.setdefault(name, split) != split:
                raise DatasetRefused(f"{name} is in the {splits[name]} split and in the {split} split")
    folder = _image_folder(token_file, root, captions)
    return [
        Record(name, folder / name, split, tuple(captions[name])) for name, split in splits.items() if name in captions
    ]


def _read_kaggle(captions_file: Path, root: Path) -> Iterable[Record]:
    captions: dict[str, list[str]] = defaultdict(list)
    with captions_file.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != ["image", "caption"]:
            raise DatasetRefused(f"{captions_file}: expected the header 'image,caption', found {reader.fieldnames}")
        for row in reader:
            if not row["image"] or row["caption"] is None:
                raise DatasetRefused(f"{captions_file}, line {reader.line_num}: expected 'image,caption'")
            captions[row["image"]].append(row["caption"])
    folder = _image_folder(captions_file, root, captions)
    return [Record(name, folder / name, split_by_name(name), tuple(texts)) for name, texts in captions.items()]


def split_by_name(name: str) -> Split:
    """Six photographs of eight to train, one to dev, one to test (Flickr8k's shares), by a hash of the name:
    the same on every machine, and unchanged for old photographs when new ones are added.
    """
    eighth = hashlib.sha256(name.encode()).digest()[0] % 8
    return "dev" if eighth == 0 else "test" if eighth == 1 else "train"


def _read_karpathy(json_file: Path, root: Path) -> Iterable[Record]:
    content = json.loads(json_file.read_text(encoding="utf-8"))
    try:
        images = content["images"]
        folder = _image_folder(json_file, root, (f"{i.get('filepath', '.')}/{i['filename']}" for i in images))
        splits: dict[str, Split] = {"train": "train", "restval": "train", "val": "dev", "test": "test"}
        return [
            Record(
                image["filename"],
                folder / image.get("filepath", "") / image["filename"],
                splits[image["split"]],
                tuple(sentence["raw"] for sentence in image["sentences"]),
            )
            for image in images
        ]
    except (KeyError, IndexError, TypeError) as error:
        raise DatasetRefused(f"{json_file} is not in Karpathy's layout: {error!r}") from error


_LAYOUTS: dict[str, Callable[[Path, Path], Iterable[Record]]] = {
    "Flickr8k.token.txt": _read_release,
    "dataset*.json": _read_karpathy,
    "captions.txt": _read_kaggle,
}
