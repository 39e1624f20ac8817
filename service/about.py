"""The doors for whoever runs or uses the service: what it is, how to ask it, how it does."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request

from service import metrics
from service.description import describe_service
from service.host import Host
from service.openapi import describe_api

blueprint = Blueprint("about", __name__)


def _host() -> Host:
    host: Host = current_app.extensions["captioner"]
    return host


@blueprint.get("/info")
def info() -> Response:
    return jsonify(describe_service(_host()))


@blueprint.get("/metrics")
def counts() -> Response:
    return Response(metrics.render(), content_type=metrics.CONTENT_TYPE)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    return jsonify(_api())


@blueprint.get("/docs")
def docs() -> str:
    """The same description to read; drawn here, so that the page needs no script."""
    return render_template("docs.html", api=_api())


def _api() -> dict[str, Any]:
    return describe_api(_host().settings, request.url_root.rstrip("/"))
