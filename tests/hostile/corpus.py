"""Files that somebody could send to hurt: made here, the same at every run, none kept on disk."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pillow_heif
from PIL import Image, ImageDraw, features

from model.images import FORMATS
from tests.odd_files import DAMAGED, OTHER, PICTURE, TRUNCATED, odd_files
from tests.pictures import encoded

MODES = (
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBX",
    "RGBA",
    "RGBa",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "I;16",
    "F",
)
_TRUNCATIONS, _FLIPS = 24, 24


@dataclass(frozen=True)
class Case:
    kind: str
    name: str
    data: bytes
    statuses: tuple[int, ...] = (200, 415, 422)
    """With which it may be answered."""


def corpus() -> Iterator[Case]:
    yield from formats_and_modes()
    yield from truncations()
    yield from bit_flips()
    yield from bombs()
    yield from polyglots()
    yield from dimensions()
    yield from frames()
    yield from metadata()
    yield from no_images()
    yield from of_phones()
    yield from odd()


def picture(mode: str = "RGB", size: tuple[int, int] = (48, 40)) -> Image.Image:
    """A drawing with colours and edges in any of Pillow's modes."""
    image = Image.new("RGB", size, "navy")
    ImageDraw.Draw(image).ellipse((4, 4, size[0] - 8, size[1] - 8), fill="orange", outline="white", width=2)
    steps = {"La": ("LA", "La"), "PA": ("LA", "PA"), "RGBa": ("RGBA", "RGBa"), "I;16": ("I", "I;16"), "LAB": ()}
    if mode == "LAB":
        return Image.merge("LAB", image.split())
    for step in steps.get(mode, (mode,)):
        image = image.convert(step)
    return image


def formats_and_modes() -> Iterator[Case]:
    """All that Pillow writes here, in every mode that the format takes."""
    Image.init()
    for format in sorted(Image.SAVE):
        for mode in MODES:
            try:
                data = encoded(picture(mode), format)
            except (OSError, ValueError, KeyError, AttributeError, SystemError, RuntimeError):
                continue  # the format has no such mode
            accepted = format in (*FORMATS, "HEIF", "MPO", "DIB")
            yield Case("format and mode", f"{format} {mode}", data, (200, 415, 422) if accepted else (415,))


def truncations() -> Iterator[Case]:
    for format in FORMATS:
        data = encoded(picture(), format)
        for number in range(_TRUNCATIONS):
            length = len(data) * number // _TRUNCATIONS
            statuses = (400,) if length == 0 else (200, 415, 422)  # a file of nothing is no file
            yield Case("truncated", f"{format} at {length}", data[:length], statuses)


def bit_flips() -> Iterator[Case]:
    draw = random.Random(0)
    for format in FORMATS:
        data = encoded(picture(), format)
        for number in range(_FLIPS):
            flipped = bytearray(data)
            for _ in range(1 + number):
                flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
            yield Case("bits flipped", f"{format} {number + 1}", bytes(flipped))


def png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 1) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", header), *chunks, (b"IEND", b""))
    )


