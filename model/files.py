"""Writing files so that a reader, or the next run after a kill, finds them whole or not at all; digests of files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes the place of `path` when the block ends without an error.

    With one, nothing of it is left. Raises OSError that names `path` where the disk is full.
    """
    temporary = path.with_name(path.name + ".tmp")
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
