"""Photographs on the disk: which are meant by files, folders, patterns and lists of these, and what is in one."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from model.folders import files_below, is_photograph_name, leads_nowhere

STANDARD_INPUT = "-"
MAX_FILE_BYTES = 256 * 1024 * 1024
"""A larger file is refused unread: several are held at a time."""


class PhotographUnreadable(OSError):
    """There is no file that could be read; the message says why."""


def find_photographs(names: Sequence[str], leave_out: Path | None = None) -> Iterator[str]:
    """Paths, in the order of `names`, one at a time: what is held of 100,000 is the names of a few folders.

    A file is taken whatever it is called. Of a folder, with the folders in it, and of a pattern with *, ? or [, the
    files with an image's extension are taken, sorted by name; hidden ones and the folder `leave_out` are passed over,
    links are followed (`files_below`). What does not exist or cannot be listed is given as it is: reading it raises
    the reason.
    """
    for name in names:
        if os.path.isdir(name):  # noqa: PTH112  # is_dir() raises for a name that is too long
            yield from files_below(name, is_photograph_name, leave_out)
        elif not os.path.lexists(name) and glob.has_magic(name):
            yield from _matching(name)
        else:
            yield name


def read_list(name: str) -> list[str]:
    """The lines of a text file, or of standard input for "-"; empty ones are passed over.

    Raises OSError, UnicodeDecodeError never: a name that is not UTF-8 is kept as the file system has it.
    """
    data = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    return [os.fsdecode(line) for line in data.splitlines() if line.strip()]


def _is_photograph(path: str) -> bool:
    return is_photograph_name(path) and (os.path.isfile(path) or leads_nowhere(path))  # noqa: PTH113


def _matching(pattern: str) -> list[str]:
    """By pathlib: unlike the glob module's, its ** follows no links, which may lead round."""
    given = Path(pattern)
    matches = Path(given.anchor).glob(str(given.relative_to(given.anchor)))
    return sorted(
        str(path)
        for path in matches
        if _is_photograph(str(path)) and all(part in given.parts for part in path.parts if part.startswith("."))
    )


def read_photograph(path: str | Path) -> bytes:
    """Raises PhotographUnreadable: not there, not a plain file, larger than MAX_FILE_BYTES, not permitted."""
    try:
        file = Path(path)
        size = file.stat().st_size
        if not file.is_file():  # a folder that could not be listed, or a pipe, which would be waited for
            raise PhotographUnreadable("The folder cannot be read." if file.is_dir() else "This is not a plain file.")
        if size > MAX_FILE_BYTES:
            raise PhotographUnreadable(f"The file is larger than {MAX_FILE_BYTES // 2**20} MB.")
        return file.read_bytes()
    except PhotographUnreadable:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise PhotographUnreadable(f"The file cannot be read: {reason}.") from error
