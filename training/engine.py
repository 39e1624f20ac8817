"""The inner loops: one epoch of training, and captions for a split. No argument parsing, no files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

from model.captioner import DecodingOptions
from model.cnn_lstm import Network
from model.encoder import STAGES
from model.vocabulary import PAD, UNKNOWN, Vocabulary, tokenise
from training.datasets import Record
from training.features import Features
from training.metrics import Scores, score

_DECODED_AT_ONCE = 100


class LossNotFinite(RuntimeError):
    """Training has diverged: the loss is infinite or not a number."""


@dataclass(frozen=True)
class Batch:
    """Photographs, ordered by falling length of their longest caption, as `Decoder.forward` wants them."""

    inputs: Tensor  # (images, C, H, W): what the frozen stages gave
    captions: Tensor  # (images, captions, length), from START to END, filled up with PAD


@dataclass(frozen=True)
class TrainingData:
    """Photographs with captions as tokens, and the frozen stages' output for each in one or more views."""

    captions: tuple[tuple[Tensor, ...], ...]
    views: tuple[Features, ...]

    @classmethod
    def of(cls, records: Sequence[Record], vocabulary: Vocabulary, views: Sequence[Features]) -> TrainingData:
        return cls(
            tuple(tuple(torch.tensor(vocabulary.encode(text)) for text in record.captions) for record in records),
            tuple(views),
        )

    @property
    def usable(self) -> list[int]:
        """Rows whose photograph could be read."""
        return [row for row, name in enumerate(self.views[0].names) if name not in self.views[0].refused]

    def batches(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """All usable photographs once, shuffled, each in a view drawn at random, with all of its captions."""
        usable = torch.tensor(self.usable)
        for rows in usable[torch.randperm(len(usable), generator=generator)].split(size):
            yield self._batch(rows, torch.randint(len(self.views), (len(rows),), generator=generator))

    def _batch(self, rows: Tensor, views: Tensor) -> Batch:
        longest = torch.tensor([max(map(len, self.captions[row])) for row in rows.tolist()])
        order = longest.argsort(descending=True)
        rows, views = rows[order], views[order]
        inputs = torch.empty((len(rows), *self.views[0].rows([0]).shape[1:])).to(memory_format=torch.channels_last)
        for number, view in enumerate(self.views):
            chosen = (views == number).nonzero().squeeze(1)
            if len(chosen):
                inputs[chosen] = view.rows(rows[chosen].tolist())
        texts = [self.captions[row] for row in rows.tolist()]
        captions = torch.full((len(rows), max(map(len, texts)), int(longest.max())), PAD)
        for image, own in enumerate(texts):
            for number, tokens in enumerate(own):
                captions[image, number, : len(tokens)] = tokens
        return Batch(inputs, captions)


def train_one_epoch(
    network: Network,
    data: TrainingData,
    optimizer: torch.optim.Optimizer,
    *,
    encoder_stages: int,
    batch_size: int,
    label_smoothing: float,
    gradient_norm: float,
    seed: int,
    learning_rate_at: Callable[[float], float],
    mixed_precision: bool,
    description: str = "training",
) -> float:
    """Cross-entropy under teacher forcing over all photographs once; gives the mean loss of a word.

    All randomness comes from `seed`, so an epoch repeated from the same weights ends with the same weights.
    `learning_rate_at` takes the share of the epoch that is over and gives a factor for every group's base rate.
    Raises LossNotFinite.
    """
    device = next(network.parameters()).device
    torch.manual_seed(seed)
    network.train()
    total, words, seen = 0.0, 0, 0
    images = len(data.usable)
    with tqdm(total=images, unit="image", desc=description) as bar:
        for batch in data.batches(batch_size, torch.Generator().manual_seed(seed)):
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * learning_rate_at(seen / images)
            inputs = batch.inputs.to(device, memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, mixed_precision):
                features = network.encoder(inputs, first_stage=len(STAGES) - encoder_stages)
                logits, targets = network.decoder(features, batch.captions.to(device))
            # A rare word says nothing of which word is right, and is never to be written: it is not learnt.
            loss = nn.functional.cross_entropy(
                logits.float(), targets, ignore_index=UNKNOWN, label_smoothing=label_smoothing
            )
            if not math.isfinite(loss.item()):
                raise LossNotFinite(f"the loss is {loss.item()} after {seen} photographs of {description}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), gradient_norm)
            optimizer.step()
            known = int((targets != UNKNOWN).sum())
            total, words = total + loss.item() * known, words + known
            seen += len(inputs)
            bar.update(len(inputs))
            bar.set_postfix(loss=f"{total / words:.3f}", refresh=False)
    return total / words


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
    device = next(network.parameters()).device
    network.eval()
    usable = [row for row, name in enumerate(features.names) if name not in features.refused]
    hypotheses: list[list[str]] = []
    for start in range(0, len(usable), _DECODED_AT_ONCE):
        inputs = features.rows(usable[start : start + _DECODED_AT_ONCE]).to(device)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, mixed_precision):
            grid = network.encoder(inputs, first_stage=len(STAGES) - encoder_stages)
        hypotheses += [vocabulary.decode(found[0].tokens) for found in network.decode(grid.float(), options)]
    references = [[tokenise(text) for text in records[row].captions] for row in usable]
    return score(hypotheses, references, rouge=False)
