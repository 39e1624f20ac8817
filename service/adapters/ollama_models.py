"""Ollama's models (docs.ollama.com/api): what there is, what it can do, and which version of the API is spoken."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify

from model.registry import used_settings
from service.adapters import ollama_schemas
from service.adapters.adapter import Adapter
from service.adapters.asking import check_model, model_names
from service.captioning import current_host
from service.errors import Failure
from service.intake.request import read_json

blueprint = Blueprint("ollama_models", __name__, url_prefix="/api")

_VERSION = "0.12.6"  # of the API that is spoken here: programs ask for it before they use what came later
_STARTED = datetime.now(timezone.utc)
_LONG = timedelta(days=365)


@blueprint.get("/tags")
def tags() -> Response:
    return jsonify(models=[_model(name) for name in model_names()])


@blueprint.get("/ps")
def running() -> Response:
    until = {"expires_at": (datetime.now(timezone.utc) + _LONG).isoformat()}
    memory = {"size_vram": _size() if current_host().model["device"] == "cuda" else 0}
    return jsonify(models=[_model(name) | until | memory for name in model_names()])


@blueprint.post("/show")
def show() -> Response:
    current_host().check()
    body = read_json(several=False)
    check_model(body)
    check_model(body, "name")  # its older name
    model = _model(model_names()[0])
    licence = {"license": current_host().capabilities["licence"]}
    empty = {"modelfile": "", "parameters": "", "template": "{{ .Prompt }}"}
    described = {"capabilities": ["completion", "vision"], "model_info": {"general.architecture": model_names()[0]}}
    return jsonify({**licence, **empty, **described, "details": model["details"], "modified_at": model["modified_at"]})


@blueprint.get("/version")
def version() -> Response:
    return jsonify(version=_VERSION)


def describe_failure(failed: Failure) -> dict[str, Any]:
    return {"error": failed.message}


def _model(name: str) -> dict[str, Any]:
    family = current_host().model["name"]
    details = {"parent_model": "", "format": "", "family": family, "families": [family]}
    return {
        "name": f"{name}:latest",
        "model": f"{name}:latest",
        "modified_at": _STARTED.isoformat(),
        "size": _size(),
        "digest": current_host().model["digest"].removeprefix("sha256:"),
        "details": details | {"parameter_size": "", "quantization_level": ""},
    }


def _size() -> int:
    """Bytes of the weights' files, where they are files of ours."""
    settings = used_settings(current_host().settings.model).values()
    return sum(file.stat().st_size for file in settings if isinstance(file, Path) and file.is_file())


ADAPTER = Adapter(blueprint, ("/api/",), describe_failure, ollama_schemas.model_doors, ollama_schemas.MODELS)
