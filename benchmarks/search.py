"""How long a search takes in a large collection: python -m benchmarks.search

Results of made-up photographs whose captions are drawn from the vocabulary, the first words the commonest; the
figures are milliseconds a query, and those of them that the processor worked for it, medians, with the index opened
anew each time, as the service does.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tyro

from collection.catalogue import Collection
from collection.index import connect
from collection.journal import STAMP, record_line
from collection.likeness import CHANNELS, Features, append, features_of
from model.cnn_lstm.vocabulary import Vocabulary
from model.files import file_digest

QUERIES = (
    ("dog grass", "best"),
    ("man", "best"),
    ("a", "best"),
    ("snow*", "best"),
    ("tag:dog confidence<0.5", "best"),
    ("reviewed:no", "least-sure"),
    ("dog reviewed:no", "least-sure"),
    ("man confidence<0.5 reviewed:no", "newest"),
    ("a", "path"),
)


@dataclass(frozen=True)
class Config:
    photographs: int = 100_000
    features: bool = True
    """Also measures what is alike, in numbers drawn at random."""
    repeat: int = 5
    vocabulary: Path = Path("vocab.pkl")


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.jsonl"
        _write(results, config)
        print(f"{'the index is made':50}{_milliseconds(lambda: connect(results).close())}")
        collection = Collection(results)
        for query, order in QUERIES:
            found = collection.search(query, 24, order)[0]
            ask = partial(collection.search, query, 24, order)
            print(f"{query + ', ' + order:40}{found:10,}{_milliseconds(ask, config.repeat)}")
        if config.features:
            _measure_likeness(collection, config)


def _measure_likeness(collection: Collection, config: Config) -> None:
    random = np.random.default_rng(0)
    for begin in range(0, config.photographs, 5000):
        count = min(5000, config.photographs - begin)
        pooled = random.gamma(0.5, size=(count, CHANNELS)).astype(np.float32)
        append(features_of(collection.file), [_digest(begin + n) for n in range(count)], pooled)
    photograph = collection.photograph(config.photographs // 2)
    assert photograph and Features.of(collection.file)
    print(f"{'more like this':50}{_milliseconds(lambda: collection.similar(photograph, 24), config.repeat)}")


def _write(results: Path, config: Config) -> None:
    random = np.random.default_rng(0)
    words = np.array([word for word in Vocabulary.load(config.vocabulary).words if word.isalpha()])
    shares = 1 / np.arange(1, len(words) + 1)
    drawn = random.choice(words, size=(config.photographs, 10), p=shares / shares.sum())
    records: list[dict[str, Any]] = []
    for number, own in enumerate(drawn):
        confidence = round(float(random.random()), 4)
        tags = [{"name": str(word), "probability": 0.5} for word in own[:5]]
        record = {"path": f"{number // 1000}/{number}.jpg", "caption": f"a {' '.join(own)}", "confidence": confidence}
        records.append(record | {"tags": tags, "low_confidence": confidence < 0.5})
    results.write_text("".join(map(record_line, records)))
    with results.with_name(results.name + ".journal").open("w") as journal:
        journal.write(record_line({"run": {}, "weights": {}, "file": file_digest(results)}))
        for number, record in enumerate(records):
            journal.write(record_line(record | {STAMP: [1000, number, _digest(number)]}))


def _digest(number: int) -> str:
    return f"{number:064x}"


def _milliseconds(do: Callable[[], object], repeat: int = 1) -> str:
    """Of the clock and of the processor."""
    clock, processor = [], []
    for _ in range(repeat):
        start, worked = time.perf_counter(), time.process_time()
        do()
        clock.append((time.perf_counter() - start) * 1000)
        processor.append((time.process_time() - worked) * 1000)
    return f"{median(clock):10.1f} ms {median(processor):10.1f} ms"


if __name__ == "__main__":
    main()
