"""Files as strangers send them, made here: photographs with something wrong beside the pixels, cut off, turned, in
other colours, and files that are something else.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pillow_heif
import skimage
from PIL import Image

from tests.pictures import drawn, encoded

PICTURE, TRUNCATED, DAMAGED, OTHER = "picture", "truncated", "damaged", "other"


@dataclass(frozen=True)
class Odd:
    kind: str
    name: str
    data: bytes
    outcome: str = PICTURE
    """PICTURE and TRUNCATED show what `drawn` draws, the latter with the warning; DAMAGED and OTHER are refused."""
    said: str = ""
    """What the refusal names."""


def odd_files() -> Iterator[Odd]:
    yield from png_chunks()
    yield from jpeg_segments()
    yield from tiff_tags()
    yield from webp_chunks()
    yield from orientations()
    yield from cut_off()
    yield from profiles()
    yield from other_kinds()


_NOISE = random.Random(3).randbytes(70_000)
_ANCILLARY = b"gAMA cHRM sRGB pHYs tEXt zTXt iTXt iCCP eXIf bKGD hIST sBIT sPLT tIME acTL fcTL cICP prVt".split()


def png_chunk(name: bytes, body: bytes, checksum: int | None = None, length: int | None = None) -> bytes:
    checksum = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body) if length is None else length) + name + body + struct.pack(">I", checksum)


def png_with(chunk: bytes, *, at_end: bool = False, picture: bytes | None = None) -> bytes:
    """Between the header and the pixels, or behind these."""
    png = picture or encoded(drawn())
    at = png.index(b"IEND") - 4 if at_end else 33
    return png[:at] + chunk + png[at:]


def png_chunks() -> Iterator[Odd]:
    kind = "PNG, ancillary chunk"
    for name in _ANCILLARY:
        text = name.decode()
        yield Odd(kind, f"{text}, wrong checksum", png_with(png_chunk(name, b"Comment\0\0abc", checksum=1)))
        yield Odd(kind, f"{text} of a byte", png_with(png_chunk(name, b"\1")))
        yield Odd(kind, f"{text} of noise", png_with(png_chunk(name, _NOISE[:999])))
        yield Odd(kind, f"{text}, wrong checksum, at the end", png_with(png_chunk(name, b"a\0\0b", 1), at_end=True))
    long = zlib.compress(bytes(range(256)) * 8000)  # 2 MB
    bomb = zlib.compress(bytes(60_000_000), 9)
    for size, packed in (("2 MB", long), ("60 MB", bomb), ("broken", long[:-9] + b"x" * 9)):
        for name, head in ((b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"iCCP", b"a\0\0")):
            yield Odd(kind, f"{name.decode()}, {size} unpacked", png_with(png_chunk(name, head + packed)))
    many = png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(900_000), 9)) * 300
    yield Odd(kind, "270 MB of texts that unpack", png_with(many))
    yield Odd(kind, "100,000 texts", png_with(png_chunk(b"tEXt", b"a\0b") * 100_000))
    yield Odd(kind, "length beyond the file", png_with(png_chunk(b"tEXt", b"a\0b", length=10**6)))
    yield Odd(kind, "length too small", png_with(png_chunk(b"tEXt", b"a\0" + b"b" * 90, length=5)))
    yield Odd(kind, "length of 2**31", png_with(png_chunk(b"iTXt", b"a\0b", length=2**31)))
    yield Odd(kind, "tRNS of a byte", png_with(png_chunk(b"tRNS", b"\0")))
    yield Odd(kind, "noise behind the end", encoded(drawn()) + _NOISE)
    yield Odd("PNG, chunk of pixels", "IHDR, wrong checksum", _flipped(encoded(drawn()), 30), DAMAGED)
    yield Odd("PNG, chunk of pixels", "half of the file", encoded(drawn())[:100], DAMAGED)


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def segment(marker: int, body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2 if length is None else length) + body


def jpeg(**options: object) -> bytes:
    return encoded(drawn(), "JPEG", **{"quality": 95, "subsampling": 0} | options)


def jpeg_with(*segments: bytes, picture: bytes | None = None) -> bytes:
    """At the beginning."""
    picture = picture or jpeg()
    return picture[:2] + b"".join(segments) + picture[2:]


def jpeg_segments() -> Iterator[Odd]:
    kind = "JPEG, application segment"
    small = encoded(drawn(32, 24).rotate(180), "JPEG")  # another picture within the file
    for marker in (*range(0xE0, 0xF0), 0xFE):
        name = "COM" if marker == 0xFE else f"APP{marker - 0xE0}"
        for body in (b"", b"\0", b"JFIF", b"Exif\0\0", b"Adobe", _NOISE[:3000]):
            yield Odd(kind, f"{name} {body[:6]!r}", jpeg_with(segment(marker, body)))
    for body in (b"JFIF\0\1", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Adobe\0d"):
        for marker in (0xE0, 0xE1, 0xEE):
            yield Odd(kind, f"APP{marker - 0xE0} {body!r}", jpeg_with(segment(marker, body)))
    for body in (
        b"MPF\0MM\0*\0\0\0\x08\0\1",
        b"MPF\0" + _NOISE[:90],
        b"FPXR\0",
        b"ICC_PROFILE\0",
        b"ICC_PROFILE\0\1\x09ab",
    ):
        yield Odd(kind, f"APP2 {body[:24]!r}", jpeg_with(segment(0xE2, body)))
    for body in (
        b"Photoshop 3.0\0008BIM",
        b"Photoshop 3.0\0008BIM\4\4\0\0\xff\xff\xff\xff",
        b"Photoshop 3.0\0" + _NOISE[:500],
    ):
        yield Odd(kind, f"APP13 {body[:28]!r}", jpeg_with(segment(0xED, body)))
    for count in (1, 40, 200):
        full = segment(0xE4, _NOISE[:65_533]) * count
        yield Odd(kind, f"{count} APP4 of 64 kB", jpeg_with(full))
        yield Odd(kind, f"{count} COM of 64 kB", jpeg_with(segment(0xFE, _NOISE[:65_533]) * count))
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + b"<a>" * 21_000
    yield Odd(kind, "XMP of 64 kB, twenty times", jpeg_with(segment(0xE1, xmp[:65_533]) * 20))
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + small
    for length in (0, 1, 2, 9, len(exif) - 300, len(exif) + 2 + 9, len(exif) + 2 + 200, 65_535):
        name = f"length of {length} for {len(exif) + 2}, with a small picture in it"
        yield Odd(kind, name, jpeg_with(segment(0xE1, exif, length)))
    for length in (0, 1, 30, 120, 65_535):
        yield Odd(kind, f"length of {length} for 92", jpeg_with(segment(0xE5, b"x" * 90, length)))
    yield Odd(kind, "zeros between segments", jpeg_with(segment(0xE5, b"abc") + bytes(40)))
    yield Odd(kind, "two beginnings", b"\xff\xd8" + jpeg())
    yield Odd(kind, "noise behind the end", jpeg() + _NOISE)


def tiff_entry(tag: int, type: int, count: int, value: bytes | int) -> bytes:
    """Of a little-endian directory."""
    return struct.pack("<HHI", tag, type, count) + (
        value.ljust(4, b"\0") if isinstance(value, bytes) else struct.pack("<I", value)
    )


def tiff_with(*entries: bytes, picture: bytes | None = None, next: int = 0) -> bytes:
    """Entries beside, or instead of, those of a little-endian TIFF file."""
    data = picture or encoded(drawn(), "TIFF")
    [start] = struct.unpack_from("<I", data, 4)
    [count] = struct.unpack_from("<H", data, start)
    own = [data[start + 2 + 12 * n : start + 14 + 12 * n] for n in range(count)]
    numbers = {entry[:2] for entry in entries}
    both = sorted([*(entry for entry in own if entry[:2] not in numbers), *entries], key=lambda e: e[1::-1])
    data += bytes(len(data) % 2)
    directory = struct.pack("<H", len(both)) + b"".join(both) + struct.pack("<I", next)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


def tiff_tags() -> Iterator[Odd]:
    kind = "TIFF, tag"
    for compression in ("raw", "tiff_lzw", "tiff_deflate", "packbits"):
        picture = encoded(drawn(), "TIFF", compression=compression)
        for tag in (270, 271, 282, 296, 305, 306, 315, 700, 33432, 33723, 34377, 34665, 34675, 34853, 37724, 65000):
            for name, entry in (
                ("of an unknown type", tiff_entry(tag, 99, 1, 1)),
                ("beyond the file", tiff_entry(tag, 2, 1000, 10**9)),
                ("of 2**32 - 1 values", tiff_entry(tag, 4, 2**32 - 1, 8)),
                ("of another type", tiff_entry(tag, 12, 1, 8)),
            ):
                yield Odd(kind, f"{compression}, {tag} {name}", tiff_with(entry, picture=picture))
        many = [tiff_entry(40_000 + number, 7, 4, b"abcd") for number in range(3000)]
        yield Odd(kind, f"{compression}, 3000 tags", tiff_with(*many, picture=picture))
        looped = [tiff_entry(330, 4, 1, 8), tiff_entry(34665, 4, 1, 8)]
        yield Odd(kind, f"{compression}, directories in a circle", tiff_with(*looped, picture=picture, next=8))
    yield Odd("TIFF, tag of pixels", "no width", tiff_with(tiff_entry(256, 99, 1, 0)), DAMAGED)


def webp_chunk(name: bytes, body: bytes, length: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if length is None else length) + body + bytes(len(body) % 2)


def webp_with(before: bytes = b"", after: bytes = b"", flags: int = 0) -> bytes:
    pixels = encoded(drawn(), "WEBP", lossless=True)[12:]
    extended = webp_chunk(b"VP8X", struct.pack("<B3x", flags) + (95).to_bytes(3, "little") + (63).to_bytes(3, "little"))
    body = b"WEBP" + extended + before + pixels + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_chunks() -> Iterator[Odd]:
    kind = "WebP, chunk of metadata"
    for name, flag in ((b"ICCP", 0x20), (b"EXIF", 0x08), (b"XMP ", 0x04), (b"JUNK", 0)):
        text, place = name.decode(), "before" if name == b"ICCP" else "after"
        yield Odd(kind, f"{text} of noise", webp_with(**{place: webp_chunk(name, _NOISE[:999])}, flags=flag))
        yield Odd(kind, f"{text} empty", webp_with(**{place: webp_chunk(name, b"")}, flags=flag))
        yield Odd(kind, f"{text} promised", webp_with(flags=flag))
        yield Odd(kind, f"{text} not promised", webp_with(**{place: webp_chunk(name, b"abc")}))
        for length in (2, 5000, 2**32 - 9):
            chunk = webp_chunk(name, b"a" * 90, length)
            yield Odd(kind, f"{text}, length of {length} for 90", webp_with(**{place: chunk}, flags=flag))
    yield Odd(kind, "wrong length of all", b"RIFF\0\0\0\0" + webp_with()[8:])


_STORED = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""Image.Transpose that makes the stored of the upright picture, by EXIF's number."""


