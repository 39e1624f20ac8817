"""What the service says of itself at /info: the model, its licence, what it can do, limits and defaults."""

from __future__ import annotations

import dataclasses
from typing import Any

from model import heic
from model.captioner import DecodingOptions
from model.images import FORMATS, MAX_PIXELS
from model.registry import used_settings
from service.captioning import MAX_IMAGES
from service.engine.supervisor import NotReady, Supervisor
from service.settings import Settings

NAME = "image-captioner"
VERSION = "0.1.0"
SUMMARY = "Turns photographs into sentences."
LICENCE = "MIT"


_SHOWN = ("dtype", "tta", "image_size")  # of the model's settings: the others name files, or are told elsewhere


def describe_service(host: Supervisor) -> dict[str, Any]:
    """Also while the model is being loaded: its digest, device and licence are None until then, and nothing is told of
    what it can do."""
    settings = host.settings
    try:
        model: dict[str, Any] = dict(host.model)
        capabilities = host.capabilities
    except NotReady:
        capabilities = {}
        model = {"name": settings.model.backend, "digest": None, "device": None}
    return {
        "name": NAME,
        "version": VERSION,
        "description": SUMMARY,
        "licence": LICENCE,
        "model": model
        | {
            "licence": capabilities.get("licence"),
            "settings": {name: value for name, value in used_settings(settings.model).items() if name in _SHOWN},
            "capabilities": {name: value for name, value in capabilities.items() if name != "licence"},
        },
        "formats": list(formats()),
        "limits": limits(settings),
        "decoding": {option.name: describe_option(option) for option in dataclasses.fields(DecodingOptions)},
        "api_key_required": bool(settings.api_key),
    }


def formats() -> tuple[str, ...]:
    """Of the photographs that are read here."""
    return (*FORMATS, "HEIC") if heic.is_installed() else FORMATS


def media_types() -> list[str]:
    return [f"image/{name.lower()}" for name in formats()] + (["image/heif"] if heic.is_installed() else [])


def limits(settings: Settings) -> dict[str, Any]:
    """Of requests: bytes, pixels, photographs, seconds, and the rate where there is one."""
    return {
        "upload_bytes": settings.max_upload_bytes,
        "batch_upload_bytes": settings.max_images_upload_bytes,
        "batch_images": min(MAX_IMAGES, settings.max_queue),
        "pixels": MAX_PIXELS,
        "deadline_seconds": settings.deadline_seconds,
        "rate": settings.rate_limit or None,
    }


def describe_option(option: dataclasses.Field[Any]) -> dict[str, Any]:
    """A field of DecodingOptions as JSON Schema, from the metadata that requests are checked by."""
    kinds = {"int": "integer", "int | None": "integer", "float": "number", "bool": "boolean"}
    schema: dict[str, Any] = {"type": kinds.get(str(option.type), "string"), "description": option.metadata["help"]}
    if "choices" in option.metadata:
        schema["enum"] = list(option.metadata["choices"])
    if "pattern" in option.metadata:
        schema |= {"pattern": option.metadata["pattern"], "maxLength": option.metadata["longest"]}
    schema |= {bound: option.metadata[bound] for bound in ("minimum", "maximum") if bound in option.metadata}
    return schema if option.default is None else schema | {"default": option.default}
