"""What the encoder's frozen stages give for each photograph, computed once and memory-mapped.

The array of one augmentation is a file `KEY.npy` (photographs, height, width, channels) in half precision, beside
`KEY.json`, which says how far it is and which photographs were refused. A killed run goes on where it stopped.
Of the random augmentation nothing is kept: its features are computed whenever they are wanted.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from model.cnn_lstm.encoder import STAGES, Encoder, Preprocessing
from model.cnn_lstm.out_of_distribution import OutOfDistributionDetector, summarise
from model.files import atomic_write
from training.data.augmentation import FixedAugmentation, fixed_augmentation, random_augmentation
from training.data.records import DatasetRefused, Record, read_image

_MAX_REFUSED_SHARE = 0.01
_BATCH = 16  # small enough for the caches
_SAVED_EVERY = 512  # photographs: what a kill can cost


class TooManyRefused(RuntimeError):
    """More photographs are missing or damaged than a sound dataset has."""


def check_refused(refused: Mapping[str, str], dataset_size: int) -> None:
    """Raises TooManyRefused when more than one photograph in a hundred of the dataset could not be read."""
    if len(refused) > _MAX_REFUSED_SHARE * dataset_size:
        raise TooManyRefused(
            f"{len(refused)} of the dataset's {dataset_size} photographs are missing or damaged, more than "
            f"{_MAX_REFUSED_SHARE:.0%}: {', '.join(list(refused)[:5])}, …"
        )


def stamps(records: Sequence[Record]) -> bytes:
    """By what it is told whether the photographs are still the same files: places, sizes and times."""
    lines = []
    for record in records:
        file = record.path.stat() if record.path.is_file() else None
        stamp = (file.st_size, file.st_mtime_ns) if file else None
        lines.append(f"{record.path.resolve()} {stamp}\n")
    return "".join(lines).encode()


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
    key = _key(records, encoder, preprocessing, last, augmentation, mixed_precision)
    folder.mkdir(parents=True, exist_ok=True)
    array_file, progress_file = folder / f"{key}.npy", folder / f"{key}.json"
    progress = _Progress.load(progress_file) if array_file.is_file() else _Progress()
    for name, reason in progress.refused.items():
        tqdm.write(f"skipped {name}: {reason}")
    encoder = encoder.folded().to(device)
    array = _open_array(array_file, len(records), encoder, preprocessing, last, device)

    bar = tqdm(
        total=len(records),
        initial=progress.done,
        unit="image",
        desc=f"features of {STAGES[last - 1]}, {augmentation}",
        disable=progress.done == len(records),
    )
    with ThreadPoolExecutor(2) as pool, bar:
        while progress.done < len(records):
            batch = records[progress.done : progress.done + _BATCH]
            images: dict[int, Image.Image] = {}
            for row, image in enumerate(pool.map(read_image, batch), start=progress.done):
                if isinstance(image, str):
                    progress.refused[records[row].name] = image
                    tqdm.write(f"skipped {records[row].name}: {image}")
                else:
                    images[row] = fixed_augmentation(image, augmentation, records[row].name)
            check_refused(progress.refused, dataset_size or len(records))
            if images:
                grid = _run_frozen(encoder, preprocessing, list(images.values()), last, device, mixed_precision)
                array[list(images)] = grid.permute(0, 2, 3, 1).half().cpu().numpy()
            progress.done += len(batch)
            bar.update(len(batch))
            if progress.done % _SAVED_EVERY == 0 or progress.done == len(records):
                array.flush()
                progress.save(progress_file)
    return CachedFeatures(array, tuple(record.name for record in records), progress.refused)


class OnlineFeatures:
    """Features of photographs in a random augmentation, computed whenever they are asked for."""

    def __init__(
        self,
        records: Sequence[Record],
        encoder: Encoder,
        preprocessing: Preprocessing,
        *,
        dataset_size: int,
        last: int = len(STAGES),
        device: torch.device | str = "cpu",
        mixed_precision: bool = True,
    ) -> None:
        """Reads every photograph once. Raises TooManyRefused."""
        self._records, self._side = records, preprocessing.image_size
        self._run_frozen = partial(
            _run_frozen,
            encoder.folded().to(device),
            preprocessing,
            last=last,
            device=device,
            mixed_precision=mixed_precision,
        )
        self._pool = ThreadPoolExecutor(2)
        self.names = tuple(record.name for record in records)
        read = tqdm(self._pool.map(read_image, records), total=len(records), unit="image", desc="reading")
        self.refused = {name: image for name, image in zip(self.names, read, strict=True) if isinstance(image, str)}
        for name, reason in self.refused.items():
            tqdm.write(f"skipped {name}: {reason}")
        check_refused(self.refused, dataset_size)

    def rows(self, rows: Sequence[int], seeds: Sequence[int] = ()) -> Tensor:
        """See Features. Raises DatasetRefused for a photograph that could be read before."""
        images = list(self._pool.map(self._seen, rows, seeds))
        parts = [self._run_frozen(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
        return torch.cat(parts).float().cpu()

    def _seen(self, row: int, seed: int) -> Image.Image:
        image = read_image(self._records[row])
        if isinstance(image, str):
            raise DatasetRefused(f"{self.names[row]} could be read before, and no longer can: {image}")
        return random_augmentation(image, self._side, seed)


def _run_frozen(
    encoder: Encoder,
    preprocessing: Preprocessing,
    images: Sequence[Image.Image],
    last: int,
    device: torch.device | str,
    mixed_precision: bool,
) -> Tensor:
    """(images, channels, height, width) on the device."""
    pixels = preprocessing(images).to(device, memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.bfloat16, mixed_precision):
        return encoder.run_stages(pixels, last=last)


@torch.inference_mode()
def summaries(encoder: Encoder, features: Features, first_stage: int, device: torch.device | str) -> Tensor:
    """What model/cnn_lstm/out_of_distribution.py goes by, for the photographs that could be read, from what the
    encoder's stages before `first_stage` gave.
    """
    encoder.eval()
    usable = [row for row, name in enumerate(features.names) if name not in features.refused]
    parts = []
    for start in tqdm(range(0, len(usable), _BATCH), unit="batch", desc="what photographs look like"):
        inputs = features.rows(usable[start : start + _BATCH]).to(device)
        parts.append(summarise(encoder(inputs, first_stage)).cpu())
    return torch.cat(parts)


def fit_detector(
    encoder: Encoder, train: Features, dev: Features, first_stage: int, device: torch.device | str
) -> OutOfDistributionDetector:
    """What the photographs of both splits look like to the encoder, from what its stages before `first_stage` gave."""
    return OutOfDistributionDetector.fit(
        *(summaries(encoder, features, first_stage, device) for features in (train, dev))
    )


@dataclass
class _Progress:
    """How far the array is filled, and which photographs could not be read."""

    done: int = 0
    refused: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> _Progress:
        return cls(**json.loads(path.read_text())) if path.is_file() else cls()

    def save(self, path: Path) -> None:
        with atomic_write(path) as file:
            file.write_text(json.dumps(asdict(self)))


def _open_array(
    path: Path, count: int, encoder: Encoder, preprocessing: Preprocessing, last: int, device: torch.device | str
) -> np.memmap[Any, Any]:
    if not path.is_file():
        blank = preprocessing([Image.new("RGB", (preprocessing.image_size,) * 2)]).to(device)
        with torch.inference_mode():
            channels, height, width = encoder.run_stages(blank, last=last).shape[1:]
        with atomic_write(path) as new:
            np.lib.format.open_memmap(new, mode="w+", dtype=np.float16, shape=(count, height, width, channels))
            if hasattr(os, "posix_fallocate"):  # a full disk is an error here, not a bus error in the middle
                with new.open("r+b") as file:
                    os.posix_fallocate(file.fileno(), 0, new.stat().st_size)
    array: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="r+")
    return array


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
