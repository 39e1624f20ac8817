"""WebP (RFC 9649): its chunks told apart."""

from __future__ import annotations

import re

from model.imaging.parts import Parts

_EXTENDED = b"VP8X"
_METADATA = {b"ICCP": "icc", b"EXIF": "exif", b"XMP ": "xmp"}
_METADATA_FLAGS = 0x20 | 0x08 | 0x04
_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_NEEDED = re.compile(b"|".join(_PIXELS))


def is_webp(data: bytes) -> bool:
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def take_apart(data: bytes) -> Parts:
    """A chunk of a wrong length ends where the next that is needed begins."""
    kept, found, at = [b"WEBP"], dict[str, bytes](), 12
    while at + 8 <= len(data):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if name not in (_EXTENDED, *_PIXELS) and not _is_chunk(data, end):
            needed = _NEEDED.search(data, at + 8)
            end = needed.start() if needed else end
        chunk = data[at:end]
        if name == _EXTENDED:
            kept.append(chunk[:8] + bytes(flags & ~_METADATA_FLAGS for flags in chunk[8:9]) + chunk[9:])
        elif name in _PIXELS:
            kept.append(chunk + bytes(len(chunk) % 2))
        elif name in _METADATA:
            found.setdefault(_METADATA[name], chunk[8 : 8 + length])
        at = end
    body = b"".join(kept)
    exif, xmp, icc = (found.get(field, b"") for field in ("exif", "xmp", "icc"))
    return Parts(b"RIFF" + len(body).to_bytes(4, "little") + body, exif, xmp, icc)


def _is_chunk(data: bytes, at: int) -> bool:
    """Whether one stands there, or the file ends."""
    name = data[at : at + 4]
    return at == len(data) or name in _METADATA or name in _PIXELS
