"""The files in which people keep captions, each read into the same rows. What rows mean is in training/data/records.py.

- the Flickr8k release: `Flickr8k.token.txt` and `Flickr_8k.{train,dev,test}Images.txt`; captions of its photographs in
  another language in the same form, chosen by name (`Flickr8k.token.de.txt`);
- Karpathy's: `dataset*.json` (`images[].{filename, split, sentences[].raw}`);
- tables and JSON lines with names for their columns (training/data/tables.py), Kaggle's copy of Flickr8k included;
- a Hugging Face `datasets` imagefolder: `metadata.csv` or `metadata.jsonl` beside the photographs;
- COCO captions: JSON with `images[].{id, file_name}` and `annotations[].{image_id, caption}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from training.data.rows import DatasetRefused, OtherLayout, OwnResults, Row, parse_json, read_text
from training.data.tables import read_lines, read_table, texts_of

SPLIT_FOLDERS = ("train", "valid", "validation", "val", "dev", "test")
_SPLIT_LIST = "Flickr_8k.{}Images.txt"
_FIRST_LINE = 10_000  # characters
_LARGE = 2**24  # characters: what is no list of captions is told from its text before it is parsed


def _read_release(token_file: Path, root: Path | None = None) -> Iterator[Row]:
    """Captions in another language may lie elsewhere; the lists of the split are then looked for below the root."""
    rows = []
    for number, line in enumerate(read_text(token_file).rstrip("\n").split("\n"), start=1):
        place = f"{token_file}, line {number}"
        key, tab, caption = line.partition("\t")
        if not tab:
            raise DatasetRefused(f"{place}: expected 'name#n<tab>caption'")
        rows.append((place, key.rpartition("#")[0], caption))
    splits: dict[str, str] = {}
    folders = [token_file.parent, *([root, *sorted(root.iterdir())] if root else [])]
    folder = next((each for each in folders if (each / _SPLIT_LIST.format("train")).is_file()), token_file.parent)
    for split in ("train", "dev", "test"):
        names = folder / _SPLIT_LIST.format(split)
        if not names.is_file():
            raise DatasetRefused(f"{names} is missing: the release's split is part of it")
        for name in read_text(names).split():
            if splits.setdefault(name, split) != split:
                raise DatasetRefused(f"{name} is in the {splits[name]} split and in the {split} split")
    for place, name, caption in rows:
        if name in splits:
            yield Row(place, name, (caption,), splits[name])


def _is_release(file: Path) -> bool:
    return re.match(r"[^\t\n]+#\d+\t", read_text(file)[:_FIRST_LINE]) is not None


def _read_metadata(file: Path) -> Iterator[Row]:
    """Of an imagefolder. Photographs may lie in folders with a split's name, below the file if not beside it."""
    for row in read_table(file) if file.suffix.lower() == ".csv" else read_lines(file):
        top = PurePosixPath(row.name).parts[0] if isinstance(row.name, str) and row.name else ""
        yield Row(row.place, row.name, row.captions, row.split or (top if top.lower() in SPLIT_FOLDERS else None))


def _read_karpathy(file: Path) -> Iterator[Row]:
    images = _listed(parse_json(read_text(file), str(file)), "images", file, "Karpathy's")
    for number, image in enumerate(images):
        place = f"{file}, images[{number}]"
        try:
            name = str(PurePosixPath(image.get("filepath", "")) / image["filename"])
            captions = texts_of([sentence["raw"] for sentence in image["sentences"]], place)
            yield Row(place, name, captions, image["split"])
        except (KeyError, TypeError, AttributeError) as error:
            raise OtherLayout(f"{place} is not in Karpathy's layout: {error!r}") from error


def _read_coco(file: Path) -> Iterator[Row]:
    text = read_text(file)
    if len(text) > _LARGE and '"caption"' not in text:
        raise OtherLayout(f"{file} has no captions")
    content = parse_json(text, str(file))
    images, annotations = (_listed(content, name, file, "COCO's") for name in ("images", "annotations"))
    place = str(file)
    try:
        by_id: dict[Any, Mapping[str, Any]] = {}
        for number, image in enumerate(images):
            place = f"{file}, images[{number}]"
            by_id[image["id"]] = {"name": image["file_name"], "split": image.get("split")}
        for number, annotation in enumerate(annotations):
            place = f"{file}, annotations[{number}]"
            if "caption" not in annotation:
                raise OtherLayout(f"{place} has no caption")
            if annotation["image_id"] not in by_id:
                raise DatasetRefused(f"{place}: there is no image with the id {annotation['image_id']!r}")
            yield Row(place, captions=texts_of(annotation["caption"], place), **by_id[annotation["image_id"]])
    except (KeyError, TypeError, AttributeError) as error:
        raise OtherLayout(f"{place} is not in COCO's layout: {error!r}") from error


def _listed(content: Any, name: str, file: Path, whose: str) -> list[Any]:
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise OtherLayout(f"{file} is not in {whose} layout: it has no list of {name}")
    return found


LAYOUTS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "Flickr8k.token.txt": _read_release,
    "dataset*.json": _read_karpathy,
    "metadata.jsonl": _read_metadata,
    "metadata.csv": _read_metadata,
    "captions.txt": read_table,
    "*.json": _read_coco,
    "*.csv": read_table,
    "*.tsv": read_table,
    "*.jsonl": read_lines,
}
"""By the files' names, in whichever case; of several that a name fits the first that can read the file does."""


def is_list_name(name: str) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in LAYOUTS)


def read_list(file: Path, root: Path) -> list[Row]:
    """The rows of a file of the data folder `root`; of one whose name fits no layout by whichever can. Raises
    DatasetRefused.
    """
    readers = [read for pattern, read in LAYOUTS.items() if fnmatchcase(file.name.lower(), pattern.lower())]
    if not readers and _is_release(file):
        return list(_read_release(file, root))
    refused: list[OtherLayout] = []
    for read in readers or [read_table, read_lines, _read_coco]:
        try:
            return list(read(file))
        except OwnResults:
            raise
        except OtherLayout as error:
            refused.append(error)
    raise refused[0]
