"""What decides the result of a training run, and whether a folder holds the same run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def deciding(config: DataclassInstance, left_out: Collection[str]) -> dict[str, Any]:
    """A configuration in strings, numbers, lists and dictionaries, without what does not decide the result."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    return {key: value for key, value in plain.items() if key not in left_out}


def one_by_one(arguments: Sequence[str], flags: Collection[str]) -> list[str]:
    """A command line in which each value of one of these flags has its own: --data A B is --data A --data B."""
    found: list[str] = []
    flag = ""
    for word in arguments:
        if word.startswith("--"):
            flag = word
        elif flag in flags and found[-1] != flag:
            found.append(flag)
        found.append(word)
    return found


def check_same_run(folder: Path, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Raises ValueError where `folder` holds a run with other settings, which are `theirs`."""
    other = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    if other:
        raise ValueError(f"{folder} holds a run with other settings ({', '.join(other)}): choose another --output")
