"""What decode_image is made of: files taken apart, what kind a file is, which way up, which colours are meant.

Cameras and programs write much beside the pixels, and often wrongly. No decoder is shown any of that: a file is taken
apart (Parts), and put together again of what pixels need.
"""

from __future__ import annotations

from model.imaging import avif, jpeg, png, tiff, webp
from model.imaging.parts import Frame, Parts

__all__ = ["Frame", "Parts", "take_apart"]


def take_apart(data: bytes) -> Parts:
    """Of a format that keeps nothing of interest beside its pixels the whole file is given back."""
    if data.startswith(jpeg.SIGNATURE):
        return jpeg.take_apart(data)
    if data.startswith(png.SIGNATURE):
        return png.take_apart(data)
    if data.startswith(tiff.SIGNATURES):
        return tiff.take_apart(data)
    if avif.is_avif(data):
        return avif.take_apart(data)
    return webp.take_apart(data) if webp.is_webp(data) else Parts(data)
