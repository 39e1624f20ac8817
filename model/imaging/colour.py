"""Colours as a file's profile (ICC.1) means them, in sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from itertools import product

from PIL import Image, ImageCms

_DEVICES = ("scnr", "mntr", "prtr", "spac")  # profiles of other classes say nothing of pixels
_SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}
_LONGEST = 4 * 2**20  # bytes; printers' have one or two megabytes
_ALIKE = 2  # of 255: programs' versions of sRGB differ by one
_SAMPLE = bytes(level for colour in product(range(0, 256, 17), repeat=3) for level in colour)


@lru_cache(maxsize=16)  # making one takes longer than using it, and cameras have few
def to_srgb(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What makes an sRGB image of one of mode L, RGB or CMYK: relative colorimetric, with black point compensation.

    None where nothing is to be done: the profile is missing or broken, for pixels of another mode, or sRGB's.
    """
    if not icc or len(icc) > _LONGEST or mode not in _SPACES:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if profile.profile.xcolor_space != _SPACES[mode] or profile.profile.device_class not in _DEVICES:
            return None
        transform = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return None if mode == "RGB" and _changes_nothing(transform) else transform


def apply(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # it is where the image itself is changed
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Tried on colours of all kinds: sRGB's profiles have many names and forms."""
    sample = Image.frombytes("RGB", (len(_SAMPLE) // 3, 1), _SAMPLE)
    after = apply(sample, transform).tobytes()
    return max(abs(a - b) for a, b in zip(_SAMPLE, after, strict=True)) <= _ALIKE
