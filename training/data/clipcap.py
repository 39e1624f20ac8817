"""What ClipCap is trained on: CLIP's image embeddings, computed once, and captions as tokens of GPT-2."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from model.files import atomic_write
from model.huggingface.clipcap.captioner import ImageEncoder
from model.huggingface.clipcap.checkpoint import weights_digest
from training.data.features import check_refused, stamps
from training.data.records import Record, read_image

IGNORED = -100
"""In the place of tokens that fill a shorter caption up: cross-entropy leaves them out."""
_BATCH = 32
_SAVED_EVERY = 64  # batches: what a kill can cost
_FULL_STOP = re.compile(r"\s*\.$")


@dataclass
class Embeddings:
    """Image embeddings; row i belongs to the i-th record. Rows of refused photographs are zero."""

    rows: Tensor  # (photographs so far, size)
    refused: dict[str, str] = field(default_factory=dict)  # name -> reason

    @classmethod
    def load(cls, path: Path) -> Embeddings:
        with safe_open(path, "pt") as file:
            return cls(file.get_tensor("rows"), json.loads(file.metadata()["refused"]))

    def save(self, path: Path) -> None:
        with atomic_write(path) as file:
            file.write_bytes(save({"rows": self.rows}, {"refused": json.dumps(self.refused)}))


@torch.inference_mode()
def compute_embeddings(
    records: Sequence[Record], encoder: ImageEncoder, folder: Path, *, dataset_size: int
) -> Embeddings:
    """Of every record, from `folder` if they are there; what a killed run computed is not computed again.

    Raises TooManyRefused when too many photographs cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_key(records, encoder)}.safetensors"
    found = Embeddings.load(path) if path.is_file() else Embeddings(torch.empty(0, encoder.size))
    with tqdm(total=len(records), initial=len(found.rows), unit="image", desc="image embeddings") as bar:
        while len(found.rows) < len(records):
            batch = records[len(found.rows) : len(found.rows) + _BATCH]
            images: dict[int, Image.Image] = {}
            for place, record in enumerate(batch):
                image = read_image(record)
                if isinstance(image, str):
                    found.refused[record.name] = image
                    tqdm.write(f"skipped {record.name}: {image}")
                else:
                    images[place] = image
            check_refused(found.refused, dataset_size)
            new = torch.zeros(len(batch), encoder.size)
            if images:
                new[list(images)] = encoder(list(images.values())).float().cpu()
            found.rows = torch.cat([found.rows, new])
            bar.update(len(batch))
            if len(found.rows) % (_SAVED_EVERY * _BATCH) == 0 or len(found.rows) == len(records):
                found.save(path)
    return found


def _key(records: Sequence[Record], encoder: ImageEncoder) -> str:
    """A digest of all that embeddings depend on: photographs, CLIP's weights and its preprocessing."""
    digest = hashlib.sha256(f"{weights_digest(encoder.clip)} {encoder.processor.to_json_string()}".encode())
    digest.update(str(encoder.normalised).encode())
    digest.update(stamps(records))
    return digest.hexdigest()[:20]


def clean(caption: str) -> str:
    """Single spaces, and no full stop at the end: the end-of-text token stands there."""
    return _FULL_STOP.sub("", " ".join(caption.split()))


@dataclass(frozen=True)
class TrainingData:
    """Captions as tokens, each with the image embedding of its photograph."""

    embeddings: Tensor  # (photographs, size)
    captions: list[tuple[int, list[int]]]  # row of the photograph, tokens up to the end

    @classmethod
    def of(cls, records: Sequence[Record], embeddings: Embeddings, tokenizer: Any) -> TrainingData:
        """Every caption of every photograph that could be read."""
        end = tokenizer.eos_token_id
        captions = [
            (row, [*tokenizer(clean(text)).input_ids, end])
            for row, record in enumerate(records)
            if record.name not in embeddings.refused
            for text in record.captions
        ]
        return cls(embeddings.rows, captions)

    def batches(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """All captions once, shuffled: embeddings (captions, size) and tokens (captions, length), filled up with
        IGNORED.
        """
        for chosen in torch.randperm(len(self.captions), generator=generator).split(size):
            own = [self.captions[number] for number in chosen.tolist()]
            tokens = torch.full((len(own), max(len(text) for _, text in own)), IGNORED)
            for place, (_, text) in enumerate(own):
                tokens[place, : len(text)] = torch.tensor(text)
            yield self.embeddings[[row for row, _ in own]], tokens
