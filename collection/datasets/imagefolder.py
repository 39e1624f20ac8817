"""Hugging Face `datasets`' imagefolder: photographs in a folder a split, each with its metadata.csv."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collection.datasets.base import SPLITS, Dataset, Example, in_split, table

_FOLDERS = {"train": "train", "val": "validation", "test": "test"}


class ImageFolder(Dataset):
    help = "Hugging Face's, with metadata.csv"

    def place(self, example: Example) -> str:
        return f"{_FOLDERS[example.split]}/{example.name}"

    def lists(self, examples: Sequence[Example]) -> Iterator[tuple[str, str]]:
        for split in SPLITS:
            if own := in_split(examples, split):
                rows = [(example.name, example.caption) for example in own]
                yield f"{_FOLDERS[split]}/metadata.csv", table(("file_name", "text"), rows)
