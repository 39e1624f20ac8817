"""Trains the captioner: python -m training.train --data DIR

First the decoder on features of the frozen encoder, then both with the encoder's last stages fine-tuned, then the
decoder by self-critical training. The epoch with the best CIDEr on the dev split is kept. Results go to --output:

    best_model.pth, vocab.pkl   what `app.py` and `python -m model` load
    history.json                one record an epoch; also as TensorBoard log in tensorboard/
    last.pth                    the state after the last finished epoch: the same command goes on from it
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro
from torch.utils.tensorboard import SummaryWriter

from model.captioner import DecodingOptions
from model.checkpoint import Checkpoint, file_digest
from model.cnn_lstm import Network
from model.decoder import Decoder, DecoderConfig
from model.encoder import STAGES, Encoder, Preprocessing, Stride
from model.files import written_whole
from model.registry import BackendUnavailable, choose_device
from model.vocabulary import Vocabulary
from training.config import Config, Stage
from training.datasets import DatasetRefused, Record, in_split, read_dataset
from training.engine import CrossEntropy, LossNotFinite, SelfCritical, TrainingData, evaluate, train_one_epoch
from training.features import Features, TooManyRefused, View, compute_features

_DEV_OPTIONS = DecodingOptions(method="beam", beam_size=3)


class Run:
    """One training from start to end; `state` is all that survives a kill."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.device = choose_device(config.device)
        # Sums whose order varies between threads would make a resumed run differ in the last bits.
        torch.use_deterministic_algorithms(self.device.type == "cpu")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        config.output.mkdir(parents=True, exist_ok=True)
        records = read_dataset(config.data)
        self.dataset_size = len(records)
        self.train_records, self.dev_records = in_split(records, "train"), in_split(records, "dev")
        if not self.train_records or not self.dev_records:
            raise DatasetRefused(f"{config.data} has no photographs to train on or none to choose by (dev)")
        self.vocabulary = Vocabulary.build(
            (text for record in self.train_records for text in record.captions), config.min_count
        )
        torch.manual_seed(config.seed)
        self.encoder_stride: Stride = config.encoder_stride or "3x3"
        self.preprocessing = Preprocessing()
        self.network = self._new_network()
        self.network.encoder.load_imagenet(config.encoder_weights)
        self.best_weights: dict[str, torch.Tensor] = {}
        self.state: dict[str, Any] = {"stage": 0, "epoch": 0, "best": -math.inf, "since_best": 0, "history": []}
        self._optimizer_state: dict[str, Any] | None = None
        self.settings = config.settings() | {
            "data": f"{config.data.resolve().name} (sha256 {_digest(records)})",
            "encoder_weights": _name_weights(config.encoder_weights),
        }
        if self._state_file.is_file():
            self._resume()
        else:  # a model that is left from an interrupted first epoch belongs to another vocabulary
            self.best_file.unlink(missing_ok=True)
        self.vocabulary.save(config.output / "vocab.pkl")

    def _new_network(self) -> Network:
        config = DecoderConfig(
            len(self.vocabulary),
            self.config.architecture,
            embedding=self.config.embedding,
            hidden=self.config.hidden,
            dropout=self.config.dropout,
        )
        network = Network(Encoder(self.encoder_stride), Decoder(config))
        return network.to(self.device)

    def run(self) -> None:
        with SummaryWriter(str(self.config.output / "tensorboard"), purge_step=0) as writer:
            self._write_history()  # a killed run may have lost the last epoch here and in TensorBoard
            for record in self.state["history"]:
                self._show(record, writer)
            for number, stage in enumerate(self.config.stages):
                if number >= self.state["stage"]:
                    self._run_stage(stage, writer)
                    self.state |= {"stage": number + 1, "epoch": 0, "since_best": 0}
                    self._optimizer_state = None
                    self.network.load_state_dict(self.best_weights)
                    self._save_state(None)
        print(f"finished: CIDEr {self.state['best']:.3f} on the dev split; the model is {self.best_file}")

    @property
    def best_file(self) -> Path:
        return self.config.output / "best_model.pth"

    def _run_stage(self, stage: Stage, writer: SummaryWriter) -> None:
        config, state = self.config, self.state
        last = len(STAGES) - stage.encoder_stages
        views = [self._features(self.train_records, last, view) for view in config.views]
        dev_features = self._features(self.dev_records, last, "plain")
        data = TrainingData.of(self.train_records, self.vocabulary, views)
        objective = (
            CrossEntropy(config.label_smoothing) if stage.objective == "cross-entropy" else SelfCritical(data.captions)
        )
        self.network.encoder.freeze_all_but_last(stage.encoder_stages)
        optimizer = torch.optim.Adam(self._parameter_groups(stage), fused=True)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
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
                description=f"epoch {number}",
            )
            seconds = time.monotonic() - began
            scores = evaluate(
                self.network,
                dev_features,
                self.dev_records,
                self.vocabulary,
                _DEV_OPTIONS,
                encoder_stages=stage.encoder_stages,
                mixed_precision=config.mixed_precision,
            ).corpus
            record = {
                "epoch": number,
                "encoder_stages": stage.encoder_stages,
                objective.shown: shown,
                "seconds": seconds,
                "images_per_second": len(data.usable) / seconds,
                "dev": scores,
            }
            self._finish_epoch(record, optimizer, writer)

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

    def _finish_epoch(self, record: dict[str, Any], optimizer: torch.optim.Optimizer, writer: SummaryWriter) -> None:
        state = self.state
        state["history"] = [*state["history"], record]
        state["epoch"] += 1
        better = record["dev"]["CIDEr"] > state["best"]
        if better:
            state["best"], state["since_best"] = record["dev"]["CIDEr"], 0
            self.best_weights = _copy(self.network)
            self.save_checkpoint(record["dev"])
        else:
            state["since_best"] += 1
        self._save_state(optimizer)
        self._write_history()
        self._show(record, writer)
        shown = _shown(record)
        print(
            f"epoch {record['epoch']}: {shown} {record[shown]:.3f}, {record['seconds']:.0f} s, dev "
            + ", ".join(f"{name} {value:.3f}" for name, value in record["dev"].items())
            + (" (best so far)" if better else ""),
            flush=True,
        )

    def _write_history(self) -> None:
        with written_whole(self.config.output / "history.json") as file:
            file.write_text(json.dumps(self.state["history"], indent=1))

    def _show(self, record: dict[str, Any], writer: SummaryWriter) -> None:
        shown = _shown(record)
        writer.add_scalar(f"train/{shown}", record[shown], record["epoch"])
        writer.add_scalar("train/images_per_second", record["images_per_second"], record["epoch"])
        for name, value in record["dev"].items():
            writer.add_scalar(f"dev/{name}", value, record["epoch"])
        writer.flush()

    def save_checkpoint(self, dev_scores: dict[str, float]) -> None:
        """best_model.pth from the network as it is now."""
        training = {
            "settings": self.settings,
            "history": self.state["history"],
            "photographs": len(self.train_records),
            "torch": str(torch.__version__),
        }
        Checkpoint(
            encoder=self.network.encoder.state_dict(),
            decoder=self.network.decoder.state_dict(),
            stride=self.encoder_stride,
            decoder_config=self.network.decoder.config,
            preprocessing=self.preprocessing,
            vocabulary_digest=self.vocabulary.digest,
            training=training,
            scores=dev_scores,
        ).save(self.best_file)

    def _save_state(self, optimizer: torch.optim.Optimizer | None) -> None:
        content = {
            "settings": self.settings,
            "state": self.state,
            "network": self.network.state_dict(),
            "best_weights": self.best_weights,
            "optimizer": optimizer.state_dict() if optimizer else None,
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
        self._optimizer_state = content["optimizer"]
        print(f"going on after epoch {len(self.state['history'])}", flush=True)


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


def main(arguments: Sequence[str] | None = None) -> int:
    config = tyro.cli(Config, args=arguments, description=__doc__)
    run = None
    try:
        run = Run(config)
        run.run()
    except KeyboardInterrupt:
        if run is None:
            print("\ninterrupted before anything was learnt", file=sys.stderr)
            return 130
        if not run.best_file.is_file():
            run.save_checkpoint({})
        print(f"\ninterrupted; {run.best_file} can be used, the same command goes on", file=sys.stderr)
        return 130
    except (TooManyRefused, LossNotFinite) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (DatasetRefused, BackendUnavailable, ValueError, OSError) as error:
        if run is not None and not isinstance(error, OSError):
            raise  # a defect of ours, not of what was given
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
