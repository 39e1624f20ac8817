"""Bytes from a stranger to an upright RGB photograph of bounded size, or a clear refusal."""

from __future__ import annotations

import base64
import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from model import heic
from model.errors import ImageRefused, Refusal

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
MAX_PIXELS = 40_000_000
# A progressive JPEG has about ten scans, each a pass over all pixels. Thousands fit into a few kilobytes and would
# take minutes. The marker also occurs by chance in what cameras append (a film), once in 65,536 bytes.
_JPEG_SCAN = b"\xff\xda"
_MAX_SCANNED_PIXELS = 10_000_000_000
LONGEST_SIDE = 1024  # pixels; what is shown back, and far more than the encoder looks at

# Pillow's own warning comes above MAX_IMAGE_PIXELS; the limit here is lower and is an error, not a warning.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode_image(data: bytes) -> Image.Image:
    """The first frame of a JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF or HEIC file: upright (EXIF), RGB, alpha over white,
    at most LONGEST_SIDE pixels on its longest side, without metadata.

    Raises ImageRefused. Nothing is written to disk.
    """
    if heic.is_heic(data):
        data = heic.to_png(data, MAX_PIXELS, LONGEST_SIDE)
    image = _open(data)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageRefused(
            Refusal.TOO_MANY_PIXELS,
            f"The image has {width} x {height} pixels; at most {MAX_PIXELS // 1_000_000} megapixels are accepted.",
        )
    if image.format in ("JPEG", "MPO") and data.count(_JPEG_SCAN) * width * height > _MAX_SCANNED_PIXELS:
        raise _damaged()
    try:
        # A JPEG is decoded at an eighth to a half of its size where that is still large enough: far faster.
        image.draft(None, (LONGEST_SIDE, LONGEST_SIDE))
        image.load()
    except Exception as error:  # decoders raise whatever the damaged bytes lead them to
        raise _damaged() from error
    try:
        image = _to_rgb(_upright(image))
    except (ValueError, OSError) as error:
        raise ImageRefused(
            Refusal.NOT_AN_IMAGE, f"Images of the colour mode {image.mode} cannot be read; please send RGB."
        ) from error
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BICUBIC)
    image.info.clear()  # nothing of the camera, place or author goes further than here
    return image


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageRefused(
            Refusal.TOO_MANY_PIXELS, f"The image has more than {MAX_PIXELS // 1_000_000} megapixels."
        ) from error
    except Exception as error:
        if _looks_like_an_image(data):
            raise _damaged() from error
        raise ImageRefused(
            Refusal.NOT_AN_IMAGE,
            "This is not an image that can be read. Accepted are JPEG, PNG, WebP, AVIF, GIF, BMP and TIFF.",
        ) from error


def _looks_like_an_image(data: bytes) -> bool:
    """By the signatures that Pillow itself goes by: a damaged photograph is told apart from another file."""
    Image.init()
    return any(accept is not None and accept(data[:16]) for _, accept in (Image.OPEN[name] for name in FORMATS))


def _damaged() -> ImageRefused:
    return ImageRefused(Refusal.DAMAGED_IMAGE, "The image is truncated or corrupt; it cannot be decoded.")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # unreadable EXIF says nothing about the pixels, which are sound
        return image


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


def jpeg_address(image: Image.Image) -> str:
    """The photograph as a data: address (RFC 2397)."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image)).decode("ascii")


def encode_jpeg(image: Image.Image) -> bytes:
    """The photograph as a JPEG file without metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
