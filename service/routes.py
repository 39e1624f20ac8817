"""The doors: the page, the health check and the prediction."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from io import BytesIO
from typing import IO, Any

from flask import Blueprint, Request, Response, current_app, jsonify, render_template, request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from model.answer import describe_moment
from model.captioner import DecodingOptions, parse_bool
from model.images import FORMATS, LONGEST_SIDE
from service.controls import controls
from service.engine.supervisor import Captioned, Supervisor
from service.errors import BadRequest, explain
from service.observability.request_log import note
from service.worker import has_left

blueprint = Blueprint("captions", __name__)

IMAGE_FIELDS = ("image", "file")
MAX_IMAGES = 32
MULTIPART_OVERHEAD = 64 * 1024  # boundaries, headers and the other fields around the photographs
_HOW_TO_SEND = "Send the photograph as multipart/form-data in a file field named 'image'."


class InMemoryRequest(Request):
    """Uploads stay in memory: Werkzeug's own choice is a temporary file above 500 kB."""

    def _get_file_stream(self, *args: Any, **kwargs: Any) -> IO[bytes]:
        return BytesIO()


def current_host() -> Supervisor:
    host: Supervisor = current_app.extensions["captioner"]
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
    host = current_host()
    state = host.state
    if state in ("ready", "busy"):
        model = host.model
        described = {"device": model["device"], "model": model["name"], "digest": model["digest"]}
        return jsonify({"status": "healthy", "state": state} | described), HTTPStatus.OK
    body = {"status": state, "state": state, "model": host.settings.model.backend}
    if host.failure:
        body["message"] = host.failure
    return jsonify(body), HTTPStatus.SERVICE_UNAVAILABLE


@blueprint.post("/predict")
def predict() -> Response:
    """A photograph and options to captions; see README for the parameters and the answer."""
    current_host().check()  # nothing is read or decoded for a captioner that cannot answer
    uploads = _uploads()
    if len(uploads) > 1:
        raise BadRequest("too_many_images", "Send one photograph a request, or several to /predict/batch.")
    options, include_image = _options(include_image=True)
    [outcome] = current_host().caption(uploads, options, _client_has_left())
    if isinstance(outcome, Exception):
        raise outcome
    return jsonify(_answer(outcome, include_image))


@blueprint.post("/predict/batch")
def predict_batch() -> Response:
    """Several photographs, with the same options, to a result or an error each, in their order."""
    current_host().check()
    request.max_content_length = current_app.config["MAX_IMAGES_UPLOAD_BYTES"] + MULTIPART_OVERHEAD
    uploads, most = _uploads(), min(MAX_IMAGES, current_host().settings.max_queue)
    if len(uploads) > most:
        raise BadRequest("too_many_images", f"Send at most {most} photographs a request.")
    options, include_image = _options(include_image=False)
    outcomes = current_host().caption(uploads, options, _client_has_left())
    return jsonify(results=[_result(outcome, include_image) for outcome in outcomes], model=current_host().model)


def _uploads() -> list[bytes | Exception]:
    """The request's photographs, or why one is not looked at; at least one. Those named `image` come before `file`."""
    if request.mimetype != "multipart/form-data":  # nothing else is read, at whatever size
        raise BadRequest("no_image", _HOW_TO_SEND)
    files = [file for field in IMAGE_FIELDS for file in request.files.getlist(field)]
    if not files:
        raise BadRequest("no_image", _HOW_TO_SEND)
    return [_read(file) for file in files]


def _read(file: FileStorage) -> bytes | Exception:
    data: bytes = file.read()
    if not data:
        return BadRequest("no_image", "The file is empty.")
    return data if len(data) <= current_app.config["MAX_UPLOAD_BYTES"] else RequestEntityTooLarge()


def _options(include_image: bool) -> tuple[DecodingOptions, bool]:
    """How to decode, and whether to give the image back, for which the default is given. Raises OptionRefused."""
    text = request.values.get("include_image") or str(include_image)
    return DecodingOptions.parse(request.values, ("include_image", *IMAGE_FIELDS)), parse_bool("include_image", text)


def _client_has_left() -> Callable[[], bool]:
    connection = request.environ.get("gunicorn.socket")
    return lambda: connection is not None and has_left(connection)


def _answer(captioned: Captioned, include_image: bool) -> dict[str, Any]:
    moment = describe_moment(captioned.image, captioned.stopwatch, include_image=include_image)
    note(captioned.stopwatch.milliseconds, captioned.batch)
    return captioned.answer | moment


def _result(outcome: Captioned | Exception, include_image: bool) -> dict[str, Any]:
    """An item of a batch's answer, which tells the model once for all."""
    if isinstance(outcome, Exception):
        _, code, message = explain(outcome)
        return {"error": {"code": code, "message": message}}
    answer = _answer(outcome, include_image)
    del answer["model"]
    return answer
