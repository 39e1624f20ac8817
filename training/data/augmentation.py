"""How a training photograph is shown."""

from __future__ import annotations

import random
from typing import Literal

from PIL import Image, ImageEnhance, ImageOps

FixedAugmentation = Literal["plain", "flip", "crop"]
"""Always the same of a photograph, so that its features can be kept."""
Augmentation = Literal["plain", "flip", "crop", "random"]


def fixed_augmentation(image: Image.Image, augmentation: FixedAugmentation, name: str) -> Image.Image:
    """As it is, mirrored, or a crop: a window of 80 to 100 % of each side, mirrored or not, that only depends on the
    photograph's name.
    """
    if augmentation == "plain":
        return image
    if augmentation == "flip":
        return ImageOps.mirror(image)
    return _window(image, random.Random(name), 0.8, image.size)


def random_augmentation(image: Image.Image, side: int, seed: int) -> Image.Image:
    """A window of 70 to 100 % of each side, mirrored or not, as a square of `side` pixels, with brightness, contrast
    and saturation between 0.8 and 1.2 times what they were. Hue stays: captions name colours.
    """
    draw = random.Random(seed)
    image = _window(image, draw, 0.7, (side, side))
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = change(image).enhance(draw.uniform(0.8, 1.2))
    return image


def _window(image: Image.Image, draw: random.Random, least: float, size: tuple[int, int]) -> Image.Image:
    """Of at least that share of each side, resized, and mirrored half of the time."""
    width, height = (draw.uniform(least, 1) * side for side in image.size)
    left, top = draw.uniform(0, image.width - width), draw.uniform(0, image.height - height)
    image = image.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
    return ImageOps.mirror(image) if draw.random() < 0.5 else image
