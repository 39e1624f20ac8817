"""How captions are written in each language: into words, and back to what a person reads.

Tokenisation: NFC, lower case; a word is a run of letters and digits, with inner hyphens and apostrophes kept
("t-shirt", "don't"); an ideograph is a word of its own, as in Flickr8k-CN (Li et al. 2016); all other punctuation is
dropped. English has a possessive 's as a word: both "A man 's hat ." (as Flickr8k is distributed) and "A man's hat."
become [a, man, 's, hat]. French has what is elided as one: [l', homme].
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

IDEOGRAPH = "[\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"
"""In a regular expression: a sign that is a word of its own, kana among them."""
_LETTERS = rf"(?:(?!{IDEOGRAPH})[^\W_])+"
_BLANKS = rf" (?='s\b)|(?<={IDEOGRAPH}) | (?={IDEOGRAPH})"


def _words(first: str = "", inside: str = "-|'", last: str = "") -> re.Pattern[str]:
    return re.compile(rf"{first}{IDEOGRAPH}|{_LETTERS}(?:(?:{inside}){_LETTERS})*{last}", re.IGNORECASE)


@dataclass(frozen=True)
class Language:
    code: str
    """BCP 47."""
    name: str
    """As its speakers call it."""
    word: re.Pattern[str] = _words()
    blank: re.Pattern[str] = re.compile(_BLANKS)
    """Between words, where a person writes none."""
    full_stop: str = "."

    def split(self, caption: str) -> list[str]:
        """Its words, as they are written."""
        return self.word.findall(unicodedata.normalize("NFC", caption).replace("’", "'"))

    def tokenise(self, caption: str) -> list[str]:
        """Its words, as the module's docstring defines them."""
        return [word.lower() for word in self.split(caption)]

    def join(self, words: Iterable[str]) -> str:
        """The sentence that a person reads: the inverse of `tokenise` up to case and punctuation."""
        return self.blank.sub("", " ".join(words))

    def sentence(self, text: str, most: int) -> str:
        """With a capital and a full stop, of at most so many characters: last words that are too many are left out."""
        text = text.strip()
        while len(text) + len(self.full_stop) > most:
            text = text.rpartition(" ")[0].rstrip(" ,;") or text[: most - len(self.full_stop)]
        return text[:1].upper() + text[1:] + self.full_stop if text else ""

    def written(self, captions: Iterable[str]) -> dict[str, str]:
        """How people mostly write the words of the captions that have a capital inside a sentence: German nouns, names.
        What stands first in one tells only of words that stand nowhere else.
        """
        inside, first = Counter[str](), Counter[str]()
        for caption in captions:
            words = self.split(caption)
            if not caption.isupper():
                inside.update(words[1:])
                first.update(words[:1])
        forms: dict[str, str] = {}
        for word, _ in sorted([*inside.items(), *((w, 0) for w in first)], key=lambda one: (one[1], one[0])):
            forms[word.lower()] = word  # the commonest comes last; of as common ones the one in small letters
        return {plain: word for plain, word in forms.items() if word != plain}


ENGLISH = Language("en", "English", _words(inside=r"-|'(?!s\b)", last=r"|'s\b"))
LANGUAGES = {
    language.code: language
    for language in (
        ENGLISH,
        Language("de", "Deutsch"),
        Language("fr", "Français", _words(r"(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu)'(?=[^\W_])|"),
                 re.compile(rf"{_BLANKS}|(?<=\w') ")),
        Language("cs", "Čeština"),
        Language("zh", "中文", full_stop="。"),
    )
}  # fmt: skip


def language_of(code: str) -> Language:
    """Of a language that is not listed, what most have in common."""
    return LANGUAGES.get(code) or Language(code, code)


def tokenise(caption: str) -> list[str]:
    """English; see `Language.tokenise`."""
    return ENGLISH.tokenise(caption)
