"""Words of languages that are written without blanks, beside the characters by which they are scored."""

from __future__ import annotations

from collections.abc import Callable

import rjieba

from model.languages import LANGUAGES


def _chinese(caption: str) -> list[str]:
    return [word.lower() for word in rjieba.cut(caption) if LANGUAGES["zh"].tokenise(word)]


SEGMENTERS: dict[str, Callable[[str], list[str]]] = {"zh": _chinese}
"""By language: a caption to its words. jieba's dictionary comes with the package."""
