"""What is seen of a request from outside: its identifier, its line in the log, its counts.

The line never holds a photograph, a file's name, the address's query or a key.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping
from time import perf_counter
from typing import Any

from flask import Flask, Response, g, request

from service.observability import metrics

log = logging.getLogger(__name__)

REQUEST_ID_HEADER = "X-Request-ID"
REQUEST_ID_PATTERN = "[A-Za-z0-9._:-]{1,128}"
_UNMATCHED = "unmatched"  # the endpoint of what was asked for and is not there


def request_id() -> str:
    """Of the request under way: the client's own where it is well-formed, else a new one."""
    if "request_id" not in g:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        g.request_id = given if re.fullmatch(REQUEST_ID_PATTERN, given) else uuid.uuid4().hex
    identifier: str = g.request_id
    return identifier


def note(milliseconds: Mapping[str, float], batch: int) -> None:
    """A photograph of the request under way was captioned: in these stages, which may become more until it is
    answered, and in a batch of that size.
    """
    g.setdefault("noted", []).append((milliseconds, batch))


def _sum_up(noted: list[tuple[Mapping[str, float], int]]) -> dict[str, Any]:
    """Counts them; for the line the longest of each stage, where there were several photographs."""
    stages: dict[str, float] = {}
    for milliseconds, _ in noted:
        for stage, spent in milliseconds.items():
            metrics.observe_stage(stage, spent / 1000)
            stages[stage] = max(round(spent, 1), stages.get(stage, 0.0))
    return {"stages": stages, "batch": max(batch for _, batch in noted)} if noted else {}


def register(app: Flask) -> None:
    """To be called before other hooks are registered: so the clock starts first, and the line is written last."""

    @app.before_request
    def begin() -> None:
        g.began = perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        seconds = perf_counter() - g.began
        noted = _sum_up(g.get("noted", []))
        response.headers[REQUEST_ID_HEADER] = request_id()
        metrics.count_request(request.url_rule.rule if request.url_rule else _UNMATCHED, response.status_code)
        if noted:
            metrics.observe_stage("total", seconds)
            timings = noted["stages"] | {"total": round(seconds * 1000, 1)}
            response.headers["Server-Timing"] = ", ".join(f"{stage};dur={spent}" for stage, spent in timings.items())
        log.info(
            "answered",
            extra={
                "request_id": request_id(),
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "milliseconds": round(seconds * 1000, 1),
                **noted,
            },
        )
        return response
