"""What an epoch of training takes, and for what: python -m benchmarks.training --data DIR [DIR …]

An epoch of every stage of a recipe on a few photographs, from the shipped checkpoint, twice: as it is trained, and by
the slow reference, which decodes and augments each photograph by PIL whenever it is shown and computes the reward with
dictionaries. All else is the same code. The table goes into a document, the record into a folder.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest.mock import patch

import torch
import tyro
from torch import Tensor

from benchmarks.measure import machine, put_in, save, table
from benchmarks.slow_rewards import CaptionReward
from model.cnn_lstm.decoder import Decoder
from model.cnn_lstm.encoder import STAGES, Encoder, Preprocessing
from model.registry import choose_device
from training import config as recipe
from training.batches import Texts, TrainingData
from training.cnn_lstm import stages
from training.cnn_lstm.beginning import load_init, new_network
from training.cnn_lstm.photographs import Photographs
from training.data import features
from training.data.augmentation import random_augmentation
from training.data.records import Record, read_image
from training.engine import train_one_epoch
from training.objectives import captions
from training.objectives.distillation import EfficientNetLite
from training.objectives.rewards import Reward
from training.running.moving_average import MovingAverage
from training.running.settings import one_by_one

PARTS = ("decoding", "augmentation", "encoder", "decoder", "reward", "teacher", "rest")
_THREADS = 2  # that decoded, before there was a cache


@dataclass(frozen=True)
class Config:
    data: tyro.conf.UseAppendAction[tuple[Path, ...]]
    """Folders as for training."""
    config: Path = Path("configs/best.yaml")
    """The recipe."""
    photographs: int = 64
    """Of each folder."""
    batch_size: int = 16
    init: Path = Path("best_model.pth")
    device: str = "cpu"
    output: Path = Path("docs/benchmarks")
    document: Path = Path("docs/recipe.md")


class Clock:
    """Seconds by part. What is called within a part counts for itself alone."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._device, self._parts, self._since = device, ["rest"], perf_counter()

    def restart(self) -> None:
        self.book()
        self.seconds.clear()

    def book(self) -> None:
        """The time since the last call, for the part that is run."""
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        now = perf_counter()
        self.seconds[self._parts[-1]] += now - self._since
        self._since = now

    def become(self, part: str) -> None:
        """What is run is another part from here on."""
        self.book()
        self._parts[-1] = part

    def measured(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            self.book()
            self._parts.append(part)
            try:
                return function(*arguments, **options)
            finally:
                self.book()
                self._parts.pop()

        return run

    def encoding(self) -> Callable[..., Tensor]:
        """Encoder.forward. The gradient first comes through the decoder (or the map to the teacher's cells), then here:
        what is left of the backward pass is the encoder's.
        """
        forward = self.measured(Encoder.forward, "encoder")

        def run(*arguments: Any, **options: Any) -> Tensor:
            grid: Tensor = forward(*arguments, **options)
            if grid.requires_grad:
                grid.register_hook(lambda _: self.become("encoder"))
            return grid

        return run

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """The parts of training are measured."""
        parts = (
            (features, "random_augmentations", "augmentation"),
            (Encoder, "run_stages", "encoder"),
            (Decoder, "forward", "decoder"),
            (captions, "sample", "decoder"),
            (Reward, "__call__", "reward"),
            (SlowReward, "__call__", "reward"),
            (EfficientNetLite, "__call__", "teacher"),
            (torch.Tensor, "backward", "decoder"),
        )
        with ExitStack() as stack:
            stack.enter_context(patch.object(Encoder, "forward", self.encoding()))
            for owner, name, part in parts:
                stack.enter_context(patch.object(owner, name, self.measured(getattr(owner, name), part)))
            yield


class SlowFeatures:
    """OnlineFeatures (training/data/features.py) by PIL, from the files, whenever they are asked for."""

    def __init__(
        self,
        records: Sequence[Record],
        frozen: Callable[[Tensor], Tensor],
        preprocessing: Preprocessing,
        clock: Clock,
        least: float,
    ) -> None:
        """What `frozen` gives for normalised pixels."""
        self.names, self.refused = tuple(record.name for record in records), dict[str, str]()
        self._records, self._frozen, self._preprocessing, self._least = records, frozen, preprocessing, least
        self._read = clock.measured(lambda pool, found: list(pool.map(read_image, found)), "decoding")
        self._augment = clock.measured(self._augmented, "augmentation")

    def rows(self, rows: Sequence[int], seeds: Sequence[int] = ()) -> Tensor:
        with ThreadPoolExecutor(_THREADS) as pool, torch.inference_mode():
            images = self._read(pool, [self._records[row] for row in rows])
            pixels = self._augment(pool, images, seeds)
            found = self._frozen(pixels.to(memory_format=torch.channels_last))
        return found.clone()  # what inference mode made cannot be learnt from

    def _augmented(self, pool: ThreadPoolExecutor, images: Sequence[Any], seeds: Sequence[int]) -> Tensor:
        side = self._preprocessing.image_size
        shown = pool.map(lambda image, seed: random_augmentation(image, side, seed, self._least), images, seeds)
        return self._preprocessing(list(shown))


class SlowReward:
    """Reward, one caption after the other."""

    def __init__(self, references: Texts, bleu_weight: float, device: torch.device) -> None:
        self._reward, self._device = CaptionReward(references, bleu_weight), device

    def __call__(self, images: Tensor, hypotheses: Tensor) -> Tensor:
        rewards = [
            [self._reward(image, [token for token in text if token]) for text in own]
            for image, own in zip(images.tolist(), hypotheses.tolist(), strict=True)
        ]
        return torch.tensor(rewards, device=self._device)


def epoch(config: recipe.Config, name: str, slow: bool) -> dict[str, Any]:
    """One of that stage: its photographs, its seconds by part, and those that decoding took before it, once."""
    stage, device, seen = config.stages[name], choose_device(config.device), Photographs.read(config)
    clock = Clock(device)
    torch.manual_seed(config.seed)
    init, vocabulary = load_init(config)
    assert init
    preprocessing = replace(init.preprocessing, image_size=config.image_size or init.preprocessing.image_size)
    network = new_network(config, init, vocabulary).to(device)
    distils = stage.objective == "distillation"
    run_stages = len(STAGES) if distils else stage.encoder_stages
    last = len(STAGES) - run_stages
    network.encoder.freeze_all_but_last(stage.encoder_stages)
    with clock.everywhere(), patch.object(stages, "Reward", SlowReward if slow else Reward):
        clock.restart()
        if slow:
            frozen = partial(network.encoder.folded().run_stages, last=last)
            shown: features.Features = SlowFeatures(seen.train, frozen, preprocessing, clock, stage.window)
        else:
            shown = features.OnlineFeatures(
                seen.train,
                network.encoder,
                preprocessing,
                config.cache,
                dataset_size=seen.dataset_size,
                last=last,
                device=device,
                mixed_precision=config.mixed_precision,
                stored=config.stored_size or None,
                least=stage.window,
            )
        clock.book()
        once = 0.0 if slow else clock.seconds["rest"]
        data = TrainingData.of(seen.train, vocabulary, [shown], seen.times, pixels=distils)
        objective = stages.objective_of(stage, config, data, seen.rewarded, preprocessing, device)
        optimizer = stages.optimizer_of(stage, network, objective)
        average = MovingAverage(network, config.ema_decay)
        clock.restart()
        train_one_epoch(
            network,
            data,
            optimizer,
            objective,
            encoder_stages=run_stages,
            batch_size=config.batch_size,
            gradient_norm=stage.gradient_norm or config.gradient_norm,
            seed=config.seed,
            learning_rate_at=lambda share: 1.0,
            mixed_precision=config.mixed_precision,
            after_step=lambda: average.update(network),
            description=f"{name}, {'slow reference' if slow else 'as it is'}",
        )
        clock.book()
    return {"photographs": data.epoch_size, "seconds": dict(clock.seconds), "decoding_once": once}


def measure(config: recipe.Config) -> dict[str, Any]:
    """By stage: the slow reference's epoch and that of training."""
    return {name: {"before": epoch(config, name, True), "after": epoch(config, name, False)} for name in config.stages}


def describe(record: Mapping[str, Any]) -> str:
    """Milliseconds a photograph, and of them the shares in per cent."""
    rows = []
    for stage, ways in record["stages"].items():
        for way, found in ways.items():
            seconds, count = found["seconds"], found["photographs"]
            total = sum(seconds.values())
            shares = [f"{100 * seconds[part] / total:.0f} %" if part in seconds else None for part in PARTS]
            once = 1000 * found["decoding_once"] / count or None
            rows.append([f"{stage}, {way}", 1000 * total / count, *shares, once])
    return table(["an epoch of", "ms a photograph", *PARTS, "ms decoding, once"], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    words = one_by_one(sys.argv[1:] if arguments is None else arguments, ("--data",))
    config = tyro.cli(Config, args=words, description=__doc__)
    with tempfile.TemporaryDirectory() as cache:
        settings = {
            **{"config": config.config, "init": config.init, "photographs": config.photographs, "cache": cache},
            **{"batch-size": config.batch_size, "device": config.device},
        }
        flags = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        folders = [word for folder in config.data for word in ("--data", str(folder))]
        trained = tyro.cli(recipe.Config, args=recipe.with_file([*flags, *folders]))
        record = {"machine": machine(), "batch_size": config.batch_size, "stages": measure(trained)}
    save(config.output, "training", record)
    print(describe(record))
    if config.document.is_file():
        config.document.write_text(put_in(config.document.read_text(), {"training": describe(record)}))


if __name__ == "__main__":
    main()
