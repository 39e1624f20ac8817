"""OpenAI's chat completions and models, for programs that caption with those: their base URL is this service's
address with /v1 (platform.openai.com/docs/api-reference/chat).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, jsonify

from service.adapters import openai_schemas
from service.adapters.adapter import Adapter
from service.adapters.asking import Answer, ask, check_model, model_names, options_of, pieces, stops_of
from service.adapters.conversation import read_messages
from service.adapters.streaming import events
from service.adapters.structured import read_format
from service.captioning import current_host
from service.errors import Failure
from service.intake.request import read_json

blueprint = Blueprint("openai", __name__, url_prefix="/v1")

_NAMES = {"n": "num_captions", "max_tokens": "max_words", "max_completion_tokens": "max_words"}
_WITHOUT_EFFECT: dict[str, tuple[object, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "tool_choice": ("auto", "none"),
    "function_call": ("auto", "none"),
}
"""What would change the answer and cannot be done, with the values by which it would not."""
_CODES = {"unauthorized": "invalid_api_key", "too_many_requests": "rate_limit_exceeded"}  # by which clients know them
_STARTED = int(time.time())


@blueprint.post("/chat/completions")
def chat_completions() -> Response:
    current_host().check()
    body = read_json(several=True)
    check_model(body)
    wanted = read_format(body.get("response_format"), "response_format")
    ignored = [name for name, harmless in _WITHOUT_EFFECT.items() if body.get(name) not in (None, *harmless)]
    question = read_messages(body.get("messages"), "messages")
    question = replace(question, ignored=(*question.ignored, *ignored))
    options, stop = options_of(body, _NAMES, question.prompt, wanted), stops_of(body.get("stop"), "stop")
    answer = ask(question, options, wanted, "response_format", stop)
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model_names()[0],
        "system_fingerprint": current_host().model["digest"][:20],
        "language": answer.language,
    }
    head |= {"warning": answer.warning} if answer.warning else {}
    if body.get("stream") is True:
        stream_options = body.get("stream_options")
        with_usage = isinstance(stream_options, dict) and stream_options.get("include_usage") is True
        return events(_chunks(head | {"object": "chat.completion.chunk"}, answer, with_usage), "data: [DONE]\n\n")
    return jsonify(head | {"choices": _choices(answer), "usage": _usage(answer)})


@blueprint.get("/models")
def models() -> Response:
    return jsonify(object="list", data=[_model(name) for name in model_names()])


@blueprint.get("/models/<path:name>")
def model(name: str) -> Response:
    check_model({"model": name})
    return jsonify(_model(name if name in model_names() else model_names()[0]))


def describe_failure(failed: Failure) -> dict[str, Any]:
    kind = "server_error" if failed.status >= 500 else "invalid_request_error"
    code = _CODES.get(failed.code, failed.code)
    return {"error": {"message": failed.message, "type": kind, "param": failed.param, "code": code}}


def _choices(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "message": {"role": "assistant", "content": text, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": _reason(answer),
        }
        for index, text in enumerate(answer.texts)
    ]


def _chunks(head: dict[str, Any], answer: Answer, with_usage: bool) -> Iterator[dict[str, Any]]:
    usage = {"usage": None} if with_usage else {}

    def chunk(index: int, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return head | {"choices": [choice]} | usage

    for index, text in enumerate(answer.texts):
        yield chunk(index, {"role": "assistant", "content": "", "refusal": None})
        for piece in pieces(text):
            yield chunk(index, {"content": piece})
        yield chunk(index, {}, _reason(answer))
    if with_usage:
        yield head | {"choices": [], "usage": _usage(answer)}


def _reason(answer: Answer) -> str:
    return "length" if answer.is_cut else "stop"


def _usage(answer: Answer) -> dict[str, int]:
    """Words stand for tokens."""
    total = answer.words_in + answer.words_out
    return {"prompt_tokens": answer.words_in, "completion_tokens": answer.words_out, "total_tokens": total}


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": "image-captioner"}


ADAPTER = Adapter(blueprint, ("/v1/",), describe_failure, openai_schemas.chat_doors, openai_schemas.CHAT)
