"""Languages that are asked for in words, or by a schema's property: in German, auf Deutsch, en français, 用中文."""

from __future__ import annotations

import re
from typing import Any

from model.language_tags import find_language
from service.adapters import names

_NAMES = {
    "en": "english|englisch|anglais|anglicky|angličtin[ay]|angličtině|英语|英文",
    "de": "german|deutsch|allemand|německy|němčin[ay]|němčině|德语|德文",
    "zh": "chinese|mandarin|chinesisch|chinois|čínsky|čínštin[ay]|čínštině|中文|汉语|普通话",
    "fr": "french|französisch|français|francais|francouzsky|francouzštin[ay]|francouzštině|法语|法文",
    "cs": "czech|tschechisch|tchèque|česky|češtin[ay]|češtině|捷克语|捷克文",
}
"""Expressions for what a language is called, in English, by itself and in the others."""
_ANY = "|".join(_NAMES.values())
_ASKED = re.compile(
    # A German shepherd asks for nothing; Czech adverbs need no preposition, and Chinese has no blanks.
    rf"(?<!not )\b(?:in|into|to|auf|en|v|do|ve)\s+({_ANY})\b"
    rf"|\b(?:language|sprache|langue|jazyk)\s*[:=]\s*({_ANY})\b"
    rf"|(?:用|语言\s*[:：])\s*({_ANY})|\b(anglicky|německy|čínsky|francouzsky|česky)\b",
    re.I,
)


def asked_in(prompt: str) -> str | None:
    """The language that is asked for last, as a tag."""
    asked = [name for found in _ASKED.finditer(prompt) for name in found.groups() if name]
    return next((tag for name in reversed(asked) if (tag := _tag_of(name))), None)


def asked_by(schema: Any) -> str | None:
    """The one language that a property of the whole can only be."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, part in properties.items() if isinstance(properties, dict) else ():
        if is_language(name) and isinstance(part, dict):
            only = [part["const"]] if "const" in part else part.get("enum")
            if isinstance(only, list) and len(only) == 1 and isinstance(only[0], str):
                return _tag_of(only[0]) or only[0]
    return None


def is_language(name: str) -> bool:
    """Whether a property is called so."""
    return " ".join(names.words_of(name)) in names.LANGUAGES


def is_named(language: str, name: object) -> bool:
    """Whether the name, or a tag, is that of the language: de, de-DE, German, Deutsch."""
    return isinstance(name, str) and (_tag_of(name) or find_language([name], [language])) == language


def _tag_of(name: str) -> str | None:
    return next((tag for tag, called in _NAMES.items() if re.fullmatch(called, name.strip(), re.I)), None)
