"""From pixels to sentences: everything that is needed to caption a photograph, and nothing else."""

from __future__ import annotations

import os


def _settle() -> None:
    """torchvision imports PyTorch's compiler, which at once asks for the user's name and makes a folder. A container's
    user may have neither name nor room; nothing is compiled here, so that any folder will do that is there already.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", "/")
    if os.path.expanduser("~") == "~":  # noqa: PTH111  # Path raises there, and in other packages' code, too
        os.environ["HOME"] = "/"


_settle()
