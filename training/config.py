"""The settings of a training run: its command line, its defaults and what a resumed run must share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import tyro
import yaml

from model.cnn_lstm.encoder import Stride
from model.names import unknown
from training.data.augmentation import Augmentation
from training.running.settings import deciding, one_by_one


@dataclass(frozen=True)
class Stage:
    """A part of the training with its own rates, which fall to nothing along half a cosine."""

    epochs: int
    """At most; 0 leaves the stage out."""
    learning_rate: float
    """Of the decoder, in distillation of the linear map, at the start."""
    encoder_stages: int = 0
    """How many of the encoder's last stages learn too (0 to 4)."""
    encoder_learning_rate: float = 0.0
    """Of those stages, at the start."""
    objective: Literal["cross-entropy", "self-critical", "distillation"] = "cross-entropy"
    """The references' words, the reward of sampled captions, or the encoder alone as a teacher sees
    (training/objectives/)."""
    reward_references: int = 1
    """Sampled captions are rewarded where a photograph has at least so many captions of people to judge by."""
    cross_entropy_weight: float = 0.0
    """In a self-critical stage: of the cross-entropy of one human caption of every photograph, which keeps words and
    length."""
    weight_decay: float = 0.0
    """Of AdamW."""
    warmup_steps: int = 0
    """So long the rates rise from nothing."""
    gradient_norm: float | None = None
    """In this stage; none: that of the run."""
    window: float = 0.7
    """Of each side a random augmentation shows at least this share."""
    augmentations: tuple[Augmentation, ...] = ()
    """In which photographs are shown in this stage; none: those of the run."""
    bleu_weight: float | None = None
    """In the reward of this stage; none: that of the run."""
    wise_ft_weight: float = 0.0
    """At the end the best epoch's weights are averaged with those that the stage began with, of which this is the
    share (Wortsman et al. 2022, arXiv 2109.01903). What scores higher on the dev split is kept."""

    def __post_init__(self) -> None:
        if not 0 <= self.wise_ft_weight < 1:
            raise ValueError(
                f"a stage's wise_ft_weight must be at least 0 and less than 1, not {self.wise_ft_weight:g}"
            )
        if self.objective == "self-critical" and self.reward_references > 1 and not self.cross_entropy_weight:
            raise ValueError("photographs that are not rewarded teach nothing without a cross_entropy_weight")


