"""Computes what likeness and duplicates are found by: python -m collection features RESULTS"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from collection.catalogue import Collection
from collection.job import decode_ahead
from collection.likeness import Features, FeaturesRefused, append, count, features_of
from collection.results import CollectionRefused, records
from collection.reviewed import digest_of
from collection.stamps import StampedReader
from model.arguments import add_model_arguments, model_settings
from model.captioner import GivesFeatures
from model.errors import LOADING_ERRORS
from model.names import Parser
from model.registry import load_captioner

_BATCH = 16
_WORKERS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 where photographs could not be read, 2 where nothing could be computed."""
    parser = Parser(
        prog="python -m collection features",
        description="Computes what duplicates and likeness are found by; only for photographs that are new.",
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="what `caption --output` wrote")
    add_model_arguments(parser)
    parsed = parser.parse_args(arguments)
    try:
        return _compute(parsed)
    except (CollectionRefused, FeaturesRefused, OSError, *LOADING_ERRORS) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _compute(parsed: argparse.Namespace) -> int:
    collection, folder = Collection(parsed.results), features_of(parsed.results)
    wanted = {digest_of(record): record["path"] for record in records(parsed.results)}
    if wanted.pop("", None) is not None and not wanted:
        raise FeaturesRefused(f"the photographs' digests are not known: {parsed.results}.journal has them")
    known = set(map(Features.of(parsed.results).digest, range(count(folder)))) if count(folder) else set()
    left = {digest: path for digest, path in wanted.items() if digest not in known}
    if not left:
        print(f"nothing to do: {len(wanted):,} of {len(wanted):,} done", file=sys.stderr)
        return 0
    captioner = load_captioner(model_settings(parsed))
    if not isinstance(captioner, GivesFeatures):
        raise FeaturesRefused(f"the back end {captioner.name} gives no features; cnn-lstm does")
    failed = 0
    reader = StampedReader()
    paths = [str(collection.place(path)) for path in left.values()]
    decoded = decode_ahead(paths, _WORKERS, _BATCH, reader.read)
    with tqdm(total=len(wanted), initial=len(wanted) - len(left), unit=" photographs") as progress:
        for batch in _batches(decoded):
            stamps = [reader.take(path) for path, _ in batch]
            there = [(s[2], image) for s, (_, image) in zip(stamps, batch, strict=True) if s and _is_image(image)]
            failed += len(batch) - len(there)
            if there:
                pooled = captioner.features([image for _, image in there])
                append(folder, [digest for digest, _ in there], pooled)
            progress.update(len(batch))
    print(f"{len(left) - failed:,} computed, {failed:,} failed in {folder}", file=sys.stderr)
    return 1 if failed else 0


def _is_image(found: Any) -> bool:
    return isinstance(found, Image.Image)


def _batches(decoded: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(decoded, _BATCH)):
        yield batch
