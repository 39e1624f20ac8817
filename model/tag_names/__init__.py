"""What tags are called in other languages: a file of plain JSON for each, by the English name. A tag without stays
English.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from model.captioner import Tag

_FILES = {file.stem: file for file in Path(__file__).parent.glob("*.json")}


def tags_in(language: str, tags: Sequence[Tag]) -> tuple[Tag, ...]:
    """The tags by the language's names, no two alike: what are two in English may be one, as likely as the likelier."""
    return renamed(tags, names_in(language))


def renamed(tags: Sequence[Tag], names: Mapping[str, str]) -> tuple[Tag, ...]:
    """By other names, where there are such, no two alike: of those that become one the first, the likeliest."""
    different: dict[str, Tag] = {}
    for tag in tags:
        name = names.get(tag.name, tag.name)
        different.setdefault(name, replace(tag, name=name))
    return tuple(different.values())


@cache
def names_in(language: str) -> dict[str, str]:
    """By the English name; none for a language that has no file."""
    names: dict[str, str] = json.loads(_FILES[language].read_bytes()) if language in _FILES else {}
    return names
