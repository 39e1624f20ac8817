"""The files in which people keep captions, each read into the same rows. What rows mean is in training/data/records.py.

- the Flickr8k release: `Flickr8k.token.txt` and `Flickr_8k.{train,dev,test}Images.txt`;
- Karpathy's: `dataset*.json` (`images[].{filename, split, sentences[].raw}`);
- CSV, Kaggle's copy of Flickr8k included: a header with `image` (or `path`, `file`, `file_name`) and `caption` (or
  `text`), perhaps `split`; a photograph with several captions has several rows;
- JSON lines: `{"path": …, "caption": …}`, the names as in CSV, or `"captions": […]`;
- a Hugging Face `datasets` imagefolder: `metadata.csv` or `metadata.jsonl` beside the photographs;
- COCO captions: JSON with `images[].{id, file_name}` and `annotations[].{image_id, caption}`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

_IMAGE_KEYS = ("path", "image", "file", "file_name", "filename")
_CAPTION_KEYS = ("caption", "captions", "text")
SPLIT_FOLDERS = ("train", "valid", "validation", "val", "dev", "test")


class DatasetRefused(ValueError):
    """The folder holds no layout that is known, or one that contradicts itself."""


class OtherLayout(DatasetRefused):
    """The file is of another kind, or its photographs are not here: perhaps another file is what is looked for."""


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


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")  # Excel begins its files with a byte order mark
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise OtherLayout(f"{file}, line {line}: this is not UTF-8") from error


def _parsed(text: str, place: str, kind: type[DatasetRefused] = OtherLayout) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise kind(f"{place}: this is not JSON: {error}") from error


def _read_release(token_file: Path) -> Iterator[Row]:
    rows = []
    for number, line in enumerate(_text(token_file).rstrip("\n").split("\n"), start=1):
        place = f"{token_file}, line {number}"
        key, tab, caption = line.partition("\t")
        if not tab:
            raise DatasetRefused(f"{place}: expected 'name#n<tab>caption'")
        rows.append((place, key.rpartition("#")[0], caption))
    splits: dict[str, str] = {}
    for split in ("train", "dev", "test"):
        names = token_file.parent / f"Flickr_8k.{split}Images.txt"
        if not names.is_file():
            raise DatasetRefused(f"{names} is missing: the release's split is part of it")
        for name in _text(names).split():
            if splits.setdefault(name, split) != split:
                raise DatasetRefused(f"{name} is in the {splits[name]} split and in the {split} split")
    for place, name, caption in rows:
        if name in splits:
            yield Row(place, name, (caption,), splits[name])


def _read_csv(file: Path) -> Iterator[Row]:
    reader = csv.reader(StringIO(_text(file)), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        image, caption = (next((k for k in keys if k in header), None) for keys in (_IMAGE_KEYS, _CAPTION_KEYS))
        if not image or not caption:
            raise OtherLayout(f"{file}: expected a header like 'image,caption', found {','.join(header)[:80]!r}")
        for cells in reader:
            if cells:
                place = f"{file}, line {reader.line_num}"
                if len(cells) != len(header):
                    raise DatasetRefused(
                        f"{place}: expected {len(header)} cells ({','.join(header)}), found {len(cells)}; "
                        "a caption with a comma stands in double quotes"
                    )
                values = dict(zip(header, cells, strict=True))
                yield Row(place, values[image], (values[caption],), values.get("split") or None)
    except csv.Error as error:
        raise DatasetRefused(f"{file}, line {reader.line_num}: {error}") from error


def _read_lines(file: Path) -> Iterator[Row]:
    for number, line in enumerate(_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{file}, line {number}"
        kind = OtherLayout if number == 1 else DatasetRefused
        values = _parsed(line, place, kind)
        image, captions = (_first(values, keys) for keys in (_IMAGE_KEYS, _CAPTION_KEYS))
        if image is None or captions is None:
            raise kind(f'{place}: expected {{"path": …, "caption": …}}')
        yield Row(place, image, _captions(captions, place), values.get("split"))


def _first(values: Any, keys: Sequence[str]) -> Any:
    """What stands under the first of the keys that are there, in a JSON object."""
    found = (values[key] for key in keys if key in values) if isinstance(values, dict) else iter(())
    return next(found, None)


def _captions(found: Any, place: str) -> tuple[str, ...]:
    texts = found if isinstance(found, list) else [found]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise DatasetRefused(f"{place}: a caption is text, several are a list of texts")
    return tuple(texts)


def _read_metadata(file: Path) -> Iterator[Row]:
    """Of an imagefolder. Photographs may lie in folders with a split's name, below the file if not beside it."""
    for row in _read_csv(file) if file.suffix == ".csv" else _read_lines(file):
        top = PurePosixPath(row.name).parts[0] if isinstance(row.name, str) and row.name else ""
        yield Row(row.place, row.name, row.captions, row.split or (top if top.lower() in SPLIT_FOLDERS else None))


def _read_karpathy(file: Path) -> Iterator[Row]:
    images = _listed(_parsed(_text(file), str(file)), "images", file, "Karpathy's")
    for number, image in enumerate(images):
        place = f"{file}, images[{number}]"
        try:
            name = str(PurePosixPath(image.get("filepath", "")) / image["filename"])
            captions = _captions([sentence["raw"] for sentence in image["sentences"]], place)
            yield Row(place, name, captions, image["split"])
        except (KeyError, TypeError, AttributeError) as error:
            raise OtherLayout(f"{place} is not in Karpathy's layout: {error!r}") from error


def _read_coco(file: Path) -> Iterator[Row]:
    content = _parsed(_text(file), str(file))
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
            yield Row(place, captions=_captions(annotation["caption"], place), **by_id[annotation["image_id"]])
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetRefused(f"{place} is not in COCO's layout: {error!r}") from error


def _listed(content: Any, name: str, file: Path, whose: str) -> list[Any]:
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise OtherLayout(f"{file} is not in {whose} layout: it has no list of {name}")
    return found


LAYOUTS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "Flickr8k.token.txt": _read_release,
    "dataset*.json": _read_karpathy,
    "captions.txt": _read_csv,
    "metadata.jsonl": _read_metadata,
    "metadata.csv": _read_metadata,
    "*.json": _read_coco,
    "*.csv": _read_csv,
    "*.jsonl": _read_lines,
}
"""By the files' names; the first that is found and can be read is taken."""
