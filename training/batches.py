"""What an epoch is made of: the training photographs with their captions as tokens, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.cnn_lstm.vocabulary import PAD, Vocabulary
from training.data.features import Features
from training.data.records import Record
from training.running.distributed import Workers

Texts = Sequence[Sequence[Sequence[int]]]
"""Captions as tokens, by image."""


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
        inputs = parts[0][1]
        if len(parts) > 1:
            device = next((part.device for _, part in parts if part.device.type != "cpu"), inputs.device)
            shape = (len(rows), *inputs.shape[1:])
            inputs = torch.empty(shape, device=device, memory_format=torch.channels_last)
            for own, part in parts:
                inputs[own.to(device, non_blocking=True)] = part.to(device, non_blocking=True)
        captions = _padded([self.captions[row] for row in rows.tolist()])
        return Batch(tuple(rows.tolist()), inputs, captions, of, inputs if self.pixels else None)
