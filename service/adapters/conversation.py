"""OpenAI's messages to a question, as chat completions and responses have them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from service.adapters.asking import Picture, Question
from service.errors import BadRequest

_TEXTS = ("text", "input_text", "output_text")


def read_messages(messages: object, param: str) -> Question:
    """The photographs are those of the last user's message that has any; where none of a user's has, of the last that
    has. Raises BadRequest.
    """
    if not isinstance(messages, list) or not messages:
        raise BadRequest("bad_parameter", f"{param} must be a list of messages, and not an empty one.", param)
    users = others = Question([], "")
    said: list[str] = []
    for at, message in enumerate(messages):
        if not isinstance(message, dict):
            raise BadRequest("bad_parameter", f"{param}[{at}] must be a message with a role and content.", param)
        read = _read_content(message.get("content"), f"{param}[{at}].content")
        said.append(read.prompt)
        if read.pictures:
            users, others = (read, others) if message.get("role") == "user" else (users, read)
    return replace(users if users.pictures else others, prompt="\n".join(filter(None, said)))


def _read_content(content: object, param: str) -> Question:
    if content is None or isinstance(content, str):
        return Question([], content or "")
    if not isinstance(content, list):
        raise BadRequest("bad_parameter", f"{param} must be a text or a list of parts.", param)
    pictures: list[Picture] = []
    said: list[str] = []
    ignored: list[str] = []
    before = ""
    for at, part in enumerate(content):
        match part:
            case str() | {"text": str()}:
                before = part if isinstance(part, str) else part["text"]
                said.append(before)
            case {"image_url": address}:
                pictures.append(_picture(address, f"{param}[{at}].image_url", before))
                before = ""
            case {"type": "image_url" | "input_image"}:
                message = f"{param}[{at}] has no image_url: send the photograph itself in it, as a data: address."
                raise BadRequest("no_image", message, f"{param}[{at}]")
            case {"type": str() as kind} if kind not in _TEXTS:
                ignored.append(kind)
            case _:
                raise BadRequest("bad_parameter", f"{param}[{at}] must be a part with a type.", f"{param}[{at}]")
    return Question(pictures, "\n".join(said), tuple(ignored))


def _picture(address: Any, param: str, before: str) -> Picture:
    """`image_url` is an object with the address in it, or the address itself."""
    if isinstance(address, dict):
        return Picture(address.get("url"), f"{param}.url", before)
    return Picture(address, param, before)
