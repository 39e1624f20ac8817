"""PNG (W3C, third edition): its chunks told apart. Checksums of chunks that pixels do not need are not asked."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field

from model.imaging.parts import Parts

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER, _TRANSPARENCY, _END = b"IHDR", b"tRNS", b"IEND"
_NEEDED = re.compile(rb"PLTE|IDAT|IEND")
_TRANSPARENCY_BYTES = {0: 2, 2: 6, 3: 1}
"""At least, by the header's colour type; others have none."""
_LONGEST = 4 * 2**20  # bytes of a text or profile, unpacked
_PROFILE, _EXIF = b"iCCP", b"eXIf"
_TEXTS = {
    b"XML:com.adobe.xmp": "xmp",
    b"Raw profile type exif": "exif",  # where ImageMagick kept it before there was eXIf
    b"Raw profile type APP1": "exif",
}


@dataclass
class _Reading:
    kept: list[bytes | memoryview] = field(default_factory=lambda: [SIGNATURE])
    found: dict[str, bytes] = field(default_factory=dict)
    """Metadata, by the field of Parts: only the first of each, so that thousands are not unpacked."""
    colour_type: int = -1

    def take(self, chunk: memoryview) -> None:
        name = bytes(chunk[4:8])
        if name == _HEADER and len(chunk) > 17:
            self.colour_type = chunk[17]
        if name[:1].isupper():
            self.kept.append(chunk)
        else:
            self._take_ancillary(name, bytes(chunk[8:-4]))

    def _take_ancillary(self, name: bytes, body: bytes) -> None:
        if name == _TRANSPARENCY:
            if len(body) >= _TRANSPARENCY_BYTES.get(self.colour_type, len(body) + 1):
                checksum = zlib.crc32(name + body)
                self.kept.append(struct.pack(">I4s", len(body), name) + body + struct.pack(">I", checksum))
        elif name == _EXIF:
            self.found.setdefault("exif", body)
        elif name == _PROFILE and "icc" not in self.found:
            self.found["icc"] = _unpacked(body.partition(b"\0")[2][1:])
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, rest = body.partition(b"\0")
            purpose = _TEXTS.get(keyword, "")
            if purpose and purpose not in self.found:
                text = _text(name, rest)
                self.found[purpose] = _from_hexadecimal(text) if keyword.startswith(b"Raw") else text


def take_apart(data: bytes) -> Parts:
    """What is not needed is left out, frames of an animation too. A chunk of a wrong length ends where the next that is
    needed begins.
    """
    reading, at, view = _Reading(), len(SIGNATURE), memoryview(data)
    while at + 8 <= len(data):
        name = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if not name[:1].isupper() and not _is_chunk(data, end):
            needed = _NEEDED.search(data, at + 8)
            end = needed.start() - 4 if needed else len(data)
        if end > len(data):
            reading.kept.append(view[at:])  # for the decoder to refuse, or to do without
            break
        reading.take(view[at:end])
        at = end
        if name == _END:
            break
    exif, xmp, icc = (reading.found.get(field, b"") for field in ("exif", "xmp", "icc"))
    return Parts(b"".join(reading.kept), exif, xmp, icc)


def _is_chunk(data: bytes, at: int) -> bool:
    return data[at + 4 : at + 8].isalpha()


def _text(name: bytes, rest: bytes) -> bytes:
    """What follows the keyword, unpacked."""
    if name == b"tEXt":
        return rest
    if name == b"zTXt":
        return _unpacked(rest[1:])
    text = rest[2:].split(b"\0", 2)[-1]  # after a language and the keyword in it
    return _unpacked(text) if rest[:1] == b"\1" else text


def _unpacked(data: bytes) -> bytes:
    """Nothing where it is broken, or longer than anything sound is."""
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(data, _LONGEST)
    except zlib.error:
        return b""
    return b"" if unpacking.unconsumed_tail else found


def _from_hexadecimal(text: bytes) -> bytes:
    """After a name and a length, each on a line of its own."""
    try:
        return bytes.fromhex(text.split(b"\n", 3)[-1].decode("ascii"))
    except ValueError:
        return b""
