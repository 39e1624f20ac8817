"""The files below a folder, links followed, and which of them are photographs by their names."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

PHOTOGRAPH_EXTENSIONS = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"))


def is_photograph_name(name: str) -> bool:
    return Path(name).suffix.lower() in PHOTOGRAPH_EXTENSIONS


def folded(name: str) -> str:
    """The same for all spellings of a name: in capitals or not, composed or decomposed (Unicode's NFC and NFD). Some
    file systems take them for one.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def files_below(folder: str, is_meant: Callable[[str], bool], leave_out: Path | None = None) -> Iterator[str]:
    """Paths of the plain files in `folder` and the folders in it whose names are meant, sorted by name, one at a time.

    Each folder is gone through once, whichever links lead to it, and under its own path where it has one below
    `folder`; a link to what `folder` lies in is passed over, as are hidden files and folders and `leave_out`. A link
    that leads nowhere and a folder that cannot be listed are given as they are: reading them raises the reason.
    """
    walk = _Walk(folder, leave_out)
    left = [(folder, True)]  # not by recursion: folders may be nested deeper than Python calls functions
    while left:
        path, is_folder = left.pop()
        if not is_folder:
            yield path
            continue
        try:
            if not walk.is_new(path):
                continue
            with os.scandir(path) as entries:
                inside = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError:
            yield path
            continue
        for entry in inside:
            if entry.name.startswith("."):
                continue
            if leads_to_folder(entry):
                if walk.leads_on(entry):
                    left.append((entry.path, True))
            elif is_meant(entry.name) and (leads_to_file(entry) or leads_nowhere(entry.path)):
                left.append((entry.path, False))


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Or a link to one. Unlike the entry itself it raises nothing for a link to itself."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112


def leads_to_file(entry: os.DirEntry[str]) -> bool:
    """A plain one, or a link to one."""
    return os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()  # noqa: PTH113


def leads_nowhere(path: str) -> bool:
    """Whether it is a link to what is not there, or to itself."""
    return os.path.islink(path) and not os.path.exists(path)  # noqa: PTH110, PTH114  # which raise for some names


class _Walk:
    """Which folders it has come to."""

    def __init__(self, folder: str, leave_out: Path | None) -> None:
        self._root = os.path.realpath(folder)
        left_out = os.path.realpath(leave_out) if leave_out else self._root
        inside = _holds(left_out, self._root) and left_out != self._root
        self._left_out = left_out if leave_out and not inside else None
        self._seen: set[tuple[int, int]] = set()

    def is_new(self, path: str) -> bool:
        """Raises OSError."""
        if self._left_out and _holds(self._left_out, os.path.realpath(path)):
            return False
        status = os.stat(path)  # noqa: PTH116
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    def leads_on(self, folder: os.DirEntry[str]) -> bool:
        """False for a link to a folder that is come to without it, or that was come from."""
        if not folder.is_symlink():
            return True
        target = os.path.realpath(folder.path)
        if _holds(target, self._root):
            return False
        below = Path(os.path.relpath(target, self._root)).parts
        return not _holds(self._root, target) or any(part.startswith(".") for part in below)


def _holds(folder: str, path: str) -> bool:
    """Whether `path` is `folder` or lies in it, both without links."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
