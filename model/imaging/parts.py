"""An image file taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Scan(NamedTuple):
    """A pass over a JPEG's pixels: which coefficients it brings, of which components."""

    components: frozenset[int]
    first: int
    last: int
    is_refinement: bool
    """It sharpens what an earlier one brought."""


@dataclass
class Frame:
    """A JPEG's picture."""

    bits: int = 8
    """Of a sample."""
    rows: int = 0
    """Pixels."""
    components: bytes = b""
    """Their numbers, luminance first."""
    band: int = 8
    """Rows that are stored together."""
    is_progressive: bool = False
    scans: list[Scan] = field(default_factory=list)
    is_whole: bool = False
    """It has its end."""


@dataclass(frozen=True)
class Parts:
    """Whatever a file has beside its pixels has been checked by nobody yet: it may be anything."""

    pixels: bytes
    """A file of the same format with what pixels need, and nothing else."""
    exif: bytes = b""
    """A TIFF structure, as EXIF is one."""
    xmp: bytes = b""
    """XML."""
    icc: bytes = b""
    """A colour profile."""
    frame: Frame | None = None
    """Of a JPEG."""
