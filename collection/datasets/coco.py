"""COCO captions: a captions_SPLIT.json each, photographs in images/."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from collection.datasets.base import SPLITS, Dataset, Example, in_split


class Coco(Dataset):
    help = "COCO captions"

    def lists(self, examples: Sequence[Example]) -> Iterator[tuple[str, str]]:
        for split in SPLITS:
            if own := in_split(examples, split):
                images = [{"id": example.number, "file_name": example.name} for example in own]
                annotations = [
                    {"id": example.number, "image_id": example.number, "caption": example.caption} for example in own
                ]
                content = {"info": {"description": "reviewed captions"}, "images": images, "annotations": annotations}
                yield f"captions_{split}.json", json.dumps(content, indent=1) + "\n"
