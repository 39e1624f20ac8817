"""Gendered people to people: nouns with their articles and numbers; what only qualifies another noun is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from model.style.grammar import (
    DETERMINERS,
    FUNCTION_WORDS,
    NUMERALS,
    POSSESSIVES,
    is_third_person,
    plural,
    readings,
    singular,
)
from model.style.people import Part, Person, merged, rendered
from model.style.pronouns import GENDERED, neutral_pronouns
from model.style.tokens import is_word
from model.style.words import AGES, COSTUMES, GENERIC, NEUTRAL, PEOPLE, PHRASES, SPORTS

_ONE = frozenset("a an another each every one that this".split())
_SEVERAL = frozenset("both few many several some these those".split()) | (NUMERALS.keys() - {"one"})
_GROUPS = frozenset("bunch couple crowd group line lot number pair row team".split())


def neutral(tokens: Sequence[str]) -> list[str]:
    """The same sentence about people whose gender is not told; what is quoted, and a name, is left alone."""
    if not any(is_gendered(token) for token in tokens):
        return list(tokens)
    return rendered(merged(_parts(_rephrased(neutral_pronouns(tokens)))))


def is_gendered(token: str) -> bool:
    """Whether the word by itself tells somebody's gender."""
    word = token.lower()
    return word in GENDERED or (word,) in PHRASES or (is_word(token) and singular(word) in NEUTRAL)


def _rephrased(tokens: Sequence[str]) -> list[str]:
    """With PHRASES replaced, also in the plural."""
    found: list[str] = []
    at = 0
    while at < len(tokens):
        for length in (3, 2, 1):
            words = _phrase(tokens, at, length)
            if words is not None:
                found += words
                at += length
                break
        else:
            found.append(tokens[at])
            at += 1
    return found


def _phrase(tokens: Sequence[str], at: int, length: int) -> Sequence[str] | None:
    """What stands for the phrase of this length that is there; None where none is, or where it means people."""
    phrase = tuple(token.lower() for token in tokens[at : at + length])
    if len(phrase) < length:
        return None
    if length > 1 and phrase not in PHRASES:
        words = PHRASES.get((*phrase[:-1], singular(phrase[-1])))
        return words and [*words[:-1], plural(words[-1])]
    words = PHRASES.get(phrase)
    if words == () and not _is_before_thing(tokens, at + length - 1):
        return ["man", "and", "woman"] if length == 3 else None  # who "dance", say
    return words


def _is_before_thing(tokens: Sequence[str], at: int) -> bool:
    word = _word(tokens, at + 1)
    sure = word.endswith("s") or "VERB" not in readings(word) or "-" in tokens[at]
    return sure and _qualifies(tokens, at)


def _parts(given: Sequence[str]) -> list[Part]:
    """The tokens, with Persons in the places of theirs."""
    tokens, parts, at = list(given), list[Part](), 0
    while at < len(tokens):
        one = singular(tokens[at].lower()) if is_word(tokens[at]) else ""
        if not (one in NEUTRAL or one in GENERIC) or _is_name(tokens, at) or _is_thing(tokens, at, one):
            parts.append(tokens[at])
        elif one in NEUTRAL and (left_out := _qualifying(tokens, at, one)):
            at += left_out
            continue
        else:
            person, taken = _person(parts, one, tokens[at].lower() != one)
            del parts[len(parts) - taken :]
            if person.determiner in _ONE and person.many:  # a slip: "a girls finger", "a girls leaps"
                person = replace(person, many=False)
                if _is_noun(tokens, at + 1):
                    tokens.insert(at + 1, "'s")
            parts.append(person)
        at += 1
    return parts


def _is_name(tokens: Sequence[str], at: int) -> bool:
    """Within a sentence that is not all in capitals: "Guy Fawkes", "Burning Man"."""

    def is_capital(place: int) -> bool:
        return 0 < place < len(tokens) and tokens[place][0].isupper() and tokens[place].lower() not in NEUTRAL

    few = 2 * sum(token[0].isupper() for token in tokens[1:]) <= len(tokens)
    return at > 0 and tokens[at][0].isupper() and few and (is_capital(at - 1) or is_capital(at + 1))


def _is_thing(tokens: Sequence[str], at: int, one: str) -> bool:
    """A cowboy hat, a maid of honour; and to groom a horse."""
    if one == "groom":
        return _word(tokens, at + 1) in DETERMINERS and _word(tokens, at - 1) not in DETERMINERS
    return one in ("cowboy", "cowgirl") and _word(tokens, at + 1) in COSTUMES


