"""Other programs' APIs over the same corridor: each is one file and one line here, and none captions by itself."""

from __future__ import annotations

from flask import Flask

from service.adapters import huggingface, ollama, ollama_models, openai, responses
from service.adapters.adapter import Adapter

ADAPTERS: tuple[Adapter, ...] = (
    openai.ADAPTER,
    responses.ADAPTER,
    ollama.ADAPTER,
    ollama_models.ADAPTER,
    huggingface.ADAPTER,
)


def register(app: Flask) -> None:
    for adapter in ADAPTERS:
        app.register_blueprint(adapter.blueprint)
    app.extensions["shapes"] = [
        (adapter.blueprint.name, adapter.prefixes, adapter.describe_failure) for adapter in ADAPTERS
    ]
