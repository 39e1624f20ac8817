"""Hugging Face's image-to-text task (huggingface.co/docs/inference-providers/tasks), for `InferenceClient(model=URL)`,
which posts to whatever address it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, jsonify, request

from model.captioner import DecodingOptions
from service import schemas
from service.adapters.adapter import Adapter
from service.adapters.asking import options_of
from service.captioning import caption_all, current_host
from service.door import CAPTIONING, JSON_BODY, ONE_PHOTOGRAPH, Door
from service.errors import BadRequest, Failure
from service.intake.base64 import read_photograph
from service.intake.body import read_body
from service.intake.options import parse_options
from service.intake.request import Upload, checked, parse_json
from service.schemas import Schema

blueprint = Blueprint("huggingface", __name__)

_NAMES = {"max_new_tokens": "max_words", "num_beams": "beam_size", "num_return_sequences": "num_captions"}


def image_to_text(name: str = "") -> Response:
    """The photograph itself, or JSON with it and parameters. `name` is not looked at: there is one model."""
    current_host().check()
    photograph, options = _read()
    [captioned] = caption_all([photograph], options, ["inputs"])
    return jsonify([{"generated_text": one["text"]} for one in captioned.answer["captions"]])


_PATHS = {"image_to_text": "/image-to-text", "image_to_text_of": "/models/<path:name>", "image_to_text_at_root": "/"}
for endpoint, path in _PATHS.items():
    blueprint.add_url_rule(path, endpoint, image_to_text, methods=["POST"])


def describe_failure(failed: Failure) -> dict[str, Any]:
    return {"error": failed.message}


def _read() -> tuple[Upload, DecodingOptions]:
    """No photograph begins with a brace: the bytes tell which of the two it is, and no Content-Type is needed."""
    if request.mimetype == "multipart/form-data":
        message = 'Send the photograph as the body itself, or as JSON: {"inputs": "…base64…", "parameters": {…}}.'
        raise BadRequest("unsupported_media_type", message)
    body = read_body(several=False, as_base64=True)
    if body.lstrip()[:1] != b"{":
        return checked(body, "The body"), parse_options(request.args.to_dict())
    asked = parse_json(body)
    if "inputs" not in asked:
        raise BadRequest("no_image", 'The JSON has no photograph: send {"inputs": "…base64…"}.', "inputs")
    return read_photograph(asked["inputs"], "inputs"), _options(asked.get("parameters") or {})


def _options(parameters: object) -> DecodingOptions:
    """As the task's own parameters and transformers' `generate` call them."""
    nested = parameters.get("generate_kwargs") if isinstance(parameters, dict) else None
    if not isinstance(parameters, dict) or not isinstance(nested or {}, dict):
        raise BadRequest("bad_parameter", "parameters must be an object.", "parameters")
    given = {**(nested or {}), **parameters}
    if "max_length" in given:
        given.setdefault("max_new_tokens", given["max_length"])
    if given.get("do_sample") is True:
        given.setdefault("method", "sample")
    return options_of(given, _NAMES)


def _error_of(codes: Sequence[str]) -> Schema:
    return schemas.reference("HuggingFaceError")


def _doors() -> tuple[Door, ...]:
    body: dict[str, dict[str, Any]] = {
        "application/octet-stream": {"schema": schemas.PHOTOGRAPH},
        "application/json": {"schema": schemas.reference("HuggingFaceRequest")},
    }
    failures = (*CAPTIONING, *JSON_BODY, *ONE_PHOTOGRAPH, "unsupported_media_type")
    described = (
        "The photograph as the body, with options of /predict in the address, or in base64 in `inputs`, with those or "
        "the task's in `parameters`."
    )
    answer = {"application/json": schemas.reference("HuggingFaceAnswer")}
    curl = "curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' {url}"
    asked = {"name": {"type": "string", "minLength": 1, "description": "any: there is one model"}}
    doors: tuple[tuple[str, str, dict[str, Schema]], ...] = (
        ("/image-to-text", "huggingface.image_to_text", {}),
        ("/models/{name}", "huggingface.image_to_text_of", asked),
        ("/", "huggingface.image_to_text_at_root", {}),
    )
    summary = "Caption a photograph, as Hugging Face's inference does"
    unreachable = ("not_found",)  # a name with a line break is no path
    return tuple(
        Door(
            path,
            endpoint,
            summary,
            described,
            answer,
            "post",
            (*failures, *unreachable) if parameters else failures,
            body,
            parameters,
            _error_of,
            curl,
        )
        for path, endpoint, parameters in doors
    )


_SCHEMAS = {
    "HuggingFaceRequest": {
        "type": "object",
        "properties": {"inputs": schemas.BASE64, "parameters": {"type": "object"}},
        "required": ["inputs"],
    },
    "HuggingFaceAnswer": schemas.list_of(schemas.exactly({"generated_text": {"type": "string"}}), minItems=1),
    "HuggingFaceError": schemas.exactly({"error": {"type": "string", "description": "in words for a person"}}),
}

ADAPTER = Adapter(blueprint, ("/image-to-text", "/models/"), describe_failure, _doors, _SCHEMAS)
