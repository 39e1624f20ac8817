"""Looks a dataset over before it is trained on: python -m training.check --data DIR

Reports counts, missing and damaged photographs, caption lengths, how many words the vocabulary will know, and
leakage: photographs of the dev or test split that are also in the training split, by name or by their look
(perceptual hash: a discrete cosine transform of 32 x 32 grey pixels, which survives resizing and recompression).
Prints the report as JSON; with --output, writes it too. Exit status 1 where there is leakage.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import tyro
from tqdm import tqdm

from model.images import ImageRefused, decode_image
from model.vocabulary import SPECIAL_TOKENS, Vocabulary, tokenise
from training.datasets import DatasetRefused, Record, in_split, read_dataset


@dataclass(frozen=True)
class Config:
    data: Path
    """Folder in one of the layouts of training/datasets.py."""
    output: Path | None = None
    """JSON file for the report."""
    min_count: int = 5
    """As in training: words that occur less often are not learnt."""
    distance: int = 4
    """Photographs whose perceptual hashes differ in at most so many of 64 bits are taken for the same."""


def check(config: Config) -> dict[str, Any]:
    """The report, as plain data. Raises DatasetRefused."""
    records = read_dataset(config.data)
    train = in_split(records, "train")
    vocabulary = Vocabulary.build((text for record in train for text in record.captions), config.min_count)
    hashes, unreadable = perceptual_hashes(records)
    lengths = [len(tokenise(text)) for record in records for text in record.captions]
    return {
        "dataset": config.data.resolve().name,
        "photographs": {split: len(in_split(records, split)) for split in ("train", "dev", "test")},
        "unreadable": unreadable,
        "captions": len(lengths),
        "words_in_a_caption": dict(zip(("median", "90 %", "longest"), _percentiles(lengths), strict=True)),
        "vocabulary": len(vocabulary) - len(SPECIAL_TOKENS),
        "words_outside_the_vocabulary": {
            split: _outside(in_split(records, split), vocabulary) for split in ("train", "dev", "test")
        },
        "leaks": [leak for split in ("dev", "test") for leak in leaks(records, hashes, split, config.distance)],
    }


def perceptual_hashes(records: Sequence[Record]) -> tuple[dict[str, int], dict[str, str]]:
    """By photograph's name: its 64 bits, or why it cannot be read."""
    hashes: dict[str, int] = {}
    unreadable: dict[str, str] = {}

    def work(record: Record) -> int | str:
        try:
            return int(str(imagehash.phash(decode_image(record.path.read_bytes()))), 16)
        except (OSError, ImageRefused) as error:
            return "there is no such file" if isinstance(error, FileNotFoundError) else str(error)

    with ThreadPoolExecutor() as pool:
        found = tqdm(pool.map(work, records), total=len(records), unit="image", desc="looking")
        for record, result in zip(records, found, strict=True):
            if isinstance(result, int):
                hashes[record.name] = result
            else:
                unreadable[record.name] = result
    return hashes, unreadable


def leaks(records: Sequence[Record], hashes: dict[str, int], split: str, distance: int) -> list[dict[str, Any]]:
    """The photographs of a split that are also in the training split, each with the closest one there."""
    train = [record.name for record in records if record.split == "train" and record.name in hashes]
    if not train:
        return []
    own_bits = np.array([hashes[name] for name in train], dtype=np.uint64)
    found = []
    for record in records:
        if record.split == split and record.name in hashes:
            differing = np.bitwise_count(own_bits ^ np.uint64(hashes[record.name]))
            closest = int(differing.argmin())
            if differing[closest] <= distance:
                pair = {"split": split, "photograph": record.name, "in_training": train[closest]}
                found.append(pair | {"differing_bits": int(differing[closest])})
    return found


def _percentiles(lengths: Sequence[int]) -> list[int]:
    return [int(value) for value in np.percentile(lengths, (50, 90, 100))]


def _outside(records: Sequence[Record], vocabulary: Vocabulary) -> float:
    words = [word for record in records for text in record.captions for word in tokenise(text)]
    return round(sum(word not in vocabulary for word in words) / max(1, len(words)), 4)


def main(arguments: Sequence[str] | None = None) -> int:
    config = tyro.cli(Config, args=arguments, description=__doc__)
    try:
        report = check(config)
    except (DatasetRefused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    text = json.dumps(report, indent=1)
    print(text)
    if config.output:
        config.output.parent.mkdir(parents=True, exist_ok=True)
        config.output.write_text(text + "\n")
        print(f"written: {config.output}", file=sys.stderr)
    if report["leaks"]:
        print(f"{len(report['leaks'])} photographs of dev or test are also in train", file=sys.stderr)
    return 1 if report["leaks"] else 0


if __name__ == "__main__":
    sys.exit(main())
