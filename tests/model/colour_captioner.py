"""A captioner that needs no weights: it says what colour a photograph has. For runs of thousands."""

import hashlib

import torch

from model.captioner import Caption, DecodingOptions, Word


class ColourCaptioner:
    name = "colour"
    digest = hashlib.sha256(b"colour").hexdigest()
    device = torch.device("cpu")

    def __init__(self, on_batch=lambda images: None) -> None:
        self.on_batch = on_batch

    def caption(self, images, options=DecodingOptions(), stopwatch=None):
        self.on_batch(images)
        return [[self._caption(image)] for image in images]

    @staticmethod
    def _caption(image):
        red, green, blue = image.resize((1, 1)).getpixel((0, 0))
        words = f"red {red} green {green} blue {blue}".split()
        return Caption(" ".join(words), -0.5, tuple(Word(word, 0.9) for word in words))
