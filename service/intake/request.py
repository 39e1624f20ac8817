"""A request's body to photographs and options. There are three ways to send them, and a sentence for each other way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from flask import current_app, request

from model.captioner import DecodingOptions, parse_bool
from service.errors import BadRequest, too_large
from service.intake.base64 import read_photograph
from service.intake.body import quoted, read_body
from service.intake.form import HOW_TO_SEND, read_form
from service.intake.options import parse_options

IMAGE_FIELDS = ("image", "file")
_THREE_WAYS = (
    "send a photograph as multipart/form-data in the field 'image', as the body itself with its own Content-Type "
    '(image/jpeg, …, or application/octet-stream), or as JSON: {"image": "…base64…"}.'
)
_MOST_NAMES = 5

Upload = bytes | Exception
"""A photograph, or why it is not looked at."""


@dataclass(frozen=True)
class Asked:
    uploads: list[Upload]
    """At least one."""
    options: DecodingOptions
    include_image: bool


def read_request(*, include_image: bool, several: bool = False) -> Asked:
    """Those named `image` come before `file`; options in the address come before the body's, and the empty ones mean
    their defaults. `include_image` is the default of that option.

    Raises BadRequest, OptionRefused, RequestEntityTooLarge.
    """
    kind = request.mimetype
    if kind == "multipart/form-data":
        uploads, texts = _from_form(read_body(several))
    elif kind == "application/json" or kind.endswith("+json"):
        uploads, texts = _from_json(read_json(several))
    elif kind.startswith("image/") or kind in ("application/octet-stream", ""):
        uploads, texts = [_from_body(read_body(several))], {}
    else:
        _refuse(kind)
    chosen = {**texts, **request.args.to_dict()}
    wanted = parse_bool("include_image", chosen.get("include_image") or str(include_image))
    return Asked(uploads, parse_options(chosen, ("include_image", *IMAGE_FIELDS)), wanted)


def read_json(several: bool) -> dict[str, Any]:
    """The body as a JSON object, whatever its Content-Type says. Raises BadRequest, RequestEntityTooLarge."""
    return parse_json(read_body(several, as_base64=True))


def parse_json(body: bytes) -> dict[str, Any]:
    """Raises BadRequest."""
    if not body.strip():
        raise BadRequest("bad_json", "The body is empty; a JSON object is wanted.")
    try:
        content = json.loads(body, parse_constant=_no_number)
    except RecursionError as error:
        raise BadRequest("bad_json", "The body is not read: it is nested too deeply.") from error
    except UnicodeDecodeError as error:
        raise BadRequest("bad_json", f"The body is not JSON: byte {error.start + 1} is no {error.encoding}.") from error
    except ValueError as error:
        raise BadRequest("bad_json", f"The body is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise BadRequest("bad_json", f"The body must be a JSON object, not {_kind_of(content)}.")
    return content


def texts_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Options from JSON as a form has them; null means the default. Raises BadRequest."""
    texts = {}
    for name, value in values.items():
        if isinstance(value, (dict, list)):
            raise BadRequest("bad_parameter", f"{quoted(name)} must be a text, a number or true or false.", name)
        texts[name] = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return texts


def _from_form(body: bytes) -> tuple[list[Upload], dict[str, str]]:
    files, texts = read_form(body)
    found = [file for field in IMAGE_FIELDS for file in files.getlist(field)]
    if not found:
        raise _nothing_in_form(list(files), list(texts))
    return [checked(file.read(), f"The file {quoted(file.filename or '')}") for file in found], texts.to_dict()


def _nothing_in_form(files: list[str], texts: list[str]) -> BadRequest:
    if files:
        names = ", ".join(map(quoted, files[:_MOST_NAMES]))
        return BadRequest(
            "wrong_field", f"A file came in the field {names}; the photograph belongs into 'image' or 'file'."
        )
    if field := next((field for field in IMAGE_FIELDS if field in texts), None):
        message = f"The field '{field}' holds a text, not a file; with curl it is written -F {field}=@photo.jpg."
        return BadRequest("not_a_file", message)
    return BadRequest("no_image", f"The form has no file. {HOW_TO_SEND}")


def _from_json(content: dict[str, Any]) -> tuple[list[Upload], dict[str, str]]:
    given = [(field, content.pop(field)) for field in IMAGE_FIELDS if field in content]
    if not given:
        names = ", ".join(map(quoted, list(content)[:_MOST_NAMES])) or "nothing"
        message = f'The JSON has no photograph, but {names}; send {{"image": "…base64…"}}.'
        raise BadRequest("no_image", message)
    uploads: list[Upload] = []
    for field, value in given:
        for text in value if isinstance(value, list) else [value]:
            try:
                uploads.append(read_photograph(text, field))
            except BadRequest as error:
                uploads.append(error)
    if not uploads:
        raise BadRequest("no_image", "The JSON has an empty list of photographs.")
    return uploads, texts_of(content)


def _from_body(body: bytes) -> Upload:
    if not body and not request.mimetype:
        raise BadRequest("no_image", f"The request has no body: {_THREE_WAYS}")
    return checked(body, "The body")


def checked(data: bytes, what: str) -> Upload:
    """The same, or why it is not looked at."""
    if not data:
        return BadRequest("empty_image", f"{what} is empty: 0 bytes came.")
    return data if len(data) <= current_app.config["MAX_UPLOAD_BYTES"] else BadRequest("too_large", too_large())


def _refuse(kind: str) -> NoReturn:
    if kind == "application/x-www-form-urlencoded":
        raise BadRequest(
            "urlencoded_form",
            "A form of the kind application/x-www-form-urlencoded came, which curl -d and --data-binary write where "
            f"nothing else is said; it cannot hold a photograph: {_THREE_WAYS}",
        )
    raise BadRequest("unsupported_media_type", f"The Content-Type {quoted(kind)} is not read: {_THREE_WAYS}")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _kind_of(value: object) -> str:
    kinds = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false"}
    return kinds.get(type(value), "null")
