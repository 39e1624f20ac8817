"""A photograph's file with a description in it: XMP, and IPTC-IIM 4.2 where the format has a place; all else is kept.

Into JPEG and TIFF by Exiv2 through pyexiv2, which is not installed with the rest: it is under the GPL 3
(requirements/metadata.txt). What it wrote is read again, and refused where anything else than the description is not as
it was.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from collection.metadata.chunks import is_of_chunks, with_xmp
from collection.metadata.errors import MetadataRefused
from collection.metadata.fields import Change, Description, Rules, write
from collection.metadata.xmp import Packet
from model.images import FORMATS, MAX_PIXELS
from model.imaging import take_apart

_CAPTION, _CHARACTER_SET = "Iptc.Application2.Caption", "Iptc.Envelope.CharacterSet"
_UTF_8 = "\x1b%G"  # ISO 2022's escape sequence, as IPTC-IIM 1:90 wants it
_MOST_FRAMES_PIXELS = 10 * MAX_PIXELS  # of all frames of an animation together
_MOVED = re.compile(
    r"\.(StripOffsets|TileOffsets|XMLPacket|IPTCNAA|ImageResources|SubIFDs|ExifTag|GPSTag|InteroperabilityTag|Offset|"
    r"JPEGInterchangeFormat|ByteOrder)$"
)
"""EXIF's tags that tell where in the file something is, or that hold what was written."""


def require_library() -> None:
    """Raises MetadataRefused where pyexiv2 is not installed."""
    try:
        import pyexiv2
    except ImportError as error:
        raise MetadataRefused("writing metadata needs: pip install -r requirements/metadata.txt") from error
    pyexiv2.set_log_level(4)  # what it would log comes as an exception


def described(photograph: bytes, description: Description, rules: Rules) -> tuple[bytes, list[Change]]:
    """The file with the description in it, as the rules want it, and what is other; the same file where nothing is.

    JPEG and TIFF get all, PNG and WebP have no place for IPTC. Raises MetadataRefused: a format that has no place for
    either or is not written here (GIF, BMP, AVIF, HEIC), a file that cannot be read, and where anything else would be
    lost. Not for several threads.
    """
    try:
        put = _in_chunks if is_of_chunks(photograph) else _by_exiv2
        written, changes = put(photograph, description, rules)
    except MetadataRefused:
        raise
    except Exception as error:  # RuntimeError for what Exiv2 refuses, others for what the binding does
        raise MetadataRefused(f"The description cannot be written into this file: {error}.") from error
    if changes and pixels_digest(written) != pixels_digest(photograph):
        raise MetadataRefused("The description is not written: the pixels would not be the same.")
    return written, changes


def _in_chunks(photograph: bytes, description: Description, rules: Rules) -> tuple[bytes, list[Change]]:
    packet = Packet(take_apart(photograph).xmp)
    changes = write(packet, description, rules)
    return (with_xmp(photograph, packet.to_bytes()) if changes else photograph), changes


def _by_exiv2(photograph: bytes, description: Description, rules: Rules) -> tuple[bytes, list[Change]]:
    import pyexiv2

    with pyexiv2.ImageData(photograph) as image:
        packet, iptc = Packet(image.read_raw_xmp().encode()), _Caption(image)
        changes = write(packet, description, rules, iptc)
        if not changes:
            return photograph, []
        before = _others(image)
        image.modify_raw_xmp(packet.to_bytes().decode())
        iptc.save()
        written: bytes = image.get_bytes()
    with pyexiv2.ImageData(written) as image:
        is_kept = _others(image) == before and _Caption(image).get() == iptc.get()
        if not is_kept or Packet(image.read_raw_xmp().encode()).facts() != packet.facts():
            raise MetadataRefused("The description is not written: other metadata of this file would not survive it.")
    return written, changes


def pixels_digest(photograph: bytes) -> str:
    """SHA-256 of the decoded image, of all frames that there are. Raises MetadataRefused."""
    digest, pixels = hashlib.sha256(), 0
    try:
        with Image.open(io.BytesIO(photograph), formats=FORMATS) as image:
            for frame in _frames(image):
                pixels += frame.width * frame.height
                if frame.width * frame.height > MAX_PIXELS or pixels > _MOST_FRAMES_PIXELS:
                    raise MetadataRefused("The image has too many pixels to be compared.")
                digest.update(f"{frame.mode} {frame.size} {frame.getpalette()}".encode())
                digest.update(frame.tobytes())
    except MetadataRefused:
        raise
    except Exception as error:  # decoders raise whatever the damaged bytes lead them to
        raise MetadataRefused(f"The pixels cannot be decoded, and so not compared: {error}.") from error
    return digest.hexdigest()


def _frames(image: Image.Image) -> Iterator[Image.Image]:
    yield image
    for number in range(1, getattr(image, "n_frames", 1)):
        image.seek(number)
        yield image


def _others(image: Any) -> Sequence[Any]:
    """All that is neither XMP nor the caption."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exif = {name: value for name, value in image.read_exif("latin-1").items() if not _MOVED.search(name)}
        iptc = image.read_iptc("latin-1")
    for name in (_CAPTION, _CHARACTER_SET):
        iptc.pop(name, None)
    return exif, iptc, image.read_icc(), image.read_thumbnail(), image.read_comment("latin-1")


class _Caption:
    """IPTC's, in the encoding that the file's IPTC has."""

    def __init__(self, image: Any) -> None:
        self._image = image
        fields = image.read_iptc("latin-1")
        self._is_utf_8 = fields.get(_CHARACTER_SET) == _UTF_8
        others = (fields[name] for name in fields if name not in (_CAPTION, _CHARACTER_SET))
        # What stands there in another encoding must not be called UTF-8.
        self._is_fixed = not self._is_utf_8 and not all(_is_ascii(value) for value in others)
        before = fields.get(_CAPTION, "")
        raw = (before if isinstance(before, str) else before[0]).encode("latin-1")
        self._text = _decoded(raw, self._is_utf_8)
        self._is_changed = False

    def get(self) -> str:
        return self._text

    def set(self, text: str) -> bool:
        if self._is_fixed and not _is_latin_1(text):
            return False
        self._text, self._is_changed = text, True
        return True

    def save(self) -> None:
        if not self._is_changed:
            return
        fields = {_CAPTION: self._text or None}
        if not self._text.isascii() and not self._is_fixed:
            fields[_CHARACTER_SET] = _UTF_8
        self._image.modify_iptc(fields, "latin-1" if self._is_fixed else "utf-8")


def _is_ascii(value: Any) -> bool:
    return (value if isinstance(value, str) else "".join(value)).isascii()


def _is_latin_1(text: str) -> bool:
    return all(ord(letter) < 256 for letter in text)


def _decoded(raw: bytes, is_utf_8: bool) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8" if is_utf_8 else "latin-1", "replace")
