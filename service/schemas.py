"""What requests carry and answers look like, as JSON Schema (draft 2020-12, which OpenAPI 3.1 uses)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from model.captioner import DecodingOptions
from model.confidence import LOW_CONFIDENCE
from model.images import WARNINGS
from model.language_tags import PATTERN
from service.description import describe_option, formats
from service.errors import CODES
from service.intake.request import IMAGE_FIELDS
from service.observability.request_log import REQUEST_ID_PATTERN

Schema = dict[str, Any]

PHOTOGRAPH: Schema = {"type": "string", "format": "binary", "description": f"one of {', '.join(formats())}"}
BASE64: Schema = {"type": "string", "format": "byte", "description": "a photograph in base64, or as a data: address"}
_PROBABILITY: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_CONFIDENCE: Schema = {
    "type": ["number", "null"],
    "minimum": 0,
    "maximum": 1,
    "description": "how likely some description of the photograph by people has at least half of what the caption "
    "names; null where the model has no second look",
}
_OF_ONE = (
    "empty_image",
    "bad_base64",
    "remote_image",
    "too_large",
    "not_an_image",
    "damaged_image",
    "too_many_pixels",
    "internal_error",
    "captioning_failed",
    "not_ready",
    "deadline_exceeded",
)
"""What can be wrong with one photograph of several."""
_COUNT: Schema = {"type": "integer", "minimum": 1}
LANGUAGE: Schema = {
    "type": "string",
    "pattern": PATTERN,
    "description": "of the captions, as a BCP 47 tag: English where the one that was asked for is not had",
}
_DIGEST: Schema = {"type": "string", "description": "SHA-256 of the weights", "examples": ["sha256:165ef312…"]}


def exactly(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object with these properties and no others."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **more,
    }


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(item: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": item, **more}


def options(*, include_image: bool) -> dict[str, Schema]:
    """By name: what a request may choose, with the default of `include_image`."""
    decoding = {option.name: describe_option(option) for option in dataclasses.fields(DecodingOptions)}
    picture = {"type": "boolean", "description": "also give back what the model saw", "default": include_image}
    return decoding | {"include_image": picture}


def upload(*, include_image: bool, most: int = 1) -> Schema:
    """A form with a photograph, or up to `most`, in one of IMAGE_FIELDS, and options."""
    return _of_images(PHOTOGRAPH, include_image, most)


def json_upload(*, include_image: bool, most: int = 1) -> Schema:
    """The same as JSON."""
    return _of_images(BASE64, include_image, most)


def _of_images(photograph: Schema, include_image: bool, most: int) -> Schema:
    images = photograph if most == 1 else list_of(photograph, minItems=1, maxItems=most)
    return {
        "type": "object",
        "properties": dict.fromkeys(IMAGE_FIELDS, images) | options(include_image=include_image),
        "oneOf": [{"required": [field]} for field in IMAGE_FIELDS],
    }


def error_of(codes: Sequence[str]) -> Schema:
    """The error with one of these codes."""
    return {"allOf": [reference("Error"), {"properties": {"error": {"properties": {"code": {"enum": list(codes)}}}}}]}


def components() -> dict[str, Schema]:
    code: Schema = {"type": "string", "enum": list(CODES)}
    message: Schema = {"type": "string", "description": "in words for a person"}
    return _answers() | {
        "Error": exactly(
            {
                "error": exactly(
                    {
                        "code": code,
                        "message": message,
                        "request_id": {"type": "string", "pattern": f"^{REQUEST_ID_PATTERN}$"},
                    }
                )
            }
        ),
        "FailedResult": exactly({"error": exactly({"code": {"enum": list(_OF_ONE)}, "message": message})}),
        "Health": exactly(
            {
                "status": {"enum": ["healthy", "starting", "failed"]},
                "state": {"enum": ["ready", "busy", "starting", "failed"]},
                "model": {"type": "string", "description": "the back end"},
                "digest": _DIGEST,
                "device": {"type": "string"},
                "message": {"type": "string", "description": "why it failed"},
            },
            optional=("digest", "device", "message"),
        ),
        "Alive": exactly({"status": {"const": "alive"}}),
        "Ready": exactly({"status": {"enum": ["ready", "busy", "starting", "failed"]}}),
        "Info": _info(),
    }


def _answers() -> dict[str, Schema]:
    captions: dict[str, Schema] = {
        "caption": {"type": "string", "description": "the best caption"},
        "captions": list_of(reference("Caption"), minItems=1, description="best first"),
        "language": LANGUAGE,
        "confidence": _CONFIDENCE,
        "low_confidence": {
            "type": "boolean",
            "description": f"somebody should look: the confidence is under {LOW_CONFIDENCE}, or, where there is none, "
            "the photograph is unlike those that the model was trained on",
        },
        "tags": list_of(
            exactly({"name": {"type": "string"}, "probability": _PROBABILITY}),
            maxItems=10,
            description="what the photograph shows, likeliest first; none where the model has no tags",
        ),
    }
    moment: dict[str, Schema] = {
        "warning": {
            "enum": [*WARNINGS],
            "description": "; ".join(f"{name}: {told}" for name, told in WARNINGS.items()),
        },
        "image": {
            "type": "string",
            "pattern": "^data:image/jpeg;base64,",
            "description": "what the model saw, upright, at most 1024 pixels a side",
        },
        "timing_ms": {
            "type": "object",
            "additionalProperties": {"type": "number", "minimum": 0},
            "required": ["total"],
            "description": "milliseconds by stage: decode, queue, encoder, decoder, style (alt), image, total",
        },
    }
    return {
        "Answer": exactly(captions | {"model": reference("Model")} | moment, optional=("warning", "image")),
        "BatchAnswer": exactly(
            {
                "results": list_of(
                    {"oneOf": [reference("Result"), reference("FailedResult")]},
                    minItems=1,
                    description="a result or an error for each photograph, in their order",
                ),
                "model": reference("Model"),
            }
        ),
        "Result": exactly(captions | moment, optional=("warning", "image")),
        "Caption": exactly(
            {
                "text": {"type": "string", "description": "in the style that was asked for"},
                "log_probability": {"type": "number", "maximum": 0, "description": "of all words and the end"},
                "mean_probability": _PROBABILITY | {"description": "the geometric mean of a word's"},
                "confidence": _CONFIDENCE,
                "words": list_of(reference("Word"), description="the model's own, whatever the style"),
            }
        ),
        "Word": exactly(
            {
                "text": {"type": "string"},
                "probability": _PROBABILITY,
                "attention": list_of(
                    list_of(_PROBABILITY), description="weights over the photograph's grid, row by row; sum 1"
                ),
                "support": _PROBABILITY | {"description": "how likely the photograph shows what the word names"},
            },
            optional=("attention", "support"),
        ),
        "Model": exactly({"name": {"type": "string"}, "digest": _DIGEST, "device": {"type": "string"}}),
    }


def _info() -> Schema:
    text: Schema = {"type": "string"}
    not_yet: Schema = {"type": ["string", "null"], "description": "null until the model is loaded"}
    numbers = ("upload_bytes", "batch_upload_bytes", "batch_images", "pixels", "deadline_seconds")
    return exactly(
        {
            "name": text,
            "version": text,
            "description": text,
            "licence": text | {"description": "of the code"},
            "model": exactly(
                {
                    "name": text,
                    "digest": not_yet,
                    "device": not_yet,
                    "licence": not_yet | {"description": "of the weights; null until the model is loaded"},
                    "settings": {"type": "object", "description": "of the model, as the operator chose"},
                    "capabilities": {
                        "type": "object",
                        "description": "what the model can do; empty until it is loaded",
                        "properties": {
                            flag: {"type": "boolean"}
                            for flag in ("attention", "low_confidence", "second_look", "prompt")
                        }
                        | {
                            "languages": list_of({"type": "string", "pattern": PATTERN}, minItems=1),
                            "batch_size": _COUNT,
                        },
                    },
                }
            ),
            "formats": list_of({"enum": list(formats())}),
            "limits": exactly(
                dict.fromkeys(numbers, _COUNT)
                | {"rate": {"type": ["string", "null"], "description": "requests for captions from one address"}}
            ),
            "decoding": {
                "type": "object",
                "additionalProperties": {"type": "object"},
                "description": "each option as JSON Schema",
            },
            "api_key_required": {"type": "boolean"},
        }
    )
