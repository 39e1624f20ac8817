"""he, she, his, her, … to they, their, …, or to it, its, … where an animal is meant, with their verbs."""

from __future__ import annotations

from collections.abc import Sequence

from model.style.grammar import (
    AUXILIARIES,
    CONJUNCTIONS,
    DETERMINERS,
    FUNCTION_WORDS,
    POSSESSIVES,
    PREPOSITIONS,
    PRONOUNS,
    RELATIVES,
    is_adverb,
    is_third_person,
    plural_verb,
    readings,
    singular,
)
from model.style.tokens import is_word
from model.style.words import ANIMALS, SOMEBODY

_FORMS = {
    # subject, object, possessive before a noun, possessive alone, reflexive
    "people": ("they", "them", "their", "theirs", "themselves"),
    "animal": ("it", "it", "its", "its", "itself"),
}
_MALE = {"he": 0, "him": 1, "his": 2, "himself": 4, "hisself": 4}
_FEMALE = {"she": 0, "her": 2, "hers": 3, "herself": 4}
GENDERED = _MALE | _FEMALE
"""Pronoun to case."""
_PERFECT = frozenset("been got had".split())
# After "her" these are verbs: "next to her looks on"; "her arms" are not.
_VERBS = frozenset(
    "claps holds kneels laughs leans looks plays points raises runs sits stands takes talks walks watches wears "
    "carries carrying doing eating giving having holding making taking wearing looking standing sitting".split()
)
_HELPING = frozenset("help helps helping helped let lets letting make makes making see sees seeing".split())


def neutral_pronouns(tokens: Sequence[str]) -> list[str]:
    tokens = _without_pairs(tokens)
    for at, token in enumerate(tokens):
        if token.lower() not in GENDERED:
            continue
        case = _case(tokens, at)
        forms = _FORMS["animal" if _is_of_animal(tokens, at) else "people"]
        tokens[at] = forms[case].capitalize() if token[0].isupper() else forms[case]
        if forms[case] == "they":
            _agree(tokens, at + 1)
    return tokens


def _without_pairs(tokens: Sequence[str]) -> list[str]:
    """One pronoun for "his or her", "he / she", "him and her"."""
    kept: list[str] = []
    for token in tokens:
        pair = {word.lower() for word in (*kept[-2:-1], token)}
        if kept[-1:] and kept[-1].lower() in ("or", "and", "/") and pair & _MALE.keys() and pair & _FEMALE.keys():
            del kept[-2:]
        kept.append(token)
    return kept


def _case(tokens: Sequence[str], at: int) -> int:
    case = GENDERED[tokens[at].lower()]
    if case == 2 and not _is_before_noun(tokens, at):
        return 1 if tokens[at].lower() == "her" else 3
    return case


def _is_before_noun(tokens: Sequence[str], at: int) -> bool:
    """Whether a possessive at this place is that of a noun phrase after it."""
    following = [token.lower() for token in tokens[at + 1 : at + 3]] + ["", ""]
    word, after = following[0], following[1]
    if not word or (not is_word(word) and word[0] not in "\"“«‘'"):
        return False
    if word in FUNCTION_WORDS - {"other", "own"} or word in _VERBS:
        return False
    if at and tokens[at - 1].lower() in _HELPING and readings(word) >= {"VERB"} and not _is_noun(after):
        return not (_ends_phrase(after) or after in DETERMINERS)
    if is_adverb(word) and not readings(word) & {"NOUN", "ADJ"}:
        return after.endswith("ed") or _is_noun(after)  # "her brightly coloured swing"
    if word.endswith("ing") and "VERB" in readings(word):
        return "NOUN" in readings(word) or (is_word(after or ".") and after not in FUNCTION_WORDS)
    return True


def _is_noun(word: str) -> bool:
    return bool(word) and word not in FUNCTION_WORDS and "NOUN" in readings(word)


def _ends_phrase(word: str) -> bool:
    return not word or not is_word(word) or word in PREPOSITIONS | CONJUNCTIONS


def _is_of_animal(tokens: Sequence[str], at: int) -> bool:
    """Whether it refers to an animal: one is named before it, and nobody is."""
    before = {word.lower() for word in tokens[:at]}
    named = before | {singular(word) for word in before}
    return bool(named & ANIMALS) and not named & SOMEBODY and "they" not in before


def _agree(tokens: list[str], start: int) -> None:
    """Makes the verbs plural, in place, of a "they" that stands before `start`; also "and lands" after "they jump"."""
    at = _skip_adverbs(tokens, start)
    if at == len(tokens):
        return
    verb = tokens[at].lower()
    if verb == "'s":
        after = _skip_adverbs(tokens, at + 1)
        tokens[at] = "'ve" if after < len(tokens) and tokens[after].lower() in _PERFECT else "'re"
    elif is_third_person(verb):
        tokens[at] = plural_verb(verb)
    else:
        return
    while at + 1 < len(tokens) and tokens[at + 1].lower() not in _CLAUSE_ENDS:
        at += 1
        if tokens[at].lower() in ("and", "or", "but", "then"):
            following = _skip_adverbs(tokens, at + 1)
            if following < len(tokens) and _is_verb_too(tokens, at, following):
                tokens[following] = plural_verb(tokens[following].lower())


_CLAUSE_ENDS = RELATIVES | frozenset("as while whilst because where when if although so . ; : ! ?".split()) | PRONOUNS


def _is_verb_too(tokens: Sequence[str], conjunction: int, at: int) -> bool:
    """Whether "… and Xs" goes on with a verb, not with another plural noun."""
    word = tokens[at].lower()
    if not is_third_person(word):
        return False
    if "NOUN" not in readings(word) or word in AUXILIARIES:
        return True
    before = tokens[conjunction - 1].lower()
    if before.endswith("s") and "NOUN" in readings(before):  # "with cars and trucks"
        return False
    return at + 1 == len(tokens) or tokens[at + 1].lower() in DETERMINERS | PREPOSITIONS | POSSESSIVES | {"."}


def _skip_adverbs(tokens: Sequence[str], at: int) -> int:
    while at < len(tokens) and is_adverb(tokens[at].lower()):
        at += 1
    return at
