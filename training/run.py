"""One training from start to end: its stages, its state, and what it writes. `training.train` is its command line."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.tensorboard import SummaryWriter

from model.captioner import DecodingOptions
from model.checkpoint import Checkpoint, file_digest
from model.cnn_lstm import Network
from model.decoder import Decoder, DecoderConfig
from model.encoder import STAGES, Encoder, Preprocessing
from model.files import written_whole
from model.registry import choose_device
from model.vocabulary import Vocabulary
from training.config import Config, Stage
from training.datasets import DatasetRefused, Record, in_split, read_dataset
from training.engine import (
    CrossEntropy,
    Objective,
    SelfCritical,
    TrainingData,
    evaluate,
    train_one_epoch,
)
from training.features import Features, View, compute_features, learn_familiarity
from training.rewards import ParallelReward

_DEV_OPTIONS = DecodingOptions(method="beam", beam_size=3)


class Run:
    """One training from start to end; `state` is all that survives a kill."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.device = choose_device(config.device)
        if config.mixed_precision and self.device.type == "cpu" and not _cpu_has_bfloat16():
            print("warning: this processor emulates bfloat16, several times slower: leave out --mixed-precision")
        # Sums whose order varies between threads would make a resumed run differ in the last bits.
        torch.use_deterministic_algorithms(self.device.type == "cpu")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        config.output.mkdir(parents=True, exist_ok=True)
        records = read_dataset(config.data)
        self.dataset_size = len(records)
        self.train_records, self.dev_records = in_split(records, "train"), in_split(records, "dev")
        if 0 < config.photographs < len(self.train_records):
            step = len(self.train_records) / config.photographs
            self.train_records = [self.train_records[int(number * step)] for number in range(config.photographs)]
        if not self.train_records or not self.dev_records:
            raise DatasetRefused(f"{config.data} has no photographs to train on or none to choose by (dev)")
        self.vocabulary = Vocabulary.build(
            (text for record in self.train_records for text in record.captions), config.min_count
        )
        torch.manual_seed(config.seed)
        self.init = Checkpoint.load(config.init) if config.init else None
        self.preprocessing = self.init.preprocessing if self.init else Preprocessing()
        self.network = self._new_network().to(self.device)
        self.best_weights: dict[str, torch.Tensor] = {}
        self.state: dict[str, Any] = {"stage": 0, "epoch": 0, "best": -math.inf, "since_best": 0, "history": []}
        self._optimizer_state: dict[str, Any] | None = None
        self._average_state: dict[str, Any] | None = None
        self.settings = config.settings() | {
            "data": f"{config.data.resolve().name} (sha256 {_digest(records)})",
            "init": _name_weights(str(config.init)) if config.init else None,
            "encoder_weights": None if config.init else _name_weights(config.encoder_weights),
        }
        if self._state_file.is_file():
            self._resume()
        else:  # a model that is left from an interrupted first epoch belongs to another vocabulary
            self.best_file.unlink(missing_ok=True)
        self.vocabulary.save(config.output / "vocab.pkl")

    def _new_network(self) -> Network:
        """Raises CheckpointMismatch, ValueError."""
        if self.init:
            self.init.verify(self.vocabulary)
            return Network.from_checkpoint(self.init)
        config = DecoderConfig(
            len(self.vocabulary),
            self.config.architecture,
            embedding=self.config.embedding,
            hidden=self.config.hidden,
            dropout=self.config.dropout,
        )
        encoder = Encoder(self.config.encoder_stride or "3x3")
        encoder.load_imagenet(self.config.encoder_weights)
        return Network(encoder, Decoder(config))

    def run(self) -> None:
        with SummaryWriter(str(self.config.output / "tensorboard"), purge_step=0) as writer:
            self._write_record()  # a killed run may have lost the last epoch here and in TensorBoard
            for record in self.state["history"]:
                self._show(record, writer)
            for number, (name, stage) in enumerate(self.config.stages.items()):
                if number >= self.state["stage"]:
                    self._run_stage(name, stage, writer)
                    self.state |= {"stage": number + 1, "epoch": 0, "since_best": 0}
                    self._optimizer_state = self._average_state = None
                    self.network.load_state_dict(self.best_weights)
                    self._save_state(None)
        self._learn_familiarity()
        print(f"finished: CIDEr {self.state['best']:.3f} on the dev split; the model is {self.best_file}")

    def _learn_familiarity(self) -> None:
        """Adds to the finished model what the training photographs look like to its encoder."""
        checkpoint = Checkpoint.load(self.best_file)
        if not checkpoint.familiarity:
            last = len(STAGES) - max((stage.encoder_stages for stage in self.config.stages.values()), default=0)
            train, dev = (self._features(records, last, "plain") for records in (self.train_records, self.dev_records))
            familiarity = learn_familiarity(self.network.encoder, train, dev, last, self.device)
            replace(checkpoint, familiarity=familiarity).save(self.best_file)

    @property
    def best_file(self) -> Path:
        return self.config.output / "best_model.pth"

    def _run_stage(self, name: str, stage: Stage, writer: SummaryWriter) -> None:
        config, state = self.config, self.state
        last = len(STAGES) - stage.encoder_stages
        views = [self._features(self.train_records, last, view) for view in config.views]
        dev_features = self._features(self.dev_records, last, "plain")
        data = TrainingData.of(self.train_records, self.vocabulary, views)
        self.network.encoder.freeze_all_but_last(stage.encoder_stages)
        optimizer = torch.optim.Adam(self._parameter_groups(stage), fused=True)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
        average = self._new_average()
        tested = cast(Network, average.module) if average else self.network
        with closing(self._objective(stage, data)) as objective:
            while state["epoch"] < stage.epochs and state["since_best"] < config.patience:
                began = time.monotonic()
                number = len(state["history"]) + 1
                shown = train_one_epoch(
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
                    cell_dropout=config.cell_dropout,
                    after_step=partial(average.update_parameters, self.network) if average else None,
                    description=f"epoch {number}",
                )
                seconds = time.monotonic() - began
                scores = evaluate(
                    tested,
                    dev_features,
                    self.dev_records,
                    self.vocabulary,
                    _DEV_OPTIONS,
                    encoder_stages=stage.encoder_stages,
                    mixed_precision=config.mixed_precision,
                ).corpus
                record = {
                    "epoch": number,
                    "stage": name,
                    "encoder_stages": stage.encoder_stages,
                    objective.shown: shown,
                    "seconds": seconds,
                    "images_per_second": len(data.usable) / seconds,
                    "dev": scores,
                }
                self._finish_epoch(record, tested, optimizer, average, writer)

    def _objective(self, stage: Stage, data: TrainingData) -> Objective:
        if stage.objective == "cross-entropy":
            return CrossEntropy(self.config.label_smoothing)
        references = [[text[1:] for text in texts] for texts in data.captions]
        return SelfCritical(ParallelReward(references, self.config.bleu_weight, self.config.reward_processes))

    def _new_average(self) -> AveragedModel | None:
        """Of the network's weights over the steps of a stage, where it goes on if it was interrupted."""
        if not self.config.ema_decay:
            return None
        average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(self.config.ema_decay))
        if self._average_state is not None:
            average.load_state_dict(self._average_state)
        return average

    def _features(self, records: Sequence[Record], last: int, view: View) -> Features:
        return compute_features(
            records,
            self.network.encoder,
            self.preprocessing,
            self.config.cache,
            dataset_size=self.dataset_size,
            last=last,
            view=view,
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
        writer: SummaryWriter,
    ) -> None:
        state = self.state
        state["history"] = [*state["history"], record]
        state["epoch"] += 1
        better = record["dev"]["CIDEr"] > state["best"]
        if better:
            state["best"], state["since_best"] = record["dev"]["CIDEr"], 0
            self.best_weights = _copy(tested)
            self.save_checkpoint(tested, record["dev"])
        else:
            state["since_best"] += 1
        self._save_state(optimizer, average)
        self._write_record()
        self._show(record, writer)
        shown = _shown(record)
        print(
            f"epoch {record['epoch']}: {shown} {record[shown]:.3f}, {record['seconds']:.0f} s, dev "
            + ", ".join(f"{name} {value:.3f}" for name, value in record["dev"].items())
            + (" (best so far)" if better else ""),
            flush=True,
        )

    def _write_record(self) -> None:
        with written_whole(self.config.output / "record.json") as file:
            file.write_text(json.dumps(self._record(), indent=1) + "\n")

    def _record(self) -> dict[str, Any]:
        """What was done to come here: it goes with the checkpoint and into docs/runs."""
        return {
            "settings": self.settings,
            "photographs": len(self.train_records),
            "torch": str(torch.__version__),
            "init": self.init.training if self.init else None,
            "history": self.state["history"],
        }

    def _show(self, record: dict[str, Any], writer: SummaryWriter) -> None:
        shown = _shown(record)
        writer.add_scalar(f"train/{shown}", record[shown], record["epoch"])
        writer.add_scalar("train/images_per_second", record["images_per_second"], record["epoch"])
        for name, value in record["dev"].items():
            writer.add_scalar(f"dev/{name}", value, record["epoch"])
        writer.flush()

    def save_checkpoint(self, network: Network, dev_scores: dict[str, float]) -> None:
        """best_model.pth from a network of this run."""
        Checkpoint(
            encoder=network.encoder.state_dict(),
            decoder=network.decoder.state_dict(),
            stride=network.encoder.stride,
            decoder_config=network.decoder.config,
            preprocessing=self.preprocessing,
            vocabulary_digest=self.vocabulary.digest,
            training=self._record(),
            scores=dev_scores,
        ).save(self.best_file)

    def _save_state(self, optimizer: torch.optim.Optimizer | None, average: AveragedModel | None = None) -> None:
        content = {
            "settings": self.settings,
            "state": self.state,
            "network": self.network.state_dict(),
            "best_weights": self.best_weights,
            "optimizer": optimizer.state_dict() if optimizer else None,
            "average": average.state_dict() if average else None,
        }
        with written_whole(self._state_file) as file:
            torch.save(content, file)

    @property
    def _state_file(self) -> Path:
        return self.config.output / "last.pth"

    def _resume(self) -> None:
        """Raises ValueError where the output folder holds a run with other settings."""
        content = torch.load(self._state_file, map_location="cpu", weights_only=True)
        ours, theirs = self.settings, content["settings"]
        other = sorted(key for key in ours | theirs if ours.get(key) != theirs.get(key))
        if other:
            raise ValueError(
                f"{self.config.output} holds a run with other settings ({', '.join(other)}): choose another --output"
            )
        self.state, self.best_weights = content["state"], content["best_weights"]
        self.network.load_state_dict(content["network"])
        self._optimizer_state, self._average_state = content["optimizer"], content["average"]
        print(f"going on after epoch {len(self.state['history'])}", flush=True)


def _cpu_has_bfloat16() -> bool:
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _digest(records: Sequence[Record]) -> str:
    return hashlib.sha256(repr([(r.name, r.split, r.captions) for r in records]).encode()).hexdigest()


def _name_weights(source: str) -> str:
    """A name and a digest, not a path: where it lay is nobody else's business."""
    if source == "imagenet":
        return "torchvision IMAGENET1K_V2"
    return f"{Path(source).name} (sha256 {file_digest(Path(source))})"


def _half_cosine(epochs: int, finished: int, share: float) -> float:
    """The learning rate's factor when `finished` epochs and a share of the next are over: from 1 to 0."""
    return 0.5 + 0.5 * math.cos(math.pi * (finished + share) / epochs)


def _shown(record: dict[str, Any]) -> str:
    """The name of the number that the epoch's objective shows."""
    return "reward" if "reward" in record else "loss"


def _copy(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor.cpu().clone() for name, tensor in network.state_dict().items()}
