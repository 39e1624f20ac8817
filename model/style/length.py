"""Alt text that is short enough: what is too long ends where a phrase does."""

from __future__ import annotations

from collections.abc import Sequence

from model.style.grammar import (
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    NUMERALS,
    PREPOSITIONS,
    RELATIVES,
    is_third_person,
    readings,
)
from model.style.tokens import ENDS, is_quoted, is_word, sentence, split

MOST_CHARACTERS = 125
"""Beyond these some screen readers pause or stop."""

_LOOSE = (
    DETERMINERS | PREPOSITIONS | CONJUNCTIONS | RELATIVES | AUXILIARIES | NUMERALS.keys() | {"next", "front", "other"}
)
_SUBORDINATE = RELATIVES | (CONJUNCTIONS - {"and", "or", "but", "nor"}) | {"as"}


def cut(text: str) -> str:
    """The text as it is, or what of it makes a shorter one, to the end of a phrase, within MOST_CHARACTERS.

    A single word that is longer than that is no word: it alone is cut.
    """
    if len(text) <= MOST_CHARACTERS:
        return text
    tokens = split(text)
    most = next(at for at in range(len(tokens), -1, -1) if len(sentence(tokens[:at])) <= MOST_CHARACTERS)
    for is_end in (_ends_sentence, _begins_phrase):
        for at in range(most, 0, -1):
            if is_end(tokens, at) and (kept := _without_loose_end(tokens[:at])):
                return sentence(kept)
    return sentence(_without_loose_end(tokens[:most]) or [text[: MOST_CHARACTERS - 1]])


def _ends_sentence(tokens: Sequence[str], at: int) -> bool:
    return tokens[at - 1] in ENDS


def _begins_phrase(tokens: Sequence[str], at: int) -> bool:
    """Whether a phrase begins at this token, so that the sentence can end before it."""
    if at == len(tokens):
        return True
    word, before, last = tokens[at].lower(), tokens[at - 2 : at - 1], tokens[at - 1].lower()
    begins = word in (PREPOSITIONS - {"of"}) | CONJUNCTIONS | RELATIVES or word in (",", ";", ":", "(")
    participle = word.endswith(("ing", "ed")) and "VERB" in readings(word) and last not in AUXILIARIES
    half = "ADJ" in readings(last) and before and before[0].lower() != "in"  # "a red | and white flag"
    return (begins or participle) and not half


def _without_loose_end(tokens: Sequence[str]) -> list[str]:
    """Without words that no sentence ends with, and without a clause that has lost its verb."""
    words = list(tokens)
    while words and (words[-1].lower() in _LOOSE or (not is_word(words[-1]) and not is_quoted(words[-1]))):
        words.pop()
    clause = next((at for at in range(len(words) - 1, 0, -1) if words[at].lower() in _SUBORDINATE), 0)
    if clause and not any(word.lower() in AUXILIARIES or is_third_person(word.lower()) for word in words[clause:]):
        return _without_loose_end(words[:clause])
    return words
