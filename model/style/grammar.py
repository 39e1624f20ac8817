"""What English asks of a word: number, agreement, articles, numerals. Lemmas and inflections are LemmInflect's."""

from __future__ import annotations

import re
from functools import cache

from lemminflect import getAllLemmas, getInflection, getLemma

DETERMINERS = frozenset(
    "a an the this that these those my his her their its our your another each every some several many few both all "
    "no any".split()
)
POSSESSIVES = frozenset("my his her their its our your".split())
PREPOSITIONS = frozenset(
    "about above across after against along alongside amid among amongst around as at atop before behind below beneath "
    "beside besides between beyond by despite down during for from in inside into like near of off on onto opposite "
    "out outside over past since through throughout to toward towards under underneath until up upon via with within "
    "without".split()
)
CONJUNCTIONS = frozenset("and or but nor so yet while whilst when where because if although though than then".split())
RELATIVES = frozenset("who whom whose which that what".split())
PRONOUNS = frozenset("i you he she it we they him them me us himself herself itself themselves someone each".split())
AUXILIARIES = frozenset(
    "is are was were be been being am has have had do does did can could may might must shall should will would".split()
)
_ADVERBS = frozenset(
    "also always away back barely forward here high home just left low never next not now often only right still there "
    "together too very almost again already once upside".split()
)
FUNCTION_WORDS = DETERMINERS | PREPOSITIONS | CONJUNCTIONS | RELATIVES | PRONOUNS | AUXILIARIES

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
NUMERALS = {word: number for number, word in enumerate(_ONES[:13]) if number}
"""One to twelve."""
_NUMBER = re.compile(r"(\d{1,2})(-[a-z].*)?", re.IGNORECASE)
_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th)", re.IGNORECASE)

_IRREGULAR = {"person": "people", "dozen": "dozen"}
_LONG_U = r"eu|ewe|one(?!i)|once|ouija|uni(?!n|m|d)|us(?:[aeu]|ing)|ut[aeio]|u[bcfgjkqrt][aeiou]|ukr|uk\b|ufo|u-"
_SILENT_H = r"hours?\b|hourglass|honest|honou?r|heir"
_CONSONANT = re.compile(_LONG_U, re.IGNORECASE)
_VOWEL = re.compile(rf"[aeiou]|{_SILENT_H}", re.IGNORECASE)
_SPELT = re.compile(
    r"[a-z](?:[-&.\d]|$)|(?-i:[A-Z]{2}s?\b|[B-DF-HJ-NP-TV-Z]{2}[A-Z]s?\b)|(?:mp\d|suv|xbox|lcd|mtv|nfl|nhl|rv|hd)s?\b",
    re.IGNORECASE,
)
_SPELT_WITH_VOWEL = frozenset("aefhilmnorsx")
_DIGITS_WITH_VOWEL = re.compile(r"8|1[18](?:\D|$)|1[18]\d{3}(?:\D|$)")


@cache
def readings(word: str) -> frozenset[str]:
    """The parts of speech that a word can be: ADJ, ADV, NOUN, VERB; none of what is in no dictionary."""
    return frozenset(getAllLemmas(word.lower()))


@cache
def singular(noun: str) -> str:
    """Of a noun in any number."""
    found = getAllLemmas(noun, upos="NOUN").get("NOUN")
    if found:
        return str(found[0])
    return noun[:-2] + "an" if noun.endswith("men") else noun.removesuffix("s")


@cache
def plural(noun: str) -> str:
    """Of a noun, or of a phrase that ends in one."""
    before, _, last = noun.rpartition(" ")
    form = _IRREGULAR.get(last) or getInflection(last, tag="NNS")[0]
    return f"{before} {form}".strip()


def is_third_person(word: str) -> bool:
    """Whether it can be a verb as he, she and it have it: "runs", "is"; many are nouns as well."""
    return word in ("is", "was", "has", "does") or (
        word.endswith("s") and not word.endswith("ss") and "VERB" in readings(word)
    )


@cache
def plural_verb(verb: str) -> str:
    """What they do where he, she or it "is", "runs", "catches"."""
    known = {"is": "are", "was": "were", "has": "have", "does": "do"}
    return known.get(verb) or str(getLemma(verb, upos="VERB")[0])


def is_adverb(word: str) -> bool:
    return word in _ADVERBS or (word.endswith("ly") and "ADV" in readings(word))


def indefinite_article(word: str) -> str:
    """ "a" or "an", by how a word, a number or an abbreviation sounds."""
    word = word.lstrip("\"“«‘'(")
    if word[:1].isdigit():
        return "an" if _DIGITS_WITH_VOWEL.match(word) else "a"
    if _SPELT.match(word):
        return "an" if word[0].lower() in _SPELT_WITH_VOWEL else "a"
    return "an" if _VOWEL.match(word) and not _CONSONANT.match(word) else "a"


def in_words(token: str) -> str:
    """Numbers below a hundred, and ordinals to the twelfth: "3", "4-wheeler", "2nd". Anything else as it is."""
    if (found := _ORDINAL.fullmatch(token)) and 0 < int(found[1]) <= len(_ORDINALS):
        return _ORDINALS[int(found[1]) - 1]
    if not (found := _NUMBER.fullmatch(token)):
        return token
    tens, ones = divmod(int(found[1]), 10)
    name = _ONES[int(found[1])] if tens < 2 else _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")
    return name + (found[2] or "")
