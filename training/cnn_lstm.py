"""The training of the CNN-LSTM: stages, objectives, averages, checkpoint. Its command line is `training.train`."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

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
from training.data.lists import locate
from training.data.mixture import check_leakage, read_datasets, uncaptioned
from training.data.records import Record, in_split, name_dataset, name_lists, read_dataset, spread
from training.engine import CrossEntropy, Objective, SelfCritical, TrainingData, evaluate, train_one_epoch
from training.objectives.distillation import TEACHERS, Distillation, distance
from training.objectives.rewards import Reward
from training.running.distributed import Workers
from training.running.extension import extended
from training.running.moving_average import moving_average
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
        super().__init__(Results(config.output, writes=workers.first), stages, config.patience)
        self.device = workers.device(choose_device(config.device))
        if config.mixed_precision and self.device.type == "cpu" and not _cpu_has_bfloat16():
            self.results.log("warning: this processor emulates bfloat16, several times slower: no --mixed-precision")
        deterministic_on(self.device)
        folders = [*config.data, *([config.rehearse] if config.rehearse else [])]
        chosen = locate(config.captions, folders)
        self.datasets = read_datasets(config.data, config.data_weights, config.unrewarded, chosen)
        for dataset in self.datasets:
            self.results.log(name_lists(dataset.records))
        with workers.first_ahead():
            check_leakage(self.datasets, config.cache)
        self.train_records, self.times, self.rewarded = self._train_records()
        self.dev_records = {dataset.name: in_split(dataset.records, "dev") for dataset in self.datasets}
        torch.manual_seed(config.seed)
        self.init, known = self._load_init()
        captions = (text for record in self.train_records for text in record.captions)
        self.vocabulary = known.extended(captions, config.min_count)
        rehearsed = self._rehearsed(chosen[-1])
        self.train_records += rehearsed
        self.times += [1.0] * len(rehearsed)
        self.rewarded += [True] * len(rehearsed)
        self.dataset_size = sum(len(dataset.records) for dataset in self.datasets) + len(rehearsed)
        self.preprocessing = self.init.preprocessing if self.init else Preprocessing()
        if config.image_size:
            self.preprocessing = replace(self.preprocessing, image_size=config.image_size)
        self.network = self.tested = self._new_network().to(self.device)
        self.average: AveragedModel | None = None
        self.best_weights: dict[str, torch.Tensor] = {}
        self.start_weights: dict[str, torch.Tensor] | None = None
        self._average_state: dict[str, Any] | None = None
        self._objective_state: dict[str, Any] | None = None
        self.settings = config.settings() | {
            "data": " + ".join(dataset.described for dataset in self.datasets),
            "rehearse": name_dataset(config.rehearse, rehearsed) if config.rehearse else None,
            "init": _name_weights(str(config.init)) if config.init else None,
            "encoder_weights": None if config.init else _name_weights(config.encoder_weights),
        }
        self._begin_at(config.start)
        self.resume()
        if workers.first:
            config.output.mkdir(parents=True, exist_ok=True)
            if not self.results.state_file.is_file():
                # A model that is left from an interrupted first epoch belongs to another vocabulary.
                self.results.best_file.unlink(missing_ok=True)
            self.vocabulary.save(config.output / "vocab.pkl")

    def _train_records(self) -> tuple[list[Record], list[float], list[bool]]:
        """Of all datasets, how often an epoch sees each, and whether captions of it may be rewarded."""
        records: list[Record] = []
        times: list[float] = []
        rewarded: list[bool] = []
        for dataset in self.datasets:
            own = spread(in_split(dataset.records, "train"), self.config.photographs)
            records += own
            times += [dataset.weight] * len(own)
            rewarded += [dataset.rewarded] * len(own)
        return records, times, rewarded

    def _begin_at(self, start: str) -> None:
        """The stage, and the epochs of it that another machine has done. Raises ValueError."""
        if not start:
            return
        name, _, epochs = start.partition(":")
        if name not in self.stages:
            raise ValueError(f"there is no stage {name} to start at: {', '.join(self.stages)}")
        if not self.init:
            raise ValueError("--start goes on from the weights of --init, which is not given")
        if not (epochs or "0").isdecimal() or int(epochs or 0) >= self.stages[name]:
            raise ValueError(
                f"the stage {name} has {self.stages[name]} epochs: --start {name}:EPOCHS needs fewer than these"
            )
        self.state |= {"stage": list(self.stages).index(name), "epoch": int(epochs or 0)}
        self.best_weights = _copy(self.network)

    def _load_init(self) -> tuple[Checkpoint | None, Vocabulary]:
        """The checkpoint to begin with and its words. Raises CheckpointMismatch, VocabularyRefused, OSError."""
        if not self.config.init:
            return None, Vocabulary(SPECIAL_TOKENS)
        init = Checkpoint.load(self.config.init)
        known = Vocabulary.load(self.config.init_vocabulary or self.config.init.with_name("vocab.pkl"))
        init.verify(known)
        return init, known

    def _rehearsed(self, captions: Sequence[Path]) -> list[Record]:
        """As many of the other photographs as there are to train on. Raises DatasetRefused."""
        if not self.config.rehearse:
            return []
        others = in_split(read_dataset(self.config.rehearse, captions), "train")
        self.results.log(name_lists(others))
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
            self.dev_features = {name: self._features(own, last, "plain") for name, own in self.dev_records.items()}
        self.data = TrainingData.of(records, self.vocabulary, augmentations, self.times, pixels=self.distils)
        self.network.encoder.freeze_all_but_last(self.recipe.encoder_stages)
        self.network.decoder.requires_grad_(not self.distils)
        self.objective = self._objective(self.recipe, self.data)
        self.optimizer = torch.optim.AdamW(
            self._parameter_groups(self.recipe), weight_decay=self.recipe.weight_decay, fused=True
        )
        if self.recipe.wise_ft_weight and not self.state["epoch"]:
            self.start_weights = _copy(self.network)
        self.average = moving_average(self.network, config.ema_decay, self._average_state)
        self.tested = cast(Network, self.average.module) if self.average else self.network
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
        mean = train_one_epoch(
            self.network,
            self.data,
            self.optimizer,
            self.objective,
            encoder_stages=self.run_stages,
            batch_size=self.config.batch_size,
            gradient_norm=self.recipe.gradient_norm or self.config.gradient_norm,
            seed=self.config.seed * 100_003 + number,
            learning_rate_at=self._learning_rate_at(),
            mixed_precision=self.config.mixed_precision,
            workers=self.workers,
            after_step=partial(self.average.update_parameters, self.network) if self.average else None,
            description=f"epoch {number}",
        )
        seconds = time.monotonic() - began
        return {
            "stage": self.name,
            "encoder_stages": self.recipe.encoder_stages,
            self.objective.shown: mean,
            "seconds": seconds,
            "images_per_second": len(self.data.usable) / seconds,
        }

    def _learning_rate_at(self) -> Callable[[float], float]:
        """Half a cosine over the stage, after a rise over its first steps."""
        finished, recipe = self.state["epoch"], self.recipe
        steps = max(1, round(self.data.epoch_size / self.config.batch_size))

        def factor(share: float) -> float:
            rise = min(1.0, ((finished + share) * steps + 1) / recipe.warmup_steps) if recipe.warmup_steps else 1.0
            return rise * _half_cosine(recipe.epochs, finished, share)

        return factor

    def evaluate(self) -> dict[str, Any]:
        """The mean over the datasets, by which epochs are chosen, and where there are several each one's own."""
        own = self.workers.from_first(self._dev_scores)
        names = next(iter(own.values())).keys()
        mean = {name: sum(scores[name] for scores in own.values()) / len(own) for name in names}
        return {"dev": mean} | ({"dev_by_dataset": own} if len(own) > 1 else {})

    def score(self, record: Mapping[str, Any]) -> float | None:
        return -record["dev"]["distance"] if "distance" in record["dev"] else super().score(record)

    def _dev_scores(self) -> dict[str, dict[str, float]]:
        return {name: self._scores_of(name) for name in self.dev_records}

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
            self.dev_records[name],
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
            self._fit_detector()
        return super().finish()

    def _fit_detector(self) -> None:
        """Adds to the finished model what the training photographs look like to its encoder."""
        checkpoint = Checkpoint.load(self.results.best_file)
        if not checkpoint.out_of_distribution:
            last = len(STAGES) - max((stage.encoder_stages for stage in self.config.stages.values()), default=0)
            dev_records = [record for own in self.dev_records.values() for record in own]
            train, dev = (self._features(records, last, "plain") for records in (self.train_records, dev_records))
            detector = fit_detector(self.network.encoder, train, dev, last, self.device)
            replace(checkpoint, out_of_distribution=detector).save(self.results.best_file)

    def _objective(self, stage: Stage, data: TrainingData) -> Objective:
        if stage.objective == "cross-entropy":
            return CrossEntropy(self.config.label_smoothing)
        if stage.objective == "distillation":
            distillation = Distillation(TEACHERS[self.config.teacher](self.device), self.preprocessing).to(self.device)
            if self._objective_state:
                distillation.load_state_dict(self._objective_state)
            return cast(Objective, distillation)
        references = [[text[1:] for text in texts] for texts in data.captions]
        bleu_weight = self.config.bleu_weight if stage.bleu_weight is None else stage.bleu_weight
        enough = [
            own and len(texts) >= stage.reward_references for own, texts in zip(self.rewarded, references, strict=True)
        ]
        return SelfCritical(
            Reward(references, bleu_weight, self.device),
            rewarded=None if all(enough) else torch.tensor(enough),
            cross_entropy_weight=stage.cross_entropy_weight,
        )

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
            dataset_size=self.dataset_size,
            last=last,
            device=self.device,
            mixed_precision=self.config.mixed_precision,
        )

    def _parameter_groups(self, stage: Stage) -> list[dict[str, Any]]:
        learning: nn.Module = self.objective if isinstance(self.objective, Distillation) else self.network.decoder
        groups = [{"params": list(learning.parameters()), "lr": stage.learning_rate}]
        if stage.encoder_stages:
            tuned = [p for p in self.network.encoder.parameters() if p.requires_grad]
            groups.append({"params": tuned, "lr": stage.encoder_learning_rate})
        return [group | {"initial_lr": group["lr"]} for group in groups]

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


def _copy(network: Network) -> dict[str, torch.Tensor]:
    return {name: tensor.cpu().clone() for name, tensor in network.state_dict().items()}
