"""Answers in the asker's own shape, for every door: as text, as an object, or as a JSON Schema wants them."""

from __future__ import annotations

import json
import re
from typing import Any

from service.adapters.filling import fill
from service.adapters.known import Known
from service.errors import BadRequest

Schema = dict[str, Any]
Format = Schema | None
"""None: plain text. Empty: any object."""
_KINDS = ("object", "array", "string", "number", "integer", "boolean", "null")  # of a schema that is given by itself


def read_format(given: object, param: str) -> Format:
    """OpenAI's `response_format` and `text.format`, or Ollama's `format`. Raises BadRequest."""
    match given:
        case None | "" | {"type": "text"}:
            return None
        case "json":
            return {}
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            place = f"{param}.json_schema.schema"
        case {"type": "json_schema" | "json_object", "schema": schema} | {"type": "json_object", "value": schema}:
            place = f"{param}.schema"
        case {"type": "json_object"} | {"type": "json_schema", "json_schema": dict()}:
            return {}
        case str():
            raise BadRequest("bad_parameter", f"{param} must be json or a JSON schema.", param)
        case {"type": str() as kind} if kind not in _KINDS:
            raise BadRequest("bad_parameter", f"{param} must be text, json_object or json_schema.", param)
        case _:
            schema, place = given, param
    if not isinstance(schema, dict):
        raise BadRequest("bad_schema", f"{place} must be a JSON schema.", place)
    return schema


def write(known: Known, wanted: Format, param: str) -> str:
    """The text of an answer. Raises BadRequest where the schema cannot be used, or asks for what is not known."""
    if wanted is None:
        return known.text
    value = fill(wanted, known, param) if wanted else known.describe()
    return json.dumps(value, ensure_ascii=False)


def asks_for_json(prompt: str) -> bool:
    """Whether it is asked for in words."""
    refused = r"\b(?:no|not|never|without|avoid|instead of|rather than)\b[^.!?\n]{0,40}\bjson\b"
    return bool(re.search(r"\bjson\b", prompt, re.I)) and not re.search(refused, prompt, re.I)