@dataclass(frozen=True)
class Config:
    """Train a captioner on photographs with captions."""

    data: tyro.conf.UseAppendAction[tuple[Path, ...]]
    """Folders, each in one of the layouts of training/data/layouts.py: --data A B, or --data A --data B."""
    captions: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """The list of captions to read, where a folder holds several; may be given several times, for one or more folders,
    those of --rehearse included."""
    output: Path = Path("runs/latest")
    """Where results go. If it holds an unfinished run with the same settings, that run goes on."""
    cache: Path = Path("runs/features")
    """Where features of the frozen stages are kept: up to 0.8 MB for each photograph and augmentation."""
    init: Path | None = None
    """A checkpoint to begin with: its sizes, weights (encoder included) and words, to which new ones are added."""
    init_vocabulary: Path | None = None
    """Its words; else vocab.pkl beside it."""
    language: str = "en"
    """Of the captions, by BCP 47: decides what is a word (model/languages.py)."""
    encoder: Path | None = None
    """A checkpoint whose encoder stays as it is: only a decoder is trained, for its captions in another --language, to
    become a language pack. It begins as that of --init, another language pack, or else as the checkpoint's, but for its
    words."""
    data_weights: tuple[float, ...] = ()
    """How often an epoch sees the photographs of each folder of --data, in their order; none: once."""
    unrewarded: tuple[str, ...] = ()
    """Names of folders whose photographs are never rewarded in self-critical training."""
    teacher: str = "efficientnet-lite2"
    """Of the stage distil: a name in training/objectives/distillation.py."""
    distil_data: tuple[Path, ...] = ()
    """Folders of more photographs for the stage distil; they need no captions."""
    start: str = ""
    """Begin at this stage (NAME), or in it after so many epochs (NAME:EPOCHS), from the weights of --init: for a
    training in pieces on several machines."""
    checkpoint_every: int = 0
    """Epochs after which a portable checkpoint is written besides those at the end of every stage; 0: none."""
    stored_size: int = 0
    """Pixels a side at which photographs are kept decoded for random augmentations; 0: those of image_size."""
    rehearse: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """Folders with other captioned photographs, what the checkpoint of --init was trained on, say; several as for
    --data. As many of them as --data has, from each folder alike, are learnt beside those, so that less is
    forgotten."""
    encoder_weights: str = "imagenet"
    """"imagenet" (torchvision's IMAGENET1K_V2, downloaded once) or a file: a state dict of torchvision's resnet50."""
    encoder_stride: Stride | None = None
    """Which convolution of a stage carries the stride; must be given with a file of weights, which does not say."""
    distil: Stage = field(
        default_factory=lambda: Stage(
            epochs=0,
            learning_rate=1e-3,
            encoder_stages=4,
            encoder_learning_rate=1e-4,
            objective="distillation",
            augmentations=("random",),
        )
    )
    """The encoder alone, cell by cell as the teacher sees; its augmentation is always random."""
    frozen: Stage = field(default_factory=lambda: Stage(epochs=10, learning_rate=1.5e-3))
    """The decoder alone."""
    fine_tune: Stage = field(
        default_factory=lambda: Stage(epochs=7, learning_rate=3e-4, encoder_stages=2, encoder_learning_rate=6e-5)
    )
    """Decoder and encoder, from the best epoch of the stage before."""
    self_critical: Stage = field(default_factory=lambda: Stage(epochs=7, learning_rate=3e-4, objective="self-critical"))
    """The decoder again, for captions that are rewarded, with the encoder as it was fine-tuned."""
    joint: Stage = field(
        default_factory=lambda: Stage(
            epochs=0, learning_rate=3e-4, encoder_stages=1, encoder_learning_rate=3e-5, objective="self-critical"
        )
    )
    """Decoder and encoder, for captions that are rewarded."""
    bleu_weight: float = 0.0
    """Of BLEU-4 (0 to 1) beside CIDEr-D (0 to 10, about 1) in the reward of self-critical training."""
    ema_decay: float = 0.0
    """What is tested and kept is an exponential moving average of the weights: of the old average this share stays at
    every step (0.998, say), at the first steps less; 0 keeps the weights themselves."""
    photographs: int = 0
    """Train on so many of the training photographs, taken evenly from the whole split; 0 is all."""
    image_size: int | None = None
    """Pixels a side that the encoder sees: its grid has 1/32 of them a side. None: those of --init, else 224."""
    augmentations: tuple[Augmentation, ...] = ("plain", "flip")
    """The forms in which a training photograph is shown (training/data/augmentation.py), one drawn at random each time.
    Features of "random" are computed anew for every batch, those of the others once."""
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
        if self.encoder and (found := [name for name, stage in self.stages.items() if stage.encoder_stages]):
            raise ValueError(
                f"--encoder stays as it is, so that other languages fit: {', '.join(found)} must leave it alone"
            )
        if (self.init or self.encoder) and (self.encoder_stride or self.encoder_weights != "imagenet"):
            given = "--init" if self.init else "--encoder"
            raise ValueError(f"{given} brings its own encoder: leave out --encoder-weights and --encoder-stride")
        if self.image_size is not None and (self.image_size < 32 or self.image_size % 32):
            raise ValueError(f"--image-size must be a multiple of 32, not {self.image_size}")
        if self.init_vocabulary and not self.init:
            raise ValueError("--init-vocabulary is the vocabulary of --init, which is not given")
        if (self.encoder_stride is None) != (self.encoder_weights == "imagenet"):
            raise ValueError(
                "--encoder-stride (3x3 or 1x1) must be given with a file of --encoder-weights, and only then"
            )

    @property
    def stages(self) -> dict[str, Stage]:
        """By name, in the order in which they are trained."""
        names = ("distil", "frozen", "fine_tune", "self_critical", "joint")
        return {name: getattr(self, name) for name in names if getattr(self, name).epochs}

    def settings(self) -> dict[str, Any]:
        """What decides the result, in strings, numbers, lists and dictionaries, but for data and initial weights,
        which are told by their content: where things are does not matter.
        """
        left_out = {
            *("data", "captions", "rehearse", "output", "cache", "init", "init_vocabulary", "encoder_weights"),
            *("device", "distil_data", "checkpoint_every", "encoder"),
        }
        return deciding(self, left_out)


