"""Layouts of datasets that reviewed captions are written in, to be learnt from: one small class a layout."""

from __future__ import annotations

from collection.datasets.base import Dataset, Example
from collection.datasets.coco import Coco
from collection.datasets.imagefolder import ImageFolder
from collection.datasets.karpathy import Karpathy
from collection.datasets.table import Table

__all__ = ["DATASETS", "Dataset", "Example"]

DATASETS: dict[str, type[Dataset]] = {
    "imagefolder": ImageFolder,
    "coco": Coco,
    "karpathy": Karpathy,
    "csv": Table,
}
"""By the name that `--format` knows it by."""
