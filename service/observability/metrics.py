"""What Prometheus is told: requests, latencies by stage, batch sizes, the queue, the model.

Under gunicorn every worker counts in files of its own in memory, and whichever is asked answers for all
(prometheus_client's multiprocess mode). The files carry the worker's slot, 0 to workers - 1, not its process: one that
replaces a dead worker goes on with its counts, so that no total falls and there are never more files than workers.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.values import MultiProcessValue

CONTENT_TYPE = CONTENT_TYPE_LATEST

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own variable
_MEMORY = Path("/dev/shm")
_PREFIX = "image-captioner-metrics-"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_PHOTOGRAPHS = (1, 2, 4, 8, 16, 32, 64)


class _Instruments:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "caption_requests", "Requests answered.", ("endpoint", "status"), registry=self.registry
        )
        self.stages = Histogram(
            "caption_stage_seconds",
            "Time that a request for captions took, by stage; total is all of it.",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "caption_batch_size",
            "Photographs captioned together.",
            buckets=_PHOTOGRAPHS,
            registry=self.registry,
        )
        self.queue = Gauge(
            "caption_queue_depth",
            "Photographs that wait for the model now.",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self.model = Gauge(
            "caption_model_info",
            "1, and which model answers.",
            ("name", "digest", "device"),
            multiprocess_mode="livemax",
            registry=self.registry,
        )


@cache
def _instruments() -> _Instruments:
    """Made when something is first counted: a process that only imports this module leaves no files."""
    return _Instruments()


def count_request(endpoint: str, status: int) -> None:
    """`endpoint` is the rule of the route, not the path that was asked for: there are only so many."""
    _instruments().requests.labels(endpoint, str(status)).inc()


def observe_stage(name: str, seconds: float) -> None:
    """One request's time in a stage: decode, queue, encoder, decoder, image, total."""
    _instruments().stages.labels(name).observe(seconds)


def observe_batch(size: int) -> None:
    """`size` photographs went through the model together."""
    _instruments().batches.observe(size)


def set_queue_depth(photographs: int) -> None:
    """To be told at every change: another worker may be the one that is asked."""
    _instruments().queue.set(photographs)


def set_model(name: str, digest: str, device: str) -> None:
    _instruments().model.labels(name, digest, device).set(1)


def render() -> bytes:
    """All metrics of all workers, in the text format of CONTENT_TYPE."""
    registry = _instruments().registry
    if folder := os.environ.get(_FOLDER):
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)
    return generate_latest(registry)


def create_folder() -> Path | None:
    """A new folder in memory for the workers' counts; what killed servers left is removed. For their parent.

    None where there is no folder in memory to write to: then each worker counts, and answers, for itself.
    """
    if not os.access(_MEMORY, os.W_OK):
        return None
    with _locked(_MEMORY):
        for folder in _MEMORY.glob(f"{_PREFIX}*"):
            _remove_if_left(folder)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY))
        # Held until this process and all that it forks have ended, however they end.
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX)
    return folder


def share(folder: Path, slot: int) -> None:
    """From now on this process counts in `folder`. No other process alive may have the same slot."""
    os.environ[_FOLDER] = str(folder)
    values.ValueClass = MultiProcessValue(lambda: slot)
    _instruments.cache_clear()


def forget(folder: Path, slot: int) -> None:
    """The process of this slot has ended: what it had waiting waits no longer; its counts stay."""
    mark_process_dead(slot, str(folder))


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    try:
        with _locked(folder, fcntl.LOCK_NB):
            remove_folder(folder)
    except OSError:
        pass  # its server lives, or it is another user's


@contextmanager
def _locked(folder: Path, flag: int = 0) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flag)
        yield
    finally:
        os.close(descriptor)