def turned(orientation: int) -> Image.Image:
    """As a camera stores it that was held so."""
    return drawn().transpose(Image.Transpose(_STORED[orientation])) if orientation in _STORED else drawn()


def exif(orientation: int, *more: bytes, order: str = "<", type: int = 3) -> bytes:
    """A TIFF structure with the tag among others."""
    value = struct.pack(order + {1: "B", 3: "H", 4: "I", 8: "h", 9: "i"}[type], orientation).ljust(4, b"\0")
    own = struct.pack(order + "HHI", 0x0112, type, 1) + value
    entries = sorted([own, *more], key=lambda entry: struct.unpack_from(order + "H", entry))
    head = b"II*\0" if order == "<" else b"MM\0*"
    body = struct.pack(order + "IH", 8, len(entries)) + b"".join(entries) + bytes(4)
    return head + body


def xmp(orientation: int, form: str = 'tiff:Orientation="{}"') -> bytes:
    inside = form.format(orientation)
    open_, close = (f" {inside}>", "") if "=" in inside else (">", inside)
    text = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description{open_}{close}</rdf:Description></x:xmpmeta>'
    return text.encode()


def orientations() -> Iterator[Odd]:
    kind = "orientation"
    # Tags that cannot be written again, so that a program which rewrites EXIF gives up.
    bad = (
        tiff_entry(0x8769, 2, 4, b"abc"),  # the EXIF directory's place, as text
        tiff_entry(0x010F, 99, 3, 0),
        tiff_entry(0x011A, 5, 1, 10**9),
        tiff_entry(0x0131, 12, 2**31, 9),
        tiff_entry(0x8825, 4, 1, 8),  # GPS: this directory itself
        tiff_entry(0x0100, 2, 2, b"a"),
    )
    for number in range(1, 9):
        picture = turned(number)
        for name, blob in (
            ("alone", exif(number)),
            ("big-endian", exif(number, order=">")),
            ("beside broken tags", exif(number, *bad)),
            *((f"beside tag {b[:2][::-1].hex()}", exif(number, b)) for b in bad),
            ("as LONG", exif(number, type=4)),
            ("as BYTE", exif(number, type=1)),
            ("cut off behind it", exif(number)[:22]),
        ):
            stored = encoded(picture, "JPEG", quality=95, subsampling=0)
            yield Odd(kind, f"JPEG {number} {name}", jpeg_with(segment(0xE1, b"Exif\0\0" + blob), picture=stored))
            yield Odd(kind, f"PNG {number} {name}", png_with(png_chunk(b"eXIf", blob), picture=encoded(picture)))
            lossless = encoded(picture, "WEBP", lossless=True, exif=blob)
            yield Odd(kind, f"WebP {number} {name}", lossless)
        for compression in ("raw", "tiff_lzw"):
            stored = encoded(picture, "TIFF", compression=compression)
            entry = tiff_entry(0x0112, 3, 1, number)
            yield Odd(kind, f"TIFF {number} {compression}", tiff_with(entry, picture=stored))
            yield Odd(
                kind, f"TIFF {number} {compression} beside broken tags", tiff_with(entry, *bad[:-1], picture=stored)
            )
        hexadecimal = b"\nexif\n%8d\n" % len(exif(number)) + exif(number).hex().encode() + b"\n"
        for name in (b"tEXt", b"zTXt"):
            packed = hexadecimal if name == b"tEXt" else b"\0" + zlib.compress(hexadecimal)
            chunk = png_chunk(name, b"Raw profile type exif\0" + packed)
            yield Odd(kind, f"PNG {number} as ImageMagick's {name.decode()}", png_with(chunk, picture=encoded(picture)))
        for form in ('tiff:Orientation="{}"', "tiff:Orientation='{}'", "<tiff:Orientation>{}</tiff:Orientation>"):
            blob = xmp(number, form)
            stored = encoded(picture, "JPEG", quality=95, subsampling=0)
            app = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + blob)
            yield Odd(kind, f"JPEG {number} in XMP, {form}", jpeg_with(app, picture=stored))
            chunk = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + blob)
            yield Odd(kind, f"PNG {number} in XMP, {form}", png_with(chunk, picture=encoded(picture)))
            yield Odd(kind, f"WebP {number} in XMP, {form}", encoded(picture, "WEBP", lossless=True, xmp=blob))
            both = segment(0xE1, b"Exif\0\0" + exif(0)) + app
            yield Odd(kind, f"JPEG {number} in XMP, 0 in EXIF, {form}", jpeg_with(both, picture=stored))
        for encoding in ("utf-8", "utf-16", "utf-16-be", "utf-32"):
            named = 'xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="{}" tiff:Orientation="1"'
            blob = xmp(number, named).decode().encode(encoding)
            lossless = encoded(picture, "WEBP", lossless=True, xmp=blob)
            yield Odd(kind, f"WebP {number} in XMP under another prefix, {encoding}", lossless)
        for first in (b"", b"garbage", b"II*\0", b"MM\0*\xff\xff\xff\xff"):
            both = segment(0xE1, b"Exif\0\0" + first) + segment(0xE1, b"Exif\0\0" + exif(number))
            stored = encoded(picture, "JPEG", quality=95, subsampling=0)
            yield Odd(kind, f"JPEG {number} in a second EXIF behind {first!r}", jpeg_with(both, picture=stored))
    for number in (0, 9, 255):
        yield Odd(kind, f"JPEG {number}", jpeg_with(segment(0xE1, b"Exif\0\0" + exif(number))))


