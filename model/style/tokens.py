"""A sentence to words and marks, and back. What is quoted is one token: it is somebody's name or writing, and stays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MARKED = r"\"[^\"]*\"|“[^”]*”|«[^»]*»|‘[^’]*’"
# An apostrophe opens a quotation only where neither a clitic nor a space follows: "the boys ' boat" has none.
_APOSTROPHES = r"(?<![\w'])'(?!(?:s|t|re|ve|ll|d|m)\b)(?=\S)(?:[^']|(?<=\w)'(?=\w))*(?<=\S)'(?!\w)"
_SPACED = r"(?<![\w'])' [^']{1,40}[^s\s] '(?!\w)|(?<!s )(?<![\w'])' [^']{1,40} '(?!\w)"
_WORD = r"'(?:s|re|ve|ll|d|m)\b|\d+(?:[.,:]\d+)+|(?:[^\W\d_]\.){2,}|[^\W_]+(?:[-'&_][^\W_]+|\.(?:com|net|org)\b)*"
_TOKEN = re.compile(rf"{_MARKED}|{_APOSTROPHES}|{_SPACED}|{_WORD}|\S")
_CONTRACTED = re.compile(r"(.+?)(n't|'(?:s|re|ve|ll|d|m))", re.IGNORECASE)
_TYPOGRAPHIC = re.compile(r"(?<=\w)’(?=\w)|(?<=s)’(?=\s)")
_SPACE_BEFORE_MARK = re.compile(r"\s+(?=[,.;:!?])")

_CLITICS = frozenset("'s n't 're 've 'll 'd 'm".split())
_CLOSING = frozenset(", . ; : ! ? ) ] } % … ' /".split()) | _CLITICS
_OPENING = frozenset("( [ { $ # £ € @ /".split())
ENDS = frozenset(". ! ? …".split())


def split(text: str) -> list[str]:
    """Words, marks and quotations; clitics stand alone: "a man's" and "a man 's" are both a, man, 's."""
    tokens: list[str] = []
    for token in _TOKEN.findall(_TYPOGRAPHIC.sub("'", text)):
        if is_quoted(token):
            tokens.append(token[0] + _SPACE_BEFORE_MARK.sub("", token[1:-1]).strip() + token[-1])
        elif parts := _CONTRACTED.fullmatch(token):
            tokens += parts.groups()
        else:
            tokens.append(token)
    return tokens


def join(tokens: Iterable[str]) -> str:
    text, glued = "", True
    for token in tokens:
        text += token if glued or token.lower() in _CLOSING else f" {token}"
        glued = token in _OPENING
    return text


def sentence(tokens: Sequence[str]) -> str:
    """With a capital and a full stop, in the place of any marks at its end; "" for none."""
    words = list(tokens)
    while words and not is_word(words[-1]) and not is_quoted(words[-1]) and words[-1] not in ("'s", "'", ")", "%"):
        words.pop()
    text = join(words)
    return text and text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def is_quoted(token: str) -> bool:
    return len(token) > 1 and token[0] in "\"“«‘'" and token.lower() not in _CLITICS


def is_word(token: str) -> bool:
    return token[:1].isalnum()
