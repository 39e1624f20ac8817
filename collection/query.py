"""What is searched for, as a person types it: words, and filters between them, as SQL."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from model.languages import IDEOGRAPH
from model.names import unknown

LONGEST_QUERY = 200  # characters
_TERM = re.compile(
    r"""(?<!\S)confidence\s*(?P<sign><=|>=|<|>|=)\s*(?P<bound>\S+)
    |(?:(?<!\S)(?P<field>tag|reviewed):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))""",
    re.VERBOSE | re.IGNORECASE,
)
_REVIEWED = {
    "no": "status = ''",
    "yes": "status IN ('accepted', 'edited')",
    "accepted": "status = 'accepted'",
    "edited": "status = 'edited'",
    "rejected": "status = 'rejected'",
}
ORDERS = {
    "best": "rank",  # bm25, Robertson and Zaragoza 2009
    "least-sure": "sureness, id",
    "newest": "modified_ns DESC, id",
    "path": "path, id",
}
"""By the names that `--order` knows; the first, where there are words, is the default. Without words the best are in
the order of the results."""


MANY = 40_000
"""Photographs: more of them take too long to rank."""
_BEST = "captions MATCH ? AND rank MATCH 'bm25(1.0, 0.25)'"
"""A tag counts for a quarter of a word."""


class QueryRefused(ValueError):
    """The words cannot be searched for; the message says why."""


@dataclass(frozen=True)
class Query:
    words: str
    """In FTS5's language, every word in quotes: none is taken for an operator of it. "" for none."""
    conditions: tuple[str, ...]
    """In SQL, of the table `photographs`."""
    values: tuple[float, ...]
    """Of their placeholders."""

    @classmethod
    def parse(cls, text: str) -> Query:
        """All words must occur, in any of their forms (dog, dogs); "a red ball" together and in this order; snow*
        begins a word; tag:dog among the tags; reviewed:no, confidence<0.5. Raises QueryRefused.
        """
        if len(text) > LONGEST_QUERY:
            raise QueryRefused(f"At most {LONGEST_QUERY} characters can be searched for.")
        words, conditions, values = [], [], []
        for term in _TERM.finditer(plain(text)):
            field, content = (term["field"] or "").lower(), term["phrase"] or term["word"] or ""
            if term["sign"]:
                conditions.append(f"confidence {term['sign']} ?")
                values.append(_number(term["bound"]))
            elif field == "reviewed":
                conditions.append(_reviewed(content))
            elif any(character.isalnum() for character in content):
                said = term["phrase"] or content.rstrip("*")
                word = f'"{said if field else spaced(said)}"' + "*" * (not term["phrase"] and content[-1] == "*")
                words.append(f"(tags : {word})" if field else word)
        if not words and not conditions:
            raise QueryRefused("Which words? A caption's, such as: dog grass.")
        return cls(" AND ".join(words), tuple(conditions), tuple(values))

    def find(self, order: str, are_many: bool = False) -> str:
        """SQL for the photographs' numbers, in order; its values are the words, where there are any, then `values`.

        Where very many have the words, these tell so little that the best are in the order of the results.
        """
        if order not in ORDERS:
            raise QueryRefused(unknown("order", order, ORDERS))
        by = "id" if order == "best" else ORDERS[order]
        if not self.words:
            return f"SELECT id FROM photographs WHERE 1{self._and()} ORDER BY {by}"
        if are_many and not self.conditions:  # in the order of an index, up to the limit
            matching = "id IN (SELECT rowid FROM captions WHERE captions MATCH ?)"
            return f"SELECT id FROM photographs WHERE {matching} ORDER BY {by}"
        is_best = order == "best" and not are_many
        matching, by = (_BEST, "rank") if is_best else ("captions MATCH ?", by)
        # The words first, and of what has them the rest: + keeps SQLite from beginning with an index of the others.
        joined = "captions CROSS JOIN photographs ON id = captions.rowid"
        return f"SELECT id FROM {joined} WHERE {matching}{self._and('+')} ORDER BY {by}"

    @property
    def count(self) -> str:
        """SQL for how many there are, with `all_values`; of words and conditions together `find` has to tell it."""
        if self.words:
            return "SELECT count(*) FROM captions WHERE captions MATCH ?"
        return f"SELECT count(*) FROM photographs WHERE 1{self._and()}"

    @property
    def all_values(self) -> tuple[str | float, ...]:
        return (*((self.words,) if self.words else ()), *self.values)

    def _and(self, mark: str = "") -> str:
        return "".join(f" AND {mark}{condition}" for condition in self.conditions)


def spaced(text: str) -> str:
    """With blanks around every ideograph and kana: each is a word, and several are a phrase."""
    return re.sub(rf"\s*({IDEOGRAPH})\s*", r" \1 ", text).strip() if re.search(IDEOGRAPH, text) else text


def _reviewed(text: str) -> str:
    if text.lower() not in _REVIEWED:
        raise QueryRefused(f"reviewed: {unknown('state', text, _REVIEWED)}")
    return _REVIEWED[text.lower()]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QueryRefused("confidence is compared with a number from 0 to 1, such as confidence<0.5.")
    return number


def plain(text: str) -> str:
    """Without what SQLite cannot hold: halves of a character, and the null that ends a text."""
    return text.encode(errors="replace").decode().replace("\0", " ")
