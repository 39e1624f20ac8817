"""Looks a dataset over before it is trained on: python -m training.check --data DIR

Reports counts, missing and damaged photographs, the same photograph twice, caption lengths, how many words the
vocabulary will know (and, with --vocabulary, which are new to a trained captioner), and leakage: photographs of the
dev or test split that are also in the training split (training/data/leakage.py). Prints the report as JSON, with
--output writes it too, and draws a page of samples with their captions. Exit status 1 where there is leakage.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, get_args

import numpy as np
import tyro

from model.cnn_lstm.vocabulary import SPECIAL_TOKENS, Vocabulary
from model.errors import VocabularyRefused
from model.files import atomic_write
from model.images import decode_image, jpeg_address
from model.languages import language_of
from training.data.leakage import duplicates, leaks, perceptual_hashes
from training.data.names import printable
from training.data.records import (
    DatasetRefused,
    Record,
    Split,
    in_split,
    lists_of,
    name_lists,
    read_dataset,
    read_file,
)

_SPLITS: tuple[Split, ...] = get_args(Split)
_SAMPLES = 12  # of each split, and of leaks
_THUMBNAIL = (224, 224)  # pixels at most
_NEW_WORDS_TOLD = 30


@dataclass(frozen=True)
class Config:
    data: Path
    """Folder in one of the layouts of training/data/layouts.py."""
    captions: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """The list of captions to read, where --data holds several; may be given several times."""
    output: Path | None = None
    """JSON file for the report."""
    page: Path = Path("runs/check.html")
    """Where the page of samples goes: one file, with the pictures in it."""
    vocabulary: Path | None = None
    """A trained captioner's vocab.pkl: what words will be new to it with --init?"""
    min_count: int = 5
    """As in training: words that occur less often are not learnt."""
    language: str = "en"
    """Of the captions, as in training; that of a given vocabulary goes before."""
    distance: int = 4
    """Photographs whose perceptual hashes differ in at most so many of 64 bits are taken for the same."""


def check(config: Config, records: Sequence[Record]) -> dict[str, Any]:
    """The report, as plain data. Raises VocabularyRefused, OSError."""
    train = in_split(records, "train")
    known = Vocabulary.load(config.vocabulary) if config.vocabulary else None
    language = known.language if known else language_of(config.language)
    own = Vocabulary.build((text for record in train for text in record.captions), config.min_count, language)
    hashes, unreadable = perceptual_hashes(records)
    lengths = [len(language.tokenise(text)) for record in records for text in record.captions]
    report = {
        "dataset": printable(config.data.resolve().name),
        "lists": [printable(str(file)) for file in lists_of(records)],
        "photographs": {split: len(in_split(records, split)) for split in _SPLITS},
        "unreadable": unreadable,
        "duplicates": duplicates(hashes),
        "captions": len(lengths),
        "captions_of_a_photograph": _spread([len(record.captions) for record in records]),
        "words_in_a_caption": _spread(lengths),
        "vocabulary": len(own) - len(SPECIAL_TOKENS),
        "words_outside_the_vocabulary": _outside(records, own),
    }
    if known:
        report["given_vocabulary"] = {
            "words": len(known) - len(SPECIAL_TOKENS),
            "words_outside": _outside(records, known),
            "new_words": sum(word not in known for word in own.words),
            "most_frequent_new_words": [word for word in own.words if word not in known][:_NEW_WORDS_TOLD],
        }
    leaking = [leak for split in ("dev", "test") for leak in leaks(records, hashes, split, config.distance)]
    return report | {"leaks": leaking}


def _spread(numbers: Sequence[int]) -> dict[str, int]:
    values = np.percentile(numbers, (0, 50, 90, 100))
    return dict(zip(("least", "median", "90 %", "most"), map(int, values), strict=True))


def _outside(records: Iterable[Record], vocabulary: Vocabulary) -> dict[str, float]:
    """By split, the share of words that the vocabulary does not have."""
    outside, words = Counter[str](), Counter[str]()
    for record in records:
        for text in record.captions:
            tokens = vocabulary.language.tokenise(text)
            words[record.split] += len(tokens)
            outside[record.split] += sum(word not in vocabulary for word in tokens)
    return {split: round(outside[split] / max(1, words[split]), 4) for split in _SPLITS}


def page(report: dict[str, Any], records: Sequence[Record]) -> str:
    """HTML: some photographs of every split with their captions, and those that leak beside their like."""
    by_name = {record.name: record for record in records}
    parts = []
    for split in _SPLITS:
        readable = [record for record in in_split(records, split) if record.name not in report["unreadable"]]
        chosen = random.Random(0).sample(readable, min(_SAMPLES, len(readable)))
        parts.append(_section(f"{split}: {report['photographs'][split]} photographs", chosen))
    leaking = report["leaks"][:_SAMPLES]
    if leaking:
        pairs = [by_name[leak[key]] for leak in leaking for key in ("photograph", "in_training")]
        parts.append(_section(f"leaks: {len(report['leaks'])}, each beside what is in training", pairs))
    title = escape(f"{report['dataset']}: {report['captions']} captions")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>'
        "body{font:15px sans-serif;margin:2em} section{display:flex;flex-wrap:wrap;gap:1em}"
        "figure{margin:0;width:224px} img{display:block} figcaption{overflow-wrap:anywhere} small{color:#666}</style>"
        f"<h1>{title}</h1>\n" + "\n".join(parts) + "</html>\n"
    )


def _section(title: str, records: Iterable[Record]) -> str:
    return f"<h2>{escape(title)}</h2><section>\n" + "\n".join(map(_figure, records)) + "</section>"


def _figure(record: Record) -> str:
    image = decode_image(read_file(record))
    image.thumbnail(_THUMBNAIL)
    captions = "".join(f"<div>{escape(text)}</div>" for text in record.captions)
    name = escape(f"{record.split}: {record.name}")
    caption = f"<figcaption>{captions}<small>{name}</small></figcaption>"
    return f'<figure><img src="{jpeg_address(image)}" alt="">{caption}</figure>'


def main(arguments: Sequence[str] | None = None) -> int:
    config = tyro.cli(Config, args=arguments, description=__doc__)
    try:
        records = read_dataset(config.data, config.captions)
        print(name_lists(records), file=sys.stderr)
        report = check(config, records)
        text = json.dumps(report, indent=1, ensure_ascii=False)
        print(text)
        files = {config.page: page(report, records)} | ({config.output: text + "\n"} if config.output else {})
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write_text(content, encoding="utf-8")
            print(f"written: {path}", file=sys.stderr)
    except (DatasetRefused, VocabularyRefused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if report["leaks"]:
        print(f"{len(report['leaks'])} photographs of dev or test are also in train", file=sys.stderr)
    return 1 if report["leaks"] else 0


if __name__ == "__main__":
    sys.exit(main())
