"""The bytes of a request, bounded before they are read."""

from __future__ import annotations

from flask import current_app, request

from service.errors import BadRequest
from service.intake.base64 import most_characters

OVERHEAD = 64 * 1024  # boundaries, headers and the other fields around the photographs
_LONGEST_NAME = 40


def read_body(several: bool, *, as_base64: bool = False) -> bytes:
    """All of it: one photograph or several, or JSON with them in base64. Raises BadRequest, RequestEntityTooLarge."""
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        message = f"The body is compressed (Content-Encoding: {quoted(encoding)}); send it as it is."
        raise BadRequest("compressed_body", message)
    size: int = current_app.config["MAX_IMAGES_UPLOAD_BYTES" if several else "MAX_UPLOAD_BYTES"]
    request.max_content_length = OVERHEAD + (most_characters(size) if as_base64 else size)
    body = request.get_data(cache=False)
    request.stream.read(1)  # raises where a body that tells no length is longer than it may be
    return body


def quoted(name: str) -> str:
    """For a message: short, on one line, and nothing in it that a terminal would obey."""
    shown = "".join(character if character.isprintable() else "?" for character in name)
    return f"'{shown[:_LONGEST_NAME]}…'" if len(shown) > _LONGEST_NAME else f"'{shown}'"
