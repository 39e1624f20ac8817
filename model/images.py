"""Bytes from a stranger to an upright RGB photograph of bounded size, or a clear refusal."""

from __future__ import annotations

import base64
import io
import warnings

import numpy as np
from PIL import Image

from model import heic
from model.errors import ImageRefused, Refusal
from model.imaging import Parts, take_apart
from model.imaging.colour import apply, to_srgb
from model.imaging.jpeg import share_of_rows
from model.imaging.kinds import describe, describe_raw
from model.imaging.orientation import upright

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
MAX_PIXELS = 40_000_000
# A progressive JPEG has about ten scans, each a pass over all pixels. Thousands fit into a few kilobytes and would
# take minutes.
_MAX_SCANNED_PIXELS = 10_000_000_000
LONGEST_SIDE = 1024  # pixels; what is shown back, and far more than the encoder looks at
TRUNCATED = "truncated"
"""The warning of a JPEG that lacks rows, or its end, and has enough of them."""
WARNINGS = {TRUNCATED: "the file is cut off: its end is missing"}
"""What each means."""
_ENOUGH_ROWS = 0.9  # of the height
_FILLER = {127, 128}  # the grey that a JPEG decoder puts where the last rows are missing
_GREY = ("1", "L", "LA", "La", "I", "F")

# Pillow's own warning comes above MAX_IMAGE_PIXELS; the limit here is lower and is an error, not a warning.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode_image(data: bytes) -> Image.Image:
    """The first frame of a JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF or HEIC file: upright, sRGB, alpha over white, at most
    LONGEST_SIDE pixels on its longest side, without metadata; `info` holds "warning" where there is one (warning_of).

    Raises ImageRefused. Nothing is written to disk.
    """
    if heic.is_heic(data):
        data = heic.to_png(data, MAX_PIXELS, LONGEST_SIDE)
    if refusal := describe_raw(data):
        raise ImageRefused(Refusal.NOT_AN_IMAGE, refusal)
    parts = take_apart(data)
    image = _open_checked(parts, data)
    try:
        image, is_truncated = _load(image, parts)
    except ImageRefused:
        raise
    except Exception as error:  # decoders raise whatever the damaged bytes lead them to
        raise _refusal(data) from error
    mode = image.mode
    try:
        image = _srgb(upright(image, parts), parts.icc)
    except (ValueError, OSError) as error:
        raise ImageRefused(
            Refusal.NOT_AN_IMAGE, f"Images of the colour mode {mode} cannot be read; please send RGB."
        ) from error
    image.info = {"warning": TRUNCATED} if is_truncated else {}  # nothing of the camera, place or author goes further
    return image


def _open_checked(parts: Parts, data: bytes) -> Image.Image:
    """Nothing is decoded yet. Raises ImageRefused."""
    try:
        image = _open(parts.pixels)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRefused(
            Refusal.TOO_MANY_PIXELS, f"The image has more than {MAX_PIXELS // 1_000_000} megapixels."
        ) from error
    except Exception as error:
        raise _refusal(data) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageRefused(
            Refusal.TOO_MANY_PIXELS,
            f"The image has {width} x {height} pixels; at most {MAX_PIXELS // 1_000_000} megapixels are accepted.",
        )
    if parts.frame and len(parts.frame.scans) * width * height > _MAX_SCANNED_PIXELS:
        raise _damaged()
    return image


def _open(pixels: bytes) -> Image.Image:
    return Image.open(io.BytesIO(pixels), formats=FORMATS)


def _load(image: Image.Image, parts: Parts) -> tuple[Image.Image, bool]:
    """With whether anything is missing of a JPEG. Raises ImageRefused where too much is, and what decoders raise."""
    frame = parts.frame
    if frame is None or frame.is_whole:
        _decode(image)
        if frame is None or not _ends_in_filler(image):
            return image, False
    share, image = share_of_rows(parts.pixels, frame, lambda pixels: _decode(_open(pixels)))
    if share < _ENOUGH_ROWS:
        raise _damaged()
    return image, not frame.is_whole or share < 1


def _decode(image: Image.Image) -> Image.Image:
    # A JPEG is decoded at an eighth to a half of its size where that is still large enough: far faster.
    image.draft(None, (LONGEST_SIDE, LONGEST_SIDE))
    image.load()
    return image


def _ends_in_filler(image: Image.Image) -> bool:
    """Whether a decoder may have made up what stands in the last corner."""
    corner = image.getpixel((image.width - 1, image.height - 1))
    return set(corner if isinstance(corner, tuple) else (corner,)) <= _FILLER


def _refusal(data: bytes) -> ImageRefused:
    """Of what cannot be decoded: another kind of file, or a photograph that is damaged."""
    if what := describe(data):
        return ImageRefused(Refusal.NOT_AN_IMAGE, what)
    if _looks_like_an_image(data):
        return _damaged()
    return ImageRefused(
        Refusal.NOT_AN_IMAGE,
        "This is not an image that can be read. Accepted are JPEG, PNG, WebP, AVIF, GIF, BMP and TIFF.",
    )


def _looks_like_an_image(data: bytes) -> bool:
    """By the signatures that Pillow itself goes by: a damaged photograph is told apart from another file."""
    Image.init()
    return any(accept is not None and accept(data[:16]) for _, accept in (Image.OPEN[name] for name in FORMATS))


def _damaged() -> ImageRefused:
    return ImageRefused(Refusal.DAMAGED_IMAGE, "The image is truncated or corrupt; it cannot be decoded.")


def _srgb(image: Image.Image, icc: bytes) -> Image.Image:
    """RGB of bounded size, as the profile means it where there is one."""
    is_grey = image.mode in _GREY or image.mode.startswith("I;16")
    transform = to_srgb(icc, "L" if is_grey else "CMYK" if image.mode == "CMYK" else "RGB")
    if not (transform and image.mode == "CMYK"):
        image = _to_rgb(image)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BICUBIC)
    return apply(image.getchannel(0) if is_grey else image, transform) if transform else image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):  # no range is defined for these: black is the least value, white the greatest
        values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0)
        low, high = values.min(), values.max()
        image = Image.fromarray(np.uint8((values - low) * (255 / (high - low) if high > low else 0)))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, "white")
        image.alpha_composite(layer)
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def warning_of(image: Image.Image) -> dict[str, str]:
    """What the answer to a decoded photograph says of its file: {"warning": …}, or nothing."""
    return {"warning": image.info["warning"]} if "warning" in image.info else {}


def jpeg_address(image: Image.Image) -> str:
    """The photograph as a data: address (RFC 2397)."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image)).decode("ascii")


def encode_jpeg(image: Image.Image) -> bytes:
    """The photograph as a JPEG file without metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
