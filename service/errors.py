"""Every failure to one JSON body and one status, in one place."""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Flask, Response, current_app, jsonify, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from model.errors import ImageRefused, OptionRefused
from service.engine.batching import Busy
from service.engine.supervisor import CaptioningFailed, ClientLeft, DeadlineExceeded, NotReady
from service.observability.request_log import request_id

log = logging.getLogger(__name__)

CLIENT_LEFT = 499  # nginx's; nobody sees it but the log

CODES: dict[str, tuple[int, str]] = {
    "no_image": (HTTPStatus.BAD_REQUEST, "no photograph came, or an empty one"),
    "too_many_images": (HTTPStatus.BAD_REQUEST, "more photographs than a request may have"),
    "bad_parameter": (HTTPStatus.BAD_REQUEST, "an option has a value that it cannot have"),
    "bad_request": (HTTPStatus.BAD_REQUEST, "what came is not HTTP"),
    "unauthorized": (HTTPStatus.UNAUTHORIZED, "the API key is missing or wrong"),
    "not_found": (HTTPStatus.NOT_FOUND, "there is nothing at this path"),
    "method_not_allowed": (HTTPStatus.METHOD_NOT_ALLOWED, "the path has other methods"),
    "too_large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "more bytes, or parts, than a request may have"),
    "not_an_image": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not a photograph in a format that is read"),
    "damaged_image": (HTTPStatus.UNPROCESSABLE_ENTITY, "the photograph is truncated or corrupt"),
    "too_many_pixels": (HTTPStatus.UNPROCESSABLE_ENTITY, "the photograph has too many pixels"),
    "too_many_requests": (HTTPStatus.TOO_MANY_REQUESTS, "more requests from one address than it may make"),
    "internal_error": (HTTPStatus.INTERNAL_SERVER_ERROR, "a mistake of the service's, which is logged"),
    "captioning_failed": (HTTPStatus.INTERNAL_SERVER_ERROR, "the model failed of this photograph, twice"),
    "not_ready": (HTTPStatus.SERVICE_UNAVAILABLE, "the model is being loaded, or could not be"),
    "busy": (HTTPStatus.SERVICE_UNAVAILABLE, "as many photographs as may are under way already"),
    "service_unavailable": (HTTPStatus.SERVICE_UNAVAILABLE, "the collection cannot be read just now"),
    "deadline_exceeded": (HTTPStatus.GATEWAY_TIMEOUT, "the photograph was not captioned in time"),
}
"""Status and meaning of every code that an error can have."""

_RETRY_AFTER_SECONDS = 5
_DRAINED_BYTES = 256 * 1024 * 1024


class BadRequest(ValueError):
    """The request lacks something or has it twice."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def failure(status: int, code: str, message: str) -> Response:
    _drain()
    response = jsonify(error={"code": code, "message": message, "request_id": request_id()})
    response.status_code = status
    return response


def explain(error: Exception) -> tuple[int, str, str]:
    """Status, code and message; what nobody foresaw is logged."""
    match error:
        case BadRequest():
            return _coded(error.code, str(error))
        case OptionRefused():
            return _coded("bad_parameter", str(error))
        case ParseException():
            return _coded("bad_request", "The request's body is not valid HTTP.")
        case ImageRefused():
            return _coded(error.refusal.value, str(error))
        case RequestEntityTooLarge():
            return _coded("too_large", _too_large())
        case HTTPException():
            status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
            return status, status.phrase.lower().replace(" ", "_"), error.description or status.phrase
        case ClientLeft():
            return CLIENT_LEFT, "client_left", "The client closed the connection."
        case CaptioningFailed():
            return _coded("captioning_failed", str(error))
        case NotReady():
            return _coded("not_ready", str(error))
        case Busy():
            return _coded("busy", str(error))
        case DeadlineExceeded():
            return _coded("deadline_exceeded", str(error))
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _coded("internal_error", "Something went wrong here; it was logged.")


def _coded(code: str, message: str) -> tuple[int, str, str]:
    status, _ = CODES[code]
    return status, code, message


def register(app: Flask) -> None:
    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        response = failure(*explain(error))
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
        if isinstance(error, HTTPException) and response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = dict(error.get_headers()).get("Allow", "")
        return response


def _too_large() -> str:
    one, several = (current_app.config[f"MAX_{what}_BYTES"] / 2**20 for what in ("UPLOAD", "IMAGES_UPLOAD"))
    return f"It is too large: an image may have at most {one:g} MB, several in one request {several:g} MB together."


def _drain() -> None:
    """Reads on what the client still sends: closing the connection on it would hide the answer behind a reset."""
    stream, left = request.environ["wsgi.input"], _DRAINED_BYTES
    try:
        while left > 0 and (block := stream.read(min(left, 1 << 20))):
            left -= len(block)
    except (OSError, ParseException):
        pass  # the client went away by itself, or sends no HTTP
