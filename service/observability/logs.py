"""How lines of the log look: JSON for machines, or text for a terminal; gunicorn's own lines too."""

from __future__ import annotations

import json
import logging
from typing import Any

from flask import has_request_context
from pythonjsonlogger.core import RESERVED_ATTRS, merge_record_extra

from model.errors import SettingRefused
from service.observability.request_log import request_id

_FORMATS = ("json", "text")


def configuration(format: str) -> dict[str, Any]:
    """For logging.config.dictConfig: everything to standard output. `format` is json or text. Raises SettingRefused."""
    if format not in _FORMATS:
        raise SettingRefused(f"CAPTION_LOG_FORMAT must be json or text, not '{format}'")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": ["levelname", "name", "process", "message"],
                "rename_fields": {"levelname": "level", "name": "logger"},
                "timestamp": "time",
            },
            "text": {"()": "service.observability.logs.TextFormatter"},
        },
        "filters": {"request": {"()": "service.observability.logs.RequestFilter"}},
        "handlers": {
            "output": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": format,
                "filters": ["request"],
            }
        },
        "root": {"level": "INFO", "handlers": ["output"]},
        "loggers": {
            "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
            "flask-limiter": {"level": "WARNING"},  # its INFO names the client's address
        },
    }


class TextFormatter(logging.Formatter):
    """For reading in a terminal. The fields are JSON here too, so that no text of a client's breaks a line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = merge_record_extra(record, {}, reserved=RESERVED_ATTRS)
        return super().formatMessage(record) + (f" {json.dumps(fields, default=str)}" if fields else "")


class RequestFilter(logging.Filter):
    """Lets everything through, and gives what is logged during a request its identifier."""

    def filter(self, record: logging.LogRecord) -> bool:
        if has_request_context():
            record.request_id = request_id()
        return True
