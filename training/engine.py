"""The inner loops: one epoch of training, and captions for a split. No argument parsing, no files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.encoder import STAGES
from model.cnn_lstm.vocabulary import PAD, START, UNKNOWN, Vocabulary, tokenise
from training.data.features import Features
from training.data.records import Record
from training.evaluation.metrics import Scores, score
from training.objectives.cross_entropy import advantages, cross_entropy, self_critical
from training.objectives.rewards import Reward, Texts
from training.running.distributed import Workers
from training.running.failures import LossNotFinite

_DECODED_AT_ONCE = 100


@dataclass(frozen=True)
class Batch:
    """Photographs, ordered by falling length of their longest caption, as `Decoder.forward` wants them."""

    rows: tuple[int, ...]
    """Where the photographs stand in the training data."""
    inputs: Tensor  # (images, C, H, W): what the frozen stages gave
    captions: Tensor  # (images, captions, length), from START to END, filled up with PAD
    of: int
    """How many photographs the whole batch has, of which other processes may have the others."""
    pixels: Tensor | None = None
    """(images, 3, side, side), normalised: what a teacher looks at."""


def _longest_first(texts: Texts) -> list[int]:
    """The order of images in which the length of the longest caption falls."""
    return sorted(range(len(texts)), key=lambda image: -max(map(len, texts[image])))


def _padded(texts: Texts) -> Tensor:
    """(images, captions, length), filled up with PAD."""
    captions = torch.full((len(texts), max(map(len, texts)), max(len(t) for own in texts for t in own)), PAD)
    for image, own in enumerate(texts):
        for number, tokens in enumerate(own):
            captions[image, number, : len(tokens)] = torch.tensor(tokens)
    return captions


@dataclass(frozen=True)
class TrainingData:
    """Photographs with captions as tokens, and the frozen stages' output for each in one or more augmentations."""

    captions: Texts
    augmentations: tuple[Features, ...]
    times: Tensor | None = None
    """(photographs): how often an epoch sees each; None: once."""
    pixels: bool = False
    """The frozen stages are none, and batches say so."""

    @classmethod
    def of(
        cls,
        records: Sequence[Record],
        vocabulary: Vocabulary,
        augmentations: Sequence[Features],
        times: Sequence[float] = (),
        pixels: bool = False,
    ) -> TrainingData:
        """`times` are of the first records; the others, which have no captions, are seen once."""
        often = [*times, *[1.0] * (len(records) - len(times))]
        return cls(
            [[vocabulary.encode(text) for text in record.captions or ("",)] for record in records],
            tuple(augmentations),
            None if all(own == 1 for own in often) else torch.tensor(often),
            pixels,
        )

    @property
    def usable(self) -> list[int]:
        """Rows whose photograph could be read."""
        refused = {name for augmentation in self.augmentations for name in augmentation.refused}
        return [row for row, name in enumerate(self.augmentations[0].names) if name not in refused]

    @property
    def epoch_size(self) -> int:
        """How many photographs an epoch shows, about."""
        usable = self.usable
        return len(usable) if self.times is None else max(1, round(float(self.times[usable].sum())))

    def _rows(self, generator: torch.Generator) -> Tensor:
        """Of an epoch: the usable ones, each as often as it is to be seen; what is left of that by chance."""
        usable = torch.tensor(self.usable)
        if self.times is None:
            return usable
        times = self.times[usable]
        chance = torch.rand(len(usable), generator=generator) < times.frac()
        return usable.repeat_interleave(times.long() + chance)

    def batches(self, size: int, generator: torch.Generator, workers: Workers = Workers()) -> Iterator[Batch]:
        """The photographs of an epoch, shuffled, each in an augmentation drawn at random, with all of its captions;
        of several workers each has a part of every batch.
        """
        seen = self._rows(generator)
        for rows in seen[torch.randperm(len(seen), generator=generator)].split(size):
            augmentations = torch.randint(len(self.augmentations), (len(rows),), generator=generator)
            seeds = torch.randint(2**31, (len(rows),), generator=generator)
            yield self._batch(workers.part(rows), workers.part(augmentations), workers.part(seeds), len(rows))

    def _batch(self, rows: Tensor, augmentations: Tensor, seeds: Tensor, of: int) -> Batch:
        order = _longest_first([self.captions[row] for row in rows.tolist()])
        rows, augmentations, seeds = rows[order], augmentations[order], seeds[order]
        by_view = [
            (augmentation, (augmentations == number).nonzero().squeeze(1))
            for number, augmentation in enumerate(self.augmentations)
        ]
        parts = [
            (own, augmentation.rows(rows[own].tolist(), seeds[own].tolist()))
            for augmentation, own in by_view
            if len(own)
        ]
        device = next((part.device for _, part in parts if part.device.type != "cpu"), torch.device("cpu"))
        inputs = torch.empty((len(rows), *parts[0][1].shape[1:]), device=device, memory_format=torch.channels_last)
        for own, part in parts:
            inputs[own] = part.to(device)
        captions = _padded([self.captions[row] for row in rows.tolist()])
        return Batch(tuple(rows.tolist()), inputs, captions, of, inputs if self.pixels else None)


