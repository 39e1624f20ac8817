"""Base64 as people send it, for every door: bare or as a data: address (RFC 2397), in either alphabet (RFC 4648)."""

from __future__ import annotations

import base64
import re
import string
from urllib.parse import unquote, unquote_to_bytes

from flask import current_app

from service.errors import BadRequest, too_large

_ALPHABET = (string.ascii_letters + string.digits + "+/").encode()
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BLANKS = string.whitespace.encode()
_ADDRESS = re.compile(r"\s*(?!data:)([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_LONGEST_HEAD = 1000  # characters; whatever is wrong with what follows, a head is not looked for in megabytes
_BASE64_HEAD = re.compile(r"\s*(?:(?:data:|[\w.+-]+/)[^\0]*?;\s*|data:\s*)?base64\s*,", re.IGNORECASE)
_OTHER_HEAD = re.compile(r"\s*data:[^,]*,", re.IGNORECASE)


def read_photograph(text: object, param: str) -> bytes:
    """The bytes that the field `param` holds. What a data: address says of their kind is not believed.

    Raises BadRequest, for what is too large before it is decoded.
    """
    if not isinstance(text, str):
        raise BadRequest("bad_base64", f"{param} must be a text: a photograph in base64, or as a data: address.", param)
    if found := _ADDRESS.match(text):
        told = f"{param} is an address ({found[1].lower()}:…), and this service fetches nothing"
        raise BadRequest("remote_image", f"{told}: send the photograph itself, in base64.", param)
    if len(text) > most_characters(_most_bytes()):
        raise BadRequest("too_large", too_large(), param)
    data = _decode(text, param)
    if not data:
        raise BadRequest("empty_image", f"{param} is empty.", param)
    return data


def most_characters(size: int) -> int:
    """So many may stand for `size` bytes: four for three, and room for line breaks and for + as %2B."""
    return size * 3 // 2 + _LONGEST_HEAD


def _most_bytes() -> int:
    most: int = current_app.config["MAX_UPLOAD_BYTES"]
    return most


def _decode(text: str, param: str) -> bytes:
    if text[:20].lstrip().lower().startswith("data%3a"):
        text = unquote(text, "latin-1")
    base64_head = _BASE64_HEAD.match(text[:_LONGEST_HEAD])
    head = base64_head or _OTHER_HEAD.match(text[:_LONGEST_HEAD])
    start = head.end() if head else 0
    try:
        written = text[start:].encode("ascii")
    except UnicodeEncodeError as error:
        raise _broken(text[start + error.start], start + error.start, param) from error
    if b"%" in written:
        written = unquote_to_bytes(written)
    letters = written.translate(_URL_SAFE, _BLANKS).rstrip(b"=")
    if letters.translate(None, _ALPHABET):
        if head and not base64_head:  # a data: address may hold the bytes themselves
            return _bounded(written, len(written), param)
        place = _first_wrong(written)
        raise _broken(chr(written[place]), start + place, param)
    if len(letters) % 4 == 1:
        raise BadRequest(
            "bad_base64", f"{param} is cut off: its {len(letters)} base64 characters are no whole bytes.", param
        )
    return base64.b64decode(_bounded(letters, len(letters) * 3 // 4, param) + b"=" * (-len(letters) % 4))


def _bounded(data: bytes, size: int, param: str) -> bytes:
    """The same, where they stand for no more than a photograph may have."""
    if size > _most_bytes():
        raise BadRequest("too_large", too_large(), param)
    return data


def _first_wrong(written: bytes) -> int:
    """Where it stops being base64: at another character, or at a sign of the end that is not at the end."""
    found = re.search(rb"[^A-Za-z0-9+/_=\s-]|=(?=[\s=]*[^\s=])", written)
    assert found
    return found.start()


def _broken(character: str, place: int, param: str) -> BadRequest:
    return BadRequest("bad_base64", f"{param} is no base64: it breaks at character {place + 1}, {character!a}.", param)
