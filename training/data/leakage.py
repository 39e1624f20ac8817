"""The same photograph twice in a dataset: by its bytes, or by its look where it was resized or compressed anew.

Two photographs look the same where their perceptual hashes (a discrete cosine transform of 32 x 32 grey pixels) and
their colours on a coarse grid do. The hash alone takes drawings with the same outlines for one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import imagehash
import numpy as np
from PIL import Image
from tqdm import tqdm

from model.errors import ImageRefused
from model.images import decode_image
from training.data.records import Record, why_unreadable

_GRID = 8
_COLOUR_TOLERANCE = 48  # of 255, in any cell: more than compression does


@dataclass(frozen=True)
class Look:
    digest: str
    """Of the file."""
    bits: int
    """64, the perceptual hash."""
    colours: np.ndarray[Any, np.dtype[np.int16]]  # (cells * 3)


def look_at(records: Sequence[Record]) -> tuple[dict[str, Look], dict[str, str]]:
    """By photograph's name: its look, or why it cannot be read."""
    looks: dict[str, Look] = {}
    unreadable: dict[str, str] = {}
    with ThreadPoolExecutor() as pool:
        found = tqdm(pool.map(_look, records), total=len(records), unit="image", desc="looking")
        for record, result in zip(records, found, strict=True):
            if isinstance(result, Look):
                looks[record.name] = result
            else:
                unreadable[record.name] = result
    return looks, unreadable


def _look(record: Record) -> Look | str:
    try:
        content = record.path.read_bytes()
        image = decode_image(content)
    except (OSError, ImageRefused) as error:
        return why_unreadable(error)
    colours = np.asarray(image.resize((_GRID, _GRID), Image.Resampling.BOX), dtype=np.int16).ravel()
    return Look(hashlib.sha256(content).hexdigest(), int(str(imagehash.phash(image)), 16), colours)


def duplicates(looks: Mapping[str, Look]) -> list[list[str]]:
    """Names of photographs that are the same file."""
    by_digest: dict[str, list[str]] = defaultdict(list)
    for name, look in looks.items():
        by_digest[look.digest].append(name)
    return [names for names in by_digest.values() if len(names) > 1]


def leaks(records: Sequence[Record], looks: Mapping[str, Look], split: str, distance: int) -> list[dict[str, Any]]:
    """The photographs of a split that are also in the training split, each with the closest one there: hashes that
    differ in at most `distance` bits, and the same colours.
    """
    train = [record.name for record in records if record.split == "train" and record.name in looks]
    if not train:
        return []
    bits = np.array([looks[name].bits for name in train], dtype=np.uint64)
    found = []
    for record in records:
        if record.split == split and record.name in looks:
            own = looks[record.name]
            differing = np.bitwise_count(bits ^ np.uint64(own.bits))
            candidates = [
                row for row in np.flatnonzero(differing <= distance) if _coloured_alike(own, looks[train[row]])
            ]
            if candidates:
                closest = min(candidates, key=lambda row: int(differing[row]))
                pair = {"split": split, "photograph": record.name, "in_training": train[closest]}
                found.append(pair | {"differing_bits": int(differing[closest])})
    return found


def _coloured_alike(one: Look, other: Look) -> bool:
    return bool(np.abs(one.colours - other.colours).max() <= _COLOUR_TOLERANCE)
