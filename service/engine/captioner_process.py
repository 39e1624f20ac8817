"""The captioner in a process of its own, so that whatever kills it (memory, a kernel's crash, a hand) loses no request.

A program of its own rather than multiprocessing's: that would run the parent's main program, the server, once more.
The two speak over a socket pair: settings, then a description of the model; after that photographs and options,
then answers and timings. Only this program writes there, so pickles are safe on it.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import takewhile
from multiprocessing.connection import Connection, Pipe
from threading import Thread, Timer
from typing import Any

from PIL import Image

from model.answer import describe_captions, describe_model
from model.captioner import DecodingOptions, Stopwatch, warn_of_ignored
from model.errors import LOADING_ERRORS
from service.settings import ROOT, Settings

Answer = dict[str, Any]

# OpenMP's threads spin where they wait for one another. As long as GNU's do by default, they take the cores from the
# requests and the photographs' decoding: under load that made a pass three times slower. So few turns cost nothing.
_PATIENCE = {"GOMP_SPINCOUNT": "10000"}
_STANDARD_ERROR = 2
_KEPT_LINES = 100
_FATAL = "Fatal Python error"  # where faulthandler begins to tell what the signal tells, too
_ADVICE: dict[int, str] = {
    signal.SIGKILL: "the system does so where memory runs out",
    signal.SIGILL: "this processor lacks instructions that PyTorch needs",
}
_DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG


class CaptionerDied(RuntimeError):
    """The process ended, or was ended because it hung."""


class Failure(Exception):
    """What went wrong in the process, which goes on where it had loaded its model; `details` is for the log."""

    def __init__(self, message: str, details: str) -> None:
        super().__init__(message, details)
        self.message, self.details = message, details


class CaptionerProcess:
    """The parent's end."""

    def __init__(self, settings: Settings) -> None:
        """Starts the process; `load` waits for it."""
        self._settings = settings
        self._connection, theirs = Pipe()
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from service.engine.captioner_process import serve; serve({descriptor})"],
                cwd=ROOT,
                env=_PATIENCE | os.environ,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[descriptor],
            )
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self._listening = Thread(target=self._listen, name="captioner's messages", daemon=True)
        self._listening.start()

    def load(self) -> tuple[dict[str, str], dict[str, Any]]:
        """The model's name, digest and device, and its capabilities. Raises Failure where it cannot be loaded."""
        try:
            model, capabilities = self._ask(self._settings)
        except CaptionerDied as error:
            raise Failure(self._how_it_died(), "") from error
        return model, capabilities

    def caption(self, images: Sequence[Image.Image], options: DecodingOptions) -> tuple[list[Answer], dict[str, float]]:
        """For each photograph its answer (model.answer.describe_captions), and milliseconds by stage for all together.

        Raises Failure, CaptionerDied; the latter also where it takes longer than `Settings.hung_after_seconds`.
        """
        watchdog = Timer(self._settings.hung_after_seconds, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            answers, milliseconds = self._ask((images, options))
            return answers, milliseconds
        finally:
            watchdog.cancel()

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> int:
        """Its exit status, negative for a signal. It has nothing to save: it is killed."""
        self._process.kill()
        self._connection.close()
        return self._process.wait()

    def _listen(self) -> None:
        """What it says on standard error goes on to the log; the last of it may tell why it died."""
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                os.write(_STANDARD_ERROR, line)
                self._said.append(line.decode(errors="replace").strip())

    def _how_it_died(self) -> str:
        status = self._process.wait()
        self._listening.join(1)
        how = f"ended with exit status {status}"
        if status < 0:
            how = f"was ended by signal {-status} ({signal.strsignal(-status)})"
        said = list(takewhile(lambda line: not line.startswith(_FATAL), filter(None, self._said)))
        parts = (
            f"the captioner's process {how} while it was loading",
            _ADVICE.get(-status, ""),
            f"it last said: {said[-1]}" if said else "",
        )
        return "; ".join(filter(None, parts))

    def _ask(self, question: object) -> Any:
        try:
            self._connection.send(question)
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise CaptionerDied from error
        if isinstance(answer, Failure):
            raise answer
        return answer


def serve(descriptor: int) -> None:
    """The process itself; it ends when its parent does."""
    faulthandler.enable()
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal and service managers send them to every process;
        signal.signal(number, signal.SIG_IGN)  # the parent still wants the answers
    if sys.platform == "linux":  # elsewhere the pipe's end tells, but not while a batch is on
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    with Connection(descriptor) as connection, suppress(EOFError, OSError):  # those come when the parent has ended
        _answer(connection)


def _answer(connection: Connection) -> None:
    settings: Settings = connection.recv()
    try:
        from model.registry import load_captioner  # brings PyTorch, which the parent does without
        from model.style.captions import caption_images

        captioner = load_captioner(settings.model)
        captioner.caption([Image.new("RGB", (64, 64))])  # the first pass sets up kernels: not at a user's expense
    except BaseException as error:  # whatever it is, an exit too, /health must tell it
        connection.send(_failure(error))
        return
    connection.send((describe_model(captioner), asdict(captioner.capabilities)))
    while True:
        images, options = connection.recv()
        warn_of_ignored(captioner, options)
        stopwatch = Stopwatch()
        try:
            ranked = caption_images(captioner, images, options, stopwatch)
        except Exception as error:  # a photograph that it fails of is not the end of the others
            connection.send(_failure(error))
        else:
            connection.send(([describe_captions(captions, captioner) for captions in ranked], stopwatch.milliseconds))


def _failure(error: BaseException) -> Failure:
    return Failure(_reason(error), "".join(traceback.format_exception(error)))


def _reason(error: BaseException) -> str:
    """For who runs the service."""
    if isinstance(error, ImportError):
        return f"a package is missing or broken here: {error}; pip install -r requirements.txt"
    return str(error) if isinstance(error, LOADING_ERRORS) and str(error) else f"{type(error).__name__}: {error}"
