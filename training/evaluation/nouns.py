"""What a sentence names: its nouns, in the singular, as the Hanover Tagger (Wartena 2019) reads them.

Words for people count as one: whether a photograph shows a lady or a girl is not what makes a caption right or wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

from HanTa.HanoverTagger import HanoverTagger

PERSON = "person"
_PEOPLE = frozenset(
    "adult baby boy boyfriend bride brother child couple crowd dad daughter family father female friend gentleman girl "
    "girlfriend groom guy human husband individual infant kid lady male man men mother mom parent people person "
    "sister somebody someone son teen teenager toddler wife woman women youth".split()
)
NAMES_NOTHING = frozenset(
    "area back background bit body bottom bunch close corner day distance edge end foreground front group image kind "
    "left lot middle next number one other outside pair part photo photograph piece picture place right row scene set "
    "side something thing time top type variety augmentation way".split()
)
"""Where and how many: a photograph of anything can be said to have a front."""


_MISREAD = {"leave": "leaf"} | dict.fromkeys(_PEOPLE, PERSON)
_PHRASES = {" couple of ": " few ", " hot dog": " hotdog", " teddy bear": " toy"}
"""In which no two people, no dog and no bear are meant."""


def nouns(words: Sequence[str]) -> frozenset[str]:
    """Lemmas of the nouns among the words of one sentence, those for people as PERSON."""
    return _nouns(tuple(words))


@lru_cache(maxsize=100_000)
def _nouns(words: tuple[str, ...]) -> frozenset[str]:
    tagged = tagger().tag_sent(_join_phrases(words)) if words else []
    lemmas = {lemma.lower() for word, lemma, tag in tagged if tag.startswith("N") or _unknown(word, tag)}
    return frozenset(_MISREAD.get(lemma, lemma) for lemma in lemmas - NAMES_NOTHING)


def _unknown(word: str, tag: str) -> bool:
    """A giraffe, an SUV: what the tagger cannot place is a noun in captions, but for articles that are said twice."""
    return tag == "UNC" and word.isalpha() and len(word) > 2


def _join_phrases(words: Sequence[str]) -> list[str]:
    text = f" {' '.join(words)} "
    for phrase, instead in _PHRASES.items():
        text = text.replace(phrase, instead)
    return text.split()


@cache
def tagger() -> HanoverTagger:
    return HanoverTagger("morphmodel_en.pgz")  # its model comes with the package


def share_named(caption: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """How many of the caption's nouns some reference has: 0 to 1, and 0 for a caption that names nothing.

    A word of a reference counts as it stands, too, whatever the tagger takes it for.
    """
    own = nouns(caption)
    if not own:
        return 0.0
    named = {word for reference in references for word in (*_join_phrases(reference), *nouns(reference))}
    return len(own & named) / len(own)