def _coded(jpeg: bytes) -> int:
    """Where the first scan's data begin."""
    at = jpeg.index(b"\xff\xda")
    return at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")


def textured(mode: str = "RGB", size: tuple[int, int] = (400, 320)) -> Image.Image:
    """`drawn`, larger, and so busy that each row takes its part of a file."""
    pixels = np.asarray(drawn(*size)).astype(int)
    noise = np.random.default_rng(0).integers(-40, 41, (*pixels.shape[:2], 1))
    return Image.fromarray(np.clip(pixels * 0.7 + 38 + noise, 0, 255).astype(np.uint8)).convert(mode)


def cut_off() -> Iterator[Odd]:
    kind = "JPEG that lacks its end"
    forms = {
        "baseline": {},
        "4:4:4": {"subsampling": 0},
        "restarts": {"restart_marker_rows": 1},
        "progressive": {"progressive": True},
        "progressive 4:4:4": {"progressive": True, "subsampling": 0},
    }
    pictures = [(name, encoded(textured(), "JPEG", quality=90, **options)) for name, options in forms.items()]
    pictures.append(("grey", encoded(textured("L"), "JPEG", quality=90)))
    pictures.append(("CMYK", encoded(textured("CMYK"), "JPEG", quality=90)))
    for name, file in pictures:
        begin, is_progressive = _coded(file), name.startswith("progressive")
        for lacking in (1, 2, 3, 10):
            yield Odd(kind, f"{name}, {lacking} bytes", file[:-lacking], TRUNCATED)
        coded = len(file) - begin
        for share in (0.98, 0.95, 0.93):
            cut = file[: begin + int(coded * share)]
            yield Odd(kind, f"{name}, {share:.0%} there", cut, TRUNCATED)
            yield Odd(kind, f"{name}, {share:.0%} there, the rest zeros", cut.ljust(len(file), b"\0"), TRUNCATED)
            if not is_progressive:
                yield Odd(kind, f"{name}, {share:.0%} there, and an end", cut.rstrip(b"\xff") + b"\xff\xd9", TRUNCATED)
        for share in (0.87, 0.8, 0.5, 0.2, 0.02):
            if is_progressive and share > 0.2:
                continue
            cut = file[: begin + int(coded * share)]
            yield Odd(kind, f"{name}, {share:.0%} there", cut, DAMAGED)
            yield Odd(kind, f"{name}, {share:.0%} there, the rest zeros", cut.ljust(len(file), b"\0"), DAMAGED)
            if not is_progressive:
                yield Odd(kind, f"{name}, {share:.0%} there, and an end", cut.rstrip(b"\xff") + b"\xff\xd9", DAMAGED)
        for length in (3, 20, begin - 20, begin):
            yield Odd(kind, f"{name}, {length} bytes there", file[:length], DAMAGED)


