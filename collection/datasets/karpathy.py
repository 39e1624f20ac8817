"""Karpathy's JSON, as his splits of Flickr8k, Flickr30k and COCO have it; photographs in images/."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from collection.datasets.base import Dataset, Example


class Karpathy(Dataset):
    help = "Karpathy's JSON"

    def lists(self, examples: Sequence[Example]) -> Iterator[tuple[str, str]]:
        images = []
        for number, example in enumerate(examples):
            folder, _, name = example.name.rpartition("/")
            sentence = {
                "raw": example.caption,
                "tokens": re.findall(r"\w+", example.caption.lower()),
                "imgid": number,
                "sentid": number,
            }
            images.append(
                {
                    "filepath": folder,
                    "filename": name,
                    "imgid": number,
                    "split": example.split,
                    "sentids": [number],
                    "sentences": [sentence],
                }
            )
        yield "dataset_reviewed.json", json.dumps({"images": images, "dataset": "reviewed"}, indent=1) + "\n"
