"""Answers in pieces, for who asks for them so. All is known before the first is sent: a failure has its own status."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Response

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # no proxy is to wait for the end


def events(data: Iterable[Mapping[str, Any]], end: str = "") -> Response:
    """Server-sent events (html.spec.whatwg.org/multipage/server-sent-events.html), named by their `type` if any."""
    named = ((f"event: {one['type']}\n" if "type" in one else "") + f"data: {json.dumps(one)}\n\n" for one in data)
    return Response("".join(named) + end, content_type="text/event-stream; charset=utf-8", headers=_HEADERS)


def lines(data: Iterable[Mapping[str, Any]]) -> Response:
    """An object a line (github.com/ndjson/ndjson-spec)."""
    body = "".join(f"{json.dumps(one)}\n" for one in data)
    return Response(body, content_type="application/x-ndjson", headers=_HEADERS)
