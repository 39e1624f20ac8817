"""The skeleton that all trainings share: stages, epochs, resuming, early stop, the kept best, and how a command ends.

A model is a subclass of Trainer (`training.cnn_lstm.trainer`, `training.clipcap`, `training.finetune`): it says what an
epoch does, what is scored, and what the weights are.
"""

from __future__ import annotations

import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import torch

from training.data.records import DatasetRefused, Record, in_split
from training.running.failures import FAILURES, exit_status
from training.running.results import Results, shown
from training.running.settings import check_same_run
from training.running.time_left import seconds_by_stage, time_left


class Trainer(ABC):
    """One training from start to end. `state`, the optimizer's state and what `weights` gives are all that survives a
    kill; what decides the result is in `settings`.
    """

    optimizer: torch.optim.Optimizer
    """Of the stage that is trained."""
    train_records: Sequence[Record]
    settings: dict[str, Any]

    def __init__(self, results: Results, stages: Mapping[str, int], patience: float = math.inf) -> None:
        """Of each stage by name the most epochs; it ends after `patience` of them without a better score."""
        self.results, self.stages, self.patience = results, stages, patience
        self.state: dict[str, Any] = {"stage": 0, "epoch": 0, "best": -math.inf, "since_best": 0, "history": []}
        self._optimizer_state: dict[str, Any] | None = None
        self._epoch_began = time.monotonic()

    @abstractmethod
    def stage(self, name: str) -> AbstractContextManager[None]:
        """Around the epochs of a stage: what they need, `optimizer` among it, and what follows from them."""

    @abstractmethod
    def train_epoch(self, number: int) -> dict[str, Any]:
        """One epoch; gives its part of the record, loss or reward and seconds among it. All randomness comes from
        the seed and `number`, so that what is repeated after a kill ends with the same weights. Raises LossNotFinite.
        """

    @abstractmethod
    def evaluate(self) -> dict[str, Any]:
        """The other part of the record: what the dev split says."""

    @abstractmethod
    def save_best(self, record: Mapping[str, Any]) -> None:
        """Writes the model as it is now, with the best score so far."""

    @abstractmethod
    def weights(self) -> dict[str, Any]:
        """What the state of the run holds of the model, as plain data and tensors."""

    @abstractmethod
    def load_weights(self, content: Mapping[str, Any]) -> None:
        """Takes what `weights` gave."""

    def score(self, record: Mapping[str, Any]) -> float | None:
        """The higher the better; None where there is nothing to choose by: then the last epoch is the best."""
        cider: float = record["dev"]["CIDEr"]
        return cider

    def report(self, record: Mapping[str, Any], better: bool) -> str:
        """A line on an epoch."""
        name, dev = shown(record), report_scores(record["dev"], better)
        rate = f"{record['images_per_second']:.1f} images/s, " if "images_per_second" in record else ""
        return f"epoch {record['epoch']}: {name} {record[name]:.3f}, {record['seconds']:.0f} s, {rate}{dev}"

    def progress(self) -> str:
        return f"epoch {len(self.history)}"

    def interrupted(self) -> str:
        """What to say after Ctrl-C."""
        return f"interrupted; {self.results.best_file} can be used, the same command goes on"

    def finish(self) -> str:
        """What is left to do when the stages are over; gives the last log line."""
        return f"finished: CIDEr {self.state['best']:.3f} on the dev split; the model is {self.results.best_file}"

    def record(self) -> dict[str, Any]:
        """What was done to come here: it goes with the checkpoint and into docs/runs."""
        return {
            "settings": self.settings,
            "photographs": len(self.train_records),
            "torch": str(torch.__version__),
            "history": self.history,
        }

    @property
    def history(self) -> list[dict[str, Any]]:
        """One record an epoch."""
        history: list[dict[str, Any]] = self.state["history"]
        return history

    def resume(self) -> None:
        """Goes on from what the output folder holds. Raises ValueError where that is a run with other settings."""
        content = self.results.load_state()
        if content:
            check_same_run(self.results.folder, self.settings, content["settings"])
            if self.state.keys() != content.get("state", {}).keys():
                raise ValueError(f"{self.results.folder} holds a run of another version: choose another --output")
            self.state, self._optimizer_state = content["state"], content["optimizer"]
            self.load_weights(content)
            self.results.log(f"going on after {self.progress()}")

    def run(self) -> None:
        with closing(self.results):
            self.results.write_record(self.record())  # a killed run may have lost the last epoch
            self.results.show(self.history)
            for name in list(self.stages)[self.state["stage"] :]:
                self._run_stage(name)
                self.state |= {"stage": self.state["stage"] + 1, "epoch": 0, "since_best": 0}
                self.save_state(between_stages=True)
            self.results.log(self.finish())

    def _run_stage(self, name: str) -> None:
        with self.stage(name):
            if self._optimizer_state:
                self.optimizer.load_state_dict(self._optimizer_state)
                self._optimizer_state = None
            while self.state["epoch"] < self.stages[name] and self.state["since_best"] < self.patience:
                number, self._epoch_began = len(self.history) + 1, time.monotonic()
                trained = self.train_epoch(number)
                began = time.monotonic()
                scores = self.evaluate() | {"evaluation_seconds": time.monotonic() - began}
                self._finish_epoch({"epoch": number, "stage": name} | trained | scores)

    def _finish_epoch(self, record: dict[str, Any]) -> None:
        state = self.state
        state["history"] = [*state["history"], record]
        state["epoch"] += 1
        better = self.keep_if_better(record)
        state["since_best"] = 0 if better else state["since_best"] + 1
        self.save_state()
        self.results.write_record(self.record())
        self.results.show([record])
        left = self.time_left()
        self.results.log(self.report(record, better) + (f"; {left} left" if left else ""))

    def time_left(self, share: float = 0.0) -> str:
        """Of the whole run, within an epoch after that share of it has been learnt."""
        elapsed = time.monotonic() - self._epoch_began if share else 0.0
        number, epochs = self.state["stage"], dict(self.stages)
        name = list(epochs)[number]
        for earlier in list(epochs)[:number]:
            epochs[earlier] = 0
        over = self.state["since_best"] >= self.patience
        epochs[name] = 0 if over else max(0, epochs[name] - self.state["epoch"])
        seconds = seconds_by_stage(self.history)
        if share:
            seconds.setdefault(name, elapsed / share)
        return time_left(epochs, seconds, elapsed)

    def keep_if_better(self, record: Mapping[str, Any]) -> bool:
        score = self.score(record)
        better = score is None or score > self.state["best"]
        if better:
            self.state["best"] = self.state["best"] if score is None else score
            self.save_best(record)
        return better

    def save_state(self, between_stages: bool = False) -> None:
        optimizer = None if between_stages else self.optimizer.state_dict()
        self.results.save_state(
            {"settings": self.settings, "state": self.state, "optimizer": optimizer, **self.weights()}
        )


def report_scores(scores: Mapping[str, float], best: bool) -> str:
    report = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
    return f"dev {report}" + (" (best so far)" if best else "")


def deterministic_on(device: torch.device) -> None:
    """Sums whose order varies between threads would make a resumed run differ in the last bits."""
    torch.use_deterministic_algorithms(device.type == "cpu")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def train_and_dev(records: Sequence[Record], folder: Path) -> tuple[list[Record], list[Record]]:
    """Both splits of a dataset. Raises DatasetRefused where one of them is empty."""
    train, dev = in_split(records, "train"), in_split(records, "dev")
    if not train or not dev:
        raise DatasetRefused(f"{folder} has no photographs to train on or none to choose by (dev)")
    return train, dev


def run_training(start: Callable[[], Trainer], not_begun: str) -> int:
    """A training command's exit status; `not_begun` is what it says to Ctrl-C before `start` has given the trainer."""
    trainer = None
    try:
        trainer = start()
        trainer.run()
    except KeyboardInterrupt:
        print(f"\n{trainer.interrupted() if trainer else not_begun}", file=sys.stderr)
        return 130
    except FAILURES as error:
        return exit_status(error, begun=trainer is not None)
    return 0
