"""The doors of Ollama's API as the service's description has them: what is read and answered, not all that is sent."""

from __future__ import annotations

from collections.abc import Sequence

from service.door import CAPTIONING, JSON_BODY, ONE_PHOTOGRAPH, Door, json_of
from service.schemas import BASE64, LANGUAGE, Schema, exactly, list_of, reference

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_OBJECT: Schema = {"type": "object"}
_FAILURES = (*CAPTIONING, *JSON_BODY, *ONE_PHOTOGRAPH, "model_not_found", "bad_schema", "schema_not_filled")
_DURATIONS = (
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
)


def asking_doors() -> tuple[Door, ...]:
    return (
        _asking(
            "generate",
            "Caption photographs, as a model of Ollama's",
            "The `images` are captioned, a line each. `options` are Ollama's or /predict's; `format` may be a schema. "
            "It comes an object a line, unless `stream` is false. Without prompt and images it tells that the model is "
            "in memory.",
            "OllamaGenerated",
            '"prompt":"","images":["%s"],"stream":false',
        ),
        _asking(
            "chat",
            "Caption photographs, as a chat with a model of Ollama's",
            "The `images` of the user's last turn that has any, with the names before them where there are several.",
            "OllamaChatted",
            '"messages":[{{"role":"user","content":"","images":["%s"]}}],"stream":false',
        ),
    )


def model_doors() -> tuple[Door, ...]:
    return (
        Door(
            "/api/show",
            "ollama_models.show",
            "What the model is, as Ollama tells it",
            "Its licence and what it can do.",
            json_of("OllamaShown"),
            method="post",
            failures=(*CAPTIONING, "bad_json", "compressed_body", "model_not_found"),
            body={"application/json": {"schema": reference("OllamaNamed")}},
            describe_failure=_error_of,
            curl="curl -d '{{}}' {url}",
        ),
        _list("/api/tags", "ollama_models.tags", "The models that there are, as Ollama lists them"),
        _list("/api/ps", "ollama_models.running", "The models in memory, as Ollama lists them"),
        Door(
            "/api/version",
            "ollama_models.version",
            "The version of Ollama's API that is spoken here",
            "Programs ask for it before they use what came later.",
            json_of("OllamaVersion"),
            describe_failure=_error_of,
        ),
    )


def _asking(name: str, summary: str, description: str, answer: str, body: str) -> Door:
    return Door(
        f"/api/{name}",
        f"ollama.{name}",
        summary,
        description,
        json_of(answer) | {"application/x-ndjson": _TEXT},
        method="post",
        failures=_FAILURES,
        body={"application/json": {"schema": reference(f"Ollama{name.capitalize()}Request")}},
        describe_failure=_error_of,
        curl="printf '{{" + body + '}}\' "$(base64 -w0 photo.jpg)" | curl -d @- {url}',
    )


def _list(path: str, endpoint: str, summary: str) -> Door:
    described = "There is one model, under its name and those that the operator gave it besides."
    return Door(
        path, endpoint, summary, described, json_of("OllamaModels"), failures=("not_ready",), describe_failure=_error_of
    )


def _error_of(codes: Sequence[str]) -> Schema:
    return reference("OllamaError")


_ASKED: dict[str, Schema] = {
    "model": _TEXT,
    "stream": {"type": "boolean", "default": True},
    "format": {"anyOf": [{"enum": ["", "json"]}, _OBJECT]},
    "options": {"type": "object", "properties": {"num_predict": {"type": "integer", "description": "words at most"}}},
    "keep_alive": {"type": ["string", "number"]},
}
_DONE: dict[str, Schema] = {
    "model": _TEXT,
    "created_at": _TEXT,
    "done": {"const": True},
    "done_reason": {"enum": ["stop", "length", "load", "unload"]},
    **dict.fromkeys(_DURATIONS, _COUNT),
    "language": LANGUAGE,
    "warning": _TEXT,
}
_MODEL = {
    "type": "object",
    "properties": {"name": _TEXT, "model": _TEXT, "size": _COUNT, "digest": _TEXT, "details": _OBJECT},
    "required": ["name", "model", "size", "digest", "details"],
}
_MESSAGE = exactly({"role": {"const": "assistant"}, "content": _TEXT})
ASKING: dict[str, Schema] = {
    "OllamaGenerateRequest": {
        "type": "object",
        "properties": {"prompt": _TEXT, "system": _TEXT, "images": list_of(BASE64)} | _ASKED,
    },
    "OllamaChatRequest": {
        "type": "object",
        "properties": {
            "messages": list_of(
                {
                    "type": "object",
                    "properties": {"role": _TEXT, "content": _TEXT, "images": list_of(BASE64)},
                    "required": ["role", "content"],
                }
            )
        }
        | _ASKED,
    },
    "OllamaGenerated": exactly({"response": _TEXT} | _DONE, optional=(*_DURATIONS, "language", "warning")),
    "OllamaChatted": exactly({"message": _MESSAGE} | _DONE, optional=(*_DURATIONS, "language", "warning")),
    "OllamaError": exactly({"error": {"type": "string", "description": "in words for a person"}}),
}
MODELS: dict[str, Schema] = {
    "OllamaNamed": {"type": "object", "properties": {"model": _TEXT}},
    "OllamaModels": exactly({"models": list_of(_MODEL, minItems=1)}),
    "OllamaShown": {
        "type": "object",
        "properties": {"capabilities": list_of(_TEXT), "details": _OBJECT, "license": _TEXT},
        "required": ["capabilities", "details", "license"],
    },
    "OllamaVersion": exactly({"version": _TEXT}),
}
