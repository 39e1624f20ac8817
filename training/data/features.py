"""What the encoder's frozen stages give for each photograph.

Of a fixed augmentation it is computed once and memory-mapped: `KEY.npy` (photographs, height, width, channels) in half
precision (KeptArray of training/data/pixels.py). Of the random augmentation nothing is kept but the photographs
themselves, as small squares, from which its features are computed whenever they are wanted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.cnn_lstm.encoder import STAGES, Encoder, Preprocessing
from training.data.augmentation import LEAST, FixedAugmentation, fixed_augmentation, random_augmentations
from training.data.pixels import KeptArray, compute_pixels
from training.data.pixels import TooManyRefused as TooManyRefused
from training.data.pixels import check_refused as check_refused
from training.data.pixels import stamps as stamps
from training.data.records import Record, read_image

_BATCH = 16  # small enough for the caches
_GPU_BATCH = 128  # large enough for a GPU, and small beside its memory


class Features(Protocol):
    """What frozen stages give for photographs, kept or not."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def refused(self) -> dict[str, str]: ...
    def rows(self, rows: Sequence[int], seeds: Sequence[int] = ()) -> Tensor:
        """(rows, channels, height, width) in single precision, in channels-last memory order. Where an augmentation is
        random it is drawn by the seeds, one a row.
        """


@dataclass(frozen=True)
class CachedFeatures:
    """Features of one augmentation; row i belongs to `names[i]`. Rows of refused photographs are zero."""

    array: np.ndarray[Any, Any]  # (photographs, height, width, channels), float16
    names: tuple[str, ...]
    refused: dict[str, str]  # name -> reason

    def rows(self, rows: Sequence[int], seeds: Sequence[int] = ()) -> Tensor:
        """See Features; the seeds change nothing."""
        return torch.from_numpy(self.array[np.asarray(rows)]).float().permute(0, 3, 1, 2)


def compute_features(
    records: Sequence[Record],
    encoder: Encoder,
    preprocessing: Preprocessing,
    folder: Path,
    *,
    dataset_size: int | None = None,
    last: int = len(STAGES),
    augmentation: FixedAugmentation = "plain",
    device: torch.device | str = "cpu",
    mixed_precision: bool = True,
) -> CachedFeatures:
    """The output of the encoder's stages up to, not including, `last` for every record, from `folder` if it is there.

    Raises TooManyRefused when too many cannot be read for a dataset of `dataset_size` photographs (default: these).
    """
    names = tuple(record.name for record in records)
    key = _key(records, encoder, preprocessing, last, augmentation, mixed_precision)
    encoder = encoder.folded().to(device)
    kept = KeptArray(
        folder,
        key,
        names,
        partial(_shape, encoder, preprocessing, last, device),
        np.float16,
        dataset_size or len(records),
    )
    with ThreadPoolExecutor(2) as pool, kept.bar(f"features of {STAGES[last - 1]}, {augmentation}") as bar:
        while kept.done < len(records):
            batch = records[kept.done : kept.done + _BATCH]
            images: dict[int, Image.Image] = {}
            for row, image in enumerate(pool.map(read_image, batch), start=kept.done):
                if isinstance(image, str):
                    kept.refuse(row, image)
                else:
                    images[row] = fixed_augmentation(image, augmentation, names[row])
            if images:
                pixels = preprocessing(list(images.values())).to(device, memory_format=torch.channels_last)
                grid = _run_frozen(encoder, pixels, last, mixed_precision)
                kept.array[list(images)] = grid.permute(0, 2, 3, 1).half().cpu().numpy()
            kept.advance(len(batch))
            bar.update(len(batch))
    return CachedFeatures(kept.array, names, kept.refused)


class SelectedFeatures:
    """Those of some of the photographs."""

    def __init__(self, features: Features, names: Sequence[str]) -> None:
        """Raises KeyError for a name that the features do not have."""
        places = {name: row for row, name in enumerate(features.names)}
        self._features, self._places = features, [places[name] for name in names]
        self.names = tuple(names)
        own = set(names)
        self.refused = {name: reason for name, reason in features.refused.items() if name in own}

    def rows(self, rows: Sequence[int], seeds: Sequence[int] = ()) -> Tensor:
        """See Features."""
        return self._features.rows([self._places[row] for row in rows], seeds)