class Outcome(NamedTuple):
    """What an objective makes of a batch, or of a worker's part of it."""

    loss: Tensor
    """To go down; a mean over words."""
    words: int
    shown: float
    """The number to show; a mean too."""
    shown_over: int
    """How many words or captions."""


class Objective(Protocol):
    """What an epoch makes better. Called with grid features (images, cells, channels) of a batch; `shown` names the
    number that it shows.
    """

    shown: str
    dropout: bool

    def __call__(self, network: Network, features: Tensor, batch: Batch) -> Outcome: ...

    def close(self) -> None: ...


class CrossEntropy:
    """The references' words under teacher forcing."""

    shown, dropout = "loss", True

    def __init__(self, label_smoothing: float) -> None:
        self.label_smoothing = label_smoothing

    def __call__(self, network: Network, features: Tensor, batch: Batch) -> Outcome:
        captions = batch.captions.to(features.device)
        logits, places = network.decoder(features, captions)
        targets = captions[:, :, 1:].flatten()[places]
        loss = cross_entropy(logits, targets, self.label_smoothing)
        words = int((targets != UNKNOWN).sum())
        return Outcome(loss, words, loss.item(), words)

    def close(self) -> None:
        pass


class SelfCritical:
    """The reward of captions that the network samples itself, for the images that have references enough to judge by,
    plus the cross-entropy of one human caption of every image, drawn at random, which keeps words and length. Dropout
    is off: what is sampled is what is learnt.
    """

    shown, dropout = "reward", False

    def __init__(
        self,
        reward: Reward,
        samples: int = 5,
        max_words: int = 16,
        rewarded: Tensor | None = None,
        cross_entropy_weight: float = 0.0,
    ) -> None:
        """`rewarded` tells of every row of the training data whether it is (rows); None: all are."""
        self.reward, self.rewarded, self.cross_entropy_weight = reward, rewarded, cross_entropy_weight
        self.options = DecodingOptions(
            method="sample", num_captions=samples, max_words=max_words, top_p=1.0, no_repeat_ngram_size=0
        )

    def __call__(self, network: Network, features: Tensor, batch: Batch) -> Outcome:
        rows = torch.tensor(batch.rows)
        chosen = torch.arange(len(rows)) if self.rewarded is None else self.rewarded[rows].nonzero().squeeze(1)
        human = features.new_zeros(())
        words = 0
        if self.cross_entropy_weight:
            human, words = self._human(network, features, batch)
        if not len(chosen):
            return Outcome(self.cross_entropy_weight * human, words, 0.0, 0)
        policy, words, reward, captions = self._sampled(network, features[chosen], rows[chosen])
        return Outcome(policy + self.cross_entropy_weight * human, words, reward, captions)

    def _human(self, network: Network, features: Tensor, batch: Batch) -> tuple[Tensor, int]:
        """The cross-entropy of a caption of each image, and over how many words it is the mean."""
        count = (batch.captions[:, :, 1] != PAD).sum(dim=1)
        drawn = (torch.rand(len(count)) * count).long()
        captions = batch.captions[torch.arange(len(count)), drawn].unsqueeze(1)
        order = (captions != PAD).sum(dim=2).squeeze(1).argsort(descending=True, stable=True)
        captions = captions[order].to(features.device)
        logits, places = network.decoder(features[order.to(features.device)], captions)
        targets = captions[:, :, 1:].flatten()[places]
        return cross_entropy(logits, targets, 0.0), len(places)

    def _sampled(self, network: Network, features: Tensor, rows: Tensor) -> tuple[Tensor, int, float, int]:
        """Loss, words, mean reward and captions of what is sampled for the rows."""
        # Not under autocast: its cache would keep the weights as they are cast here, without a gradient.
        with torch.autocast(features.device.type, enabled=False):
            sampled = network.decode(features.detach().float(), self.options)
        texts = [[(START, *hypothesis.tokens) for hypothesis in found] for found in sampled]
        order = _longest_first(texts)
        captions = _padded([texts[image] for image in order]).to(features.device)
        rewards = self.reward(rows[order].to(features.device), captions[:, :, 1:])
        logits, places = network.decoder(features[order], captions)
        advantage = advantages(rewards)
        by_word = advantage.unsqueeze(2).expand(-1, -1, captions.shape[2] - 1).flatten()[places]
        loss = self_critical(logits, captions[:, :, 1:].flatten()[places], by_word)
        return loss, len(places), rewards.mean().item(), rewards.numel()

    def close(self) -> None:
        pass


