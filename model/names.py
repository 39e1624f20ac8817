"""Names that there are not, and the nearest that there are: of options, settings and commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

_SHOWN = 50  # characters of what a stranger wrote
_ALIKE = 0.5  # of 1: temp is temperature, and beam is beam_size


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """In words: there is no `what` of this name; which other may be meant, or which there are."""
    name, known = name[:_SHOWN], sorted(known)
    near = get_close_matches(name.lower(), known, n=1, cutoff=_ALIKE)
    return f"unknown {what} '{name}'; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}")


class Parser(argparse.ArgumentParser):
    """Takes options by their whole names alone, and tells the nearest where there is none of a name."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, rest = self.parse_known_args(args, namespace)
        if rest and rest[0].startswith("-"):
            known = [flag for flag in self._option_string_actions if flag.startswith("--")]
            self.error(unknown("option", rest[0].partition("=")[0], known))
        if rest:
            self.error(f"what is meant by {' '.join(rest)}?")
        return parsed
