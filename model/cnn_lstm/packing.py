"""Half-precision weights in three quarters of the room. They hardly shrink as they are; all low bytes together, and all
high ones, do.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, BinaryIO

_PACKED = b"image-captioner packed checkpoint 1\n"
_SIZES = struct.Struct("<QQ")  # of the whole, of the packed low bytes
_LARGEST = 2**31
_EFFORT = 3  # of 9: more takes long and gives little


def packed(content: dict[str, Any]) -> bytes:
    """Tensors and plain data, as `model.files.save_tensors` writes them, packed."""
    import torch

    file = io.BytesIO()
    torch.save(content, file)
    data = file.getvalue()
    low, high = (zlib.compress(data[first::2], _EFFORT) for first in (0, 1))
    return _PACKED + _SIZES.pack(len(data), len(low)) + low + high


def unpacked(file: BinaryIO) -> io.BytesIO | None:
    """What was packed, from where the file is read; None for something else. Raises ValueError where it is damaged."""
    if file.read(len(_PACKED)) != _PACKED:
        return None
    try:
        size, length = _SIZES.unpack(file.read(_SIZES.size))
        if size > _LARGEST:
            raise ValueError(f"it says that it holds {size} bytes")
        whole = bytearray(size)
        for first, part in enumerate((file.read(length), file.read())):
            data = zlib.decompressobj().decompress(part, size)
            if len(data) != len(range(first, size, 2)):
                raise ValueError("its end is missing")
            whole[first::2] = data
    except (struct.error, zlib.error) as error:
        raise ValueError(str(error)) from error
    return io.BytesIO(whole)
