"""best_model.pth: what is in it, how it is written, read and verified.

A checkpoint describes itself. It is a torch file of tensors, strings, numbers, lists and dictionaries alone, so
it is read with `weights_only=True` and executes nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from model.cnn_lstm.decoder import DecoderConfig
from model.cnn_lstm.encoder import Preprocessing, Stride
from model.cnn_lstm.heads import Heads, weights_digest
from model.cnn_lstm.out_of_distribution import OutOfDistributionDetector
from model.cnn_lstm.packing import packed, unpacked
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import CheckpointMismatch
from model.files import atomic_write, load_tensors, save_tensors
from model.foreign import describe_content

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
    heads: Heads = Heads()
    """All that is learnt on top; nothing where training was broken off."""

    def save(self, path: Path) -> None:
        """Half precision weights; the file appears whole or not at all."""
        save_tensors(self._content(), path)

    def save_packed(self, path: Path) -> None:
        """As `save`, in three quarters of the room: for carrying elsewhere. `load` reads both."""
        with atomic_write(path) as file:
            file.write_bytes(packed(self._content()))

    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "encoder": half(self.encoder),
            "decoder": half(self.decoder),
            "stride": self.stride,
            "decoder_config": asdict(self.decoder_config),
            "preprocessing": asdict(self.preprocessing),
            "vocabulary_digest": self.vocabulary_digest,
            "training": self.training,
            "scores": self.scores,
            "heads": self.heads.state(),
        }

    @classmethod
    def load(cls, path: Path, with_heads: bool = True) -> Checkpoint:
        """Weights come back in single precision.

        Raises CheckpointMismatch for a file that `save` did not write, or whose heads, where these are wanted, belong
        to other weights; FileNotFoundError where there is none.
        """
        if not path.is_file():
            raise FileNotFoundError(f"there is no checkpoint {path}")
        with path.open("rb") as file:
            try:
                content = load_tensors(path, unpacked(file))
            except ValueError as error:
                raise CheckpointMismatch(f"{path} is not a readable checkpoint: {error}") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CheckpointMismatch(
                f"{path} is not a checkpoint of the format '{FORMAT}': {describe_content(content)}"
            )
        try:
            heads = _heads(content) if with_heads else Heads()
            if heads.weights not in ("", weights_digest(content["encoder"], content["decoder"])):
                raise CheckpointMismatch(
                    f"{path}: what was learnt on top belongs to other weights; python -m training.heads makes it anew, "
                    "or the file is damaged: copy it again"
                )
            return cls(
                encoder=single(content["encoder"]),
                decoder=single(content["decoder"]),
                stride=content["stride"],
                decoder_config=_decoder_config(content["decoder_config"], path),
                preprocessing=Preprocessing(**content["preprocessing"]),
                vocabulary_digest=content["vocabulary_digest"],
                training=content["training"],
                scores=content["scores"],
                heads=heads,
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


def _heads(content: dict[str, Any]) -> Heads:
    """Of a file of before 1.0 the detector alone."""
    if "heads" in content:
        return Heads.from_state(content["heads"])
    detector = content.get("out_of_distribution") or content.get("familiarity")
    return Heads(OutOfDistributionDetector(**detector) if detector else None)


def _decoder_config(content: dict[str, Any], path: Path) -> DecoderConfig:
    """Raises CheckpointMismatch for the architecture of before 1.0 that is gone."""
    sizes = dict(content)
    if (architecture := sizes.pop("architecture", "top-down")) != "top-down":
        raise CheckpointMismatch(f"{path} has a decoder of the architecture '{architecture}', which there is no more")
    return DecoderConfig(**sizes)


def half(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}


def single(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
