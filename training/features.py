"""What the encoder's frozen stages give for each photograph, computed once and memory-mapped.

The array of one view is a file `KEY.npy` (photographs, height, width, channels) in half precision, beside
`KEY.json`, which says how far it is and which photographs were refused. A killed run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from model.encoder import STAGES, Encoder, Preprocessing
from model.familiarity import Familiarity, summarise
from model.files import written_whole
from training.datasets import Record, read_image

View = Literal["plain", "flip", "crop", "crop-2", "crop-3", "crop-4", "crop-5", "crop-6"]
"""How a photograph is shown; see `_seen`."""
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


@dataclass(frozen=True)
class Features:
    """Grids of one view; row i belongs to `names[i]`. Rows of refused photographs are zero."""

    array: np.ndarray[Any, Any]  # (photographs, height, width, channels), float16
    names: tuple[str, ...]
    refused: dict[str, str]  # name -> reason

    def rows(self, rows: Sequence[int]) -> Tensor:
        """(rows, channels, height, width) in single precision, in channels-last memory order."""
        return torch.from_numpy(self.array[np.asarray(rows)]).float().permute(0, 3, 1, 2)


def compute_features(
    records: Sequence[Record],
    encoder: Encoder,
    preprocessing: Preprocessing,
    folder: Path,
    *,
    dataset_size: int | None = None,
    last: int = len(STAGES),
    view: View = "plain",
    device: torch.device | str = "cpu",
    mixed_precision: bool = True,
) -> Features:
    """The output of the encoder's stages up to, not including, `last` for every record, from `folder` if it is there.

    Raises TooManyRefused when too many cannot be read for a dataset of `dataset_size` photographs (default: these).
    """
    key = _key(records, encoder, preprocessing, last, view, mixed_precision)
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
        desc=f"features of {STAGES[last - 1]}, {view}",
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
                    images[row] = _seen(image, view, records[row].name)
            check_refused(progress.refused, dataset_size or len(records))
            if images:
                pixels = preprocessing(list(images.values())).to(device, memory_format=torch.channels_last)
                with torch.inference_mode(), torch.autocast(torch.device(device).type, torch.bfloat16, mixed_precision):
                    grid = encoder.run_stages(pixels, last=last)
                array[list(images)] = grid.permute(0, 2, 3, 1).half().cpu().numpy()
            progress.done += len(batch)
            bar.update(len(batch))
            if progress.done % _SAVED_EVERY == 0 or progress.done == len(records):
                array.flush()
                progress.save(progress_file)
    return Features(array, tuple(record.name for record in records), progress.refused)


@torch.inference_mode()
def summaries(encoder: Encoder, features: Features, first_stage: int, device: torch.device | str) -> Tensor:
    """What model/familiarity.py goes by, for the photographs that could be read, from what the encoder's stages before
    `first_stage` gave.
    """
    encoder.eval()
    usable = [row for row, name in enumerate(features.names) if name not in features.refused]
    parts = []
    for start in tqdm(range(0, len(usable), _BATCH), unit="batch", desc="what photographs look like"):
        inputs = features.rows(usable[start : start + _BATCH]).to(device)
        parts.append(summarise(encoder(inputs, first_stage)).cpu())
    return torch.cat(parts)


def learn_familiarity(
    encoder: Encoder, train: Features, dev: Features, first_stage: int, device: torch.device | str
) -> Familiarity:
    """What the photographs of both splits look like to the encoder, from what its stages before `first_stage` gave."""
    return Familiarity.fit(*(summaries(encoder, features, first_stage, device) for features in (train, dev)))


@dataclass
class _Progress:
    """How far the array is filled, and which photographs could not be read."""

    done: int = 0
    refused: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> _Progress:
        return cls(**json.loads(path.read_text())) if path.is_file() else cls()

    def save(self, path: Path) -> None:
        with written_whole(path) as file:
            file.write_text(json.dumps(asdict(self)))


def _seen(image: Image.Image, view: View, name: str) -> Image.Image:
    """The photograph in a view. A crop is a window that only depends on its number and on the photograph's name,
    mirrored or not: of 80 to 100 % of each side, for the numbered ones of 70 to 100 %.
    """
    if view == "plain":
        return image
    if view == "flip":
        return ImageOps.mirror(image)
    draw, least = (random.Random(name), 0.8) if view == "crop" else (random.Random(f"{name} {view}"), 0.7)
    width, height = (draw.uniform(least, 1) * side for side in image.size)
    left, top = draw.uniform(0, image.width - width), draw.uniform(0, image.height - height)
    size, window = image.size, (left, top, left + width, top + height)
    image = image.resize(size, Image.Resampling.BICUBIC, box=window)
    return ImageOps.mirror(image) if draw.random() < 0.5 else image


def _open_array(
    path: Path, count: int, encoder: Encoder, preprocessing: Preprocessing, last: int, device: torch.device | str
) -> np.memmap[Any, Any]:
    if not path.is_file():
        blank = preprocessing([Image.new("RGB", (preprocessing.image_size,) * 2)]).to(device)
        with torch.inference_mode():
            channels, height, width = encoder.run_stages(blank, last=last).shape[1:]
        with written_whole(path) as new:
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
    view: View,
    mixed_precision: bool,
) -> str:
    """A digest of all that the features depend on: photographs, frozen weights, preprocessing, view, precision."""
    digest = hashlib.sha256(repr((preprocessing, encoder.stride, last, view, mixed_precision)).encode())
    digest.update(stamps(records))
    for tensor in encoder.stages[:last].state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:20]
