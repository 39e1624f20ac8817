"""Learns all that stands on top of finished weights: python -m training.heads CHECKPOINT --data DIR [--data DIR …]

From the folders that the checkpoint was trained on: which photographs are like those (the out-of-distribution
detector), which words and phrases people use of a picture (the n-gram head), how a beam's sentences are ranked by them,
the calibration of tags and words, and the confidence. Weights and vocabulary stay as they are. Writes to --output the
checkpoint with all of it, and heads.json beside it: what it is worth on the dev splits. With --encoder CHECKPOINT is a
language pack over that checkpoint's encoder, and gets its second look where that pays on dev.

What the encoder gives for each photograph is kept in --cache (half a megabyte a photograph at 288 pixels), so that the
same command goes on where it was stopped, and is done in minutes when only what stands on top is to be learnt anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from model.cnn_lstm.captioner import Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.language_pack import LanguagePack, encoder_digest
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import CheckpointMismatch, VocabularyRefused
from model.files import atomic_write
from training.cnn_lstm.language import with_heads
from training.data.features import TooManyRefused
from training.data.lists import locate
from training.data.mixture import read_datasets
from training.data.records import DatasetRefused, name_lists
from training.objectives.heads import describe_heads, learn_heads, see
from training.objectives.ngrams import NgramConfig


@dataclass(frozen=True)
class Config:
    checkpoint: tyro.conf.Positional[Path]
    data: tyro.conf.UseAppendAction[tuple[Path, ...]]
    """Folders in one of the layouts of training/data/layouts.py."""
    captions: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """The list of captions to read, where a folder holds several; may be given several times."""
    vocabulary: Path | None = None
    """Default: vocab.pkl beside the checkpoint."""
    encoder: Path | None = None
    """The checkpoint that a language pack belongs to."""
    output: Path = Path("runs/heads/best_model.pth")
    cache: Path = Path("runs/features")
    """As in training."""
    photographs: int = 0
    """At most so many training photographs of each folder, evenly spaced; 0: all."""
    ngrams: Annotated[NgramConfig, tyro.conf.arg(name="")] = field(default_factory=NgramConfig)


def learn(config: Config) -> dict[str, Any]:
    """Writes the checkpoint; what it is worth. Raises what reading checkpoint, vocabulary and data does."""
    checkpoint = Checkpoint.load(config.checkpoint, with_heads=False)
    vocabulary = Vocabulary.load(config.vocabulary or config.checkpoint.with_name("vocab.pkl"))
    checkpoint.verify(vocabulary)
    network = Network.from_checkpoint(checkpoint)
    datasets = read_datasets(config.data, captions=locate(config.captions, config.data))
    for dataset in datasets:
        print(name_lists(dataset.records))

    eyes = network.encoder, checkpoint.preprocessing, config.cache
    train = [see(dataset, "train", *eyes, photographs=config.photographs, keep_grid=False) for dataset in datasets]
    dev = {dataset.name: see(dataset, "dev", *eyes) for dataset in datasets}
    heads, report = learn_heads(network, vocabulary, train, dev, config.ngrams)
    config.output.parent.mkdir(parents=True, exist_ok=True)
    replace(checkpoint, heads=heads).save(config.output)
    with atomic_write(config.output.with_name("heads.json")) as file:
        file.write_text(json.dumps(report, indent=1) + "\n")
    return report


def learn_pack(config: Config) -> str:
    """Writes the language pack; what was found. Raises what reading it, the checkpoint and data does."""
    assert config.encoder
    checkpoint, pack = Checkpoint.load(config.encoder, with_heads=False), LanguagePack.load(config.checkpoint)
    if pack.encoder_digest != encoder_digest(checkpoint.encoder):
        raise CheckpointMismatch(f"{config.checkpoint} belongs to another encoder than that of {config.encoder}")
    encoder = Network.from_checkpoint(checkpoint).encoder
    datasets = read_datasets(config.data, captions=locate(config.captions, config.data))

    look = partial(
        see,
        encoder=encoder,
        preprocessing=checkpoint.preprocessing,
        cache=config.cache,
        photographs=config.photographs,
        language=pack.vocabulary.language,
        shared_by=config.data,
    )
    train = [look(dataset, "train", keep_grid=False) for dataset in datasets]
    dev = {dataset.name: look(dataset, "dev") for dataset in datasets}
    pack, report = with_heads(pack, encoder, train, dev)
    config.output.parent.mkdir(parents=True, exist_ok=True)
    pack.save(config.output)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    config = tyro.cli(Config, args=arguments, description=__doc__)
    try:
        report = learn_pack(config) if config.encoder else describe_heads(learn(config))
    except (CheckpointMismatch, VocabularyRefused, DatasetRefused, TooManyRefused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report)
    print(f"written: {config.output}" + ("" if config.encoder else " and heads.json beside it"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
