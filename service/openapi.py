"""The service's description in OpenAPI 3.1, made of the declarations that requests are checked by."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from service import access, schemas
from service.adapters import ADAPTERS
from service.collection_doors import REVIEW_DOORS, SCHEMAS, SEARCH_DOORS
from service.description import LICENCE, NAME, SUMMARY, VERSION, formats, limits, media_types
from service.door import BODY, CAPTIONING, ONE_PHOTOGRAPH, Door, json_of
from service.errors import CODES
from service.intake.request import IMAGE_FIELDS
from service.observability.request_log import REQUEST_ID_HEADER, REQUEST_ID_PATTERN
from service.schemas import Schema
from service.settings import Settings

_BATCH = (*BODY, *CAPTIONING)  # what is wrong with one photograph of several is told in its place
_PREDICT = (*_BATCH, *ONE_PHOTOGRAPH)
_MEGABYTE = 2**20
_JSON = "application/json"


def describe_api(settings: Settings, server: str) -> dict[str, Any]:
    """The whole document of a service with these settings, which is reached at `server`: what is off is not in it."""
    paths: dict[str, Any] = {}
    for door in _doors(settings):
        paths.setdefault(door.path, {})[door.method] = _operation(door, settings, server)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": NAME,
            "version": VERSION,
            "summary": SUMMARY,
            "description": "Photographs stay in memory and are forgotten with the answer. Every answer carries the "
            f"identifier of its request in {REQUEST_ID_HEADER}: the client's own where that is well-formed.",
            "license": {"name": LICENCE, "identifier": LICENCE},
        },
        "servers": [{"url": urlsplit(server).path or "/"}],
        "paths": paths,
        "components": {"schemas": schemas.components() | SCHEMAS | _adapted(), "headers": _HEADERS}
        | ({"securitySchemes": _SCHEMES} if settings.api_key else {}),
    }


def _adapted() -> dict[str, Schema]:
    return {name: schema for adapter in ADAPTERS for name, schema in adapter.schemas.items()}


def _doors(settings: Settings) -> tuple[Door, ...]:
    limit = limits(settings)
    most = limit["batch_images"]
    return (
        Door(
            "/predict",
            "captions.predict",
            "Caption a photograph",
            f"Send it as a file in the field {' or '.join(IMAGE_FIELDS)}: {', '.join(formats())}, at most "
            f"{limit['upload_bytes'] / _MEGABYTE:g} MB and {limit['pixels'] / 1e6:g} megapixels; or as the body; "
            "or as JSON, in base64. Options go into the form, the JSON or the address, which comes first; an empty one "
            "means its default. With beam, num_captions is at most beam_size; with greedy it is 1. "
            + _accepted(settings)
            + "Who accepts "
            "text/plain gets the caption alone.",
            json_of("Answer") | {"text/plain": {"type": "string"}},
            method="post",
            failures=_PREDICT,
            body=_photographs(include_image=True),
            parameters=schemas.options(include_image=True),
            curl="curl -F image=@photo.jpg {url}",
        ),
        Door(
            "/predict/batch",
            "captions.predict_batch",
            f"Caption up to {most} photographs",
            f"Repeat the field {' or '.join(IMAGE_FIELDS)}, at most {limit['batch_upload_bytes'] / _MEGABYTE:g} MB "
            "together. The options hold for all. There is a result or an error for each, in their order.",
            json_of("BatchAnswer"),
            method="post",
            failures=_BATCH,
            body=_photographs(include_image=False, most=most),
            parameters=schemas.options(include_image=False),
            curl="curl -F image=@one.jpg -F image=@two.jpg {url}",
        ),
        Door(
            "/health",
            "captions.health",
            "Whether photographs are captioned",
            "200 when one would be captioned now; 503 while the model is being loaded or if it cannot be.",
            json_of("Health"),
        ),
        Door("/livez", "captions.alive", "Whether it answers at all", "Whatever the model does.", json_of("Alive")),
        Door("/readyz", "captions.ready", "Whether it is ready", "As /health, in the status alone.", json_of("Ready")),
        Door(
            "/info",
            "about.info",
            "What this service is",
            "The model and its licence, what it can do, limits, and the options with defaults and ranges.",
            json_of("Info"),
        ),
        Door(
            "/metrics",
            "about.counts",
            "Counts for Prometheus",
            "Requests by endpoint and status, latencies by stage, batches, the queue, the model; of all workers.",
            {"text/plain": {"type": "string"}},
        ),
        Door(
            "/openapi.json",
            "about.openapi",
            "This description",
            "OpenAPI 3.1.",
            {"application/json": {"type": "object"}},
        ),
        Door("/docs", "about.docs", "This description to read", "A page without script.", _page()),
        Door("/", "captions.page", "The page", "Captions photographs in a browser.", _page()),
        *(door for adapter in ADAPTERS for door in adapter.doors()),
        *(SEARCH_DOORS if settings.collection else ()),
        *(REVIEW_DOORS if settings.collection and not settings.collection_read_only else ()),
    )


def _accepted(settings: Settings) -> str:
    return "Accept-Language stands for a language that is not named. " if settings.accept_language else ""


def _operation(door: Door, settings: Settings, server: str) -> dict[str, Any]:
    guarded = bool(settings.api_key) and door.endpoint not in access.OPEN
    limited = bool(settings.rate_limit) and door.endpoint not in access.OPEN | access.FREE and door.method == "post"
    codes = {"method_not_allowed", *door.failures}
    codes |= {"unauthorized"} if guarded else set()
    codes |= {"too_many_requests"} if limited else set()
    operation: dict[str, Any] = {
        "operationId": door.endpoint.partition(".")[2],
        "summary": door.summary,
        "description": door.description,
    }
    if door.parameters:
        operation["parameters"] = [_parameter(door, name, schema) for name, schema in door.parameters.items()]
    if door.body:
        operation["requestBody"] = {"required": True, "content": door.body}
    told: tuple[str, ...] = ("RateLimit-Policy", "RateLimit") if limited else ()
    told += ("Content-Language",) if set(CAPTIONING) <= set(door.failures) and door.endpoint not in access.FREE else ()
    operation["responses"] = {"200": _response("Done.", door.answer, *told)} | _failures(door, codes)
    if door.endpoint in ("captions.health", "captions.ready"):
        operation["responses"]["503"] = _response("Not ready.", door.answer)
    if guarded:
        operation["security"] = [{name: []} for name in _SCHEMES]
    key = ' -H "Authorization: Bearer $CAPTION_API_KEY"' if guarded else ""
    curl = door.curl.format(url=server + door.path).replace("curl", "curl" + key, 1)
    operation["x-codeSamples"] = [{"lang": "Shell", "label": "curl", "source": curl}]
    return operation


def _response(description: str, content: dict[str, Schema], *headers: str) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in (REQUEST_ID_HEADER, *headers)},
        "content": {media_type: {"schema": schema} for media_type, schema in content.items()},
    }


def _failures(door: Door, codes: Collection[str]) -> dict[str, Any]:
    """Responses by status, in order."""
    headers = {401: ["WWW-Authenticate"], 405: ["Allow"], 429: ["Retry-After"], 503: ["Retry-After"]}
    responses = {}
    for status in sorted({CODES[code][0] for code in codes}):
        its_codes = [code for code, (its_status, _) in CODES.items() if code in codes and its_status == status]
        meanings = "; ".join(f"{code}: {CODES[code][1]}" for code in its_codes)
        content = {_JSON: door.describe_failure(its_codes)}
        responses[str(int(status))] = _response(meanings, content, *headers.get(status, []))
    return responses


def _parameter(door: Door, name: str, schema: Schema) -> dict[str, Any]:
    """One that the path holds, or that may not be empty, is required."""
    in_path = f"{{{name}}}" in door.path
    required = in_path or schema.get("minLength", 0) > 0
    place = {"in": "path" if in_path else "query", "required": required}
    return {"name": name, "description": schema["description"], "schema": schema} | place


def _photographs(*, include_image: bool, most: int = 1) -> dict[str, dict[str, Any]]:
    """The three ways to send them, by media type."""
    encoding = {"contentType": ", ".join(media_types())}
    return {
        "multipart/form-data": {
            "schema": schemas.upload(include_image=include_image, most=most),
            "encoding": dict.fromkeys(IMAGE_FIELDS, encoding),
        },
        _JSON: {"schema": schemas.json_upload(include_image=include_image, most=most)},
        "application/octet-stream": {"schema": schemas.PHOTOGRAPH},
    }


def _page() -> dict[str, Schema]:
    return {"text/html": {"type": "string"}}


_LIMITS: Schema = {"type": "string", "pattern": '^"[^"]+"(;[a-z]+=[0-9]+)+'}
_HEADERS = {
    REQUEST_ID_HEADER: {
        "description": "the identifier of the request, also in the service's log",
        "required": True,
        "schema": {"type": "string", "pattern": f"^{REQUEST_ID_PATTERN}$"},
    },
    "Retry-After": {"description": "seconds", "required": True, "schema": {"type": "integer", "minimum": 1}},
    "RateLimit-Policy": {"description": "limits by name: q requests in w seconds", "required": True, "schema": _LIMITS},
    "RateLimit": {"description": "what is left: r requests, until t seconds", "required": True, "schema": _LIMITS},
    "Content-Language": {"description": "of the captions, where there are any", "schema": schemas.LANGUAGE},
    "Allow": {"description": "the methods that there are", "required": True, "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "the scheme", "required": True, "schema": {"type": "string"}},
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": access.KEY_HEADER},
}
