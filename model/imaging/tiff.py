"""TIFF 6.0 and BigTIFF: the directory of tags, which EXIF has too."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from model.imaging.parts import Parts

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"II\0*", b"MM*\0")
"""The last two are wrong, and occur."""
ORIENTATION = 0x0112
_XMP, _ICC = 700, 34675
_PIXELS = frozenset(
    (
        *(256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 338, 339),
        *(347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 532),
    )
)
"""Tags without which a picture cannot be decoded."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by type."""
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}
_MOST_TAGS = 4096  # of a directory; cameras write some hundred
_LONGEST = 4 * 2**20  # bytes of a value that is read


@dataclass(frozen=True)
class Tag:
    number: int
    type: int
    count: int
    entry: bytes
    """All of it, as it stands in the directory."""
    value: bytes
    """As it stands in the file; empty where it is not there."""

    def whole_number(self, order: str) -> int | None:
        """The first of its values."""
        code = _WHOLE_NUMBERS.get(self.type)
        size = _SIZES.get(self.type, 0)
        if code is None or len(self.value) < size:
            return None
        number: int = struct.unpack(order + code, self.value[:size])[0]
        return number


@dataclass(frozen=True)
class Directory:
    order: str
    """Of bytes, as struct knows it."""
    is_big: bool
    start: int
    tags: dict[int, Tag]
    """By number; of several the first."""
    next: int
    """Where the next one is; 0 for none."""

    def number(self, tag: int) -> int | None:
        found = self.tags.get(tag)
        return found.whole_number(self.order) if found else None


def read_directory(data: bytes, at: int | None = None) -> Directory | None:
    """The first of the file, or that at `at`; None where there is none to be made out. Of one that is cut off, what is
    there.
    """
    order = {b"I": "<", b"M": ">"}.get(data[:1], "")
    if not order or not data.startswith(SIGNATURES):
        return None
    is_big = b"+" in data[2:4]
    header, count_code, entry_code = ("Q", "Q", "HHQ") if is_big else ("I", "H", "HHI")
    try:
        [start] = struct.unpack_from(order + header, data, 8 if is_big else 4) if at is None else (at,)
        [count] = struct.unpack_from(order + count_code, data, start)
    except struct.error:
        return None
    entries, size = start + struct.calcsize("=" + count_code), 20 if is_big else 12
    tags: dict[int, Tag] = {}
    for at_entry in range(entries, min(entries + size * min(count, _MOST_TAGS), len(data) - size + 1), size):
        tag = _read_tag(data, at_entry, order + entry_code, header)
        tags.setdefault(tag.number, tag)
    after = data[entries + size * count :][: struct.calcsize("=" + header)] if count <= _MOST_TAGS else b""
    return Directory(order, is_big, start, tags, int.from_bytes(after, "little" if order == "<" else "big"))


def _read_tag(data: bytes, at: int, code: str, offset_code: str) -> Tag:
    """The value stands in the entry itself where there is room, else elsewhere."""
    number, type, count = struct.unpack_from(code, data, at)
    head, room = struct.calcsize("=" + code[1:]), struct.calcsize("=" + offset_code)
    length = count * _SIZES.get(type, 0)
    start = at + head
    if length > room:
        [start] = struct.unpack_from(code[0] + offset_code, data, start)
    value = data[start : start + length] if length <= _LONGEST and start + length <= len(data) else b""
    return Tag(number, type, count, data[at : at + head + room], value)


def directories(data: bytes) -> Iterator[Directory]:
    """The first few of a file, with those within them: what a program sees that looks for other pictures in it."""
    seen: set[int] = set()
    waiting: list[int | None] = [None]
    while waiting and len(seen) < 16:
        at = waiting.pop(0)
        found = read_directory(data, at) if at not in seen else None
        if found is None:
            continue
        seen.add(at or 0)
        yield found
        waiting += [found.next] if found.next else []
        waiting += _offsets(found, 330)


def _offsets(directory: Directory, tag: int) -> list[int]:
    found = directory.tags.get(tag)
    code = _WHOLE_NUMBERS.get(found.type) if found else None
    if found is None or code is None:
        return []
    size = _SIZES[found.type]
    values = found.value[: 8 * size]
    return [number for [number] in struct.iter_unpack(directory.order + code, values[: len(values) // size * size])]


def take_apart(data: bytes) -> Parts:
    """With the tags that pixels need, in the place of all, of the first picture alone."""
    found = read_directory(data)
    if found is None:
        return Parts(data)
    kept = [tag.entry for number, tag in sorted(found.tags.items()) if number in _PIXELS]
    directory = b"".join(
        (
            struct.pack(found.order + ("Q" if found.is_big else "H"), len(kept)),
            *kept,
            struct.pack(found.order + ("Q" if found.is_big else "I"), 0),  # there is no other picture
        )
    )
    view = memoryview(data)
    pixels = b"".join((view[: found.start], directory, view[found.start + len(directory) :]))
    values = {number: found.tags[number].value if number in found.tags else b"" for number in (_XMP, _ICC)}
    return Parts(pixels, data, values[_XMP], values[_ICC])
