"""What a training sees: the photographs of all its folders, and how often, and for which it rewards."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from training.config import Config
from training.data.mixture import Dataset, read_datasets
from training.data.records import Record, in_split, name_dataset, read_dataset, spread


@dataclass(frozen=True)
class Photographs:
    """Of --data, and behind these what is rehearsed."""

    datasets: Sequence[Dataset]
    train: Sequence[Record]
    times: Sequence[float]
    """How often an epoch sees each of `train`."""
    rewarded: Sequence[bool]
    """Whether captions of it may be rewarded."""
    rehearsed: Sequence[Record]
    """The last of `train`."""
    dev: Mapping[str, Sequence[Record]]
    """By the dataset's name."""

    @classmethod
    def read(cls, config: Config) -> Photographs:
        """Raises DatasetRefused."""
        datasets = read_datasets(config.data, config.data_weights, config.unrewarded)
        train: list[Record] = []
        times: list[float] = []
        rewarded: list[bool] = []
        for dataset in datasets:
            own = spread(in_split(dataset.records, "train"), config.photographs)
            train += own
            times += [dataset.weight] * len(own)
            rewarded += [dataset.rewarded] * len(own)
        rehearsed = _rehearsed(config, len(train))
        return cls(
            datasets,
            [*train, *rehearsed],
            times + [1.0] * len(rehearsed),
            rewarded + [True] * len(rehearsed),
            rehearsed,
            {dataset.name: in_split(dataset.records, "dev") for dataset in datasets},
        )

    @property
    def captions(self) -> list[str]:
        """Whose words are learnt: those of --data."""
        own = self.train[: len(self.train) - len(self.rehearsed)]
        return [text for record in own for text in record.captions]

    @property
    def dataset_size(self) -> int:
        """What the share of damaged photographs is of."""
        return sum(len(dataset.records) for dataset in self.datasets) + len(self.rehearsed)

    def settings(self, config: Config) -> dict[str, str | None]:
        """What they are, wherever they lie."""
        return {
            "data": " + ".join(dataset.described for dataset in self.datasets),
            "rehearse": name_dataset(config.rehearse, self.rehearsed) if config.rehearse else None,
        }


def _rehearsed(config: Config, count: int) -> list[Record]:
    """So many of the other photographs, or all where there are fewer. Raises DatasetRefused."""
    if not config.rehearse:
        return []
    others = in_split(read_dataset(config.rehearse), "train")
    chosen = random.Random(config.seed).sample(others, min(len(others), count))
    return [replace(record, name=f"{config.rehearse.resolve().name}/{record.name}") for record in chosen]
