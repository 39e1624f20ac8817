"""What the page lets people set: DecodingOptions' fields, with the ranges that the API checks.

What they are called is in static/languages.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from model.captioner import DecodingOptions

_CAPTIONS = 3  # the API gives one; the page shows what the model considered besides, as many as its beam holds
_NOT_OFFERED = ("attention", "rerank")  # the page always asks for both


def controls() -> list[dict[str, Any]]:
    """One a field: name, default (None: may be left empty), step, and the field's metadata."""
    return [
        {
            "name": option.name,
            "default": _CAPTIONS if option.name == "num_captions" else option.default,
            "step": 0.01 if option.type == "float" else 1,
            **{name: value for name, value in option.metadata.items() if name != "help"},
        }
        for option in dataclasses.fields(DecodingOptions)
        if option.name not in _NOT_OFFERED
    ]
