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
_NAMES_NOTHING = frozenset(
    "area back background bit body bottom bunch close corner day distance edge end foreground front group image kind "
    "left lot middle next number one other outside pair part photo photograph piece picture place right row scene set "
    "side something thing time top type variety view way".split()
)
"""Where and how many: a photograph of anything can be said to have a front."""


@lru_cache(maxsize=100_000)
def nouns(words: tuple[str, ...]) -> frozenset[str]:
    """Lemmas of the nouns among the words of one sentence, those for people as PERSON."""
    tagged = _tagger().tag_sent(list(words)) if words else []
    lemmas = {lemma.lower() for _, lemma, tag in tagged if tag.startswith("N")} - _NAMES_NOTHING
    return frozenset(PERSON if lemma in _PEOPLE else lemma for lemma in lemmas)


@cache
def _tagger() -> HanoverTagger:
    return HanoverTagger("morphmodel_en.pgz")  # its model comes with the package


def share_named(caption: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """How many of the caption's nouns some reference has: 0 to 1, and 0 for a caption that names nothing.

    A word of a reference counts as it stands, too, whatever the tagger takes it for.
    """
    said = nouns(tuple(caption))
    if not said:
        return 0.0
    named = {word for reference in references for word in (*reference, *nouns(tuple(reference)))}
    return len(said & named) / len(said)
