"""Which decoding to choose, on the dev split: python -m training.sweep --data DIR

The photographs are encoded once and decoded in every way below; then they are shown to the encoder in other forms, too.
Prints a line a way and writes all to --output as JSON. The test split is not touched.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from model.arguments import current_names
from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import CELL, Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.encoder import Preprocessing
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import LOADING_ERRORS
from model.files import atomic_write, file_digest
from model.languages import tokenise
from model.registry import choose_device
from model.settings import ModelSettings
from training.data.augmentation import FixedAugmentation
from training.data.features import CachedFeatures, TooManyRefused, compute_features
from training.data.records import DatasetRefused, Record, in_split, name_lists, read_dataset
from training.engine import hypotheses
from training.evaluation.metrics import score
from training.evaluation.quality import caption_quality

_DESCRIBED = {
    "greedy": ("method", "no_repeat_ngram_size"),
    "beam": ("method", "beam_size", "length_penalty", "no_repeat_ngram_size"),
}
WAYS: tuple[DecodingOptions, ...] = (
    DecodingOptions(method="greedy"),
    *(DecodingOptions(beam_size=size) for size in (2, 3, 8)),
    *(DecodingOptions(beam_size=5, length_penalty=penalty) for penalty in (0.0, 0.4, 0.7, 1.4, 2.0)),
    *(DecodingOptions(beam_size=5, no_repeat_ngram_size=size) for size in (0, 1, 3)),
    DecodingOptions(beam_size=5),  # the last one is that of the other forms
)
Sight = tuple[tuple[FixedAugmentation, int], ...]
"""Forms in which the encoder sees a photograph: an augmentation, and by how many pixels a side it is larger than in
training. Their grids are put side by side, and the decoder attends to all cells.
"""
PLAIN: Sight = (("plain", 0),)
LARGER = 2 * CELL
SIGHTS: tuple[Sight, ...] = (
    (("plain", 0), ("flip", 0)),  # test-time augmentation
    (("plain", LARGER),),
    (("plain", LARGER), ("flip", LARGER)),
    (("plain", 0), ("flip", 0), ("plain", LARGER), ("flip", LARGER)),
)


@dataclass(frozen=True)
class Config:
    data: Path
    """Folder in one of the layouts of training/data/layouts.py."""
    captions: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """The list of captions to read, where --data holds several; may be given several times."""
    output: Path = Path("runs/sweep.json")
    cache: Path = Path("runs/features")
    """As in training."""
    model: Annotated[ModelSettings, tyro.conf.arg(name="")] = field(default_factory=ModelSettings)


def sweep(config: Config) -> dict[str, Any]:
    """A record for every way in WAYS: options, scores, quality, seconds."""
    dataset = read_dataset(config.data, config.captions)
    print(name_lists(dataset), file=sys.stderr)
    records = in_split(dataset, "dev")
    vocabulary, checkpoint = Vocabulary.load(config.model.vocabulary), Checkpoint.load(config.model.checkpoint)
    checkpoint.verify(vocabulary)
    network = Network.from_checkpoint(checkpoint).to(choose_device(config.model.device)).eval()
    rows = []
    for sight in (PLAIN, *SIGHTS):
        features = _seen(config, records, len(dataset), network, checkpoint.preprocessing, sight)
        usable = [record for record in records if record.name not in features.refused]
        references = [[tokenise(text) for text in record.captions] for record in usable]
        for options in WAYS if sight == PLAIN else WAYS[-1:]:
            began = time.monotonic()
            found = hypotheses(network, features, vocabulary, options)
            seconds = time.monotonic() - began
            quality = caption_quality(found, references)
            described = {name: getattr(options, name) for name in _DESCRIBED[options.method]}
            if sight != PLAIN:
                size = checkpoint.preprocessing.image_size
                described["seen"] = " and ".join(f"{augmentation} {size + more}" for augmentation, more in sight)
            scores = score(found, references).corpus
            rows.append({"options": described, "scores": scores, "quality": quality, "seconds": seconds})
            print(described, {name: round(value, 4) for name, value in scores.items()}, flush=True)
    return {"digest": file_digest(config.model.checkpoint), "photographs": len(usable), "ways": rows}


def _seen(
    config: Config,
    records: Sequence[Record],
    dataset_size: int,
    network: Network,
    preprocessing: Preprocessing,
    sight: Sight,
) -> CachedFeatures:
    """The cells of all forms in one row: (photographs, cells, 1, channels)."""
    parts = [
        compute_features(
            records,
            network.encoder,
            replace(preprocessing, image_size=preprocessing.image_size + more),
            config.cache,
            dataset_size=dataset_size,
            augmentation=augmentation,
            device=next(network.parameters()).device,
            mixed_precision=False,
        )
        for augmentation, more in sight
    ]
    cells = [part.array.reshape(len(records), -1, 1, part.array.shape[3]) for part in parts]
    return replace(parts[0], array=np.concatenate(cells, axis=1))


def main(arguments: Sequence[str] | None = None) -> int:
    config = tyro.cli(Config, args=current_names(arguments), description=__doc__)
    try:
        config.output.parent.mkdir(parents=True, exist_ok=True)
        result = sweep(config)
        with atomic_write(config.output) as file:
            file.write_text(json.dumps(result, indent=1) + "\n")
    except (DatasetRefused, TooManyRefused, *LOADING_ERRORS) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written: {config.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