_FOLDERS = ("--data", "--captions", "--rehearse")  # several are several flags
_RENAMED = {"views": "augmentations", "start_share": "wise_ft_weight"}
_GONE = {"cell_dropout": ("0", "0.0"), "architecture": ("top-down",), "reward_processes": tuple("123456789")}
"""Settings that are no more, with the values that said what is now always so."""


def with_file(arguments: Sequence[str]) -> list[str]:
    """A command line in which `--config FILE` is replaced by the settings in that YAML file, put before all others so
    that those go before it: `frozen: {epochs: 10}` is --frozen.epochs 10. Old names, in both, are replaced by the new;
    each of several folders gets a flag of its own. Raises ValueError, OSError.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path)
    known, rest = parser.parse_known_args(arguments)
    if not known.config:
        return one_by_one(_with_current_names(rest), _FOLDERS)
    try:
        content = yaml.safe_load(known.config.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{known.config} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{known.config} holds no settings by name")
    _check_names(known.config, content, Config)
    given = {word.partition("=")[0] for word in rest}
    folders = {flag.removeprefix("--") for flag in _FOLDERS if flag in given}  # instead of the file's, not beside them
    content = {name: value for name, value in content.items() if name not in folders}
    return one_by_one(_with_current_names([*_as_arguments(content), *rest]), _FOLDERS)


def _check_names(file: Path, content: Mapping[str, Any], kind: type[Config | Stage], place: str = "") -> None:
    """Raises ValueError for a setting that there is not."""
    own = {setting.name: setting.type for setting in fields(kind)}
    for name, value in content.items():
        plain = str(name).replace("-", "_")
        if plain not in own and plain not in _RENAMED | _GONE:
            raise ValueError(f"{file}: {unknown('setting', place + str(name), (place + one for one in own))}")
        if own.get(plain) == Stage.__name__ and isinstance(value, dict):
            _check_names(file, value, Stage, f"{plain}.")


def _with_current_names(arguments: Sequence[str]) -> list[str]:
    """Each old name is warned of once. Raises ValueError where a setting that is gone has a value that meant more."""
    current: list[str] = []
    warnings: dict[str, None] = {}  # in order
    rest = iter(arguments)
    for word in rest:
        flag, equals, value = word.partition("=")
        stage, dot, name = flag.removeprefix("--").replace("-", "_").rpartition(".")
        if not flag.startswith("--") or name not in _RENAMED | _GONE:
            current.append(word)
        elif new := _RENAMED.get(name):
            warnings[f"{name} is now {new}"] = None
            current.append(f"--{stage}{dot}{new}".replace("_", "-") + equals + value)
        elif (given := value if equals else next(rest, "")) in _GONE[name]:
            warnings[f"{name} is gone: leave it out"] = None
        else:
            raise ValueError(f"the setting {name} is gone: leave out {name} {given}".rstrip())
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return current


def _as_arguments(content: Mapping[str, Any], prefix: str = "--") -> Iterator[str]:
    for key, value in content.items():
        name = prefix + str(key).replace("_", "-")
        if isinstance(value, dict):
            yield from _as_arguments(value, f"{name}.")
        elif isinstance(value, bool):
            yield name if value else f"{prefix}no-{name.removeprefix(prefix)}"
        else:
            yield name
            yield from map(str, value) if isinstance(value, list) else [str(value)]
