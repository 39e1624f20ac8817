"""Which way up a photograph is meant to be shown."""

from __future__ import annotations

import re

from PIL import Image

from model.imaging.parts import Parts
from model.imaging.tiff import ORIENTATION, read_directory

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes the upright picture of the stored one, by EXIF's number; 1 is upright."""
_NAMESPACE = re.compile(rb"""xmlns:([\w.-]+)\s*=\s*["']http://ns\.adobe\.com/tiff/1\.0/["']""")
_IN_XMP = rb"""\b%b:Orientation(?:\s*=\s*["']|>)\s*([1-8])\s*["'<]"""
_EXIF_HEADERS = (b"Exif\0\0", b"Exif\0\xff")  # a JPEG's, which some programs write elsewhere, too


def upright(image: Image.Image, parts: Parts) -> Image.Image:
    """By EXIF's tag alone, whatever the others hold; by XMP where EXIF does not tell."""
    transpose = _UPRIGHT.get(_from_exif(parts.exif) or _from_xmp(parts.xmp))
    return image if transpose is None else image.transpose(transpose)


def _from_exif(exif: bytes) -> int:
    """1 to 8; 0 where there is none."""
    directory = read_directory(exif[6:] if exif.startswith(_EXIF_HEADERS) else exif)
    number = (directory.number(ORIENTATION) if directory else None) or 0
    return number if 1 <= number <= 8 else 0


def _from_xmp(xmp: bytes) -> int:
    text = xmp.replace(b"\0", b"")  # all that is looked for is ASCII: so UTF-16 and UTF-32 read alike
    prefix = _NAMESPACE.search(text)
    found = re.search(_IN_XMP % re.escape(prefix[1] if prefix else b"tiff"), text)
    return int(found[1]) if found else 0
