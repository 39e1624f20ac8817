"""One caption as alt text: what it shows, and not that it is a picture; a capital, a full stop, a length."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from model.style.grammar import (
    POSSESSIVES,
    PREPOSITIONS,
    in_words,
    indefinite_article,
)
from model.style.neutral import neutral
from model.style.tokens import ENDS, is_quoted, is_word, sentence, split
from model.style.words import NAMES


def alt_text(caption: str, gendered: bool = False) -> str:
    """The caption as a sentence of any length; "" for one without words. People's gender is kept only if `gendered`."""
    caption = caption.lower() if caption.isupper() else caption
    tokens = _with_numerals(_without_there_is(split(_without_openings(caption))))
    if not gendered:
        tokens = neutral(tokens)
    return sentence(_with_articles([NAMES.get(token, token) for token in tokens]))


_PICTURE = "(?:image|picture|photo|photograph|pic|snapshot|shot)"
_KIND = r"(?!(?:a|an|the|at|by|has|in|near|on|with|\w*(?<!wedd)ing|\w+s)\b)[\w-]+ "
_OPENING = re.compile(
    r"(?:there|here) ?(?:is|are|was|were|'s) (?!not\b|n't\b)"
    r"|(?:this is|these are) (?!how\b|what\b|when\b|where\b|why\b)"
    rf"|in (?:the|this) {_PICTURE} ?,? "
    rf"|(?P<article>(?:a|an|the|this) )?(?P<kind>(?:{_KIND}){{0,3}}){_PICTURE} "
    r"(?:of|shows|showing|depicts|depicting|features|featuring|captures) ",
    re.IGNORECASE,
)
_CLOSE_UP = re.compile(r"close[- ]?up", re.IGNORECASE)


def _without_openings(caption: str) -> str:
    """Without "there is" and "an image of", where it is the caption that speaks so of its picture."""
    text = " ".join(caption.split())
    while found := _OPENING.match(text):
        close_up = _CLOSE_UP.search(found["kind"] or "")
        text = (f"{found['article'] or ''}{close_up[0]} of " if close_up else "") + text[found.end() :]
    return text


_THERE_ARE = frozenset("is are was were 's".split())
_THERE_LINKS = frozenset("and as because but when where while whilst".split())


def _without_there_is(tokens: Sequence[str]) -> list[str]:
    """With "with" for "and there is", "where there are", and a comma for "on a field there is"."""
    kept: list[str] = []
    opens = False
    for token in tokens:
        if token.lower() not in _THERE_ARE or len(kept) < 2 or kept[-1].lower() != "there":
            kept.append(token.capitalize() if opens else token)
            opens = False
        elif kept[-2] in ENDS:
            kept.pop()
            opens = True
        else:
            _link(kept)
    return kept


def _link(kept: list[str]) -> None:
    """Puts what goes on with the sentence, in place, for the "there" of "there is" at its end."""
    kept.pop()
    conjunction = kept.pop().lower() if kept[-1].lower() in _THERE_LINKS else ""
    if kept and kept[-1] in (",", ";"):
        kept.pop()
    if conjunction == "because":
        kept += ["because", "of"]
    else:
        kept.append("with" if conjunction or (kept[:1] and kept[0].lower() not in PREPOSITIONS) else ",")


def _with_numerals(tokens: Sequence[str]) -> list[str]:
    before = ["", *tokens]
    after = [*tokens[1:], ""]
    return [
        token if b in ("#", "$", "£", "€", ":", "/") or a in ("%", "/", ":") else in_words(token)
        for b, token, a in zip(before, tokens, after, strict=False)
    ]


_SECOND_ARTICLES = POSSESSIVES | {"a", "an", "the", "another"}


def _with_articles(tokens: Sequence[str]) -> list[str]:
    kept: list[str] = []
    for token, following in pairwise([*tokens, ""]):
        if token.lower() in ("a", "an", "the") and following.lower() in _SECOND_ARTICLES:
            continue
        if token.lower() in ("a", "an") and following and (is_word(following) or is_quoted(following)):
            article = indefinite_article(following)
            token = article.capitalize() if token[0].isupper() else article
        kept.append(token)
    return kept