def _qualifying(tokens: Sequence[str], at: int, one: str) -> int:
    """How many tokens are left out where the word only says whose or of what sort the next is: "women's basketball",
    "a girl scout", "a male dog"; 0 where it is a person itself.
    """
    length = 2 if _word(tokens, at + 1) in ("'s", "'") else 1
    if _word(tokens, at + length) in SPORTS and (length == 2 or _word(tokens, at + 2) not in FUNCTION_WORDS | {""}):
        return length
    if length == 2:
        return 0
    if one in ("male", "female"):
        return int(tokens[at].lower() == one and _qualifies(tokens, at))
    return int(NEUTRAL[one] in GENERIC and _is_before_trade(tokens, at, one))


def _is_before_trade(tokens: Sequence[str], at: int, one: str) -> bool:
    """Whether "woman" at this place stands before what she does: "woman skier", "women soldiers", "woman pole vaulter".

    "The women model hats" and "a girl models a hat" are told from them by the number.
    """
    word = _word(tokens, at + 1)
    trade = singular(word)
    many, plain = tokens[at].lower() != one, "VERB" not in readings(word) or trade == "scout"
    if trade in PEOPLE or trade in GENERIC:
        return word != trade if many else word == trade or plain
    single = not many and _is_noun(tokens, at + 1) and not word.endswith("ed")
    return single and _word(tokens, at + 2) in PEOPLE


def _qualifies(tokens: Sequence[str], at: int) -> bool:
    """Whether "male" or "female" at this place stands before a noun."""
    word = _word(tokens, at + 1)
    if not is_word(word) or word in FUNCTION_WORDS:
        return False
    if word in NEUTRAL or singular(word) in PEOPLE:
        return True
    kinds = readings(word)
    if word.endswith(("ing", "ed")) and "VERB" in kinds:
        return False
    if is_third_person(word):
        return "NOUN" in kinds and _word(tokens, at - 1) in _SEVERAL
    return bool(kinds & {"NOUN", "ADJ"}) or (not kinds and _word(tokens, at + 2) != "")


def _is_noun(tokens: Sequence[str], at: int) -> bool:
    word = _word(tokens, at)
    is_verb = is_third_person(word) or word.endswith("ing")
    return word not in FUNCTION_WORDS and "NOUN" in readings(word) and not is_verb


def _word(tokens: Sequence[str], at: int) -> str:
    """In lower case; "" outside the sentence."""
    return tokens[at].lower() if 0 <= at < len(tokens) else ""


def _person(before: Sequence[Part], source: str, many: bool) -> tuple[Person, int]:
    """The noun phrase that ends with the noun `source`, and how many of the parts before it are its own."""
    start = len(before)
    while start and _is_adjective(before[start - 1], many):
        start -= 1
    adjectives = [str(part) for part in before[start:]]
    determiner = _determiner(before[:start])
    if not determiner and not many and any("ADJ" not in readings(word) for word in adjectives):
        start, adjectives = len(before), []  # no phrase after all: "holding man"
    start -= len(determiner.split())
    noun = NEUTRAL.get(source, source)
    if noun in GENERIC and adjectives and adjectives[-1].lower() in AGES:
        noun = AGES[adjectives.pop().lower()]
    if noun == "newlywed" and determiner in POSSESSIVES:
        noun = "spouse"
    first = before[start] if start < len(before) else ""
    capital = isinstance(first, str) and first[:1].isupper()
    if capital and adjectives and not determiner:
        adjectives[0] = adjectives[0].lower()
    grouped = [str(part).lower() for part in before[max(0, start - 2) : start]]
    of_group = not determiner and grouped[1:] == ["of"] and grouped[0] in _GROUPS
    many = many or of_group or determiner.rpartition(" ")[2] in _SEVERAL
    return Person(determiner, tuple(adjectives), noun, source, many, capital), len(before) - start


def _determiner(before: Sequence[Part]) -> str:
    """That with which these end, in lower case; "" for none."""
    *rest, last = ["", *(part.lower() if isinstance(part, str) else "" for part in before[-2:])]
    if last not in DETERMINERS and last not in NUMERALS:
        return ""
    return f"{rest[-1]} {last}" if last in NUMERALS and rest[-1] in POSSESSIVES | {"the", "these"} else last


def _is_adjective(part: Part, many: bool) -> bool:
    """Also a noun that qualifies a single person, "a business man", but not "a couple men"; and an unknown word."""
    if not isinstance(part, str) or not is_word(part):
        return False
    word = part.lower()
    if word in FUNCTION_WORDS or word in NUMERALS or word in ("dozen", "hundred"):
        return False
    kinds = readings(word)
    if not kinds or "ADJ" in kinds or "-" in word or word in AGES:
        return True
    if word.endswith(("ed", "ing")):
        return "VERB" in kinds
    return not many and kinds == {"NOUN"} and (not word.endswith("s") or word.endswith("ss"))
