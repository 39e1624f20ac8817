"""Writing tensors to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from model.files import written_whole


def save_tensors(content: dict[str, Any], path: Path) -> None:
    """By torch.save, the file whole or not at all. Raises OSError where the disk is full."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # torch closes the archive that it could not write, and what fails then hides why.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
