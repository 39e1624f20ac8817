"""Which files of a folder are lists of captions, and which of them belong together."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from model.folders import files_below
from training.data.layouts import SPLIT_FOLDERS, is_list_name
from training.data.rows import DatasetRefused

_SPLIT_IN_A_NAME = re.compile(rf"(?<![a-z])({'|'.join(sorted(SPLIT_FOLDERS, key=len, reverse=True))})(?![a-z])", re.I)


def lists_below(folder: Path) -> list[Path]:
    """Files in it, and in the folders in it, whose names a layout has; those that lie highest first."""
    found = map(Path, files_below(str(folder), is_list_name))
    return sorted(found, key=lambda path: (len(path.parts), str(path)))


def together(files: Iterable[Path], root: Path) -> list[list[Path]]:
    """Files whose paths are the same but for the word for a split, which make one dataset; all others alone."""
    groups: dict[str, list[Path]] = {}
    for file in files:
        word = _split_in(file, root)
        key = f"{word.string[: word.start()]}*{word.string[word.end() :]}" if word else str(file)
        groups.setdefault(key, []).append(file)
    return list(groups.values())


def split_word(file: Path, root: Path) -> str | None:
    """The word for a split in the file's name, or else in that of its folder below the root."""
    word = _split_in(file, root)
    return word.group() if word else None


def _split_in(file: Path, root: Path) -> re.Match[str] | None:
    inside = str(file.relative_to(root)) if file.is_relative_to(root) else file.name
    name = len(inside) - len(file.name)
    return _SPLIT_IN_A_NAME.search(inside, name) or _SPLIT_IN_A_NAME.fullmatch(
        inside, max(0, name - 1 - len(file.parent.name)), max(0, name - 1)
    )


def locate(chosen: Sequence[Path], folders: Sequence[Path]) -> list[list[Path]]:
    """Of each folder, those of the chosen lists that are of it: each lies in it, or is named from there. Where there
    is one folder, a list may lie elsewhere. Raises DatasetRefused.
    """
    found: list[list[Path]] = [[] for _ in folders]
    for file in chosen:
        if os.path.isfile(file):  # noqa: PTH113  # which raises for some names
            real = file.parent.resolve() / file.name
            holders = [(len(f.resolve().parts), n) for n, f in enumerate(folders) if real.is_relative_to(f.resolve())]
            places = [max(holders)[1]] if holders else [0] * (len(folders) == 1)
            own = [folders[n] / real.relative_to(folders[n].resolve()) if holders else file for n in places]
        else:
            places = [n for n, folder in enumerate(folders) if os.path.isfile(folder / file)]  # noqa: PTH113
            own = [folders[n] / file for n in places]
        if not places:
            where = " and ".join(map(str, folders))
            raise DatasetRefused(f"--captions {file}: there is no such file in {where}")
        for n, path in zip(places, own, strict=True):
            found[n].append(path)
    return found
