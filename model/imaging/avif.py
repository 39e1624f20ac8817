"""AVIF: what is beside the pixels, as its own decoder tells it."""

from __future__ import annotations

import io
import re

from PIL import Image

from model.imaging.parts import Parts

_BRANDS = re.compile(rb"....ftyp(avi[fs]|(mif1|msf1|miaf).{0,40}avi[fs])", re.DOTALL)


def is_avif(data: bytes) -> bool:
    return _BRANDS.match(data) is not None


def take_apart(data: bytes) -> Parts:
    """The whole file, and its metadata where they can be read; how it is turned and mirrored is in the EXIF then."""
    try:
        with Image.open(io.BytesIO(data), formats=("AVIF",)) as image:
            info = image.info
    except Exception:  # what is wrong is told where it is opened again
        return Parts(data)
    return Parts(data, info.get("exif", b""), info.get("xmp", b""), info.get("icc_profile", b""))
