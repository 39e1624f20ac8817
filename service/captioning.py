"""The one corridor that every door walks: photographs and options in, captions out, counted and timed alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Flask, Response, current_app, g, request

from model.captioner import DecodingOptions
from service.clients import PatientSocket
from service.engine.supervisor import Captioned, Supervisor
from service.errors import AtFault, BadRequest
from service.intake.request import Upload
from service.observability.request_log import note

MAX_IMAGES = 32


def current_host() -> Supervisor:
    host: Supervisor = current_app.extensions["captioner"]
    return host


def register(app: Flask) -> None:
    @app.after_request
    def tell_language(response: Response) -> Response:
        """For doors whose answers have no place for it, too."""
        if "language" in g:
            response.content_language.add(g.language)
            if current_host().settings.accept_language:
                response.vary.add("Accept-Language")
        return response


def check_count(photographs: int) -> None:
    """Raises BadRequest where they are more than one request may have."""
    most = min(MAX_IMAGES, current_host().settings.max_queue)
    if photographs > most:
        raise BadRequest("too_many_images", f"Send at most {most} photographs a request.")


def caption(uploads: Sequence[Upload], options: DecodingOptions) -> list[Captioned | Exception]:
    """For each photograph its captions, or why it has none. Raises what Supervisor.caption raises, BadRequest."""
    check_count(len(uploads))
    outcomes = current_host().caption(uploads, options, _client_has_left())
    for outcome in outcomes:
        if isinstance(outcome, Captioned):
            note(outcome.stopwatch.milliseconds, outcome.batch)
            g.language = outcome.answer["language"]
    return outcomes


def caption_all(uploads: Sequence[Upload], options: DecodingOptions, params: Sequence[str]) -> list[Captioned]:
    """For a request that is answered as a whole: raises AtFault for the first photograph that has no captions, with
    its place among `params`.
    """
    captioned = []
    for outcome, param in zip(caption(uploads, options), params, strict=True):
        if isinstance(outcome, Exception):
            raise AtFault(outcome, param)
        captioned.append(outcome)
    return captioned


def _client_has_left() -> Callable[[], bool]:
    connection = request.environ.get("gunicorn.socket")
    return lambda: isinstance(connection, PatientSocket) and connection.is_left
