"""The training itself: what a run holds, an epoch of it, its dev scores, and what it writes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.encoder import STAGES, Encoder, Preprocessing
from model.cnn_lstm.vocabulary import Vocabulary
from model.registry import choose_device
from training.average import weighted_mean
from training.batches import TrainingData
from training.cnn_lstm.beginning import begun_at, emulates_bfloat16, load_init, named, new_network
from training.cnn_lstm.photographs import Photographs
from training.cnn_lstm.stages import learning_rate_at, objective_of, optimizer_of
from training.config import Config, Stage
from training.data.augmentation import Augmentation
from training.data.features import Features, OnlineFeatures, compute_features
from training.data.mixture import check_leakage, uncaptioned
from training.data.records import Record, name_lists
from training.engine import evaluate, train_one_epoch
from training.objectives.distillation import Distillation, distance
from training.objectives.heads import describe_heads, learn_heads, look_at
from training.objectives.judged import Seen
from training.objectives.objective import Objective
from training.running.distributed import Workers
from training.running.moving_average import MovingAverage
from training.running.results import Results
from training.trainer import Trainer, deterministic_on, report_scores

_DEV_OPTIONS = DecodingOptions(method="beam", beam_size=3)


class CnnLstmTrainer(Trainer):
    """In stages, each of which begins with the best weights so far; several processes may share the work."""

    recipe: Stage  # of the stage that is trained, as are data, features and objective
    data: TrainingData
    dev_features: Mapping[str, Features]
    objective: Objective

    def __init__(self, config: Config, workers: Workers = Workers()) -> None:
        self.config, self.workers = config, workers
        stages = {name: stage.epochs for name, stage in config.stages.items()}
        super().__init__(self.results_in(config), stages, config.patience)
        self.device = workers.device(choose_device(config.device))
        if config.mixed_precision and emulates_bfloat16(self.device):
            self.results.log("warning: this processor emulates bfloat16, several times slower: no --mixed-precision")
        deterministic_on(self.device)
        self.photographs = Photographs.read(config)
        for dataset in (*self.photographs.datasets, *self.photographs.rehearsed):
            self.results.log(name_lists(dataset.records))
        with workers.first_ahead():
            check_leakage([*self.photographs.datasets, *self.photographs.rehearsed], config.cache)
        self.train_records = self.photographs.train
        torch.manual_seed(config.seed)
        self.init, self.vocabulary, self.network = self.begin()
        self.preprocessing = self.init.preprocessing if self.init else Preprocessing()
        if config.image_size:
            self.preprocessing = replace(self.preprocessing, image_size=config.image_size)
        self.tested = self.network.to(self.device)
        self.average: MovingAverage[Network] | None = None
        self.best_weights: dict[str, torch.Tensor] = {}
        self.start_weights: dict[str, torch.Tensor] | None = None
        self._average_state: dict[str, Any] | None = None
        self._objective_state: dict[str, Any] | None = None
        self.settings = config.settings() | self.photographs.settings | named(config)
        if begun := begun_at(config):
            self.state["stage"], self.state["epoch"] = begun
            self.best_weights = _copy(self.network)
        self.resume()
        if workers.first:
            config.output.mkdir(parents=True, exist_ok=True)
            if not self.results.state_file.is_file():
                # A model that is left from an interrupted first epoch belongs to another vocabulary.
                self.results.best_file.unlink(missing_ok=True)
            self.save_words()

    def results_in(self, config: Config) -> Results:
        return Results(config.output, writes=self.workers.first)

    def begin(self) -> tuple[Checkpoint | None, Vocabulary, Network]:
        """The checkpoint that is begun with, the words to be learnt, the network.

        Raises CheckpointMismatch, ValueError, VocabularyRefused, OSError.
        """
        init, known = load_init(self.config)
        vocabulary = known.extended(self.photographs.captions, self.config.min_count)
        return init, vocabulary, new_network(self.config, init, vocabulary)

    def save_words(self) -> None:
        self.vocabulary.save(self.config.output / "vocab.pkl")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        config, self.name, self.recipe = self.config, name, self.config.stages[name]
        self.distils = self.recipe.objective == "distillation"
        self.run_stages = len(STAGES) if self.distils else self.recipe.encoder_stages  # a teacher sees pixels, too
        last = len(STAGES) - self.run_stages
        records = self.train_records
        if self.distils:
            records = [*records, *uncaptioned(config.distil_data)]
        elif not self.state["epoch"] and self._distilled_before(name):
            self.state["best"] = -math.inf  # how near the teacher is cannot be compared with captions
        with self.workers.first_ahead():
            augmentations = [
                self._features(records, last, augmentation)
                for augmentation in self.recipe.augmentations or config.augmentations
            ]
            self.dev_features = {name: self._features(own, last, "plain") for name, own in self.photographs.dev.items()}
        self.data = TrainingData.of(
            records, self.vocabulary, augmentations, self.photographs.times, pixels=self.distils
        )
        self.network.encoder.freeze_all_but_last(self.recipe.encoder_stages)
        self.network.decoder.requires_grad_(not self.distils)
        may_reward, left = self.photographs.rewarded, self._objective_state
        self.objective = objective_of(self.recipe, config, self.data, may_reward, self.preprocessing, self.device, left)
        self.optimizer = optimizer_of(self.recipe, self.network, self.objective)
        if self.recipe.wise_ft_weight and not self.state["epoch"]:
            self.start_weights = _copy(self.network)
        decay = config.ema_decay
        self.average = MovingAverage(self.network, decay, self._average_state) if decay else None
        self.tested = self.average.module if self.average else self.network
        with closing(self.objective):
            yield
        self.average, self.tested = None, self.network
        self.network.decoder.requires_grad_(True)
        if self.recipe.wise_ft_weight:
            self._average_with_start()
        self._average_state = self._objective_state = self.start_weights = None
        self.network.load_state_dict(self.best_weights)
        self._write_piece(f"stage-{name}")

    def _distilled_before(self, name: str) -> bool:
        before = list(self.config.stages)[: list(self.config.stages).index(name)]
        return bool(before) and self.config.stages[before[-1]].objective == "distillation"

    def _write_piece(self, name: str) -> None:
        """A checkpoint to go on from elsewhere, by --init and --start: weights alone, in half precision."""
        if self.workers.first:
            self._checkpoint(self.network, {}).save_packed(self.config.output / f"{name}.pth")

    def train_epoch(self, number: int) -> dict[str, Any]:
        began = time.monotonic()
        steps = max(1, round(self.data.epoch_size / self.config.batch_size))
        mean = train_one_epoch(
            self.network,
            self.data,
            self.optimizer,
            self.objective,
            encoder_stages=self.run_stages,
            batch_size=self.config.batch_size,
            gradient_norm=self.recipe.gradient_norm or self.config.gradient_norm,
            seed=self.config.seed * 100_003 + number,
            learning_rate_at=learning_rate_at(self.recipe, self.state["epoch"], steps),
            mixed_precision=self.config.mixed_precision,
            workers=self.workers,
            after_step=partial(self.average.update, self.network) if self.average else None,
            description=f"epoch {number}",
            time_left=self.time_left,
        )
        seconds = time.monotonic() - began
        return {
            "encoder_stages": self.recipe.encoder_stages,
            self.objective.shown: mean,
            "seconds": seconds,
            "images_per_second": self.data.epoch_size / seconds,
        }

    def evaluate(self) -> dict[str, Any]:
        """The mean over the datasets, by which epochs are chosen, and where there are several each one's own."""
        own = self.workers.from_first(self._dev_scores)
        names = next(iter(own.values())).keys()
        mean = {name: sum(scores[name] for scores in own.values()) / len(own) for name in names}
        return {"dev": mean} | ({"dev_by_dataset": own} if len(own) > 1 else {})

    def score(self, record: Mapping[str, Any]) -> float | None:
        return -record["dev"]["distance"] if "distance" in record["dev"] else super().score(record)

    def _dev_scores(self) -> dict[str, dict[str, float]]:
        return {name: self._scores_of(name) for name in self.photographs.dev}

    def _scores_of(self, name: str) -> dict[str, float]:
        features = self.dev_features[name]
        if isinstance(self.objective, Distillation):
            near = distance(
                self.tested,
                features,
                features,
                self.objective,
                encoder_stages=self.run_stages,
                mixed_precision=self.config.mixed_precision,
            )
            return {"distance": near}
        return evaluate(
            self.tested,
            features,
            self.photographs.dev[name],
            self.vocabulary,
            _DEV_OPTIONS,
            encoder_stages=self.run_stages,
            mixed_precision=self.config.mixed_precision,
        ).corpus

    def _average_with_start(self) -> None:
        """The best weights become their mean with those of the stage's start, if that scores higher."""
        assert self.start_weights is not None
        share = self.recipe.wise_ft_weight
        self.network.load_state_dict(weighted_mean([self.best_weights, self.start_weights], [1 - share, share]))
        scores = self.evaluate()
        *before, last = self.history
        self.state["history"] = [*before, last | {"dev_with_start": scores["dev"]}]
        better = self.keep_if_better(scores)
        self.results.write_record(self.record())
        self.results.log("averaged with the stage's start: " + report_scores(scores["dev"], better))

    def finish(self) -> str:
        if self.workers.first:
            self._learn_heads()
        return super().finish()

    def _learn_heads(self) -> None:
        """Adds to the finished model all that stands on top of it."""
        checkpoint = Checkpoint.load(self.results.best_file)
        if checkpoint.heads.detector:
            return
        last = len(STAGES) - max((stage.encoder_stages for stage in self.config.stages.values()), default=0)
        network = Network.from_checkpoint(checkpoint).to(self.device)
        heads, worth = learn_heads(network, self.vocabulary, *self._look(network.encoder, last))
        self.results.log(describe_heads(worth))
        replace(checkpoint, heads=heads).save(self.results.best_file)

    def _look(self, encoder: Encoder, last: int) -> tuple[list[Seen], dict[str, Seen]]:
        """The photographs of training and, by dataset, of dev, as the finished encoder sees them, of which the stages
        from `last` on learnt.
        """

        def look(records: Sequence[Record], keep_grid: bool) -> Seen:
            features, language = self._features(records, last, "plain"), self.vocabulary.language
            return look_at(records, features, encoder, last, self.device, keep_grid=keep_grid, language=language)

        train = [look(self.train_records, keep_grid=False)]
        return train, {name: look(own, keep_grid=True) for name, own in self.photographs.dev.items()}

    def _features(self, records: Sequence[Record], last: int, augmentation: Augmentation) -> Features:
        compute: Callable[..., Features] = (
            partial(OnlineFeatures, stored=self.config.stored_size or None, least=self.recipe.window)
            if augmentation == "random"
            else partial(compute_features, augmentation=augmentation)
        )
        return compute(
            records,
            self.network.encoder,
            self.preprocessing,
            self.config.cache,
            dataset_size=self.photographs.dataset_size,
            last=last,
            device=self.device,
            mixed_precision=self.config.mixed_precision,
        )

    def record(self) -> dict[str, Any]:
        return super().record() | {"init": self.init.training if self.init else None}

    def save_best(self, record: Mapping[str, Any]) -> None:
        self.best_weights = _copy(self.tested)
        self._save_checkpoint(self.tested, record["dev"])

    def _save_checkpoint(self, network: Network, dev_scores: dict[str, float]) -> None:
        if self.workers.first:
            self._checkpoint(network, dev_scores).save(self.results.best_file)

    def _checkpoint(self, network: Network, dev_scores: dict[str, float]) -> Checkpoint:
        return Checkpoint(
            encoder=network.encoder.state_dict(),
            decoder=network.decoder.state_dict(),
            stride=network.encoder.stride,
            decoder_config=network.decoder.config,
            preprocessing=self.preprocessing,
            vocabulary_digest=self.vocabulary.digest,
            training=self.record(),
            scores=dev_scores,
        )

    def save_state(self, between_stages: bool = False) -> None:
        super().save_state(between_stages)
        every, epoch = self.config.checkpoint_every, self.state["epoch"]
        if every and not between_stages and epoch % every == 0:
            self._write_piece(f"stage-{self.name}-{epoch}")

    def weights(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "best_weights": self.best_weights,
            "start_weights": self.start_weights,
            "average": self.average.state_dict() if self.average else None,
            "objective": self.objective.state_dict() if isinstance(self.objective, Distillation) else None,
        }

    def load_weights(self, content: Mapping[str, Any]) -> None:
        self.network.load_state_dict(content["network"])
        self.best_weights, self.start_weights = content["best_weights"], content["start_weights"]
        self._average_state, self._objective_state = content["average"], content["objective"]

    def interrupted(self) -> str:
        """The first epoch's weights are better than none."""
        if not self.results.best_file.is_file():
            self._save_checkpoint(self.network, {})
        return super().interrupted()


def _copy(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor.cpu().clone() for name, tensor in network.state_dict().items()}
