"""What the properties of other people's schemas are called, and what is meant by it."""

from __future__ import annotations

import re

TEXTS = {"caption", "description", "alt", "alt text", "text", "summary", "title"}
TEXTS |= {"beschreibung", "bildbeschreibung", "bildunterschrift", "alternativtext", "titel"}
TEXTS |= {"légende", "texte alternatif", "titre", "popis", "popisek", "titulek", "描述", "说明", "标题"}
TEXT_WORDS = {"caption", "description", "alt", "summary", "title"}  # in longer names; "visible text" is no caption
TEXTS_OF_A_TAG = {"name", "label", "tag", "keyword", "term", "text", "title", "value", "object", "category"}
NUMBERS = {"confidence", "probability", "score", "certainty", "likelihood"}
OF_THE_WHOLE = NUMBERS | {"overall", "caption", "image", "photo", "mean", "total", "level", "text", "description"}
NUMBERS_OF_A_TAG = NUMBERS | {"topicality", "relevance", "salience", "weight"}
LISTS = {"tags", "labels", "keywords", "objects", "categories", "hashtags", "concepts", "topics"}
LISTS |= {"schlagwörter", "stichwörter", "mots clés", "étiquettes", "štítky", "标签"}
CAPTIONS = {"captions", "descriptions", "alternatives", "sentences"}
LANGUAGES = {"language", "lang", "locale", "language code", "sprache", "langue", "jazyk", "语言"}
LEVELS = ("low", "medium", "high")


def words_of(name: str) -> list[str]:
    """altText, alt_text, alt-text: alt, text."""
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def is_caption(words: list[str]) -> bool:
    return " ".join(words) in TEXTS or bool(TEXT_WORDS.intersection(words))
