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
from training.data.records import Record, read_file, why_unreadable

_GRID = 8
_COLOUR_TOLERANCE = 48  # of 255, in any cell: more than compression does


@dataclass(frozen=True)
class PerceptualHash:
    digest: str
    """Of the file."""
    bits: int
    """64, the perceptual hash."""
    colours: np.ndarray[Any, np.dtype[np.int16]]  # (cells * 3)


def perceptual_hashes(records: Sequence[Record]) -> tuple[dict[str, PerceptualHash], dict[str, str]]:
    """By photograph's name: its look, or why it cannot be read."""
    hashes: dict[str, PerceptualHash] = {}
    unreadable: dict[str, str] = {}
    with ThreadPoolExecutor() as pool:
        found = tqdm(pool.map(_perceptual_hash, records), total=len(records), unit="image", desc="looking")
        for record, result in zip(records, found, strict=True):
            if isinstance(result, PerceptualHash):
                hashes[record.name] = result
            else:
                unreadable[record.name] = result
    return hashes, unreadable


def _perceptual_hash(record: Record) -> PerceptualHash | str:
    try:
        content = read_file(record)
        image = decode_image(content)
    except (OSError, ImageRefused) as error:
        return why_unreadable(record, error)
    colours = np.asarray(image.resize((_GRID, _GRID), Image.Resampling.BOX), dtype=np.int16).ravel()
    return PerceptualHash(hashlib.sha256(content).hexdigest(), int(str(imagehash.phash(image)), 16), colours)


def duplicates(hashes: Mapping[str, PerceptualHash]) -> list[list[str]]:
    """Names of photographs that are the same file."""
    by_digest: dict[str, list[str]] = defaultdict(list)
    for name, own in hashes.items():
        by_digest[own.digest].append(name)
    return [names for names in by_digest.values() if len(names) > 1]


def leaks(
    records: Sequence[Record], hashes: Mapping[str, PerceptualHash], split: str, distance: int
) -> list[dict[str, Any]]:
    """The photographs of a split that are also in the training split, each with the closest one there: hashes that
    differ in at most `distance` bits, and the same colours.
    """
    train = [record.name for record in records if record.split == "train" and record.name in hashes]
    if not train:
        return []
    bits = np.array([hashes[name].bits for name in train], dtype=np.uint64)
    found = []
    for record in records:
        if record.split == split and record.name in hashes:
            own = hashes[record.name]
            differing = np.bitwise_count(bits ^ np.uint64(own.bits))
            candidates = [
                row for row in np.flatnonzero(differing <= distance) if _coloured_alike(own, hashes[train[row]])
            ]
            if candidates:
                closest = min(candidates, key=lambda row: int(differing[row]))
                pair = {"split": split, "photograph": record.name, "in_training": train[closest]}
                found.append(pair | {"differing_bits": int(differing[closest])})
    return found


def _coloured_alike(one: PerceptualHash, other: PerceptualHash) -> bool:
    return bool(np.abs(one.colours - other.colours).max() <= _COLOUR_TOLERANCE)
