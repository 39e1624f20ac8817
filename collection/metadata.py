"""A photograph's caption in the photograph itself: XMP dc:description and IPTC Caption/Abstract, pixels untouched.

XMP Specification Part 1 (ISO 16684-1) and IPTC-IIM 4.2. By Exiv2 through pyexiv2, which is not installed with the
rest: it is under the GPL 3 (requirements/metadata.txt).
"""

from __future__ import annotations

import os
from pathlib import Path

from collection.walk import PhotographUnreadable, read_photograph
from model.files import atomic_write

_UTF_8 = "\x1b%G"  # ISO 2022's escape sequence, as IPTC-IIM 1:90 wants it
_LONGEST_IPTC_BYTES = 2000  # of 2:120


class MetadataRefused(RuntimeError):
    """The caption cannot be put into a copy; the message says why."""


def require_library() -> None:
    """Raises MetadataRefused where pyexiv2 is not installed."""
    try:
        import pyexiv2
    except ImportError as error:
        raise MetadataRefused("writing metadata needs: pip install -r requirements/metadata.txt") from error
    pyexiv2.set_log_level(4)  # what it would log comes as an exception


def described(photograph: bytes, caption: str) -> bytes:
    """The file with the description in place of any that it had; all else, every byte of the pixels included, is kept.

    JPEG, PNG and TIFF get both, WebP has no place for IPTC. Raises MetadataRefused: GIF and BMP have a place for
    neither that Exiv2 writes. Not for several threads at a time.
    """
    import pyexiv2

    try:
        with pyexiv2.ImageData(photograph) as image:
            image.modify_xmp({"Xmp.dc.description": {'lang="x-default"': caption}})
            if image.get_mime_type() != "image/webp":
                image.modify_iptc(_iptc(caption))
            written: bytes = image.get_bytes()
    except Exception as error:  # RuntimeError for what Exiv2 refuses, others for what the binding does
        raise MetadataRefused(f"The description cannot be written: {error}.") from error
    return written


def _iptc(caption: str) -> dict[str, str]:
    shortened = caption.encode()[:_LONGEST_IPTC_BYTES].decode(errors="ignore")
    # ASCII is the same in every encoding: what the file has besides, in whichever it is, is not called UTF-8.
    encoding = {} if caption.isascii() else {"Iptc.Envelope.CharacterSet": _UTF_8}
    return encoding | {"Iptc.Application2.Caption": shortened}


def write_described_copy(path: str, caption: str, folder: Path) -> Path:
    """Copies the photograph into `folder` under the path that it was given by, with its caption as the description.

    A path that is absolute or climbs (..) goes under its absolute one. Raises MetadataRefused, OSError.
    """
    copy = folder / place(path)
    if copy.exists() and copy.samefile(path):
        raise MetadataRefused("The copy would take the place of the photograph itself.")
    try:
        data = described(read_photograph(path), caption)
    except PhotographUnreadable as error:
        raise MetadataRefused(str(error)) from error
    copy.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(copy) as temporary:
        temporary.write_bytes(data)
    return copy


def place(path: str) -> Path:
    """Where in a folder of copies the photograph goes: relative, and never out of it."""
    given = Path(path)
    if given.is_absolute() or ".." in given.parts:
        given = Path(os.path.abspath(path))  # noqa: PTH100  # .. without following links, which resolve() would
    return given.relative_to(given.anchor)
