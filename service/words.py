"""What the page says, in each language that it knows: static/languages has a file of plain JSON for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from model.language_tags import find_language
from service.settings import ROOT

Words = dict[str, Any]
"""By key: a text with {placeholders}, or such by category of plural (Intl.PluralRules)."""
_FOLDER = ROOT / "static" / "languages"
_FIRST = "en"
"""The language of all else that the service says."""


@cache
def languages() -> dict[str, Words]:
    """By tag, English first."""
    tags = sorted((file.stem for file in _FOLDER.glob("*.json")), key=lambda tag: (tag != _FIRST, tag))
    return {tag: json.loads((_FOLDER / f"{tag}.json").read_bytes()) for tag in tags}


def choose_words(accepted: Sequence[str]) -> tuple[str, Words]:
    """The tag and the words of the first of the accepted languages that there is."""
    tag = find_language(accepted, languages()) or _FIRST
    return tag, languages()[tag]
