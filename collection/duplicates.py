"""Photographs that are there several times, or nearly: python -m collection duplicates RESULTS --threshold 0.95

Copies are known by their digests; near ones by the cosine of their features, where these are computed.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from collection.likeness import Features, FeaturesRefused
from collection.results import CollectionRefused, records
from collection.reviewed import digest_of
from collection.search import write_line
from model.names import Parser

_THRESHOLD = 0.95
_BLOCK = 1024
_SLACK = 1.5  # of squared distances between sketches, which stray by a tenth or so
Groups = list[list[str]]
"""Paths of photographs that are alike."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if there are duplicates, 1 if there are none, 2 where it cannot be told."""
    parser = Parser(prog="python -m collection duplicates", description="Lists photographs that are nearly the same.")
    parser.add_argument("results", type=Path, metavar="RESULTS", help="what `caption --output` wrote")
    parser.add_argument(
        "--threshold",
        type=float,
        default=_THRESHOLD,
        metavar="COSINE",
        help=f"of features, above 0 to 1; 1: exact copies alone (default {_THRESHOLD})",
    )
    parser.add_argument("--format", choices=("text", "jsonl"), default="text", help="text: a blank line between groups")
    parsed = parser.parse_args(arguments)
    if not 0 < parsed.threshold <= 1:
        parser.error("--threshold is above 0 and at most 1")
    try:
        groups = duplicates(parsed.results, parsed.threshold)
    except (CollectionRefused, FeaturesRefused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for number, group in enumerate(groups):
        if parsed.format == "jsonl":
            write_line(json.dumps(group))
        else:
            write_line("\n" * (number > 0) + "\n".join(group))
    print(f"{len(groups):,} groups, {sum(map(len, groups)):,} photographs", file=sys.stderr)
    return 0 if groups else 1


def duplicates(results: Path, threshold: float) -> Groups:
    """Groups in which each photograph is alike another. Raises FeaturesRefused, CollectionRefused, OSError."""
    paths: dict[str, list[str]] = defaultdict(list)
    for record in records(results):
        if digest := digest_of(record):
            paths[digest].append(record["path"])
    if not paths:
        raise FeaturesRefused(f"the photographs' digests are not known: {results}.journal has them")
    together = {digest: digest for digest in paths}

    def first(digest: str) -> str:
        while together[digest] != digest:
            digest = together[digest]
        return digest

    if threshold < 1:
        for one, other in _pairs(Features.of(results), threshold):
            if one in together and other in together:
                together[first(one)] = first(other)
    groups: dict[str, list[str]] = defaultdict(list)
    for digest, own in paths.items():
        groups[first(digest)] += own
    return [group for group in groups.values() if len(group) > 1]


def _pairs(features: Features, threshold: float) -> Iterator[tuple[str, str]]:
    """Digests. Sketches say which can be alike, the features which are."""
    sketches = np.asarray(features.sketches)
    squares = np.einsum("ij,ij->i", sketches, sketches)
    limit = _SLACK * 2 * (1 - threshold)
    for begin in tqdm(range(0, len(sketches), _BLOCK), unit=" blocks", disable=len(sketches) < 10 * _BLOCK):
        own = sketches[begin : begin + _BLOCK]
        distances = squares[begin : begin + _BLOCK, None] + squares[None, begin:] - 2 * own @ sketches[begin:].T
        for row, others in _by_row(np.argwhere(distances <= limit)):
            others = others[others > row] + begin
            if len(others):
                alike = features.cosines(begin + row, others) >= threshold
                yield from ((features.digest(begin + row), features.digest(int(one))) for one in others[alike])


def _by_row(places: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Of (places, 2), the second numbers by the first."""
    rows, starts = np.unique(places[:, 0], return_index=True)
    for row, others in zip(rows, np.split(places[:, 1], starts[1:]), strict=True):
        yield int(row), others
