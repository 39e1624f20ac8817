"""OpenAI's Responses (platform.openai.com/docs/api-reference/responses): the same question and answer in another shape.
Nothing is kept: `store` and `previous_response_id` are accepted, and a response cannot be asked for again.
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
from service.adapters.asking import Answer, Question, ask, check_model, model_names, options_of, pieces
from service.adapters.conversation import read_messages
from service.adapters.openai import describe_failure
from service.adapters.streaming import events
from service.adapters.structured import read_format
from service.captioning import current_host
from service.errors import BadRequest
from service.intake.request import read_json

blueprint = Blueprint("responses", __name__, url_prefix="/v1")

_NAMES = {"max_output_tokens": "max_words"}
_ECHOED = (
    "instructions",
    "max_output_tokens",
    "metadata",
    "previous_response_id",
    "store",
    "temperature",
    "top_p",
    "user",
)


@blueprint.post("/responses")
def respond() -> Response:
    current_host().check()
    body = read_json(several=True)
    check_model(body)
    text = body.get("text") or {}
    if not isinstance(text, dict):
        raise BadRequest("bad_parameter", "text must be an object.", "text")
    question, wanted = _question(body), read_format(text.get("format"), "text.format")
    answer = ask(question, options_of(body, _NAMES, question.prompt, wanted), wanted, "text.format")
    described = _describe(body, answer)
    return events(_events(described)) if body.get("stream") is True else jsonify(described)


def _question(body: dict[str, Any]) -> Question:
    given, instructions = body.get("input"), body.get("instructions")
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    question = read_messages(given, "input")
    forced = ["tool_choice"] if body.get("tool_choice") not in (None, "auto", "none") else []
    said = f"{instructions}\n{question.prompt}" if isinstance(instructions, str) else question.prompt
    return replace(question, prompt=said, ignored=(*question.ignored, *forced))


def _describe(body: dict[str, Any], answer: Answer) -> dict[str, Any]:
    content = {"type": "output_text", "text": answer.texts[0], "annotations": [], "logprobs": []}
    message = {
        "type": "message",
        "id": f"msg_{uuid.uuid4().hex}",
        "status": "completed",
        "role": "assistant",
        "content": [content],
    }
    return {
        "id": f"resp_{uuid.uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "incomplete" if answer.is_cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if answer.is_cut else None,
        "model": model_names()[0],
        "language": answer.language,
        "output": [message],
        "parallel_tool_calls": True,
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "truncation": "disabled",
        "usage": {
            "input_tokens": answer.words_in,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answer.words_out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": answer.words_in + answer.words_out,
        },
        **{name: body.get(name) for name in _ECHOED},
        **({"warning": answer.warning} if answer.warning else {}),
    }


def _events(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a response goes through, numbered from 0."""
    for number, event in enumerate(_happenings(described)):
        yield event | {"sequence_number": number}


def _happenings(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    [message] = described["output"]
    [content] = message["content"]
    begun = described | {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    item = {"output_index": 0}
    part = item | {"item_id": message["id"], "content_index": 0}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    yield {"type": "response.output_item.added", **item, "item": message | {"status": "in_progress", "content": []}}
    yield {"type": "response.content_part.added", **part, "part": content | {"text": ""}}
    for piece in pieces(content["text"]):
        yield {"type": "response.output_text.delta", **part, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **part, "text": content["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **part, "part": content}
    yield {"type": "response.output_item.done", **item, "item": message}
    yield {"type": f"response.{described['status']}", "response": described}


ADAPTER = Adapter(blueprint, ("/v1/",), describe_failure, openai_schemas.response_doors, openai_schemas.RESPONSES)