def train_one_epoch(
    network: Network,
    data: TrainingData,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    *,
    encoder_stages: int,
    batch_size: int,
    gradient_norm: float,
    seed: int,
    learning_rate_at: Callable[[float], float],
    mixed_precision: bool,
    workers: Workers = Workers(),
    after_step: Callable[[], None] | None = None,
    description: str = "training",
) -> float:
    """All photographs once; gives the mean over them of the number that the objective shows.

    All randomness comes from `seed`, so an epoch repeated from the same weights ends with the same weights.
    `learning_rate_at` takes the share of the epoch that is over and gives a factor for every group's base rate.
    Raises LossNotFinite.
    """
    device = next(network.parameters()).device
    torch.manual_seed(seed + (workers.rank << 32))
    network.train(objective.dropout)
    step = workers.parallel(_Step(network, objective, encoder_stages))
    total, seen, shown_for = 0.0, 0, 0
    images = data.epoch_size
    with tqdm(total=images, unit="image", desc=description, disable=not workers.first) as bar:
        for batch in data.batches(batch_size, torch.Generator().manual_seed(seed), workers):
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * learning_rate_at(min(1.0, seen / images))
            inputs = batch.inputs.to(device, memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, mixed_precision):
                loss, words, shown, over = step(inputs, batch)
            all_words, all_loss, all_shown, all_over = workers.total(words, loss.item(), shown * over, over)
            if not math.isfinite(all_loss):
                raise LossNotFinite(f"the loss is {all_loss} after {seen} photographs of {description}")
            optimizer.zero_grad(set_to_none=True)
            # The mean over the workers, which the gradients become, is to be the mean over all words.
            (loss * (workers.count * words / all_words)).backward()
            nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], gradient_norm)
            optimizer.step()
            if after_step:
                after_step()
            seen += batch.of
            if all_over:  # none of a batch may be rewarded
                total, shown_for = total + all_shown / all_over * batch.of, shown_for + batch.of
            bar.update(batch.of)
            bar.set_postfix({objective.shown: f"{total / max(1, shown_for):.3f}"}, refresh=False)
    return total / max(1, shown_for)


class _Step(nn.Module):
    """From a batch to its loss, as one module: workers share what goes through its `forward`."""

    def __init__(self, network: Network, objective: Objective, encoder_stages: int) -> None:
        super().__init__()
        self.network, self.objective = network, objective
        self.first_stage = len(STAGES) - encoder_stages

    def forward(self, inputs: Tensor, batch: Batch) -> Outcome:
        features = self.network.encoder(inputs, first_stage=self.first_stage)
        return self.objective(self.network, features, batch)


def hypotheses(
    network: Network,
    features: Features,
    vocabulary: Vocabulary,
    options: DecodingOptions,
    *,
    encoder_stages: int = 0,
    mixed_precision: bool = False,
) -> list[list[str]]:
    """The best caption, as words, of every photograph that could be read. `features` are what the encoder's stages
    before its last `encoder_stages` gave.
    """
    device = next(network.parameters()).device
    network.eval()
    usable = [row for row, name in enumerate(features.names) if name not in features.refused]
    found: list[list[str]] = []
    for start in range(0, len(usable), _DECODED_AT_ONCE):
        inputs = features.rows(usable[start : start + _DECODED_AT_ONCE]).to(device)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, mixed_precision):
            grid = network.encoder(inputs, first_stage=len(STAGES) - encoder_stages)
        found += [vocabulary.decode(ranked[0].tokens) for ranked in network.decode(grid.float(), options)]
    return found


def evaluate(
    network: Network,
    features: Features,
    records: Sequence[Record],
    vocabulary: Vocabulary,
    options: DecodingOptions,
    *,
    encoder_stages: int,
    mixed_precision: bool,
) -> Scores:
    """Captions of every photograph that could be read, scored against its references."""
    captions = hypotheses(
        network, features, vocabulary, options, encoder_stages=encoder_stages, mixed_precision=mixed_precision
    )
    usable = [record for record in records if record.name not in features.refused]
    return score(captions, [[tokenise(text) for text in record.captions] for record in usable], rouge=False)
