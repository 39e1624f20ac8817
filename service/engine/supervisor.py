"""Between the requests and the captioner: takes photographs in, keeps a captioner alive, hands out its captions."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal

from PIL import Image

from model.captioner import DecodingOptions, Stopwatch
from model.images import decode_image
from service.engine.batching import Queue, Request
from service.engine.captioner_process import CaptionerDied, CaptionerProcess, Failure
from service.observability import metrics
from service.settings import Settings

log = logging.getLogger(__name__)

State = Literal["starting", "ready", "busy", "failed"]

_DECODED_AT_ONCE = 2
_NEARLY_FULL = 0.9
_POLL_SECONDS = 0.2  # how often an idle captioner is looked after
_PAUSE_SECONDS = 5.0  # after a captioner that could not be loaded
_CLIENT_POLL_SECONDS = 1.0
_MOST_FAILURES = 2
_NOT_LOADED = "The model could not be loaded; the service's log says why."


class NotReady(RuntimeError):
    """The captioner is still loading, or could not be loaded."""


class DeadlineExceeded(RuntimeError):
    """The photograph was not captioned in time."""


class ClientLeft(RuntimeError):
    """Nobody waits for the answer any more."""


class CaptioningFailed(RuntimeError):
    """The captioner failed of this photograph, and again when it was alone."""


@dataclass(frozen=True)
class Captioned:
    image: Image.Image
    """What the model saw."""
    answer: dict[str, Any]
    """See model.answer.describe_captions."""
    stopwatch: Stopwatch
    batch: int
    """How many photographs were captioned together."""


class Supervisor:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.failure: str | None = None
        """Why the captioner could not be loaded, until it can."""
        self.has_given_up = False
        self.on_given_up: Callable[[], None] = lambda: None
        self._model: dict[str, str] | None = None
        self._capabilities: dict[str, Any] = {}
        self._alive = False
        self._queue = Queue(
            settings.max_queue,
            settings.max_batch,
            settings.max_wait_milliseconds / 1000,
            on_depth=metrics.set_queue_depth,
        )
        # A photograph of 40 megapixels takes some hundred megabytes while it is decoded: not for every thread at once.
        self._decoders = ThreadPoolExecutor(_DECODED_AT_ONCE, thread_name_prefix="decode")

    def start(self) -> None:
        """Returns at once; `state` tells how loading goes."""
        threading.Thread(target=self._keep_alive, name="captioner", daemon=True).start()

    @property
    def state(self) -> State:
        """`starting` also while a captioner that died is replaced: what was accepted is answered after that."""
        if self.failure:
            return "failed"
        if not self._alive:
            return "starting"
        return "busy" if self._queue.under_way >= _NEARLY_FULL * self._queue.capacity else "ready"

    @property
    def queue_depth(self) -> int:
        """How many photographs wait for the captioner."""
        return self._queue.depth

    @property
    def model(self) -> dict[str, str]:
        """Name, digest and device; see model.answer.describe_model. Raises NotReady."""
        if self.failure:
            raise NotReady(_NOT_LOADED)
        if self._model is None:
            raise NotReady("The model is being loaded; please try again in a few seconds.")
        return self._model

    @property
    def capabilities(self) -> dict[str, Any]:
        """See model.captioner.Capabilities. Raises NotReady."""
        _ = self.model
        return self._capabilities

    def check(self) -> None:
        """Whether a photograph would be accepted now, before it is read. Raises NotReady, Busy."""
        _ = self.model
        self._queue.check()

    def caption(
        self, uploads: Sequence[bytes | Exception], options: DecodingOptions, has_left: Callable[[], bool]
    ) -> list[Captioned | Exception]:
        """For each encoded photograph its captions, or why it has none: ImageRefused, DeadlineExceeded,
        CaptioningFailed, NotReady, or what stands in its place.

        Raises NotReady and Busy where none is accepted, ClientLeft where `has_left` says so before they are done.
        """
        _ = self.model
        until = monotonic() + self.settings.deadline_seconds
        works = self._queue.admit(len(uploads), options)
        try:
            for work, upload in zip(works, uploads, strict=True):
                self._decode(work, upload, until)
            return [_outcome(work, until, has_left) for work in works]
        finally:
            self._queue.release(works)

    def _decode(self, work: Request, upload: bytes | Exception, until: float) -> None:
        if isinstance(upload, Exception):
            work.answer.set_exception(upload)
            return
        decoding = self._decoders.submit(_timed_decode, upload, work.stopwatch)
        try:
            self._queue.put(work, decoding.result(until - monotonic()))
        except NotInTime:
            decoding.cancel()
            work.answer.set_exception(_too_late())
        except Exception as error:  # of this photograph alone
            work.answer.set_exception(error)

    def _keep_alive(self) -> None:
        """Has a captioner at work, and another when it dies, for as long as the model can be loaded."""
        failures = 0
        while failures < self.settings.load_tries:
            try:
                self._run_captioner()
            except Exception as error:
                failures += 1
                self.failure = error.message if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
                details = error.details if isinstance(error, Failure) else traceback.format_exc()
                tries = self.settings.load_tries
                log.error("the captioner cannot be loaded (%d of %d): %s\n%s", failures, tries, self.failure, details)
                time.sleep(_PAUSE_SECONDS)
            else:
                failures = 0
        for work in self._queue.clear():
            work.answer.set_exception(NotReady(_NOT_LOADED))
        log.error("the captioner is given up: %s", self.failure)
        self.has_given_up = True
        self.on_given_up()

    def _run_captioner(self) -> None:
        """From its start to its death. Raises Failure where the model cannot be loaded, and what the system raises
        where no process can be started.
        """
        process = CaptionerProcess(self.settings)
        try:
            self._model, self._capabilities = process.load()
            self.failure, self._alive = None, True
            metrics.set_model(**self._model)
            log.info("ready: %(name)s on %(device)s, %(digest)s", self._model)
            self._feed(process)
        except CaptionerDied:
            log.warning("the captioner died with exit status %d; another is started", process.end())
        finally:
            self._alive = False
            process.end()

    def _feed(self, process: CaptionerProcess) -> None:
        """Raises CaptionerDied; what it was at then is in the queue again."""
        while process.is_alive():
            batch = self._queue.take(_POLL_SECONDS)
            if batch:
                self._caption_batch(process, batch)
        raise CaptionerDied

    def _caption_batch(self, process: CaptionerProcess, batch: Sequence[Request]) -> None:
        """Raises CaptionerDied."""
        images = [work.image for work in batch if work.image]
        try:
            answers, milliseconds = process.caption(images, batch[0].options)
        except Failure as failure:
            log.error("captioning failed: %s\n%s", failure.message, failure.details)
            self._try_again(batch)
        except CaptionerDied:
            self._try_again(batch)
            raise
        else:
            metrics.observe_batch(len(batch))
            for work, answer in zip(batch, answers, strict=True):
                work.finish(answer, milliseconds, len(batch))

    def _try_again(self, batch: Sequence[Request]) -> None:
        for work in batch:
            work.failures += 1
            if work.failures == _MOST_FAILURES:
                work.answer.set_exception(CaptioningFailed("The model failed of this photograph; it was logged."))
        self._queue.requeue([work for work in batch if not work.answer.done()])


def _timed_decode(upload: bytes, stopwatch: Stopwatch) -> Image.Image:
    with stopwatch.stage("decode"):
        return decode_image(upload)


def _outcome(work: Request, until: float, has_left: Callable[[], bool]) -> Captioned | Exception:
    """Waits for it. Raises ClientLeft."""
    while True:
        left = until - monotonic()
        try:
            answer = work.answer.result(max(0.0, min(left, _CLIENT_POLL_SECONDS)))
        except NotInTime:
            if left <= 0:
                return _too_late()
            if has_left():
                raise ClientLeft from None
        except Exception as error:
            return error
        else:
            assert work.image is not None
            return Captioned(work.image, answer, work.stopwatch, work.batch)


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded("The photograph was not captioned in time; please try again later.")
