"""People in a sentence: "a man and a woman" are two people, and the second of two single ones is another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from model.style.grammar import FUNCTION_WORDS, NUMERALS, POSSESSIVES, plural, readings
from model.style.tokens import is_word
from model.style.words import AGES, CLOTHES, GENERIC

_QUALIFY = frozenset("carrying dressed holding in that wearing who whose with".split())
_NUMBERS = {number: word for word, number in NUMERALS.items()}


@dataclass(frozen=True)
class Person:
    """A noun phrase for a person or for several: determiner, adjectives, noun."""

    determiner: str
    """Lower case; "" for none; may be two words: "the two"."""
    adjectives: tuple[str, ...]
    noun: str
    """Neutral, in the singular."""
    source: str
    """What it was, in the singular."""
    many: bool
    capital: bool

    @property
    def count(self) -> int:
        """How many; 0 where it is not said."""
        word = self.determiner.rpartition(" ")[2]
        return NUMERALS.get(word, 0 if self.many or word not in ("", "a", "an") else 1)

    @property
    def is_definite(self) -> bool:
        return self.determiner in POSSESSIVES | {"the", "this", "these", "both"}

    def tokens(self) -> list[str]:
        noun = plural(self.noun) if self.many else self.noun
        words = [*self.determiner.split(), *self.adjectives, *noun.split()]
        return [words[0].capitalize(), *words[1:]] if self.capital else words


Part = str | Person


def merged(parts: Sequence[Part]) -> list[Part]:
    """With two people for "a man and a woman", where nothing is said of one of them alone."""
    found: list[Part] = []
    at = 0
    while at < len(parts):
        part = parts[at]
        at += 1
        while isinstance(part, Person) and (pair := _pair(part, parts, at)):
            if not part.determiner and not part.many and not _can_begin(found):
                break
            part, at = pair
            parts = _after_list(parts, at)
        found.append(part)
    return found


def rendered(parts: Sequence[Part]) -> list[str]:
    """As tokens."""
    tokens: list[str] = []
    met: list[Person] = []
    for at, part in enumerate(parts):
        if isinstance(part, Person):
            met.append(_told_apart(part, met, parts[max(0, at - 1)], parts[at + 1 : at + 2]))
            tokens += met[-1].tokens()
        elif part in ("'", "'s") and at and isinstance(parts[at - 1], Person):
            tokens.append("'" if tokens[-1].endswith("s") else "'s")
        else:
            tokens.append(part)
    return tokens


def _pair(first: Person, parts: Sequence[Part], at: int) -> tuple[Person, int] | None:
    """The two as one, where another stands after "and" at this place, and the place after both."""
    link = [part.lower() if isinstance(part, str) else "" for part in parts[at : at + 2]]
    length = 2 if link == [",", "and"] else 1
    if not link or link[0] not in ("and", "or", "&", ",") or at + length >= len(parts):
        return None
    second, rest = parts[at + length], parts[at + length + 1 :]
    if not isinstance(second, Person) or (link == [",", ""] and "and" not in rest[:2]):
        return None
    both = _either(first, second) if link[0] == "or" else _both(first, second)
    if both is None or (second.determiner and _is_of_one(rest)):
        return None
    return both, at + length + 1


def _either(first: Person, second: Person) -> Person | None:
    alike = first.noun == second.noun and not (first.many or second.many) and not second.adjectives
    return first if alike and second.determiner in ("", "a", "an", first.determiner) else None


def _both(first: Person, second: Person) -> Person | None:
    if not second.determiner and not second.adjectives and first.noun in AGES.values() and second.noun in GENERIC:
        second = replace(second, noun=first.noun)  # "a teenage boy and girl"
    alike = second.adjectives == first.adjectives or not (second.adjectives or second.determiner)
    if first.noun != second.noun or not alike:
        return None
    if first.is_definite and second.determiner in ("", first.determiner):
        two = not first.many and not second.many and first.noun in GENERIC and first.determiner in ("the", "this")
        determiner = {"this": "these"}.get(first.determiner, first.determiner)
        return replace(first, many=True, determiner=f"{determiner} two" if two else determiner)
    if first.many and second.many and not second.determiner:
        return replace(first, determiner="several" if first.determiner in NUMERALS else first.determiner)
    if first.count and second.count:
        *before, _ = first.determiner.split() or [""]
        number = _NUMBERS.get(first.count + second.count, "many")
        return replace(first, many=True, determiner=" ".join([*before, number]))
    return None


def _is_of_one(following: Sequence[Part]) -> bool:
    """Whether what follows "a man and a woman" is likely said of the second alone: "in a dress", "holding a cup"."""
    words = [part.lower() if isinstance(part, str) else part.determiner for part in following[:6]]
    if len(words) < 2 or words[0] not in _QUALIFY:
        return False
    if words[0] == "in":
        return words[1] in ("a", "an", "the", "their") and not CLOTHES.isdisjoint(words[2:])
    return words[1] in ("a", "an", "no", "their", "is", "has")


def _can_begin(before: Sequence[Part]) -> bool:
    """Whether a phrase without determiner begins after these, rather than goes on: not after "a business"."""
    word = before[-1].lower() if before and isinstance(before[-1], str) else ""
    return not is_word(word) or word in FUNCTION_WORDS or "VERB" in readings(word)


def _after_list(parts: Sequence[Part], at: int) -> Sequence[Part]:
    """With "and a child" for ", and child" or "and child" at this place: what was a list of three is one of two."""
    comma = 1 if parts[at : at + 1] == [","] else 0
    rest = parts[at + comma :]
    if len(rest) < 2 or rest[0] != "and" or not isinstance(last := rest[1], Person):
        return parts
    if not last.determiner and not last.many:
        last = replace(last, determiner="a")
    return [*parts[:at], "and", last, *rest[2:]]


def _told_apart(person: Person, met: Sequence[Person], before: Part, after: Sequence[Part]) -> Person:
    """As "another person", "the other child", where it is not the one that was named before."""
    if person.many or person.adjectives or person.capital:
        return person
    alike = [other for other in met if other.noun == person.noun and (not other.many or before in ("and", ","))]
    if person.determiner in ("a", "an") and alike:
        return replace(person, determiner="another")
    differ = all(other.determiner == "the" and other.source != person.source for other in alike)
    if person.determiner == "the" and alike and differ and person.source not in GENERIC:
        return person if after and after[0] in _QUALIFY else replace(person, determiner="the other")
    return person
