"""HEIC and HEIF, as phones write them, by pillow-heif where it is installed (requirements/heic.txt).

Its decoders are large and have had weaknesses: each photograph is decoded in a process of its own, which may take so
much time and memory and no more, and can write no file.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from model.errors import ImageRefused, Refusal

_ROOT = Path(__file__).resolve().parent.parent
_BRANDS = re.compile(rb".{4}ftyp(he[iv][cmsx]|(mif1|msf1|miaf)(?!.{4,40}avi[fs]))", re.DOTALL)
SECONDS = 20
MEMORY = 2 << 30  # bytes of addresses: 40 megapixels take a quarter of that
_TOO_LARGE, _FAILED = 3, 4  # exit statuses


def is_heic(data: bytes) -> bool:
    """By its brands (ISO/IEC 23008-12, 10.2); AVIF is of the same family, and not meant."""
    return _BRANDS.match(data) is not None


def is_installed() -> bool:
    return find_spec("pillow_heif") is not None


def to_png(data: bytes, max_pixels: int, longest_side: int, *, seconds: float = SECONDS, memory: int = MEMORY) -> bytes:
    """The photograph upright and no larger than is looked at, with its colour profile. Raises ImageRefused.

    Nothing is decoded of one that has more than `max_pixels`.
    """
    if not is_installed():
        raise ImageRefused(
            Refusal.NOT_AN_IMAGE,
            "This is a HEIC photograph, and reading those is not installed here (requirements/heic.txt): please export "
            "it as JPEG, and send that.",
        )
    code = f"from model.heic import serve; serve({max_pixels}, {longest_side}, {memory}, {int(seconds) + 1})"
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(command, input=data, capture_output=True, cwd=_ROOT, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:  # it is killed
        raise _damaged("takes too long to decode") from error
    if done.returncode == _TOO_LARGE:
        most = max_pixels // 1_000_000
        message = f"The image has {done.stdout.decode()} pixels; at most {most} megapixels are accepted."
        raise ImageRefused(Refusal.TOO_MANY_PIXELS, message)
    if done.returncode:
        raise _damaged("is truncated or corrupt, or takes too much memory")
    return done.stdout


def _damaged(why: str) -> ImageRefused:
    return ImageRefused(Refusal.DAMAGED_IMAGE, f"The HEIC photograph {why}; it cannot be decoded.")


def serve(max_pixels: int, longest_side: int, memory: int, seconds: int) -> None:
    """The process: the photograph comes in on standard input, and the PNG goes out."""
    _limit(memory, seconds)
    try:
        import pillow_heif

        pillow_heif.options.DECODE_THREADS = 1
        photograph = pillow_heif.open_heif(sys.stdin.buffer.read(), convert_hdr_to_8bit=True)
        width, height = photograph.size
        if width * height > max_pixels:
            sys.stdout.write(f"{width} x {height}")
            sys.exit(_TOO_LARGE)
        image = photograph.to_pillow()  # with its rotation and mirroring done
        image.thumbnail((longest_side, longest_side))
        png = io.BytesIO()
        image.save(png, "PNG", compress_level=1, icc_profile=image.info.get("icc_profile"))
    except Exception:  # decoders raise whatever the damaged bytes lead them to
        sys.exit(_FAILED)
    sys.stdout.buffer.write(png.getvalue())


def _limit(memory: int, seconds: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # not every system has every limit
            resource.setrlimit(what, (most, most))
