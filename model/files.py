"""Writing files so that a reader, or the next run after a kill, finds them whole or not at all; digests of files."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from model.errors import CheckpointMismatch
from model.foreign import TORCH, describe_foreign

LONGEST_NAME = 255  # bytes, on all common file systems


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes the place of `path` when the block ends without an error.

    With one, nothing of it is left. Raises OSError that names `path` where the disk is full.
    """
    is_long = len(os.fsencode(path.name)) > LONGEST_NAME - len(".tmp")
    temporary = path.with_name((hashlib.sha256(os.fsencode(path.name)).hexdigest() if is_long else path.name) + ".tmp")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:  # so it is where a write failed
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def file_digest(path: Path) -> str:
    """SHA-256 of the file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def load_tensors(path: Path, content: BinaryIO | None = None) -> Any:
    """What `save_tensors` wrote, or another program by torch.save: tensors and plain data, or nothing. No code in the
    file is executed. `content` is read in its place, where it was packed.

    Raises CheckpointMismatch, which says what the file is instead, FileNotFoundError.
    """
    import torch

    if content is None and (found := describe_foreign(path, TORCH)):
        raise CheckpointMismatch(f"{path} does not hold weights: {found}")
    try:
        return torch.load(content or path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        what = f" (it asks for {asked[1]})" if asked else ""
        raise CheckpointMismatch(
            f"{path} is refused: it holds more than tensors and plain data{what}; nothing of it was run"
        ) from error
    except OSError:
        raise
    except Exception as error:  # a damaged or foreign file raises whatever its bytes lead to
        raise CheckpointMismatch(f"{path} is not a readable checkpoint: {error}") from error


def save_tensors(content: dict[str, Any], path: Path) -> None:
    """By torch.save, the file whole or not at all. Raises OSError where the disk is full."""
    import torch  # takes seconds and memory, which a process without a network does not have to spend

    with atomic_write(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # torch closes the archive that it could not write, and what fails then hides why.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
