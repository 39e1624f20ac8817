"""Files that each photograph gets for itself: where two would get one, it is refused before anything is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from model.files import LONGEST_NAME
from model.folders import folded

_TOLD = 3


class OutputsCollide(RuntimeError):
    """Two photographs would be written to one file, or one to none; the message names them and says what to do."""


class Output(NamedTuple):
    path: Path
    key: str
    """The same for outputs that are one file, or would be on a disk that does not tell case or composition apart."""
    owner: str | None = None
    """Another photograph, whose caption an earlier run wrote there."""


_real = lru_cache(maxsize=1024)(os.path.realpath)


def beside(path: Path, as_spelt: bool = False) -> str:
    """The key of a file beside a photograph, in a folder that is there; `as_spelt`, where its name can only be that of
    another if the photographs' are.
    """
    return os.path.join(_real(path.parent.absolute()), path.name if as_spelt else folded(path.name))  # noqa: PTH118


def below(path: Path) -> Output:
    """An output in folders that are made for it."""
    return Output(path, folded(str(path)))


def refuse_collisions(find: Callable[[], Iterator[str]], output: Callable[[str], Output], advice: str) -> None:
    """Raises OutputsCollide. Of 100,000 paths numbers alone are held; those that collide are found by a second look."""
    counts = Counter(hash(output(path).key) for path in find())
    twice = {number for number, count in counts.items() if count > 1}
    sharing: dict[str, dict[str, str]] = {}
    problems = []
    for path in find():
        own = output(path)
        absolute = os.path.abspath(path)  # noqa: PTH100  # without following links
        if os.path.abspath(own.path) == absolute:  # noqa: PTH100
            problems.append(f"{path} would be written over")
        elif len(os.fsencode(own.path.name)) > LONGEST_NAME:
            problems.append(f"{path}: no file can have a name as long as {own.path.name}")
        elif hash(own.key) in twice:
            sharing.setdefault(own.key, {}).setdefault(absolute, path)
        elif own.owner:
            problems.append(f"{own.path} is of {own.owner} and would be of {path}")
    problems += [_told(list(paths.values()), output) for paths in sharing.values() if len(paths) > 1]
    if problems:
        more = f"; {len(problems) - _TOLD:,} more" if len(problems) > _TOLD else ""
        raise OutputsCollide(f"{'; '.join(problems[:_TOLD])}{more}. {advice}")


def _told(paths: list[str], output: Callable[[str], Output]) -> str:
    outputs = list(dict.fromkeys(str(output(path).path) for path in paths))
    names = " and ".join(paths[:_TOLD])
    if len(outputs) == 1:
        return f"{names} would be written to one file, {outputs[0]}"
    return f"{names} would be written to {' and '.join(outputs[:_TOLD])}, which are one file on many disks"
