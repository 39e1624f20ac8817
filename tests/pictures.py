"""Photographs that may be published, and pictures that are drawn."""

import io

import numpy as np
from PIL import Image
from skimage import data


def photograph(name: str) -> Image.Image:
    """One of scikit-image's, CC0 or public domain: camera (a man with one), chelsea (a cat), astronaut, coffee, …"""
    return Image.fromarray(getattr(data, name)())


def drawn(width: int = 96, height: int = 64) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right: it shows which way up it is."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = (255, 255, 255)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """Colours near the four corners: top left, top right, bottom left, bottom right."""
    width, height = image.size
    places = [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)]
    return [image.getpixel((int(x * width), int(y * height))) for x, y in places]
