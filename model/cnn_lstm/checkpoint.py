"""best_model.pth: what is in it, how it is written, read and verified.

A checkpoint describes itself. It is a torch file of tensors, strings, numbers, lists and dictionaries alone, so
it is read with `weights_only=True` and executes nothing.
"""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.cnn_lstm.decoder import DecoderConfig
from model.cnn_lstm.encoder import Preprocessing, Stride
from model.cnn_lstm.out_of_distribution import OutOfDistributionDetector
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import CheckpointMismatch
from model.files import save_tensors

FORMAT = "image-captioner checkpoint 1"


@dataclass(frozen=True)
class Checkpoint:
    encoder: dict[str, Tensor]
    decoder: dict[str, Tensor]
    stride: Stride
    decoder_config: DecoderConfig
    preprocessing: Preprocessing
    vocabulary_digest: str
    training: dict[str, Any] = field(default_factory=dict)
    """How it came about: configuration, epochs, initial weights, data."""
    scores: dict[str, float] = field(default_factory=dict)
    """On the dev split, by which it was chosen."""
    out_of_distribution: OutOfDistributionDetector | None = None
    """What the training photographs look like to the encoder; None where training was broken off."""

    def save(self, path: Path) -> None:
        """Half precision weights; the file appears whole or not at all."""
        content = {
            "format": FORMAT,
            "encoder": _half(self.encoder),
            "decoder": _half(self.decoder),
            "stride": self.stride,
            "decoder_config": asdict(self.decoder_config),
            "preprocessing": asdict(self.preprocessing),
            "vocabulary_digest": self.vocabulary_digest,
            "training": self.training,
            "scores": self.scores,
            "out_of_distribution": vars(self.out_of_distribution) if self.out_of_distribution else None,
        }
        save_tensors(content, path)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Weights come back in single precision.

        Raises CheckpointMismatch for a file that `save` did not write, FileNotFoundError where there is none.
        """
        if not path.is_file():
            raise FileNotFoundError(f"there is no checkpoint {path}")
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise CheckpointMismatch(f"{path} is refused: it holds more than tensors and plain data") from error
        except Exception as error:  # a damaged or foreign file raises whatever its bytes lead to
            raise CheckpointMismatch(f"{path} is not a readable checkpoint: {error}") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CheckpointMismatch(f"{path} is not a checkpoint of the format '{FORMAT}'")
        detector = content.get("out_of_distribution") or content.get("familiarity")  # its name of before
        try:
            return cls(
                encoder=_single(content["encoder"]),
                decoder=_single(content["decoder"]),
                stride=content["stride"],
                decoder_config=_decoder_config(content["decoder_config"], path),
                preprocessing=Preprocessing(**content["preprocessing"]),
                vocabulary_digest=content["vocabulary_digest"],
                training=content["training"],
                scores=content["scores"],
                out_of_distribution=OutOfDistributionDetector(**detector) if detector else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointMismatch(f"{path} lacks a part of a checkpoint: {error}") from error

    def verify(self, vocabulary: Vocabulary) -> None:
        """Raises CheckpointMismatch where the vocabulary is not the one that this checkpoint was trained with."""
        if self.decoder_config.vocabulary_size != len(vocabulary):
            raise CheckpointMismatch(
                f"the checkpoint was trained with {self.decoder_config.vocabulary_size} words, "
                f"the vocabulary has {len(vocabulary)}: they do not belong together"
            )
        if self.vocabulary_digest != vocabulary.digest:
            raise CheckpointMismatch(
                f"the checkpoint was trained with the vocabulary {self.vocabulary_digest[:12]}…, "
                f"the one given is {vocabulary.digest[:12]}…: same size, other words or another order"
            )


def _decoder_config(content: dict[str, Any], path: Path) -> DecoderConfig:
    """Raises CheckpointMismatch for the architecture of before 1.0 that is gone."""
    sizes = dict(content)
    if (architecture := sizes.pop("architecture", "top-down")) != "top-down":
        raise CheckpointMismatch(f"{path} has a decoder of the architecture '{architecture}', which there is no more")
    return DecoderConfig(**sizes)


def _half(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}


def _single(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
