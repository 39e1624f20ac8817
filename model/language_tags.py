"""Tags of languages (BCP 47), and which of those that there are is meant by one (RFC 4647)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

LONGEST = 35
"""Characters: RFC 5646, section 4.4.1."""
PATTERN = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$"
"""A language of ISO 639 and what narrows it down. Names such as German are none, nor are tags of private use."""


def choose_language(wanted: str, had: Sequence[str]) -> str:
    """The nearest of `had`, which is not empty; the first where none is near."""
    return find_language([wanted], had) or had[0]


def find_language(wanted: Iterable[str], had: Iterable[str]) -> str | None:
    """What of `had` the first of `wanted` that means any means, by lookup (RFC 4647, section 3.4): de-AT is de."""
    by_tag = {tag.lower(): tag for tag in had}
    for tag in wanted:
        for shorter in _ever_shorter(tag.lower()):
            if shorter in by_tag:
                return by_tag[shorter]
    return None


def _ever_shorter(tag: str) -> Iterator[str]:
    """A single letter goes with what it introduces: zh-Hant-x-own, zh-Hant, zh."""
    subtags = tag.split("-")
    while subtags:
        yield "-".join(subtags)
        subtags.pop()
        while len(subtags) > 1 and len(subtags[-1]) == 1:
            subtags.pop()
