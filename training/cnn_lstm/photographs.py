"""What a training sees: the photographs of all its folders, and how often, and for which it rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.config import Config
from training.data.lists import locate
from training.data.mixture import Dataset, read_datasets, rehearsed
from training.data.records import Record, in_split, spread


@dataclass(frozen=True)
class Photographs:
    """Of --data, and behind these what is rehearsed."""

    datasets: Sequence[Dataset]
    train: Sequence[Record]
    times: Sequence[float]
    """How often an epoch sees each of `train`."""
    rewarded: Sequence[bool]
    """Whether captions of it may be rewarded."""
    rehearsed: Sequence[Dataset]
    """Theirs are the last of `train`."""
    dev: Mapping[str, Sequence[Record]]
    """By the dataset's name."""

    @classmethod
    def read(cls, config: Config) -> Photographs:
        """Raises DatasetRefused."""
        chosen = locate(config.captions, [*config.data, *config.rehearse])
        own_lists, others_lists = chosen[: len(config.data)], chosen[len(config.data) :]
        datasets = read_datasets(config.data, config.data_weights, config.unrewarded, own_lists)
        train: list[Record] = []
        times: list[float] = []
        rewarded: list[bool] = []
        for dataset in datasets:
            own = spread(in_split(dataset.records, "train"), config.photographs)
            train += own
            times += [dataset.weight] * len(own)
            rewarded += [dataset.rewarded] * len(own)
        others = rehearsed(config.rehearse, len(train), config.seed, others_lists)
        for dataset in others:
            train += dataset.records
            times += [1.0] * len(dataset.records)
            rewarded += [True] * len(dataset.records)
        dev = {dataset.name: in_split(dataset.records, "dev") for dataset in datasets}
        return cls(datasets, train, times, rewarded, others, dev)

    @property
    def captions(self) -> list[str]:
        """Whose words are learnt: those of --data."""
        own = self.train[: len(self.train) - sum(len(dataset.records) for dataset in self.rehearsed)]
        return [text for record in own for text in record.captions]

    @property
    def dataset_size(self) -> int:
        """What the share of damaged photographs is of."""
        return sum(len(dataset.records) for dataset in (*self.datasets, *self.rehearsed))

    @property
    def settings(self) -> dict[str, str | None]:
        """What they are, wherever they lie."""
        data, others = (" + ".join(d.described for d in found) for found in (self.datasets, self.rehearsed))
        return {"data": data, "rehearse": others or None}
