"""An XMP packet in a PNG or WebP file, in place of the one that it had: every other byte is as it was."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from collection.metadata.errors import MetadataRefused
from model.imaging.png import SIGNATURE as PNG
from model.imaging.webp import is_webp

_PNG_XMP = b"XML:com.adobe.xmp\0"
_EXTENDED, _WEBP_XMP = b"VP8X", b"XMP "
_HAS_ALPHA, _HAS_XMP = 0x10, 0x04


def is_of_chunks(data: bytes) -> bool:
    return data.startswith(PNG) or is_webp(data)


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """Raises MetadataRefused where the chunks are damaged."""
    return _png(data, packet) if data.startswith(PNG) else _webp(data, packet)


def _png(data: bytes, packet: bytes) -> bytes:
    """As text without compression, in front of the pixels (XMP Specification Part 3)."""
    body = _PNG_XMP + bytes(4) + packet
    added = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    kept, at = [data[: len(PNG)]], len(PNG)
    while at < len(data):
        name = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            raise MetadataRefused("The description cannot be written: the PNG is cut off.")
        if not (name == b"iTXt" and data[at + 8 :].startswith(_PNG_XMP)):
            kept.append(data[at:end])
        if name == b"IHDR":
            kept.append(added)
        at = end
        if name == b"IEND":
            break
    return b"".join((*kept, data[at:]))


def _webp(data: bytes, packet: bytes) -> bytes:
    """Behind all other chunks (RFC 9649); a simple file becomes an extended one."""
    chunks = list(_webp_chunks(data))
    if not chunks or chunks[0][:4] != _EXTENDED:
        chunks.insert(0, _extended_header(data))
    flags = chunks[0][8] | _HAS_XMP
    chunks[0] = chunks[0][:8] + bytes([flags]) + chunks[0][9:]
    kept = [chunk for chunk in chunks if chunk[:4] != _WEBP_XMP]
    added = _WEBP_XMP + struct.pack("<I", len(packet)) + packet + bytes(len(packet) % 2)
    body = b"".join((b"WEBP", *kept, added))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    at, whole = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= whole:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if at + 8 + length > len(data):
            raise MetadataRefused("The description cannot be written: the WebP is cut off.")
        yield data[at:end].ljust(end - at, b"\0")
        at = end


def _extended_header(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
        flags = _HAS_ALPHA if "A" in image.getbands() else 0
        size = b"".join((side - 1).to_bytes(3, "little") for side in image.size)
    return _EXTENDED + struct.pack("<I", 10) + bytes((flags, 0, 0, 0)) + size
