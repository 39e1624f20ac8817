"""Photographs on the disk: which are meant by files, folders, patterns and lists of these, and what is in one."""

from __future__ import annotations

import codecs
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
    """The paths in the lines of a text file, or of standard input for "-". Passed over are a byte order mark, empty
    lines, comments (#), and quotes and spaces around a path, these three unless there is a file of just that name.

    Raises OSError, UnicodeDecodeError never: a name that is not UTF-8 is kept as the file system has it.
    """
    data = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as PowerShell writes lists
        data = data.decode("utf-16", "replace").encode(errors="replace")
    lines = map(os.fsdecode, data.removeprefix(codecs.BOM_UTF8).splitlines())
    return [path for path in map(_listed, lines) if path]


def _listed(line: str) -> str:
    """The path in a line; "" for none."""
    path = line.strip()
    if not path or os.path.lexists(line):
        return line if path else ""
    if len(path) > 1 and path[0] in "\"'" and path[-1] == path[0]:
        return path[1:-1]
    return "" if path[0] == "#" else path


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
