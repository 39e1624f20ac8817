"""The doors: the page, the health check and the prediction."""

from __future__ import annotations

from http import HTTPStatus
from io import BytesIO
from typing import IO, Any

from flask import Blueprint, Request, Response, current_app, jsonify, render_template, request
from werkzeug.exceptions import RequestEntityTooLarge

from model.answer import describe_answer, describe_model
from model.captioner import DecodingOptions, Stopwatch, parse_bool
from model.images import FORMATS, LONGEST_SIDE
from service.controls import controls
from service.errors import BadRequest
from service.host import Host

blueprint = Blueprint("captions", __name__)

IMAGE_FIELDS = ("image", "file")
_HOW_TO_SEND = "Send the photograph as multipart/form-data in a file field named 'image'."


class InMemoryRequest(Request):
    """Uploads stay in memory: Werkzeug's own choice is a temporary file above 500 kB."""

    def _get_file_stream(self, *args: Any, **kwargs: Any) -> IO[bytes]:
        return BytesIO()


def _host() -> Host:
    host: Host = current_app.extensions["captioner"]
    return host


@blueprint.get("/")
def page() -> str:
    return render_template(
        "index.html",
        controls=controls(),
        accepted=",".join(f"image/{name.lower()}" for name in FORMATS),
        longest_side=LONGEST_SIDE,
        max_upload_bytes=current_app.config["MAX_UPLOAD_BYTES"],
    )


@blueprint.get("/health")
def health() -> tuple[Response, int]:
    """200 when a photograph would be captioned, 503 before that and if the captioner could not be loaded."""
    host = _host()
    if host.status == "healthy":
        model = describe_model(host.captioner)
        return jsonify(
            status="healthy", device=model["device"], model=model["name"], digest=model["digest"]
        ), HTTPStatus.OK
    body = {"status": host.status, "model": host.settings.backend}
    if host.failure:
        body["message"] = host.failure
    return jsonify(body), HTTPStatus.SERVICE_UNAVAILABLE


@blueprint.post("/predict")
def predict() -> Response:
    """A photograph and options to captions; see README for the parameters and the answer."""
    stopwatch = Stopwatch()
    _ = _host().captioner  # nothing is read or decoded for a captioner that cannot answer
    data = _uploaded_image()
    options = DecodingOptions.parse(request.values)
    include_image = parse_bool("include_image", request.values.get("include_image") or "true")
    with stopwatch.stage("decode"):
        image = _host().decode(data)
    captions = _host().caption([image], options, stopwatch)[0]
    return jsonify(describe_answer(image, captions, _host().captioner, stopwatch, include_image=include_image))


def _uploaded_image() -> bytes:
    if request.mimetype != "multipart/form-data":  # nothing else is read, at whatever size
        raise BadRequest("no_image", _HOW_TO_SEND)
    files = [file for field in IMAGE_FIELDS for file in request.files.getlist(field)]
    if not files:
        raise BadRequest("no_image", _HOW_TO_SEND)
    if len(files) > 1:
        raise BadRequest("too_many_images", "Send one photograph a request.")
    data: bytes = files[0].read()
    if not data:
        raise BadRequest("no_image", "The file is empty.")
    if len(data) > current_app.config["MAX_UPLOAD_BYTES"]:
        raise RequestEntityTooLarge
    return data
