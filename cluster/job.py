"""Captions in parts: a part is a run of photographs, one worker's task and one file of the output.

A part's file has a name that only its number decides and appears whole or not at all. So a worker that is killed loses
no photograph and writes none twice: another does the part from its beginning, and what is there already is not done
again by a later run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import torch

from cluster.formats import DEFAULT, FORMATS
from cluster.store import Store
from collection.job import Job
from collection.journal import describe_changes
from model.captioner import DecodingOptions
from model.files import file_digest
from model.registry import load_captioner, used_settings
from model.settings import ModelSettings

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage is reported
import ray
from ray.data import ActorPoolStrategy, DataContext

DESCRIPTION = "job.json"
_OBJECT_STORE_BYTES = 100 * 2**20  # images do not pass through it


class JobRefused(ValueError):
    """The job cannot begin, or resume, here; the message says why."""


@dataclass(frozen=True)
class Plan:
    """What is captioned, how, and by how many."""

    input: str
    """Address of a folder; see cluster.store.Store."""
    output: str
    format: str = DEFAULT
    """One of cluster.formats.FORMATS."""
    model: ModelSettings = ModelSettings()
    options: DecodingOptions = DecodingOptions()
    languages: tuple[str, ...] = ()
    """Of captions besides the options' own."""
    batch_size: int = 16
    """Images captioned at once."""
    part_batches: int = 32
    """Batches in a part: what a killed worker loses at most."""
    actors: int = 2
    """Workers, each with a captioner of its own."""
    cpus: int = 1
    """Cores of each worker."""
    gpus: float = 0
    """GPUs of each worker."""
    cluster: str = "local"
    """Address of a Ray cluster; local: one of this machine's processes, for this job alone."""

    def describe(self, photographs: Sequence[str]) -> dict[str, Any]:
        """All that decides over what is in a file of the output. Raises OSError for a model file that is missing."""
        paths = [value for value in used_settings(self.model).values() if isinstance(value, Path)]
        weights = [file for path in paths for file in ([path] if path.suffix else sorted(path.glob("*.pth")))]
        return {
            "input": self.input,
            "photographs": len(photographs),
            "names": hashlib.sha256("\n".join(photographs).encode("utf-8", "surrogateescape")).hexdigest(),
            "format": self.format,
            "batch_size": self.batch_size,
            "part_batches": self.part_batches,
            "model": {name: str(value) for name, value in dataclasses.asdict(self.model).items()},
            "weights": [file_digest(path) for path in weights],
            "options": dataclasses.asdict(self.options),
            **({"languages": list(self.languages)} if self.languages else {}),
        }


class Task(NamedTuple):
    part: int
    photographs: list[str]
    """Their addresses."""

    def row(self) -> dict[str, Any]:
        """As it is given out: in JSON, for Ray's tables take no text with names in it that are not UTF-8."""
        return {"part": self.part, "photographs": json.dumps(self.photographs)}


class Done(NamedTuple):
    """A part that is written, and by whom."""

    part: int
    photographs: int
    failed: int
    seconds: float
    host: str
    process: int


def part_name(part: int, format: str) -> str:
    return f"part-{part:06}.{format}"


class PartWorker:
    """One process's captioner: loaded once, then a part a call."""

    def __init__(self, plan: Plan) -> None:
        torch.set_num_threads(plan.cpus)
        self.plan, self.output = plan, Store(plan.output)
        captioner = load_captioner(plan.model)
        self.job = Job(captioner, plan.options, plan.batch_size, read=Store(plan.input).read, languages=plan.languages)

    def __call__(self, task: dict[str, Any]) -> dict[str, Any]:
        """By a task's row."""
        start = perf_counter()
        records = list(chain.from_iterable(self.job.run(json.loads(task["photographs"]))))
        name = part_name(task["part"], self.plan.format)
        write = FORMATS[self.plan.format]
        self.output.save(name, lambda file: write(records, file, self.plan.languages))
        failed = sum("error" in record for record in records)
        seconds = perf_counter() - start
        return Done(task["part"], len(records), failed, seconds, socket.gethostname(), os.getpid())._asdict()


def tasks_left(plan: Plan) -> tuple[list[Task], list[Task]]:
    """All parts, and those that no earlier run of the same job wrote; the job is described in its output from now on.

    Raises StoreRefused, JobRefused, OSError.
    """
    photographs, output = Store(plan.input).photographs(), Store(plan.output)
    if not photographs:
        raise JobRefused(f"there are no photographs in {plan.input}")
    size = plan.part_batches * plan.batch_size
    tasks = [
        Task(part, photographs[start : start + size]) for part, start in enumerate(range(0, len(photographs), size))
    ]
    written = output.names()
    _agree(output, written, plan.describe(photographs))
    return tasks, [task for task in tasks if part_name(task.part, plan.format) not in written]


def _agree(output: Store, written: set[str], job: dict[str, Any]) -> None:
    if DESCRIPTION not in written:
        if written:
            raise JobRefused(f"{output.address} is not empty and no job's output; nothing is written there")
        output.save(DESCRIPTION, lambda file: file.write(json.dumps(job, indent=1).encode()))
        return
    try:
        begun = json.loads(output.load(DESCRIPTION))
        changed = describe_changes(begun, job)
    except (ValueError, AttributeError) as error:
        raise JobRefused(f"{DESCRIPTION} in {output.address} cannot be read: {error}") from error
    if changed:
        raise JobRefused(f"{output.address} was begun with {changed}; go on with that, or name another output")


def run(plan: Plan, tasks: Sequence[Task]) -> Iterator[Done]:
    """The parts as they are written, in whatever order; one that could not be written is left out, and logged.

    Ray starts another worker for one that died, and gives its part out again.
    """
    if not tasks:
        return
    _connect(plan)
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # `Done` reports progress
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1  # the other parts are written nevertheless
        done = ray.data.from_items([task.row() for task in tasks], override_num_blocks=len(tasks)).map(
            PartWorker,  # type: ignore[arg-type]  # Ray's types know functions alone
            fn_constructor_args=(plan,),
            compute=ActorPoolStrategy(size=min(plan.actors, len(tasks))),
            num_cpus=plan.cpus,
            num_gpus=plan.gpus,
        )
        for row in done.iter_rows():
            yield Done(**row)
    finally:
        ray.shutdown()


def _connect(plan: Plan) -> None:
    if plan.cluster != "local":
        ray.init(plan.cluster, logging_level=logging.WARNING)
        return
    ray.init(
        "local",
        num_cpus=plan.actors * plan.cpus + 1,  # and one that hands out the parts
        num_gpus=math.ceil(plan.actors * plan.gpus),
        object_store_memory=_OBJECT_STORE_BYTES,
        include_dashboard=False,
        logging_level=logging.WARNING,
        _system_config={"worker_niceness": 0},  # they are what the user waits for
    )
