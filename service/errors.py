"""Every failure to one JSON body and one status, in one place."""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Flask, Response, jsonify, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from model.captioner import OptionRefused
from model.images import ImageRefused, Refusal
from service.host import NotReady

log = logging.getLogger(__name__)

_STATUS = {
    Refusal.NOT_AN_IMAGE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Refusal.DAMAGED_IMAGE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Refusal.TOO_MANY_PIXELS: HTTPStatus.UNPROCESSABLE_ENTITY,
}
_RETRY_AFTER_SECONDS = 5
_DRAINED_BYTES = 256 * 1024 * 1024


class BadRequest(ValueError):
    """The request lacks something or has it twice."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def failure(status: int, code: str, message: str) -> Response:
    _drain()
    response = jsonify(error={"code": code, "message": message})
    response.status_code = status
    return response


def register(app: Flask) -> None:
    @app.errorhandler(BadRequest)
    def bad_request(error: BadRequest) -> Response:
        return failure(HTTPStatus.BAD_REQUEST, error.code, str(error))

    @app.errorhandler(OptionRefused)
    def bad_option(error: OptionRefused) -> Response:
        return failure(HTTPStatus.BAD_REQUEST, "bad_parameter", str(error))

    @app.errorhandler(ImageRefused)
    def refused(error: ImageRefused) -> Response:
        return failure(_STATUS[error.refusal], error.refusal.value, str(error))

    @app.errorhandler(NotReady)
    def not_ready(error: NotReady) -> Response:
        response = failure(HTTPStatus.SERVICE_UNAVAILABLE, "not_ready", str(error))
        response.headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
        return response

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(error: RequestEntityTooLarge) -> Response:
        limit = app.config["MAX_UPLOAD_BYTES"] / 2**20
        return failure(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too_large",
            f"The request is too large: an image may have at most {limit:g} MB.",
        )

    @app.errorhandler(ParseException)
    def not_http(error: ParseException) -> Response:
        return failure(HTTPStatus.BAD_REQUEST, "bad_request", "The request's body is not valid HTTP.")

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        response = failure(status, status.phrase.lower().replace(" ", "_"), error.description or status.phrase)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = dict(error.get_headers()).get("Allow", "")
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.exception("%s %s failed", request.method, request.path)
        return failure(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong here; it was logged.")


def _drain() -> None:
    """Reads on what the client still sends: closing the connection on it would hide the answer behind a reset."""
    stream, left = request.environ["wsgi.input"], _DRAINED_BYTES
    try:
        while left > 0 and (block := stream.read(min(left, 1 << 20))):
            left -= len(block)
    except (OSError, ParseException):
        pass  # the client went away by itself, or sends no HTTP