def profile(
    primaries: tuple[tuple[float, float, float], ...] = (), gamma: float = 2.2, *, space: bytes = b"RGB "
) -> bytes:
    """A display's profile by ICC.1:2001: primaries as XYZ under D50, or none for a grey one."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    tags = {b"wtpt": b"XYZ \0\0\0\0" + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))}
    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256))
    for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=False):
        tags[name] = b"XYZ \0\0\0\0" + b"".join(map(fixed, xyz))
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC") if primaries else (b"kTRC",), curve)
    return _icc(space, tags)


def cmyk_profile() -> bytes:
    """A press's, with a table of two levels an ink: paper, cyan, magenta, yellow and black as Lab."""
    table = bytearray()
    for number in range(16):
        cyan, magenta, yellow, black = (number >> shift & 1 for shift in (3, 2, 1, 0))
        light = 100 * (1 - 0.4 * cyan) * (1 - 0.5 * magenta) * (1 - 0.05 * yellow) * (1 - 0.9 * black)
        a, b = 75 * magenta - 40 * cyan, 90 * yellow - 45 * cyan
        table += bytes((round(light * 2.55), *(max(0, min(255, round(v) * (1 - black) + 128)) for v in (a, b))))
    identity = bytes(range(256))
    matrix = struct.pack(">9i", *(65536, 0, 0, 0, 65536, 0, 0, 0, 65536))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + identity * 4 + bytes(table) + identity * 3
    return _icc(b"CMYK", {b"A2B0": lut, b"A2B1": lut, b"wtpt": b"XYZ \0\0\0\0" + bytes(12)}, kind=b"prtr", pcs=b"Lab ")


