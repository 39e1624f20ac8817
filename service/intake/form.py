"""multipart/form-data to files and texts, in memory: Werkzeug's own choice above 500 kB is a temporary file."""

from __future__ import annotations

import re
from io import BytesIO
from typing import IO, Any

from flask import current_app, request
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.formparser import FormDataParser

from service.errors import BadRequest
from service.intake.body import quoted

HOW_TO_SEND = "Send the photograph as multipart/form-data, in a file field named 'image'."
_MOST_PARTS = 1000

Files = MultiDict[str, FileStorage]
Texts = MultiDict[str, str]


def read_form(body: bytes) -> tuple[Files, Texts]:
    """The body of the request under way. Raises BadRequest, RequestEntityTooLarge for too many parts."""
    boundary = request.mimetype_params.get("boundary", "")
    if not boundary:
        message = "The Content-Type multipart/form-data has no boundary; let your HTTP client write that header itself."
        raise BadRequest("no_boundary", message)
    if not body:
        raise BadRequest("no_image", f"The form is empty: 0 bytes came. {HOW_TO_SEND}")
    try:
        try:
            return _parse(body)
        except UnicodeDecodeError:  # in a part's header
            return _parse(_with_readable_names(body, boundary))
    except ValueError as error:
        raise BadRequest("bad_multipart", f"The form cannot be read: {_what_is_wrong(body, boundary)}.") from error


def _parse(body: bytes) -> tuple[Files, Texts]:
    parser = FormDataParser(
        stream_factory=_in_memory,
        max_form_memory_size=current_app.config["MAX_FORM_MEMORY_SIZE"],
        max_form_parts=_MOST_PARTS,
        silent=False,
    )
    _, texts, files = parser.parse(BytesIO(body), request.mimetype, len(body), request.mimetype_params)
    return files, texts


def _in_memory(*args: Any, **kwargs: Any) -> IO[bytes]:
    return BytesIO()


def _what_is_wrong(body: bytes, boundary: str) -> str:
    delimiter = _delimiter(boundary)
    if delimiter not in body:
        return f"its boundary {quoted(boundary)} does not occur in the body"
    if delimiter + b"--" not in body:
        return "it is cut off, its last boundary did not come"
    return "the header of a part is broken"


def _delimiter(boundary: str) -> bytes:
    return b"--" + boundary.encode("latin-1", "replace")


def _with_readable_names(body: bytes, boundary: str) -> bytes:
    """What is not UTF-8 in the headers of the parts becomes a sign for it: a file's name is not looked at anyway."""
    headers = re.compile(rb"(" + re.escape(_delimiter(boundary)) + rb"\r?\n)((?:[^\r\n]+\r?\n)+)")
    return headers.sub(lambda found: found[1] + found[2].decode(errors="replace").encode(), body)
