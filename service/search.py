"""The door to a finished collection, where the operator points at one: search by caption, and thumbnails."""

from __future__ import annotations

import logging
import os
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, jsonify, request, url_for

from collection.search import LONGEST_QUERY, Collection, CollectionRefused, Found, QueryRefused
from collection.walk import PhotographUnreadable, read_photograph
from model.errors import ImageRefused, SettingRefused
from model.images import decode_image, encode_jpeg
from model.names import unknown
from service.errors import BadRequest, failure

log = logging.getLogger(__name__)

blueprint = Blueprint("collection", __name__, url_prefix="/collection")

MOST_RESULTS = 100
RESULTS = 24
_PARAMETERS = {"q", "limit"}
_LONGEST_SIDE = 320  # pixels
_KEPT_SECONDS = 3600  # by the browser
# A photograph of 40 megapixels takes some hundred megabytes while it is decoded.
_decoding = threading.Lock()


def register(app: Flask, file: Path) -> None:
    """Raises SettingRefused where the file is no collection; its index is made now, not at a user's expense."""
    collection = Collection(file)
    try:
        collection.prepare()
    except (CollectionRefused, OSError) as error:
        raise SettingRefused(f"CAPTION_COLLECTION: {error}") from error
    app.extensions["collection"] = collection
    app.jinja_env.globals["longest_query"] = LONGEST_QUERY  # then the page has a field for it
    app.register_blueprint(blueprint)


def _collection() -> Collection:
    collection: Collection = current_app.extensions["collection"]
    return collection


@blueprint.errorhandler(CollectionRefused)
@blueprint.errorhandler(OSError)
def gone(error: Exception) -> Response:
    """It was there when the service started."""
    log.error("the collection cannot be searched: %s", error)
    message = "The collection cannot be read just now; the service's log says why."
    return failure(HTTPStatus.SERVICE_UNAVAILABLE, "service_unavailable", message)


@blueprint.get("/search")
def search() -> Response:
    """`q` to the photographs whose captions have all of its words, the best first."""
    if others := sorted(request.args.keys() - _PARAMETERS):
        raise BadRequest("bad_parameter", unknown("parameter", others[0], _PARAMETERS))
    query = request.args.get("q", "")
    try:
        total, found = _collection().search(query, _limit(request.args.get("limit", "")))
    except QueryRefused as error:
        raise BadRequest("bad_parameter", str(error)) from error
    return jsonify(query=query, total=total, results=[_described(one) for one in found])


@blueprint.get("/<int:id>/thumbnail")
def thumbnail(id: int) -> Response:
    """Only what the collection lists is ever read, and only by its number there; only as an image is it given."""
    path = _collection().path(id)
    if path is None:
        abort(404, "There is no photograph with this number in the collection.")
    try:
        with _decoding:
            image = decode_image(read_photograph(_place(path)))
    except (PhotographUnreadable, ImageRefused):
        abort(404, "The photograph cannot be read any more.")
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    response = Response(encode_jpeg(image), content_type="image/jpeg")
    response.cache_control.private = True
    response.cache_control.max_age = _KEPT_SECONDS
    return response


def _limit(text: str) -> int:
    if not text:
        return RESULTS
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_RESULTS):
        raise BadRequest("bad_parameter", f"limit must be a whole number from 1 to {MOST_RESULTS}.")
    return int(text)


def _described(found: Found) -> dict[str, Any]:
    has_picture = os.path.isfile(_place(found.path))  # noqa: PTH113  # is_file() raises for a folder that is closed to us
    return {
        "id": found.id,
        "path": found.path.encode(errors="replace").decode(),  # a name that is no UTF-8 is shown with ? in it
        "caption": found.caption,
        "thumbnail": url_for(".thumbnail", id=found.id) if has_picture else None,
    }


def _place(path: str) -> Path:
    """A relative path is meant from the folder that the collection's file is in."""
    return _collection().file.parent / path
