"""JPEG (ITU-T T.81): its segments told apart, and how much is there of one that lacks its end."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from model.imaging import tiff
from model.imaging.parts import Frame, Parts, Scan

SIGNATURE = b"\xff\xd8\xff"
_JFIF, _EXIF, _XMP, _ICC, _ADOBE = b"JFIF\0", b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0", b"Adobe"
_START, _END, _SCAN, _COMMENT = 0xD8, 0xD9, 0xDA, 0xFE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # those are tables
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_APPLICATION = range(0xE0, 0xF0)
_WITHOUT_BODY = (0x00, 0x01, *range(0xD0, 0xD8))
_MARKER = re.compile(rb"\xff[\xc0-\xfe]")
_MOST_PROFILE_PARTS = 64  # of 64 kB
_COEFFICIENTS = 64  # of a block
_CONTINUATIONS = 3


@dataclass
class _Reading:
    """A file on its way, segment by segment."""

    data: bytes
    kept: list[bytes | memoryview] = field(default_factory=lambda: [bytes((0xFF, _START))])
    exif: bytes = b""
    xmp: bytes = b""
    profile: list[bytes] = field(default_factory=list)
    frame: Frame = field(default_factory=Frame)

    def take(self, marker: int, start: int, end: int) -> None:
        body = self.data[start + 4 : end]
        if _is_needed(marker, body):
            self.kept.append(self.data[start:end])
        elif body.startswith(_EXIF):
            self._take_exif(body[len(_EXIF) + 1 :])
        elif body.startswith(_XMP):
            self.xmp = self.xmp or body[len(_XMP) :]
        elif body.startswith(_ICC) and len(self.profile) < _MOST_PROFILE_PARTS:
            self.profile.append(body[len(_ICC) :])
        if marker in _FRAMES and len(body) > 8:
            self.frame.bits, self.frame.rows = body[0], int.from_bytes(body[1:3], "big")
            self.frame.components, self.frame.band = body[6::3], 8 * max(size & 0x0F for size in body[7::3])
            self.frame.is_progressive = marker in _PROGRESSIVE
        if marker == _SCAN:
            self.frame.scans.append(_scan(body, self.frame.is_progressive))

    def _take_exif(self, part: bytes) -> None:
        """What is no beginning goes on with the segment before; of several beginnings the first that can be read."""
        if not part.startswith(tiff.SIGNATURES):
            self.exif += part
        elif not tiff.read_directory(self.exif):
            self.exif = part

    def take_scan(self, start: int) -> int:
        """Its coded data, which begin at `start`; where they end."""
        after = np.searchsorted(self.marks, start)
        end = int(self.marks[after]) if after < len(self.marks) else len(self.data)
        self.kept.append(memoryview(self.data)[start:end])
        return end

    @cached_property
    def marks(self) -> NDArray[np.intp]:
        """Where coded data can end: at neither a stuffed byte, a restart nor fill."""
        file = np.frombuffer(self.data, np.uint8)
        found = np.flatnonzero(file[:-1] == 0xFF)
        codes = file[found + 1]
        marks: NDArray[np.intp] = found[(codes != 0x00) & (codes != 0xFF) & ((codes < 0xD0) | (codes > 0xD7))]
        return marks

    def parts(self) -> Parts:
        pixels = b"".join(self.kept)
        if not self.frame.is_whole:
            pixels = pixels.rstrip(b"\0")  # room that was made for a download
        icc = b"".join(part[2:] for part in sorted(self.profile))  # each begins with its number
        return Parts(pixels, self.exif, self.xmp, icc, self.frame)


def take_apart(data: bytes) -> Parts:
    """Of application segments and comments nothing is kept but what tells the colour space, and nothing behind the end.

    A segment of a wrong length ends where the next one can be made out.
    """
    reading, at = _Reading(data), 2
    while 0 <= (at := data.find(b"\xff", at)) < len(data) - 1:
        marker = data[at + 1]
        if marker == _END:
            reading.kept.append(data[at : at + 2])
            reading.frame.is_whole = True
            break
        if marker == _START and reading.frame.scans:
            break  # another picture
        if marker == 0xFF or marker == _START or marker in _WITHOUT_BODY:
            at += 1 if marker == 0xFF else 2
            continue
        end = _end(data, at)
        if (marker in _APPLICATION or marker == _COMMENT) and not _is_followed(data, end):
            end = _next_segment(data, at + 4)
        if not at + 4 <= end <= len(data):
            break
        reading.take(marker, at, end)
        at = end
        if marker == _SCAN:
            at = reading.take_scan(end)
    return reading.parts()


def share_of_rows(pixels: bytes, frame: Frame, decode: Callable[[bytes], Image.Image]) -> tuple[float, Image.Image]:
    """How much of the height the file holds, 0 to 1, and the picture, whose missing rows are grey.

    A decoder makes up what is missing, and does not tell from where on. So random bytes are put where the file ends: up
    to where they make a difference the rows are the file's own. A row of a progressive JPEG is there when it has the
    first of each coefficient of its luminance, and what begins the other components; refinements only sharpen it.
    """
    end = bytes((0xFF, _END))
    body = pixels.removesuffix(end).rstrip(b"\xff")
    picture = decode(body + end)
    if not frame.is_whole:
        if _missing(frame, frame.scans):
            return 0.0, picture
        if not _missing(frame, frame.scans[:-1]):
            return 1.0, picture
    draw = random.Random(0)
    continuations = (bytes(draw.randrange(0xFF) for _ in range(512)) for _ in range(_CONTINUATIONS))
    return min(_share_of_equal_rows(picture, decode(body + some + end), frame) for some in continuations), picture


def _share_of_equal_rows(one: Image.Image, other: Image.Image, frame: Frame) -> float:
    """Of rows that are stored together the first is different where one begins to be: so far they count in part."""
    different = ImageChops.difference(one, other)
    box = different.getbbox(alpha_only=False)
    if box is None:
        return 1.0
    left, *_ = different.crop((0, box[1], one.width, box[1] + 1)).getbbox(alpha_only=False) or (0,)
    return min(1.0, box[1] / one.height + left / one.width * frame.band / max(1, frame.rows))


def _missing(frame: Frame, scans: Sequence[Scan]) -> set[tuple[int, int]]:
    """Components and coefficients that a picture needs and that none of the scans begins to bring."""
    needed = {(component, 0) for component in frame.components}
    needed |= {(component, number) for component in frame.components[:1] for number in range(_COEFFICIENTS)}
    for scan in scans:
        if not scan.is_refinement:
            band = range(scan.first, scan.last + 1)
            needed -= {(component, number) for component in scan.components for number in band}
    return needed


def _scan(body: bytes, is_progressive: bool) -> Scan:
    count = body[0] if body else 0
    components = frozenset(body[1 : 1 + 2 * count : 2])
    if not is_progressive:
        return Scan(components, 0, _COEFFICIENTS - 1, is_refinement=False)
    first, last, bits = body[1 + 2 * count : 4 + 2 * count].ljust(3, b"\0")
    return Scan(components, first, last, is_refinement=bits >> 4 > 0)


def _is_needed(marker: int, body: bytes) -> bool:
    if marker not in _APPLICATION:
        return marker != _COMMENT
    return (body.startswith(_JFIF) and len(body) >= 14) or (body.startswith(_ADOBE) and len(body) >= 12)


def _end(data: bytes, at: int) -> int:
    """By the length that the segment itself has."""
    return at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _is_followed(data: bytes, end: int) -> bool:
    """Whether a marker stands there."""
    return _MARKER.match(data, end) is not None


def _next_segment(data: bytes, at: int) -> int:
    """Where one can be made out; the file's end where none can."""
    while found := _MARKER.search(data, at):
        if _is_segment(data, found.start()):
            return found.start()
        at = found.start() + 2
        if data[at - 1] == _START:  # a small picture within the segment before
            at = max(at, data.find(bytes((0xFF, _END)), at) + 2)
    return len(data)


def _is_segment(data: bytes, at: int, followers: int = 2) -> bool:
    """Whether it looks like one, and leads to so many others."""
    marker, end = data[at + 1], _end(data, at)
    if marker == _SCAN:
        return end == at + 8 + 2 * data[at + 4] and end < len(data)
    if _START - 8 <= marker <= _END or end < at + 4 or not _is_followed(data, end):
        return False
    return followers == 0 or _is_segment(data, end, followers - 1)
