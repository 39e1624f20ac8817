"""The doors of OpenAI's API as the service's description has them: what is read and answered, not all that is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.door import CAPTIONING, JSON_BODY, ONE_PHOTOGRAPH, Door, json_of
from service.schemas import BASE64, LANGUAGE, Schema, exactly, list_of, reference

_TEXT: Schema = {"type": "string"}
_EVENTS: Schema = {"description": "server-sent events, each with a part of the answer as JSON"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_OBJECT: Schema = {"type": "object"}
_FAILURES = (*CAPTIONING, *JSON_BODY, *ONE_PHOTOGRAPH, "model_not_found", "bad_schema", "schema_not_filled")


def error_of(codes: Sequence[str]) -> Schema:
    return reference("OpenAIError")


def chat_doors() -> tuple[Door, ...]:
    streamed = {"application/json": reference("ChatCompletion"), "text/event-stream": _EVENTS}
    return (
        Door(
            "/v1/chat/completions",
            "openai.chat_completions",
            "Caption photographs, as OpenAI's chat completions",
            "The images of the last user's message that has any are captioned, a line each. What else is said is "
            "not read, but for the names before several images, and wishes for JSON and for a language. Options of "
            "/predict are taken, too. With `response_format` a JSON schema is filled; with `stream` the answer comes "
            "in events.",
            streamed,
            method="post",
            failures=_FAILURES,
            body={"application/json": {"schema": reference("ChatRequest")}},
            describe_failure=error_of,
            curl=_curl(
                '"messages":[{{"role":"user","content":[{{"type":"image_url","image_url":"data:;base64,%s"}}]}}]'
            ),
        ),
        Door(
            "/v1/models",
            "openai.models",
            "The model, as OpenAI lists its own",
            "Under its name, and those that the operator gave it besides.",
            json_of("Models"),
            failures=("not_ready",),
            describe_failure=error_of,
        ),
        Door(
            "/v1/models/{name}",
            "openai.model",
            "The model by its name",
            "By any other name, too, unless the operator is strict.",
            json_of("OpenAIModel"),
            failures=("not_ready", "model_not_found"),
            parameters={"name": {"type": "string", "minLength": 1, "description": "of the model"}},
            describe_failure=error_of,
        ),
    )


def response_doors() -> tuple[Door, ...]:
    return (
        Door(
            "/v1/responses",
            "responses.respond",
            "Caption photographs, as OpenAI's responses",
            "As the chat completions; nothing is stored, and a response cannot be asked for again.",
            {"application/json": reference("Response"), "text/event-stream": _EVENTS},
            method="post",
            failures=_FAILURES,
            body={"application/json": {"schema": reference("ResponseRequest")}},
            describe_failure=error_of,
            curl=_curl(
                '"input":[{{"role":"user","content":[{{"type":"input_image","image_url":"data:;base64,%s"}}]}}]'
            ),
        ),
    )


def _curl(body: str) -> str:
    return (
        "printf '{{" + body + "}}' \"$(base64 -w0 photo.jpg)\" | curl -H 'Content-Type: application/json' -d @- {url}"
    )


def _named(names: dict[str, Schema], *required: str, **more: Any) -> Schema:
    """An object that may have others besides."""
    return {"type": "object", "properties": names, "required": list(required), **more}


_PART: Schema = {
    "anyOf": [
        _named({"type": {"const": "text"}, "text": _TEXT}, "type", "text"),
        _named(
            {"type": {"const": "image_url"}, "image_url": {"anyOf": [_named({"url": BASE64}, "url"), BASE64]}},
            *("type", "image_url"),
        ),
    ]
}
_INPUT_PART: Schema = {
    "anyOf": [
        _named({"type": {"const": "input_text"}, "text": _TEXT}, "type", "text"),
        _named({"type": {"const": "input_image"}, "image_url": BASE64}, "type", "image_url"),
    ]
}


def _message(part: Schema) -> Schema:
    role: Schema = {"enum": ["system", "developer", "user", "assistant", "tool"]}
    return _named({"role": role, "content": {"anyOf": [_TEXT, list_of(part)]}}, "role", "content")


_SETTINGS: dict[str, Schema] = {
    "model": _TEXT,
    "stream": {"type": "boolean"},
    "temperature": {"type": "number", "minimum": 0, "description": "up to 1 the beam's caption; above, sampled"},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1},
}
_LIMIT: Schema = {"type": "integer", "minimum": 1, "description": "words of a caption at most"}
_ERROR = exactly(
    {
        "message": _TEXT,
        "type": {"enum": ["invalid_request_error", "server_error"]},
        "param": {"type": ["string", "null"], "description": "the part of the request that is at fault"},
        "code": _TEXT,
    }
)
_CHOICE = _named(
    {
        "index": _COUNT,
        "message": _named({"role": {"const": "assistant"}, "content": _TEXT}, "role", "content"),
        "finish_reason": {"enum": ["stop", "length"]},
    },
    *("index", "message", "finish_reason"),
)
CHAT: dict[str, Schema] = {
    "ChatRequest": _named(
        _SETTINGS
        | {
            "messages": list_of(_message(_PART), minItems=1),
            "n": {"type": "integer", "minimum": 1, "maximum": 10, "description": "captions, the best first"},
            "max_tokens": _LIMIT,
            "max_completion_tokens": _LIMIT,
            "seed": {"type": "integer"},
            "stop": {"anyOf": [_TEXT, list_of(_TEXT)]},
            "stream_options": _named({"include_usage": {"type": "boolean"}}),
            "response_format": _OBJECT,
        },
        "messages",
    ),
    "ChatCompletion": _named(
        {
            "id": _TEXT,
            "object": {"const": "chat.completion"},
            "created": _COUNT,
            "model": _TEXT,
            "choices": list_of(_CHOICE, minItems=1),
            "usage": exactly(dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), _COUNT)),
            "language": LANGUAGE,
            "warning": _TEXT | {"description": "what was asked for and is not heeded"},
        },
        *("id", "object", "created", "model", "choices", "usage"),
    ),
    "OpenAIModel": exactly({"id": _TEXT, "object": {"const": "model"}, "created": _COUNT, "owned_by": _TEXT}),
    "Models": exactly({"object": {"const": "list"}, "data": list_of(reference("OpenAIModel"), minItems=1)}),
    "OpenAIError": exactly({"error": _ERROR}),
}
RESPONSES: dict[str, Schema] = {
    "ResponseRequest": _named(
        _SETTINGS
        | {
            "input": {"anyOf": [_TEXT, list_of(_message(_INPUT_PART), minItems=1)]},
            "instructions": {"type": ["string", "null"]},
            "max_output_tokens": _LIMIT,
            "text": _named({"format": _OBJECT}),
        },
        "input",
    ),
    "Response": _named(
        {
            "id": _TEXT,
            "object": {"const": "response"},
            "created_at": _COUNT,
            "status": {"enum": ["completed", "incomplete"]},
            "model": _TEXT,
            "output": list_of(_OBJECT, minItems=1),
            "usage": _OBJECT,
            "language": LANGUAGE,
            "warning": _TEXT,
        },
        *("id", "object", "created_at", "status", "model", "output", "usage"),
    ),
}
