"""The service's own doors: the page, the health checks and the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request

from model.answer import describe_moment
from model.images import LONGEST_SIDE
from service.captioning import caption, current_host
from service.controls import controls
from service.description import formats, media_types
from service.engine.supervisor import Captioned, NotReady
from service.errors import BadRequest, explain
from service.intake.options import accepted_languages
from service.intake.request import read_request
from service.words import choose_words, languages

blueprint = Blueprint("captions", __name__)

_ENDINGS = (".heic", ".heif")  # of what not every system knows the kind of


@blueprint.get("/")
def page() -> Response:
    language, words = choose_words(accepted_languages())
    html = render_template(
        "index.html",
        language=language,
        say=words.__getitem__,
        names={tag: its["name"] for tag, its in languages().items()},
        caption_languages=" ".join(_caption_languages()),
        controls=controls(),
        accepted=",".join((*media_types(), *(_ENDINGS if "HEIC" in formats() else ()))),
        longest_side=LONGEST_SIDE,
        max_upload_bytes=current_app.config["MAX_UPLOAD_BYTES"],
    )
    response = Response(html, content_type="text/html; charset=utf-8")
    response.content_language.add(language)
    response.vary.add("Accept-Language")
    return response


def _caption_languages() -> Sequence[str]:
    """None while they are not known: the page asks again."""
    try:
        languages: Sequence[str] = current_host().capabilities["languages"]
    except NotReady:
        return ()
    return languages


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


@blueprint.get("/livez")
def alive() -> Response:
    """200 as long as requests are answered at all, whatever the model does."""
    return jsonify(status="alive")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """200 when a photograph would be captioned, else 503: what /health says, in its status alone."""
    state = current_host().state
    return jsonify(status=state), HTTPStatus.OK if state in ("ready", "busy") else HTTPStatus.SERVICE_UNAVAILABLE


@blueprint.post("/predict")
def predict() -> Response:
    """A photograph and options to captions; see README for the parameters and the answer."""
    current_host().check()  # nothing is read or decoded for a captioner that cannot answer
    asked = read_request(include_image=True)
    if len(asked.uploads) > 1:
        raise BadRequest("too_many_images", "Send one photograph a request, or several to /predict/batch.")
    [outcome] = caption(asked.uploads, asked.options)
    if isinstance(outcome, Exception):
        raise outcome
    if request.accept_mimetypes.best_match(["application/json", "text/plain"]) == "text/plain":
        return Response(outcome.answer["caption"], content_type="text/plain; charset=utf-8")
    return jsonify(_answer(outcome, asked.include_image))


@blueprint.post("/predict/batch")
def predict_batch() -> Response:
    """Several photographs, with the same options, to a result or an error each, in their order."""
    current_host().check()
    asked = read_request(include_image=False, several=True)
    outcomes = caption(asked.uploads, asked.options)
    return jsonify(results=[_result(outcome, asked.include_image) for outcome in outcomes], model=current_host().model)


def _answer(captioned: Captioned, include_image: bool) -> dict[str, Any]:
    return captioned.answer | describe_moment(captioned.image, captioned.stopwatch, include_image=include_image)


def _result(outcome: Captioned | Exception, include_image: bool) -> dict[str, Any]:
    """An item of a batch's answer, which tells the model once for all."""
    if isinstance(outcome, Exception):
        failed = explain(outcome)
        return {"error": {"code": failed.code, "message": failed.message}}
    answer = _answer(outcome, include_image)
    del answer["model"]
    return answer
