"""The doors for whoever runs or uses the service: what it is, how to ask it, how it does."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from service.captioning import current_host
from service.description import describe_service
from service.errors import CODES
from service.observability import metrics
from service.openapi import describe_api
from service.schemas import Schema

blueprint = Blueprint("about", __name__)


@blueprint.get("/info")
def info() -> Response:
    return jsonify(describe_service(current_host()))


@blueprint.get("/metrics")
def counts() -> Response:
    return Response(metrics.render(), content_type=metrics.CONTENT_TYPE)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    return jsonify(_api())


@blueprint.get("/docs")
def docs() -> str:
    """The same description to read; drawn here, so that the page needs no script."""
    api = _api()

    def resolve(schema: Schema) -> Schema:
        named: Schema = api["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
        return named

    return render_template("docs.html", api=api, resolve=resolve, codes=CODES)


def _api() -> dict[str, Any]:
    return describe_api(current_host().settings, request.url_root.rstrip("/"))