class OnlineFeatures:
    """Features of photographs in a random augmentation, computed whenever they are asked for."""

    def __init__(
        self,
        records: Sequence[Record],
        encoder: Encoder,
        preprocessing: Preprocessing,
        folder: Path,
        *,
        dataset_size: int,
        last: int = len(STAGES),
        device: torch.device | str = "cpu",
        mixed_precision: bool = True,
        stored: int | None = None,
        least: float = LEAST,
        processes: int = 0,
    ) -> None:
        """Decodes every photograph by compute_pixels, unless `folder` has them, to squares of `stored` pixels a side
        (default: as large as the encoder's input). More keep what a window of `least` of a side would magnify.

        Raises TooManyRefused.
        """
        kept = compute_pixels(
            records, stored or preprocessing.image_size, folder, dataset_size=dataset_size, processes=processes
        )
        self.names, self.refused = kept.names, kept.refused
        self._device, self._size, self._least = torch.device(device), preprocessing.image_size, least
        # What Preprocessing takes from pixels from 0 to 1, of those from 0 to 255.
        self._mean, self._std = (
            255 * torch.tensor(values, device=device).view(3, 1, 1)
            for values in (preprocessing.mean, preprocessing.std)
        )
        self._array = kept.array
        self._on_device = torch.from_numpy(kept.array).to(device) if _fits(kept.array.nbytes, self._device) else None
        self._run_frozen = partial(_run_frozen, encoder.folded().to(device), last=last, mixed_precision=mixed_precision)

    def rows(self, rows: Sequence[int], seeds: Sequence[int] = ()) -> Tensor:
        """See Features. They stay on the device, for which nothing waits."""
        at_once = _BATCH if self._device.type == "cpu" else _GPU_BATCH
        parts = []
        for start in range(0, len(rows), at_once):
            part = slice(start, start + at_once)
            pixels = random_augmentations(self._pixels(rows[part]), self._size, seeds[part], self._least)
            parts.append(self._run_frozen(pixels.sub_(self._mean).div_(self._std)))
        return torch.cat(parts).float()

    def _pixels(self, rows: Sequence[int]) -> Tensor:
        """(rows, 3, side, side) in uint8 on the device."""
        if self._on_device is None:
            pixels = torch.from_numpy(self._array[np.asarray(rows)]).to(self._device, non_blocking=True)
        else:
            pixels = self._on_device[torch.tensor(rows).to(self._device, non_blocking=True)]
        return pixels.permute(0, 3, 1, 2)


def _fits(size: int, device: torch.device) -> bool:
    """Whether so many bytes take no more than half of the device's free memory: never of the CPU's, where a file that
    is mapped into memory lies well.
    """
    return device.type == "cuda" and size <= torch.cuda.mem_get_info(device)[0] / 2


def _run_frozen(encoder: Encoder, pixels: Tensor, last: int, mixed_precision: bool) -> Tensor:
    """(images, channels, height, width) on the device of the normalised pixels; for no stage, these themselves."""
    with torch.inference_mode(), torch.autocast(pixels.device.type, torch.bfloat16, mixed_precision):
        return encoder.run_stages(pixels, last=last)


def _shape(
    encoder: Encoder, preprocessing: Preprocessing, last: int, device: torch.device | str
) -> tuple[int, int, int]:
    """Height, width and channels of a photograph's features."""
    blank = preprocessing([Image.new("RGB", (preprocessing.image_size,) * 2)]).to(device)
    with torch.inference_mode():
        channels, height, width = encoder.run_stages(blank, last=last).shape[1:]
    return height, width, channels


def _key(
    records: Sequence[Record],
    encoder: Encoder,
    preprocessing: Preprocessing,
    last: int,
    augmentation: FixedAugmentation,
    mixed_precision: bool,
) -> str:
    """A digest of all that the features depend on: photographs, weights, preprocessing, augmentation, precision."""
    digest = hashlib.sha256(repr((preprocessing, encoder.stride, last, augmentation, mixed_precision)).encode())
    digest.update(stamps(records))
    for tensor in encoder.stages[:last].state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:20]
