"""One method of one path, as the service's description has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from service import schemas
from service.schemas import Schema

CAPTIONING = ("bad_parameter", "bad_request", "too_large", "internal_error", "not_ready", "busy")
"""Codes that every request for captions may come to."""
ONE_PHOTOGRAPH = ("not_an_image", "damaged_image", "too_many_pixels", "captioning_failed", "deadline_exceeded")
BODY = (
    *("no_image", "empty_image", "wrong_field", "not_a_file", "no_boundary", "bad_multipart", "bad_json", "bad_base64"),
    *("remote_image", "too_many_images", "unsupported_media_type", "urlencoded_form", "compressed_body"),
)
JSON_BODY = ("no_image", "empty_image", "bad_json", "bad_base64", "remote_image", "too_many_images", "compressed_body")


@dataclass(frozen=True)
class Door:
    path: str
    endpoint: str
    """Flask's name of the view."""
    summary: str
    description: str
    answer: dict[str, Schema]
    """By media type."""
    method: str = "get"
    failures: tuple[str, ...] = ()
    """Codes."""
    body: dict[str, dict[str, Any]] = field(default_factory=dict)
    """OpenAPI's media type objects, by media type."""
    parameters: dict[str, Schema] = field(default_factory=dict)
    """Of the address, by name."""
    describe_failure: Callable[[Sequence[str]], Schema] = schemas.error_of
    """The failure with one of these codes."""
    curl: str = "curl {url}"


def json_of(schema: str) -> dict[str, Schema]:
    """An answer or a body of this name among the components."""
    return {"application/json": schemas.reference(schema)}
