"""What people write, bounded: a text on one line that is shown as it is stored."""

from __future__ import annotations

import unicodedata

_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make text read otherwise than it is stored."""


class ReviewRefused(ValueError):
    """The decision cannot be taken; the message says why."""


def checked_text(text: str, what: str, longest: int) -> str:
    """On one line, composed (NFC), without spaces around. Raises ReviewRefused."""
    if len(text) > 4 * longest:  # before anything is done with it
        raise ReviewRefused(f"A {what} has at most {longest} characters.")
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise ReviewRefused(f"The {what} is empty.")
    if len(text) > longest:
        raise ReviewRefused(f"A {what} has at most {longest} characters.")
    if any(unicodedata.category(character) in ("Cc", "Cs") or character in _TURNING for character in text):
        raise ReviewRefused(f"The {what} holds characters that cannot be shown.")
    return text
