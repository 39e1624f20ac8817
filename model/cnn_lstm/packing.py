"""Half-precision weights in three quarters of the room. They hardly shrink as they are; all low bytes together, and all
high ones, do.
"""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

from model.errors import CheckpointMismatch
from model.files import atomic_write, load_tensors, save_tensors

_PACKED = b"image-captioner packed checkpoint 1\n"
_SIZES = struct.Struct("<QQ")  # of the whole, of the packed low bytes
_LARGEST = 2**31
_EFFORT = 3  # of 9: more takes long and gives little


def save_packed(content: dict[str, Any], path: Path) -> None:
    """As `save_tensors`, packed."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        plain = Path(folder) / path.name
        save_tensors(content, plain)
        data = plain.read_bytes()
    low, high = (zlib.compress(data[first::2], _EFFORT) for first in (0, 1))
    with atomic_write(path) as file:
        file.write_bytes(_PACKED + _SIZES.pack(len(data), len(low)) + low + high)


def load_packed(path: Path) -> Any:
    """What `save_packed` wrote, or `save_tensors`. Raises CheckpointMismatch."""
    try:
        return load_tensors(path, _unpacked(path))
    except (ValueError, struct.error, zlib.error) as error:
        raise CheckpointMismatch(f"{path} is not a readable checkpoint: {error}") from error


def _unpacked(path: Path) -> io.BytesIO | None:
    """What `save_packed` made smaller; None for another file. Raises ValueError, struct.error, zlib.error where it is
    damaged.
    """
    with path.open("rb") as file:
        if file.read(len(_PACKED)) != _PACKED:
            return None
        size, length = _SIZES.unpack(file.read(_SIZES.size))
        if size > _LARGEST:
            raise ValueError(f"it says that it holds {size} bytes")
        whole = bytearray(size)
        for first, part in enumerate((file.read(length), file.read())):
            data = zlib.decompressobj().decompress(part, size)
            if len(data) != len(range(first, size, 2)):
                raise ValueError("its end is missing")
            whole[first::2] = data
    return io.BytesIO(whole)
