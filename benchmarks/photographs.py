"""Photographs that may be published: windows of scikit-image's (public domain or CC0), and drawn ones."""

from __future__ import annotations

import random

from PIL import Image, ImageDraw
from skimage import data

from model.images import encode_jpeg

SIZE = (640, 480)
_NAMES = ("astronaut", "coffee", "rocket", "chelsea")


def photographs(count: int) -> list[bytes]:
    """JPEG files of SIZE, all different, always the same; every fifth is drawn."""
    whole = [Image.fromarray(getattr(data, name)()) for name in _NAMES]
    return [encode_jpeg(_drawn(n) if n % 5 == 4 else _window(whole[n % len(whole)], n)) for n in range(count)]


def _window(image: Image.Image, number: int) -> Image.Image:
    draw = random.Random(number)
    width, height = (draw.uniform(0.5, 1) * side for side in image.size)
    left, top = draw.uniform(0, image.width - width), draw.uniform(0, image.height - height)
    return image.resize(SIZE, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))


def _drawn(number: int) -> Image.Image:
    draw = random.Random(number)

    def colour() -> tuple[int, int, int]:
        return draw.randrange(256), draw.randrange(256), draw.randrange(256)

    image = Image.new("RGB", SIZE, colour())
    pencil = ImageDraw.Draw(image)
    for _ in range(8):
        x, y, side = draw.randrange(SIZE[0]), draw.randrange(SIZE[1]), draw.randrange(40, 200)
        shape = draw.choice([pencil.ellipse, pencil.rectangle])
        shape((x, y, x + side, y + side), fill=colour())
    return image
