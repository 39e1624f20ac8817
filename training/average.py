"""One model from several of one family: python -m training.average CHECKPOINT CHECKPOINT …

Checkpoints of one training, or of trainings from one start, are averaged weight by weight, which generalises better
than each of them (Wortsman et al. 2022, arXiv 2203.05482). Choose what to average on the dev split. What stands on top
of them belongs to none of the others' weights: `training.heads` learns it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro
from torch import Tensor

from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.heads import Heads
from model.errors import CheckpointMismatch
from model.files import file_digest


@dataclass(frozen=True)
class Config:
    checkpoints: tyro.conf.Positional[tuple[Path, ...]]
    """The first one gives all but the weights."""
    output: Path = Path("runs/average.pth")


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
        heads=Heads(),
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


def main(arguments: Sequence[str] | None = None) -> int:
    config = tyro.cli(Config, args=arguments, description=__doc__)
    try:
        if len(config.checkpoints) < 2:
            raise CheckpointMismatch("there is nothing to average")
        checkpoints = [Checkpoint.load(file) for file in config.checkpoints]
        described = [
            {"sha256": file_digest(file), "training": checkpoint.training}
            for file, checkpoint in zip(config.checkpoints, checkpoints, strict=True)
        ]
        config.output.parent.mkdir(parents=True, exist_ok=True)
        replace(average(checkpoints), scores={}, training={"average": described}).save(config.output)
    except (CheckpointMismatch, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written: {config.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
