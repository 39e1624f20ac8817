"""The settings of a training run: its command line, its defaults and what a resumed run must share."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from model.encoder import Stride
from training.features import View


@dataclass(frozen=True)
class Stage:
    """A part of the training with its own rates, which fall to nothing along half a cosine."""

    epochs: int
    """At most; 0 leaves the stage out."""
    learning_rate: float
    """Of the decoder, at the start (Adam)."""
    encoder_stages: int = 0
    """How many of the encoder's last stages learn too (0 to 4)."""
    encoder_learning_rate: float = 0.0
    """Of those stages, at the start."""
    objective: Literal["cross-entropy", "self-critical"] = "cross-entropy"
    """The references' words, or the CIDEr-D of sampled captions (training/losses.py)."""


@dataclass(frozen=True)
class Config:
    """Train a captioner on photographs with captions."""

    data: Path
    """Folder in the Flickr8k release's, Kaggle's or Karpathy's layout."""
    output: Path = Path("runs/latest")
    """Where results go. If it holds an unfinished run with the same settings, that run goes on."""
    cache: Path = Path("runs/features")
    """Where features of the frozen stages are kept: up to 0.8 MB for each photograph and view."""
    encoder_weights: str = "imagenet"
    """"imagenet" (torchvision's IMAGENET1K_V2, downloaded once) or a file: a state dict of torchvision's resnet50."""
    encoder_stride: Stride | None = None
    """Which convolution of a stage carries the stride; must be given with a file of weights, which does not say."""
    frozen: Stage = field(default_factory=lambda: Stage(epochs=10, learning_rate=1.5e-3))
    """The decoder alone."""
    fine_tune: Stage = field(
        default_factory=lambda: Stage(epochs=7, learning_rate=3e-4, encoder_stages=2, encoder_learning_rate=6e-5)
    )
    """Decoder and encoder, from the best epoch of the stage before."""
    self_critical: Stage = field(default_factory=lambda: Stage(epochs=7, learning_rate=3e-4, objective="self-critical"))
    """The decoder again, for captions that are rewarded, with the encoder as it was fine-tuned."""
    views: tuple[View, ...] = ("plain", "flip")
    """The forms in which a training photograph is shown, one drawn at random each time."""
    architecture: Literal["top-down", "stacked"] = "top-down"
    """See model/decoder.py."""
    embedding: int = 256
    hidden: int = 512
    dropout: float = 0.5
    label_smoothing: float = 0.1
    min_count: int = 5
    """Words that occur less often in the training captions are not learnt."""
    batch_size: int = 32
    """Photographs; each comes with all of its captions."""
    gradient_norm: float = 5.0
    """Gradients are scaled down to this norm."""
    patience: int = 5
    """A stage ends after this many epochs without a better CIDEr on the dev split."""
    seed: int = 1
    device: str = "cpu"
    """cpu, cuda, or auto: cuda where there is one."""
    mixed_precision: bool = False
    """bfloat16 where it is safe: about twice as fast on a GPU and on CPUs with AVX-512 BF16 or AMX."""

    def __post_init__(self) -> None:
        if (self.encoder_stride is None) != (self.encoder_weights == "imagenet"):
            raise ValueError(
                "--encoder-stride (3x3 or 1x1) must be given with a file of --encoder-weights, and only then"
            )

    @property
    def stages(self) -> tuple[Stage, ...]:
        """In the order in which they are trained."""
        return tuple(stage for stage in (self.frozen, self.fine_tune, self.self_critical) if stage.epochs)

    def settings(self) -> dict[str, Any]:
        """What decides the result, in strings, numbers, lists and dictionaries, but for data and initial weights,
        which are told by their content: where things are does not matter.
        """
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        left_out = ("data", "output", "cache", "encoder_weights", "device")
        return {key: value for key, value in plain.items() if key not in left_out}
