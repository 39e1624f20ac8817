"""Every failure to one status and one JSON body, in one place; a door may have a shape of its own for the body."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

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
    "no_image": (HTTPStatus.BAD_REQUEST, "no photograph came"),
    "empty_image": (HTTPStatus.BAD_REQUEST, "a photograph of 0 bytes came"),
    "wrong_field": (HTTPStatus.BAD_REQUEST, "the file came in a field of another name"),
    "not_a_file": (HTTPStatus.BAD_REQUEST, "the form's field holds a text instead of a file"),
    "no_boundary": (HTTPStatus.BAD_REQUEST, "the form's Content-Type has no boundary"),
    "bad_multipart": (HTTPStatus.BAD_REQUEST, "the form cannot be read"),
    "bad_json": (HTTPStatus.BAD_REQUEST, "the body is not a JSON object"),
    "bad_base64": (HTTPStatus.BAD_REQUEST, "the photograph is not base64"),
    "remote_image": (HTTPStatus.BAD_REQUEST, "an address in place of a photograph: nothing is fetched"),
    "bad_schema": (HTTPStatus.BAD_REQUEST, "the JSON schema for the answer cannot be used"),
    "too_many_images": (HTTPStatus.BAD_REQUEST, "more photographs than a request may have"),
    "bad_parameter": (HTTPStatus.BAD_REQUEST, "an option has a value that it cannot have"),
    "bad_request": (HTTPStatus.BAD_REQUEST, "what came is not HTTP"),
    "unauthorized": (HTTPStatus.UNAUTHORIZED, "the API key is missing or wrong"),
    "cross_site": (HTTPStatus.FORBIDDEN, "another site's page asks for what only the service's own may"),
    "not_found": (HTTPStatus.NOT_FOUND, "there is nothing at this path"),
    "model_not_found": (HTTPStatus.NOT_FOUND, "the model has another name"),
    "method_not_allowed": (HTTPStatus.METHOD_NOT_ALLOWED, "the path has other methods"),
    "conflict": (HTTPStatus.CONFLICT, "somebody decided meanwhile, or there is another caption by now"),
    "too_large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "more bytes, or parts, than a request may have"),
    "unsupported_media_type": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a Content-Type that is not read"),
    "urlencoded_form": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a form of a kind that cannot hold a photograph"),
    "compressed_body": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a body with a Content-Encoding"),
    "not_an_image": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not a photograph in a format that is read"),
    "damaged_image": (HTTPStatus.UNPROCESSABLE_ENTITY, "the photograph is truncated or corrupt"),
    "too_many_pixels": (HTTPStatus.UNPROCESSABLE_ENTITY, "the photograph has too many pixels"),
    "schema_not_filled": (HTTPStatus.UNPROCESSABLE_ENTITY, "the JSON schema asks for what is not known"),
    "too_many_requests": (HTTPStatus.TOO_MANY_REQUESTS, "more requests from one address than it may make"),
    "internal_error": (HTTPStatus.INTERNAL_SERVER_ERROR, "a mistake of the service's, which is logged"),
    "captioning_failed": (HTTPStatus.INTERNAL_SERVER_ERROR, "the model failed of this photograph, twice"),
    "not_ready": (HTTPStatus.SERVICE_UNAVAILABLE, "the model is being loaded, or could not be"),
    "busy": (HTTPStatus.SERVICE_UNAVAILABLE, "as many photographs as may are under way already"),
    "service_unavailable": (HTTPStatus.SERVICE_UNAVAILABLE, "the collection cannot be read or written just now"),
    "deadline_exceeded": (HTTPStatus.GATEWAY_TIMEOUT, "the photograph was not captioned in time"),
}
"""Status and meaning of every code that an error can have."""

_RETRY_AFTER_SECONDS = 5
_DRAINED_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Failure:
    status: int
    code: str
    message: str
    param: str | None = None
    """The part of the request that is at fault, where that is known."""


Shape = Callable[[Failure], dict[str, Any]]
"""A failure to the JSON that a door answers."""


class BadRequest(ValueError):
    """The request lacks something, has it twice or has it wrong."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.param = code, param


class AtFault(Exception):
    """What went wrong, and of which part of the request."""

    def __init__(self, cause: Exception, param: str) -> None:
        super().__init__(param)
        self.cause, self.param = cause, param


def failure(status: int, code: str, message: str) -> Response:
    return respond(Failure(status, code, message))


def respond(failed: Failure) -> Response:
    """In the shape of the door that was asked at."""
    _drain()
    response = jsonify(_shape()(failed))
    response.status_code = failed.status
    return response


def _shape() -> Shape:
    """That of the blueprint that answers, or, where none does, of the API that the path looks like."""
    shapes: list[tuple[str, tuple[str, ...], Shape]] = current_app.extensions.get("shapes", [])
    for name, prefixes, shape in shapes:
        if request.blueprint == name or (request.blueprint is None and request.path.startswith(prefixes)):
            return shape
    return _describe


def _describe(failed: Failure) -> dict[str, Any]:
    return {"error": {"code": failed.code, "message": failed.message, "request_id": request_id()}}


def explain(error: Exception) -> Failure:
    """What nobody foresaw is logged."""
    match error:
        case AtFault():
            return replace(explain(error.cause), param=error.param)
        case BadRequest():
            return replace(_coded(error.code, str(error)), param=error.param)
        case OptionRefused():
            return replace(_coded("bad_parameter", str(error)), param=error.name)
        case ParseException():
            return _coded("bad_request", "The request's body is not valid HTTP.")
        case ImageRefused():
            return _coded(error.refusal.value, str(error))
        case RequestEntityTooLarge():
            return _coded("too_large", too_large())
        case HTTPException():
            status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
            return Failure(status, status.phrase.lower().replace(" ", "_"), error.description or status.phrase)
        case ClientLeft():
            return Failure(CLIENT_LEFT, "client_left", "The client closed the connection.")
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


def _coded(code: str, message: str) -> Failure:
    status, _ = CODES[code]
    return Failure(status, code, message)


def register(app: Flask) -> None:
    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        response = respond(explain(error))
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
        if isinstance(error, HTTPException) and response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = dict(error.get_headers()).get("Allow", "")
        return response


def too_large() -> str:
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
