"""The door to a finished collection, where the operator points at one: search by caption, and thumbnails."""

from __future__ import annotations

import logging
import os
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, jsonify, request, url_for

from collection.catalogue import Collection, Photograph
from collection.likeness import FeaturesRefused, features_of
from collection.query import LONGEST_QUERY, ORDERS, QueryRefused
from collection.results import CollectionRefused
from collection.reviews import LONGEST_CAPTION, LONGEST_NAME
from collection.walk import PhotographUnreadable, read_photograph
from model.errors import ImageRefused, SettingRefused
from model.images import decode_image, encode_jpeg
from model.names import unknown
from service.errors import BadRequest, failure

log = logging.getLogger(__name__)

blueprint = Blueprint("collection", __name__, url_prefix="/collection")

MOST_RESULTS = 100
RESULTS = 24
LAST_OFFSET = 10_000_000
_PARAMETERS = {"q", "limit", "offset", "order"}
_LONGEST_SIDE = 320  # pixels
_KEPT_SECONDS = 3600  # by the browser
# A photograph of 40 megapixels takes some hundred megabytes while it is decoded.
_decoding = threading.Lock()


def register(app: Flask, file: Path, is_editable: bool) -> None:
    """Raises SettingRefused where the file is no collection; its index is made now, not at a user's expense."""
    collection = Collection(file)
    try:
        collection.prepare()
    except (CollectionRefused, OSError) as error:
        raise SettingRefused(f"CAPTION_COLLECTION: {error}") from error
    app.extensions["collection"] = collection
    # Then the page has a field for it.
    limits = {"longest_query": LONGEST_QUERY, "longest_caption": LONGEST_CAPTION, "longest_name": LONGEST_NAME}
    app.jinja_env.globals["collection"] = limits | {
        "orders": list(ORDERS),
        "is_editable": is_editable,
        "has_features": lambda: features_of(file).exists(),
    }
    app.register_blueprint(blueprint)


def current() -> Collection:
    collection: Collection = current_app.extensions["collection"]
    return collection


@blueprint.errorhandler(CollectionRefused)
@blueprint.errorhandler(OSError)
def gone(error: Exception) -> Response:
    """It was there when the service started."""
    log.error("the collection cannot be read or written: %s", error)
    message = "The collection cannot be read or written just now; the service's log says why."
    return failure(HTTPStatus.SERVICE_UNAVAILABLE, "service_unavailable", message)


@blueprint.get("/search")
def search() -> Response:
    """`q` to the photographs whose captions have all of its words, in the order that is asked for."""
    if others := sorted(request.args.keys() - _PARAMETERS):
        raise BadRequest("bad_parameter", unknown("parameter", others[0], _PARAMETERS))
    query, order = request.args.get("q", ""), request.args.get("order") or next(iter(ORDERS))
    limit, offset = whole_number("limit", 1, MOST_RESULTS, RESULTS), whole_number("offset", 0, LAST_OFFSET, 0)
    try:
        total, found = current().search(query, limit, order, offset)
    except QueryRefused as error:
        raise BadRequest("bad_parameter", str(error)) from error
    return jsonify(query=query, total=total, results=[describe(one) for one in found])


@blueprint.get("/<int:id>/similar")
def similar(id: int) -> Response:
    """The photographs most like one, by what the encoder sees in them."""
    if others := sorted(request.args.keys() - {"limit"}):
        raise BadRequest("bad_parameter", unknown("parameter", others[0], ["limit"]))
    limit = whole_number("limit", 1, MOST_RESULTS, RESULTS)
    try:
        found = current().similar(photograph(id), limit)
    except FeaturesRefused as error:
        abort(404, str(error))
    return jsonify(total=len(found), results=[describe(one) | {"similarity": near} for one, near in found])


@blueprint.get("/<int:id>/thumbnail")
def thumbnail(id: int) -> Response:
    """Only what the collection lists is ever read, and only by its number there; only as an image is it given."""
    try:
        with _decoding:
            image = decode_image(read_photograph(place(photograph(id).path)))
    except (PhotographUnreadable, ImageRefused):
        abort(404, "The photograph cannot be read any more.")
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    response = Response(encode_jpeg(image), content_type="image/jpeg")
    response.cache_control.private = True
    response.cache_control.max_age = _KEPT_SECONDS
    return response


def photograph(id: int) -> Photograph:
    """Raises NotFound."""
    found = current().photograph(id)
    if found is None:
        abort(404, "There is no photograph with this number in the collection.")
    return found


def whole_number(name: str, least: int, most: int, default: int) -> int:
    """Of the address. Raises BadRequest."""
    text = request.args.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
        raise BadRequest("bad_parameter", f"{name} must be a whole number from {least} to {most}.")
    return int(text)


def describe(found: Photograph) -> dict[str, Any]:
    has_picture = os.path.isfile(place(found.path))  # noqa: PTH113  # is_file() raises for a folder that is closed to us
    return {
        "id": found.id,
        "path": found.path.encode(errors="replace").decode(),  # a name that is no UTF-8 is shown with ? in it
        "caption": found.caption,
        "thumbnail": url_for("collection.thumbnail", id=found.id) if has_picture else None,
        "confidence": found.confidence,
        "tags": list(found.tags),
        "reviewed": found.status or None,
        "reviewed_by": found.by or None,
        "machine_caption": found.machine_caption,
        "version": found.version,
    }


def place(path: str) -> Path:
    """A relative path is meant from the folder that the collection's file is in."""
    return current().file.parent / path
