"""People's words from the page: accept, edit, reject, undo. Only for a collection that the operator names, only from
the service's own page or from programs, and with the API key where one is set.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, jsonify, request

from collection.results import CollectionRefused
from collection.reviews import ACTIONS, Decision, Stale
from collection.written import ReviewRefused
from model.names import unknown
from service.errors import BadRequest, explain, respond
from service.search import current, describe, gone, photograph

blueprint = Blueprint("reviews", __name__, url_prefix="/collection")
blueprint.register_error_handler(CollectionRefused, gone)
blueprint.register_error_handler(OSError, gone)

MOST_BYTES = 16 * 1024
_FIELDS = {"action", "by", "version", "caption"}
_OWN_PAGE = ("same-origin", "none")


def register(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/<int:id>")
def history(id: int) -> Response:
    """A photograph, and what people decided on it, the newest first."""
    found = photograph(id)
    return jsonify(describe(found) | {"history": [_told(one) for one in current().history(found)]})


@blueprint.post("/<int:id>/review")
def review(id: int) -> Response:
    """A decision on a photograph; 409 where it is not any more what the person saw."""
    if is_of_another_site():
        raise BadRequest("cross_site", "Decisions are taken from this service's own page, or by programs.")
    asked = _asked()
    found = photograph(id)
    if not asked["version"]:
        raise BadRequest("bad_parameter", "version must be that of the photograph as it was shown.", "version")
    try:
        decided = current().decide(found, asked["action"], asked["by"], asked["caption"], asked["version"])
    except Stale as error:
        response = respond(explain(BadRequest("conflict", str(error))))
        texts = {"yours": asked["caption"], "current": describe(photograph(id))}  # to decide anew by
        response.set_data(current_app.json.dumps(json.loads(response.get_data()) | texts))
        return response
    except ReviewRefused as error:
        raise BadRequest("bad_parameter", str(error)) from error
    return jsonify(describe(decided))


def is_of_another_site() -> bool:
    """Whether a browser says that another site's page asks. JSON alone would do where no other site is let in by
    CAPTION_CORS_ORIGINS; whom the operator lets in there may ask for captions, and not decide.
    """
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in _OWN_PAGE
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host


def _asked() -> dict[str, Any]:
    """Raises BadRequest, RequestEntityTooLarge."""
    if request.mimetype != "application/json":
        raise BadRequest("unsupported_media_type", "A decision comes as JSON: Content-Type: application/json.")
    request.max_content_length = MOST_BYTES
    try:
        asked = json.loads(request.get_data(cache=False))
    except (ValueError, RecursionError):
        raise BadRequest("bad_json", "The body is not JSON.") from None
    if not isinstance(asked, dict):
        raise BadRequest("bad_json", "The body is not a JSON object.")
    if others := sorted(asked.keys() - _FIELDS):
        raise BadRequest("bad_parameter", unknown("field", others[0], _FIELDS), others[0])
    for name in sorted(_FIELDS):
        if not isinstance(asked.setdefault(name, ""), str):
            raise BadRequest("bad_parameter", f"{name} must be a text.", name)
    if asked["action"] not in ACTIONS:
        raise BadRequest("bad_parameter", f"action must be one of {', '.join(ACTIONS)}.", "action")
    return asked


def _told(decision: Decision) -> dict[str, Any]:
    names = ("action", "caption", "by", "at", "machine_caption", "model")
    return {name: getattr(decision, name) for name in names}
