"""One model from several of one family: python -m training.average CHECKPOINT CHECKPOINT … --data DIR [DIR …]

Checkpoints of one training, or of trainings from one start, are averaged weight by weight, which generalises better
than each of them (Wortsman et al. 2022, arXiv 2203.05482). Choose what to average on the dev split. A single
checkpoint keeps its weights and its record, and learns anew what its training photographs look like to it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro
from torch import Tensor

from model.cnn_lstm.captioner import Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.encoder import STAGES
from model.cnn_lstm.out_of_distribution import OutOfDistributionDetector
from model.errors import CheckpointMismatch
from model.files import file_digest
from training.data.features import TooManyRefused, compute_features, fit_detector
from training.data.lists import locate
from training.data.records import DatasetRefused, in_split, name_lists, read_dataset, spread


@dataclass(frozen=True)
class Config:
    checkpoints: tyro.conf.Positional[tuple[Path, ...]]
    """The first one gives all but the weights."""
    data: tuple[Path, ...]
    """What they were trained on: the average must know what its photographs look like to it."""
    captions: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """The list of captions to read, where a folder holds several; may be given several times."""
    photographs: int = 0
    """Learn the look of so many training photographs, evenly spaced, instead of all."""
    output: Path = Path("runs/average.pth")
    cache: Path = Path("runs/features")
    """As in training."""


def average(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """Raises CheckpointMismatch where they are not of one family."""
    first = checkpoints[0]
    for other in checkpoints[1:]:
        for name in ("vocabulary_digest", "decoder_config", "stride", "preprocessing"):
            if getattr(first, name) != getattr(other, name):
                raise CheckpointMismatch(f"the checkpoints differ in {name}: they cannot be averaged")
    shares = [1 / len(checkpoints)] * len(checkpoints)
    return replace(
        first,
        encoder=weighted_mean([checkpoint.encoder for checkpoint in checkpoints], shares),
        decoder=weighted_mean([checkpoint.decoder for checkpoint in checkpoints], shares),
        out_of_distribution=None,
    )


def weighted_mean(weights: Sequence[dict[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor]:
    """What is the same in all stays so to the last bit: features that were computed with it are found again."""
    first = weights[0]
    return {
        name: tensor
        if all(torch.equal(tensor, other[name]) for other in weights)
        else torch.stack([share * other[name] for share, other in zip(shares, weights, strict=True)]).sum(dim=0)
        for name, tensor in first.items()
    }


def stages_that_differ(checkpoints: Sequence[Checkpoint]) -> int:
    """How many of the encoder's last stages are not the same in all: the others' features are shared."""
    first = checkpoints[0].encoder
    for number, stage in enumerate(STAGES):
        own = [name for name in first if name.startswith(f"stages.{stage}.")]
        if any(not torch.equal(first[name], other.encoder[name]) for other in checkpoints for name in own):
            return len(STAGES) - number
    return 0


def _detector(config: Config, checkpoint: Checkpoint, encoder_stages: int) -> OutOfDistributionDetector:
    """Raises DatasetRefused, TooManyRefused."""
    encoder = Network.from_checkpoint(checkpoint).encoder
    records = [
        replace(record, name=f"{folder.resolve().name}/{record.name}")  # two folders may have a name in common
        for folder, chosen in zip(config.data, locate(config.captions, config.data), strict=True)
        for record in read_dataset(folder, chosen)
    ]
    print(name_lists(records))
    last = len(STAGES) - encoder_stages
    train, dev = (
        compute_features(
            spread(in_split(records, split), config.photographs if split == "train" else 0),
            encoder,
            checkpoint.preprocessing,
            config.cache,
            dataset_size=len(records),
            last=last,
            mixed_precision=False,
        )
        for split in ("train", "dev")
    )
    return fit_detector(encoder, train, dev, last, "cpu")


def main(arguments: Sequence[str] | None = None) -> int:
    config = tyro.cli(Config, args=arguments, description=__doc__)
    try:
        if not config.checkpoints:
            raise CheckpointMismatch("there is nothing to average")
        checkpoints = [Checkpoint.load(file) for file in config.checkpoints]
        averaged = average(checkpoints)
        averaged = replace(averaged, out_of_distribution=_detector(config, averaged, stages_that_differ(checkpoints)))
        if len(checkpoints) > 1:
            described = [
                {"sha256": file_digest(file), "training": checkpoint.training}
                for file, checkpoint in zip(config.checkpoints, checkpoints, strict=True)
            ]
            averaged = replace(averaged, scores={}, training={"average": described})
        config.output.parent.mkdir(parents=True, exist_ok=True)
        averaged.save(config.output)
    except (CheckpointMismatch, DatasetRefused, TooManyRefused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written: {config.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
