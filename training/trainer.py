"""One training from start to end: its stages, its state, and what it writes. `training.train` is its command line."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import STAGES, Encoder, Preprocessing
from model.cnn_lstm.vocabulary import SPECIAL_TOKENS, Vocabulary
from model.files import file_digest
from model.registry import choose_device
from training.average import weighted_mean
from training.config import Config, Stage
from training.data.augmentation import Augmentation
from training.data.features import Features, OnlineFeatures, compute_features, fit_detector
from training.data.records import DatasetRefused, Record, in_split, name_dataset, read_dataset, spread
from training.distributed import Workers
from training.engine import (
    CrossEntropy,
    Objective,
    SelfCritical,
    TrainingData,
    evaluate,
    train_one_epoch,
)
from training.extension import extended
from training.objectives.rewards import ParallelReward
from training.results import Results, shown
from training.settings import check_same_run

_DEV_OPTIONS = DecodingOptions(method="beam", beam_size=3)


class Run:
    """One training from start to end; `state` is all that survives a kill."""

    def __init__(self, config: Config, workers: Workers = Workers()) -> None:
        self.config, self.workers = config, workers
        self.results = Results(config.output, writes=workers.first)
        self.device = workers.device(choose_device(config.device))
        if config.mixed_precision and self.device.type == "cpu" and not _cpu_has_bfloat16():
            self.results.log("warning: this processor emulates bfloat16, several times slower: no --mixed-precision")
        # Sums whose order varies between threads would make a resumed run differ in the last bits.
        torch.use_deterministic_algorithms(self.device.type == "cpu")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        records = read_dataset(config.data)
        self.train_records, self.dev_records = in_split(records, "train"), in_split(records, "dev")
        self.train_records = spread(self.train_records, config.photographs)
        if not self.train_records or not self.dev_records:
            raise DatasetRefused(f"{config.data} has no photographs to train on or none to choose by (dev)")
        torch.manual_seed(config.seed)
        self.init, known = self._load_init()
        captions = (text for record in self.train_records for text in record.captions)
        self.vocabulary = known.extended(captions, config.min_count)
        rehearsed = self._rehearsed()
        self.train_records += rehearsed
        self.dataset_size = len(records) + len(rehearsed)
        self.preprocessing = self.init.preprocessing if self.init else Preprocessing()
        if config.image_size:
            self.preprocessing = replace(self.preprocessing, image_size=config.image_size)
        self.network = self._new_network().to(self.device)
        self.best_weights: dict[str, torch.Tensor] = {}
        self.start_weights: dict[str, torch.Tensor] | None = None
        self.state: dict[str, Any] = {"stage": 0, "epoch": 0, "best": -math.inf, "since_best": 0, "history": []}
        self._optimizer_state: dict[str, Any] | None = None
        self._average_state: dict[str, Any] | None = None
        self.settings = config.settings() | {
            "data": name_dataset(config.data, records),
            "rehearse": name_dataset(config.rehearse, rehearsed) if config.rehearse else None,
            "init": _name_weights(str(config.init)) if config.init else None,
            "encoder_weights": None if config.init else _name_weights(config.encoder_weights),
        }
        self._resume()
        self.results.begin(self.vocabulary)

    def _load_init(self) -> tuple[Checkpoint | None, Vocabulary]:
        """The checkpoint to begin with and its words. Raises CheckpointMismatch, VocabularyRefused, OSError."""
        if not self.config.init:
            return None, Vocabulary(SPECIAL_TOKENS)
        init = Checkpoint.load(self.config.init)
        known = Vocabulary.load(self.config.init_vocabulary or self.config.init.with_name("vocab.pkl"))
        init.verify(known)
        return init, known

    def _rehearsed(self) -> list[Record]:
        """As many of the other photographs as there are to train on. Raises DatasetRefused."""
        if not self.config.rehearse:
            return []
        others = in_split(read_dataset(self.config.rehearse), "train")
        chosen = random.Random(self.config.seed).sample(others, min(len(others), len(self.train_records)))
        return [replace(record, name=f"{self.config.rehearse.resolve().name}/{record.name}") for record in chosen]

    def _new_network(self) -> Network:
        """Raises CheckpointMismatch, ValueError."""
        if self.init:
            return Network.from_checkpoint(extended(self.init, self.vocabulary))
        config = DecoderConfig(
            len(self.vocabulary),
            embedding=self.config.embedding,
            hidden=self.config.hidden,
            dropout=self.config.dropout,
        )
        encoder = Encoder(self.config.encoder_stride or "3x3")
        encoder.load_imagenet(self.config.encoder_weights)
        return Network(encoder, Decoder(config))

    def run(self) -> None:
        with closing(self.results):
            self.results.write_record(self._record())  # a killed run may have lost the last epoch
            self.results.show(self.state["history"])
            for number, (name, stage) in enumerate(self.config.stages.items()):
                if number >= self.state["stage"]:
                    self._run_stage(name, stage)
                    self.state |= {"stage": number + 1, "epoch": 0, "since_best": 0}
                    self._optimizer_state = self._average_state = self.start_weights = None
                    self.network.load_state_dict(self.best_weights)
                    self._save_state(None)
            if self.workers.first:
                self._fit_detector()
        self.results.log(f"finished: CIDEr {self.state['best']:.3f} on the dev split; the model is {self.best_file}")

    def _fit_detector(self) -> None:
        """Adds to the finished model what the training photographs look like to its encoder."""
        checkpoint = Checkpoint.load(self.best_file)
        if not checkpoint.out_of_distribution:
            last = len(STAGES) - max((stage.encoder_stages for stage in self.config.stages.values()), default=0)
            train, dev = (self._features(records, last, "plain") for records in (self.train_records, self.dev_records))
            detector = fit_detector(self.network.encoder, train, dev, last, self.device)
            self.results.save_checkpoint(replace(checkpoint, out_of_distribution=detector))

    @property
    def best_file(self) -> Path:
        return self.results.best_file

    def _run_stage(self, name: str, stage: Stage) -> None:
        config, state = self.config, self.state
        last = len(STAGES) - stage.encoder_stages
        with self.workers.first_ahead():
            augmentations = [
                self._features(self.train_records, last, augmentation)
                for augmentation in stage.augmentations or config.augmentations
            ]
            dev_features = self._features(self.dev_records, last, "plain")
        data = TrainingData.of(self.train_records, self.vocabulary, augmentations)
        self.network.encoder.freeze_all_but_last(stage.encoder_stages)
        optimizer = torch.optim.Adam(self._parameter_groups(stage), fused=True)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
        if stage.wise_ft_weight and not state["epoch"]:
            self.start_weights = _copy(self.network)
        average = self._new_average()
        tested = cast(Network, average.module) if average else self.network
        with closing(self._objective(stage, data)) as objective:
            while state["epoch"] < stage.epochs and state["since_best"] < config.patience:
                began = time.monotonic()
                number = len(state["history"]) + 1
                mean = train_one_epoch(
                    self.network,
                    data,
                    optimizer,
                    objective,
                    encoder_stages=stage.encoder_stages,
                    batch_size=config.batch_size,
                    gradient_norm=config.gradient_norm,
                    seed=config.seed * 100_003 + number,
                    learning_rate_at=partial(_half_cosine, stage.epochs, state["epoch"]),
                    mixed_precision=config.mixed_precision,
                    workers=self.workers,
                    after_step=partial(average.update_parameters, self.network) if average else None,
                    description=f"epoch {number}",
                )
                seconds = time.monotonic() - began
                scores = self.workers.from_first(partial(self._evaluate, tested, dev_features, stage))
                record = {
                    "epoch": number,
                    "stage": name,
                    "encoder_stages": stage.encoder_stages,
                    objective.shown: mean,
                    "seconds": seconds,
                    "images_per_second": len(data.usable) / seconds,
                    "dev": scores,
                }
                self._finish_epoch(record, tested, optimizer, average)
        if stage.wise_ft_weight:
            self._average_with_start(stage, dev_features)

    def _average_with_start(self, stage: Stage, dev_features: Features) -> None:
        """The best weights become their mean with those of the stage's start, if that scores higher."""
        assert self.start_weights is not None
        shares = [1 - stage.wise_ft_weight, stage.wise_ft_weight]
        self.network.load_state_dict(weighted_mean([self.best_weights, self.start_weights], shares))
        scores = self.workers.from_first(partial(self._evaluate, self.network, dev_features, stage))
        *before, last = self.state["history"]
        self.state["history"] = [*before, last | {"dev_with_start": scores}]
        better = self._keep_if_better(self.network, scores)
        self.results.write_record(self._record())
        self.results.log("averaged with the stage's start: " + _report(scores, better))

    def _evaluate(self, tested: Network, features: Features, stage: Stage) -> dict[str, float]:
        """Scores on the dev split."""
        return evaluate(
            tested,
            features,
            self.dev_records,
            self.vocabulary,
            _DEV_OPTIONS,
            encoder_stages=stage.encoder_stages,
            mixed_precision=self.config.mixed_precision,
        ).corpus

    def _objective(self, stage: Stage, data: TrainingData) -> Objective:
        if stage.objective == "cross-entropy":
            return CrossEntropy(self.config.label_smoothing)
        references = [[text[1:] for text in texts] for texts in data.captions]
        bleu_weight = self.config.bleu_weight if stage.bleu_weight is None else stage.bleu_weight
        return SelfCritical(ParallelReward(references, bleu_weight, self.config.reward_processes))

    def _new_average(self) -> AveragedModel | None:
        """Of the network's weights over the steps of a stage, where it goes on if it was interrupted."""
        if not self.config.ema_decay:
            return None
        average = AveragedModel(self.network, multi_avg_fn=partial(_move_average, self.config.ema_decay))
        if self._average_state is not None:
            average.load_state_dict(self._average_state)
        return average

    def _features(self, records: Sequence[Record], last: int, augmentation: Augmentation) -> Features:
        compute: Callable[..., Features] = (
            OnlineFeatures
            if augmentation == "random"
            else partial(compute_features, folder=self.config.cache, augmentation=augmentation)
        )
        return compute(
            records,
            self.network.encoder,
            self.preprocessing,
            dataset_size=self.dataset_size,
            last=last,
            device=self.device,
            mixed_precision=self.config.mixed_precision,
        )

    def _parameter_groups(self, stage: Stage) -> list[dict[str, Any]]:
        groups = [{"params": list(self.network.decoder.parameters()), "lr": stage.learning_rate}]
        if stage.encoder_stages:
            tuned = [p for p in self.network.encoder.parameters() if p.requires_grad]
            groups.append({"params": tuned, "lr": stage.encoder_learning_rate})
        return [group | {"initial_lr": group["lr"]} for group in groups]

    def _finish_epoch(
        self,
        record: dict[str, Any],
        tested: Network,
        optimizer: torch.optim.Optimizer,
        average: AveragedModel | None,
    ) -> None:
        state = self.state
        state["history"] = [*state["history"], record]
        state["epoch"] += 1
        better = self._keep_if_better(tested, record["dev"])
        state["since_best"] = 0 if better else state["since_best"] + 1
        self._save_state(optimizer, average)
        self.results.write_record(self._record())
        self.results.show([record])
        name = shown(record)
        self.results.log(
            f"epoch {record['epoch']}: {name} {record[name]:.3f}, {record['seconds']:.0f} s, "
            + _report(record["dev"], better)
        )

    def _keep_if_better(self, network: Network, dev_scores: dict[str, float]) -> bool:
        better: bool = dev_scores["CIDEr"] > self.state["best"]
        if better:
            self.state["best"] = dev_scores["CIDEr"]
            self.best_weights = _copy(network)
            self.save_checkpoint(network, dev_scores)
        return better

    def _record(self) -> dict[str, Any]:
        """What was done to come here: it goes with the checkpoint and into docs/runs."""
        return {
            "settings": self.settings,
            "photographs": len(self.train_records),
            "torch": str(torch.__version__),
            "init": self.init.training if self.init else None,
            "history": self.state["history"],
        }

    def save_checkpoint(self, network: Network, dev_scores: dict[str, float]) -> None:
        """best_model.pth from a network of this run."""
        self.results.save_checkpoint(
            Checkpoint(
                encoder=network.encoder.state_dict(),
                decoder=network.decoder.state_dict(),
                stride=network.encoder.stride,
                decoder_config=network.decoder.config,
                preprocessing=self.preprocessing,
                vocabulary_digest=self.vocabulary.digest,
                training=self._record(),
                scores=dev_scores,
            )
        )

    def _save_state(self, optimizer: torch.optim.Optimizer | None, average: AveragedModel | None = None) -> None:
        self.results.save_state(
            {
                "settings": self.settings,
                "state": self.state,
                "network": self.network.state_dict(),
                "best_weights": self.best_weights,
                "start_weights": self.start_weights,
                "optimizer": optimizer.state_dict() if optimizer else None,
                "average": average.state_dict() if average else None,
            }
        )

    def _resume(self) -> None:
        """Raises ValueError where the output folder holds a run with other settings."""
        content = self.results.load_state()
        if content is None:
            return
        check_same_run(self.config.output, self.settings, content["settings"])
        self.state, self.best_weights = content["state"], content["best_weights"]
        self.start_weights = content["start_weights"]
        self.network.load_state_dict(content["network"])
        self._optimizer_state, self._average_state = content["optimizer"], content["average"]
        self.results.log(f"going on after epoch {len(self.state['history'])}")


def _cpu_has_bfloat16() -> bool:
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _name_weights(source: str) -> str:
    """A name and a digest, not a path: where it lay is nobody else's business."""
    if source == "imagenet":
        return "torchvision IMAGENET1K_V2"
    return f"{Path(source).name} (sha256 {file_digest(Path(source))})"


def _half_cosine(epochs: int, finished: int, share: float) -> float:
    """The learning rate's factor when `finished` epochs and a share of the next are over: from 1 to 0."""
    return 0.5 + 0.5 * math.cos(math.pi * (finished + share) / epochs)


def _move_average(decay: float, averages: Any, currents: Any, steps: Any) -> None:
    """An exponential moving average that at first reaches back over a tenth of its steps: where it started from is
    soon forgotten.
    """
    steps = int(steps)
    get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averages, currents, steps)


def _report(scores: dict[str, float], best: bool) -> str:
    report = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
    return f"dev {report}" + (" (best so far)" if best else "")


def _copy(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor.cpu().clone() for name, tensor in network.state_dict().items()}