def _icc(space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr", pcs: bytes = b"XYZ ") -> bytes:
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += struct.pack(">4sII", name, start + len(body), len(value))
        body += value
    size = start + len(body)
    head = struct.pack(">I4sI4s4s4s12x4s", size, b"lcms", 0x02400000, kind, space, pcs, b"acsp").ljust(68, b"\0")
    head += struct.pack(">3i", 63190, 65536, 54061)  # D50
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


ADOBE_RGB = profile(((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)))
DISPLAY_P3 = profile(((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)))
LINEAR = profile(((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)), 1.0)
GREY_GAMMA = profile(gamma=1.0, space=b"GRAY")
SWAPPED = profile(((0.14307, 0.06061, 0.7141), (0.38515, 0.71687, 0.09708), (0.43607, 0.22249, 0.01392)))
"""Nonsense that is easy to see: its red is sRGB's blue."""


def skimage_profile(name: str) -> bytes:
    """Of scikit-image's own pictures: chelsea.png (HP's sRGB), rocket.jpg (Adobe RGB), page.png (dot gain 20 %)."""
    with Image.open(Path(skimage.__file__).parent / "data" / name) as image:
        found: bytes = image.info["icc_profile"]
        return found


def profiles() -> Iterator[Odd]:
    """That change nothing that could be seen in `drawn`, or are broken: it comes out as it is."""
    kind = "colour profile"
    broken = {
        "empty": b"",
        "of noise": _NOISE[:3000],
        "of zeros": bytes(500),
        "cut off": ADOBE_RGB[:200],
        "of a head alone": ADOBE_RGB[:128],
        "of 6 MB": ADOBE_RGB + bytes(6 * 2**20),
        "for another space": cmyk_profile(),
        "for grey": GREY_GAMMA,
        "with a wrong table": ADOBE_RGB[:132] + _NOISE[:300],
        "of an abstract device": ADOBE_RGB[:12] + b"abst" + ADOBE_RGB[16:],
        "of sRGB (HP)": skimage_profile("chelsea.png"),
    }
    for name, blob in broken.items():
        for format in ("JPEG", "PNG", "WEBP", "TIFF"):
            if not blob or (name == "of 6 MB" and format == "WEBP"):
                continue
            options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
            yield Odd(kind, f"{format} {name}", encoded(drawn(), format, icc_profile=blob, **options))
    parts = [segment(0xE2, b"ICC_PROFILE\0" + bytes((n, 9)) + ADOBE_RGB[:50]) for n in (3, 3, 7, 0)]
    yield Odd(kind, "JPEG in parts that do not fit", jpeg_with(*parts))


def other_kinds() -> Iterator[Odd]:
    kind = "another kind of file"
    photograph = jpeg()

    def refused(name: str, data: bytes, said: str) -> Odd:
        return Odd(kind, name, data, OTHER, said)

    for name, version in (("LFS pointer", "v1"), ("LFS pointer with CRLF", "v1")):
        text = f"version https://git-lfs.github.com/spec/{version}\noid sha256:{'0' * 64}\nsize 12345\n"
        yield refused(name, text.replace("\n", "\r\n" if "CRLF" in name else "\n").encode(), "Git LFS pointer")
    yield refused("git-annex pointer", b"/annex/objects/SHA256E-s1--00.jpg\n", "git-annex")
    for page in (
        "<!DOCTYPE html><html><title>404</title>",
        "<html>\n<head>",
        "\n\n  <!doctype HTML>",
        "<!-- a --><html>",
        "\ufeff<html>",
        "<h1>Not Found</h1>",
        "<?xml version='1.0'?><!DOCTYPE html PUBLIC '-//W3C'>",
        "<html>" + "é" * 3000,
    ):
        yield refused(f"page {page[:20]!r}", page.encode(), "web page")
    yield refused("page in UTF-16", "<html>".encode("utf-16"), "web page")
    yield refused("page in Latin-1", "<html>é".encode("latin-1"), "web page")
    for picture in (
        "<svg xmlns='a'/>",
        "<?xml version='1.0'?>\n<!-- Inkscape -->\n<svg>",
        "<!DOCTYPE svg PUBLIC 'a'><svg>",
    ):
        yield refused(f"drawing {picture[:20]!r}", picture.encode(), "SVG")
    yield refused("zeros", bytes(5000), "nothing but zeros")
    yield refused("a zero", b"\0", "nothing but zeros")
    for name, pack in (("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)):
        yield refused(f"{name} of a JPEG", pack(photograph), name)
    yield refused("zstd of a JPEG", b"\x28\xb5\x2f\xfd" + _NOISE[:99], "zstd")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.jpg", photograph)
    yield refused("ZIP", archive.getvalue(), "ZIP archive")
    office = io.BytesIO()
    with zipfile.ZipFile(office, "w") as file:
        file.writestr("[Content_Types].xml", "<a/>")
    yield refused("docx", office.getvalue(), "office document")
    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w") as file:
        file.addfile(tarfile.TarInfo("a.jpg"), io.BytesIO())
    yield refused("tar", tape.getvalue(), "tar archive")
    yield refused("7z", b"7z\xbc\xaf\x27\x1c\0\4" + _NOISE[:99], "7-Zip")
    yield refused("RAR", b"Rar!\x1a\x07\1\0" + _NOISE[:99], "RAR")
    for brand, said in {
        **dict.fromkeys(("isom", "iso2", "mp41", "mp42", "avc1", "M4V ", "3gp4", "dash"), "video"),
        "qt  ": "video (QuickTime)",
        "crx ": "raw file (Canon",
        "M4A ": "sound",
    }.items():
        yield refused(
            f"ftyp {brand}", struct.pack(">I4s4s", 24, b"ftyp", brand.encode()) + bytes(12) + _NOISE[:999], said
        )
    for name, data, said in (
        ("old QuickTime", b"\0\0\1\0moov" + _NOISE[:99], "video"),
        ("Matroska", b"\x1a\x45\xdf\xa3\xa3\x42\x86" + _NOISE[:99], "video"),
        ("AVI", b"RIFF\0\0\1\0AVI LIST" + _NOISE[:99], "video"),
        ("MPEG", b"\0\0\1\xba" + _NOISE[:99], "video"),
        ("transport stream", (b"G" + _NOISE[:187]) * 4, "video"),
        ("WMV", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "video"),
        ("Flash", b"FLV\1\5\0\0\0\x09", "video"),
        ("Ogg", b"OggS\0\2" + _NOISE[:99], "video"),
        ("WAV", b"RIFF\0\0\1\0WAVEfmt " + _NOISE[:99], "sound"),
        ("MP3", b"ID3\4\0\0" + _NOISE[:99], "sound"),
        ("FLAC", b"fLaC\0\0\0\x22" + _NOISE[:99], "sound"),
        ("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + photograph, "PDF"),
        ("PDF behind a line", b"\r\nsomething\r\n%PDF-1.4\n" + _NOISE[:99], "PDF"),
        ("PostScript", b"%!PS-Adobe-3.0\n", "PostScript"),
        ("JPEG XL, bare", b"\xff\x0a" + _NOISE[:99], "JPEG XL"),
        ("JPEG XL in its box", b"\0\0\0\x0cJXL \r\n\x87\n" + _NOISE[:99], "JPEG XL"),
        ("JPEG XR", b"II\xbc\1\x08\0\0\0" + _NOISE[:99], "JPEG XR"),
        ("RAF", b"FUJIFILMCCD-RAW 0201" + _NOISE[:99], "raw file"),
        ("RW2", b"IIU\0\x08\0\0\0" + _NOISE[:99], "raw file"),
        ("ORF", b"IIRO\x08\0\0\0" + _NOISE[:99], "raw file"),
        ("X3F", b"FOVb\0\0\2\0" + _NOISE[:99], "raw file"),
        ("MRW", b"\0MRM\0\0\1\0" + _NOISE[:99], "raw file"),
        ("PSD", b"8BPS\0\1" + bytes(20), "Photoshop"),
        ("XCF", b"gimp xcf v011\0", "GIMP"),
        ("EXR", b"v/1\1\2\0\0\0", "high dynamic range"),
        ("HDR", b"#?RADIANCE\n", "high dynamic range"),
        ("QOI", b"qoif\0\0\0\x60\0\0\0\x40\3\0", "QOI"),
        ("DICOM", bytes(128) + b"DICM\2\0\0\0UL\4\0", "DICOM"),
        ("FITS", b"SIMPLE  =                    T", "FITS"),
        ("EMF", b"\1\0\0\0" + bytes(36) + b" EMF", "metafile"),
        ("iPhone's PNG", _iphones_png(), "iPhone"),
        ("macOS's resource fork", b"\0\5\x16\7\0\2\0\0Mac OS X        ", "macOS"),
        ("shortcut", bytes.fromhex("4c0000000114020000000000c000000000000046"), "shortcut"),
        ("link", b"[InternetShortcut]\r\nURL=https://example.org/a.jpg\r\n", "link"),
        ("address", b"https://example.org/photo.jpg\n", "address"),
        ("program", b"MZ\x90\0\3\0\0\0", "program"),
        ("ELF", b"\x7fELF\2\1\1", "program"),
        ("database", b"SQLite format 3\0" + bytes(84), "database"),
        ("NumPy", b"\x93NUMPY\1\0v\0{'descr'", "array"),
        ("JSON", json.dumps({"caption": "a dog"}).encode(), "JSON"),
        ("JSON list", b"[1, 2]", "JSON"),
        ("base64", base64.b64encode(photograph), "base64"),
        ("data: address", b"data:image/jpeg;base64," + base64.b64encode(photograph), "data: address"),
        ("XMP beside a photograph", b"<?xpacket begin=''?><x:xmpmeta/>", "XMP"),
        ("XML", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
        ("JPEG as text", photograph.decode(errors="replace").encode(), "as if it were text"),
        ("PNG as text", encoded(drawn()).decode(errors="replace").encode(), "as if it were text"),
        ("JPEG as Latin-1", photograph.decode("latin-1").encode(), "as if it were text"),
        ("PNG as Latin-1", encoded(drawn()).decode("latin-1").encode(), "as if it were text"),
        ("PNG with other line ends", encoded(drawn()).replace(b"\r\n", b"\n"), "as if it were text"),
        ("an answer of HTTP", b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + photograph, "headers"),
        ("a part of a form", b"--a\r\ncontent-disposition: form-data\r\n\r\n" + photograph, "headers"),
        ("a mail", b"Content-Type: image/jpeg\n\n" + photograph, "headers"),
        ("piece of MP4", b"\0\0\0\x18moof" + _NOISE[:99], "video"),
        ("MP4 with room first", b"\0\0\0\x08free" + _NOISE[:99], "video"),
        ("text like a video", b"The wide road, the free town", "a text"),
        ("text", "Größe: 3 MB\n".encode(), "text"),
        ("text like a BMP", b"BM is how this text begins, and it is no bitmap.", "text"),
        ("text in UTF-16", "hello".encode("utf-16"), "text"),
    ):
        yield refused(name, data, said)
    for format, said in (
        ("ICO", "icon"),
        ("ICNS", "icon"),
        ("PPM", "PNM"),
        ("DDS", "DDS"),
        ("JPEG2000", "JPEG 2000"),
        ("PDF", "PDF"),
        ("EPS", "PostScript"),
    ):
        yield refused(f"Pillow's {format}", encoded(drawn(), format), said)
    yield refused("JPEG 2000, bare", encoded(drawn(), "JPEG2000", no_jp2=True), "JPEG 2000")
    twelve = bytearray(photograph)
    twelve[photograph.index(b"\xff\xc0") + 4] = 12
    yield refused("JPEG of 12 bits", bytes(twelve), "12 bits")
    yield from raw_files()
    yield from of_phones()


def of_phones() -> Iterator[Odd]:
    """AVIF and HEIC: sound, turned, and with nothing sound behind a sound beginning."""
    kind, exif = "AVIF and HEIC", Image.Exif()
    heic = io.BytesIO()
    pillow_heif.from_pillow(drawn()).save(heic, quality=90)
    yield Odd(kind, "HEIC", heic.getvalue(), PICTURE)
    exif[0x0112] = 6
    turned = encoded(drawn().transpose(Image.Transpose.ROTATE_90), "AVIF", quality=95, exif=exif)
    yield Odd(kind, "AVIF, turned", turned, PICTURE)
    yield Odd(kind, "AVIF", encoded(drawn(), "AVIF", quality=95), PICTURE)
    yield Odd(kind, "half an AVIF", turned[: len(turned) // 2], DAMAGED)
    for brand, other in ((b"avif", b""), (b"avis", b""), (b"mif1", b"avif"), (b"heic", b""), (b"mif1", b"")):
        beginning = struct.pack(">I4s4sI4s", 24, b"ftyp", brand, 0, other)
        yield Odd(kind, f"{beginning!r} and noise", beginning + _NOISE[:999], DAMAGED)


def _iphones_png() -> bytes:
    """Apple's optimised form: a chunk before the header, and pixels without zlib's wrapping."""
    png = encoded(drawn())
    at = png.index(b"IDAT")
    pixels = png[at + 4 : at + 4 + int.from_bytes(png[at - 4 : at], "big")]
    raw = png_chunk(b"IDAT", pixels[2:-4])
    return png[:8] + png_chunk(b"CgBI", b"\x50\0\x20\2") + png[8 : at - 4] + raw + png_chunk(b"IEND", b"")


def raw_files() -> Iterator[Odd]:
    """With the small picture that a decoder would take for all of it."""
    small = encoded(drawn(), "TIFF")
    at = len(small) + len(small) % 2
    sensor = struct.pack("<H", 1) + tiff_entry(262, 3, 1, 32803) + bytes(4)
    padded = small.ljust(at, b"\0") + sensor
    for name, data, said in (
        ("DNG", tiff_with(tiff_entry(50706, 1, 4, b"\1\4\0\0")), "raw file (DNG)"),
        ("NEF, ARW: the sensor within", tiff_with(tiff_entry(330, 4, 1, at), picture=padded), "raw file"),
        ("the sensor behind", tiff_with(picture=padded, next=at), "raw file"),
        ("PEF", tiff_with(tiff_entry(259, 3, 1, 65535)), "raw file"),
        ("ARW", tiff_with(tiff_entry(259, 3, 1, 32767)), "raw file"),
        ("NEF", tiff_with(tiff_entry(259, 3, 1, 34713)), "raw file"),
        ("CR2", b"II*\0\x10\0\0\0CR\2\0" + bytes(4) + small[16:], "raw file (Canon"),
    ):
        yield Odd("another kind of file", f"raw, {name}", data, OTHER, said)
