"""A table of paths, captions and splits; photographs in images/."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collection.datasets.base import Dataset, Example, table


class Table(Dataset):
    help = "a table of path, caption, split"

    def lists(self, examples: Sequence[Example]) -> Iterator[tuple[str, str]]:
        rows = [(self.place(example), example.caption, example.split) for example in examples]
        yield "captions.csv", table(("path", "caption", "split"), rows)
