"""Ollama's questions (docs.ollama.com/api), for programs that caption with a model of its: their host is this service's
address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from flask import Blueprint, Response, jsonify

from service.adapters import ollama_schemas
from service.adapters.adapter import Adapter
from service.adapters.asking import (
    Answer,
    Picture,
    Question,
    ask,
    check_model,
    model_names,
    nanoseconds,
    options_of,
    pieces,
    stops_of,
)
from service.adapters.ollama_models import describe_failure
from service.adapters.streaming import lines
from service.adapters.structured import read_format
from service.captioning import current_host
from service.errors import BadRequest
from service.intake.request import read_json

blueprint = Blueprint("ollama", __name__, url_prefix="/api")

_NAMES = {"num_predict": "max_words"}


@blueprint.post("/generate")
def generate() -> Response:
    body = _read()
    if not body.get("images") and not body.get("prompt"):
        return _loaded(body, {"response": ""})
    said = [text for name in ("system", "prompt") if isinstance(text := body.get(name), str)]
    question = Question(_pictures(body.get("images"), "images", ""), "\n".join(said))
    return _answer(body, question, lambda text: {"response": text})


@blueprint.post("/chat")
def chat() -> Response:
    body = _read()
    if not body.get("messages"):
        return _loaded(body, _message(""))
    return _answer(body, _read_messages(body["messages"]), _message)


def _read() -> dict[str, Any]:
    current_host().check()
    body = read_json(several=True)
    check_model(body)
    return body


def _read_messages(messages: object) -> Question:
    """The photographs are those of the last turn of the user's that has any: frames may come in a message each."""
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise BadRequest("bad_parameter", "messages must be a list of messages.", "messages")
    turn: list[Picture] = []
    found = turn
    said: list[str] = []
    for at, message in enumerate(messages):
        content = message.get("content") or ""
        if not isinstance(content, str):
            raise BadRequest("bad_parameter", f"messages[{at}].content must be a text.", f"messages[{at}].content")
        said.append(content)
        if message.get("role") == "assistant":
            turn = []
        turn += (here := _pictures(message.get("images"), f"messages[{at}].images", content))
        found = turn if here else found
    return Question(found, "\n".join(said))


def _pictures(images: object, param: str, before: str) -> list[Picture]:
    if images is None:
        return []
    if not isinstance(images, list):
        raise BadRequest("bad_parameter", f"{param} must be a list of photographs in base64.", param)
    return [Picture(image, f"{param}[{at}]", before if len(images) == 1 else "") for at, image in enumerate(images)]


def _answer(body: Mapping[str, Any], question: Question, part: Callable[[str], dict[str, Any]]) -> Response:
    options = body.get("options") or {}
    if not isinstance(options, dict):
        raise BadRequest("bad_parameter", "options must be an object.", "options")
    stop, wanted = stops_of(options.get("stop"), "options.stop"), read_format(body.get("format"), "format")
    answer = ask(question, options_of(options, _NAMES, question.prompt, wanted), wanted, "format", stop)
    end = {"done": True, "done_reason": "length" if answer.is_cut else "stop"} | _spent(answer)
    end["language"] = answer.language
    end |= {"warning": answer.warning} if answer.warning else {}
    if body.get("stream") is False:
        return jsonify(_head(body) | part(answer.texts[0]) | end)
    begun = [_head(body) | part(piece) | {"done": False} for piece in pieces(answer.texts[0])]
    return lines([*begun, _head(body) | part("") | end])


def _loaded(body: Mapping[str, Any], nothing: dict[str, Any]) -> Response:
    """What is asked with no question: have the model in memory, or no longer. It is there all the time."""
    reason = "unload" if body.get("keep_alive") in (0, "0", "0s") else "load"
    return jsonify(_head(body) | nothing | {"done": True, "done_reason": reason})


def _message(text: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}}


def _head(body: Mapping[str, Any]) -> dict[str, Any]:
    """It names the model as it was asked for, where it has that name."""
    asked = body.get("model") or ""
    ours = asked if asked.removesuffix(":latest") in model_names() else model_names()[0]
    return {"model": ours, "created_at": datetime.now(timezone.utc).isoformat()}


def _spent(answer: Answer) -> dict[str, int]:
    """Nanoseconds, of which none is counted twice; words stand for tokens."""
    total, spent = sum(answer.milliseconds.values()), answer.milliseconds
    load, prompt = spent.get("queue", 0), spent.get("decode", 0) + spent.get("encoder", 0)
    return {
        "total_duration": nanoseconds(total),
        "load_duration": nanoseconds(load),
        "prompt_eval_count": answer.words_in,
        "prompt_eval_duration": nanoseconds(prompt),
        "eval_count": answer.words_out,
        "eval_duration": nanoseconds(total - load - prompt),
    }


ADAPTER = Adapter(blueprint, ("/api/",), describe_failure, ollama_schemas.asking_doors, ollama_schemas.ASKING)
