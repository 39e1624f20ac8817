"""gunicorn's worker with threads, as a worker class of one's own may be (docs.gunicorn.org, worker_class): its clients
have deadlines, and what is refused before the application is asked is answered in JSON, too.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from service.clients import Listener, PatientSocket
from service.settings import Settings

log = logging.getLogger(__name__)

_STATUSES = {
    errors.InvalidResponseHeader: HTTPStatus.INTERNAL_SERVER_ERROR,  # the application's own
    errors.InvalidResponseHeaderName: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.ForbiddenProxyRequest: HTTPStatus.FORBIDDEN,
    errors.ParseException: HTTPStatus.BAD_REQUEST,
}
_LONGEST_MESSAGE = 200


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    sockets: list[Any]

    def init_process(self) -> None:
        seconds = Settings.from_environment(os.environ).client_timeout_seconds
        self.sockets = [Listener(listening, seconds) for listening in self.sockets]
        super().init_process()

    def handle_error(self, req: Any, client: PatientSocket, addr: Any, exc: Exception) -> None:
        """See service/errors.py, which is not asked here: there is no request yet, or the application has failed."""
        status = next(
            (its for kind, its in _STATUSES.items() if isinstance(exc, kind)), HTTPStatus.INTERNAL_SERVER_ERROR
        )
        identifier = uuid.uuid4().hex
        more = {"request_id": identifier, "status": int(status)}
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("a request failed", exc_info=exc, extra=more)
        else:
            log.warning("refused", extra=more)
        code = status.phrase.lower().replace(" ", "_").replace("-", "_")
        message = (
            f"{status.phrase}: {exc}"[:_LONGEST_MESSAGE] if status < HTTPStatus.INTERNAL_SERVER_ERROR else status.phrase
        )
        body = json.dumps({"error": {"code": code, "message": message, "request_id": identifier}}).encode()
        head = f"HTTP/1.1 {int(status)} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        with suppress(OSError):  # the client may have left
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