def bombs() -> Iterator[Case]:
    """Few bytes that want to be many: none may be unpacked beyond the limits."""
    nothing = zlib.compress(bytes(60_000_000), 9)
    yield Case("bomb", "PNG of 20000 x 20000", png(20_000, 20_000, (b"IDAT", nothing)), (422,))
    yield Case("bomb", "PNG of 2**31 x 2**31", png(2**31 - 1, 2**31 - 1, (b"IDAT", nothing)), (422,))
    yield Case("bomb", "PNG with 60 MB of compressed text", png(8, 8, (b"zTXt", b"a\0\0" + nothing)), (422,))
    yield Case("bomb", "PNG with a 60 MB colour profile", png(8, 8, (b"iCCP", b"a\0\0" + nothing)), (422,))
    rows = zlib.compress(bytes((6400 // 8 + 1) * 6200), 9)
    yield Case("bomb", "PNG of 40 megapixels in few bytes", png(6400, 6200, (b"IDAT", rows)), (200,))
    yield Case("bomb", "GIF of 65535 x 65535", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";", (422,))
    jpeg = encoded(picture(), "JPEG")
    start = jpeg.index(b"\xff\xc0")
    huge = jpeg[: start + 5] + struct.pack(">HH", 65535, 65535) + jpeg[start + 9 :]
    yield Case("bomb", "JPEG that says 65535 x 65535", huge, (422,))
    bmp = bytearray(encoded(picture(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 2**30, 2**30)
    yield Case("bomb", "BMP that says 2**30 x 2**30", bytes(bmp), (415, 422))
    yield Case(
        "bomb",
        "TIFF of 6000 x 6000, compressed",
        encoded(Image.new("L", (6000, 6000)), "TIFF", compression="tiff_deflate"),
    )
    many = encoded(Image.new("RGB", (1500, 1500)), "JPEG", progressive=True)
    scan = many[many.rindex(b"\xff\xda") : -2]
    yield Case("bomb", "JPEG of 6000 scans", many[:-2] + scan * 6000 + many[-2:], (422,))


def polyglots() -> Iterator[Case]:
    """Photographs that are something else, too: captioned as what they show, or refused; never run."""
    jpeg, gif, bitmap = (encoded(picture(), format) for format in ("JPEG", "GIF", "PNG"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("payload.py", "raise SystemExit")
    yield Case("polyglot", "JPEG and ZIP", jpeg + archive.getvalue(), (200,))
    yield Case("polyglot", "PNG and HTML", bitmap + b"<html><script>alert(1)</script>", (200,))
    yield Case("polyglot", "GIF and JavaScript", gif.replace(b"GIF89a", b"GIF89a", 1) + b"/*=1;alert(1)//*/", (200,))
    yield Case("polyglot", "PDF before JPEG", b"%PDF-1.7\n" + jpeg, (415,))
    yield Case("polyglot", "program before PNG", b"\x7fELF" + bitmap, (415,))
    yield Case("polyglot", "PHP in a JPEG comment", jpeg[:2] + b"\xff\xfe\x00\x12<?php exit(); ?>" + jpeg[2:], (200,))
    yield Case("polyglot", "PNG in the JPEG's tail", jpeg + bitmap, (200,))


def dimensions() -> Iterator[Case]:
    for size in ((1, 1), (1, 20_000), (20_000, 1), (2, 3), (6324, 6324)):
        yield Case("dimensions", f"{size[0]} x {size[1]}", encoded(Image.new("L", size, 99), "PNG"), (200,))
    yield Case("dimensions", "0 x 0", png(0, 0, (b"IDAT", zlib.compress(b""))), (415, 422))
    yield Case("dimensions", "0 x 100", png(0, 100, (b"IDAT", zlib.compress(bytes(100)))), (415, 422))
    yield Case("dimensions", "8000 x 5001", encoded(Image.new("1", (8000, 5001)), "PNG"), (422,))


def frames() -> Iterator[Case]:
    """Animations and many pages: the first is captioned, the others are not even decoded."""
    shades = [Image.new("L", (32, 32), number % 256) for number in range(300)]
    for format in ("GIF", "PNG", "TIFF", "WEBP"):
        if format == "WEBP" and not features.check("webp"):
            continue
        data = encoded(shades[0], format, save_all=True, append_images=shades[1:])
        yield Case("many frames", f"{format} of 300", data, (200,))
        yield Case("many frames", f"{format} of 300, cut off", data[: len(data) // 2], (200, 422))
    looped = bytearray(encoded(shades[0], "TIFF"))
    looped[4:8] = struct.pack("<I", 4)  # the directory is the header itself
    yield Case("many frames", "TIFF that points at itself", bytes(looped), (415, 422))


def metadata() -> Iterator[Case]:
    for orientation in (0, 1, 3, 6, 8, 9, 65535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield Case("metadata", f"orientation {orientation}", encoded(picture(), "JPEG", exif=exif), (200,))
    garbage = random.Random(1).randbytes(60_000)
    yield Case("metadata", "EXIF of garbage", encoded(picture(), "JPEG", exif=b"Exif\0\0" + garbage), (200,))
    yield Case("metadata", "colour profile of garbage", encoded(picture(), "JPEG", icc_profile=garbage), (200,))
    yield Case("metadata", "XMP with entities", encoded(picture(), "JPEG", xmp=_BILLION_LAUGHS), (200,))


_BILLION_LAUGHS = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><x>&b;&b;&b;&b;</x>'


def of_phones() -> Iterator[Case]:
    """HEIC, which is decoded in a process of its own: fewer, since each costs one."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture(size=(96, 80))).save(buffer)
    data, draw = buffer.getvalue(), random.Random(3)
    yield Case("HEIC", "sound", data, (200,))
    for part in (0.2, 0.9):
        yield Case("HEIC", f"cut off at {part}", data[: int(len(data) * part)])
    for number in range(3):
        flipped = bytearray(data)
        for _ in range(1 + 4 * number):
            flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
        yield Case("HEIC", f"bits flipped {number}", bytes(flipped), (200, 400, 415, 422))
    place = data.index(b"ispe") + 8
    for side in (0, 20_000, 2**31 - 1):
        bomb = data[:place] + struct.pack(">II", side, side) + data[place + 8 :]
        yield Case("HEIC", f"{side} x {side}", bomb, (200, 422))
    yield Case("HEIC", "its first bytes and zeros", data[:64] + bytes(5000), (422,))


def no_images() -> Iterator[Case]:
    draw = random.Random(2)
    for length in (1, 2, 16, 1000, 100_000):
        yield Case("no image", f"{length} random bytes", draw.randbytes(length), (415, 422))
    texts = {"text": b"hello", "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>", "HTML": b"<html>", "JSON": b"{}"}
    for name, data in texts.items():
        yield Case("no image", name, data, (415,))
    for format in FORMATS:
        yield Case(
            "no image", f"{format}'s first 8 bytes and zeros", encoded(picture(), format)[:8] + bytes(5000), (415, 422)
        )


def odd() -> Iterator[Case]:
    """One of forty: tests/model/test_imaging.py tries them all."""
    statuses = {PICTURE: (200,), TRUNCATED: (200,), DAMAGED: (422,), OTHER: (415,)}
    for file in islice(odd_files(), 0, None, 40):
        yield Case(file.kind, file.name, file.data, statuses[file.outcome])
