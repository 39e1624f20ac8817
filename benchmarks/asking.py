"""One photograph asked for at each of the service's doors, as the clients of those APIs do."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any


def _text(photograph: bytes) -> str:
    return base64.b64encode(photograph).decode()


def _image_url(photograph: bytes) -> str:
    return f"data:image/jpeg;base64,{_text(photograph)}"


def _message(*content: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is in this picture?"}, *content]}]


DOORS: dict[str, tuple[str, Callable[[bytes], dict[str, Any]]]] = {
    "/predict": (
        "/predict",
        lambda photograph: {"files": {"image": ("photo.jpg", photograph)}, "data": {"include_image": "false"}},
    ),
    "/predict, raw": ("/predict?include_image=false", lambda photograph: {"content": photograph}),
    "/predict, JSON": ("/predict", lambda photograph: {"json": {"image": _text(photograph), "include_image": False}}),
    "/v1/chat/completions": (
        "/v1/chat/completions",
        lambda photograph: {
            "json": {"messages": _message({"type": "image_url", "image_url": {"url": _image_url(photograph)}})}
        },
    ),
    "/v1/responses": (
        "/v1/responses",
        lambda photograph: {
            "json": {
                "input": [
                    {"role": "user", "content": [{"type": "input_image", "image_url": _image_url(photograph)}]},
                ]
            }
        },
    ),
    "/api/generate": (
        "/api/generate",
        lambda photograph: {"json": {"model": "x", "prompt": "x", "images": [_text(photograph)]}},
    ),
    "/api/chat": (
        "/api/chat",
        lambda photograph: {
            "json": {"model": "x", "messages": [{"role": "user", "content": "x", "images": [_text(photograph)]}]}
        },
    ),
    "/image-to-text": ("/image-to-text", lambda photograph: {"content": photograph}),
}
"""By name, the path and what httpx is to send there."""
