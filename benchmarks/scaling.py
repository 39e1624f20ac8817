"""One process and a cluster's workers, and from there to a billion photographs: python -m benchmarks.scaling"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import tyro

from benchmarks.measure import machine, put_in, run_part, table, timed
from benchmarks.photographs import photographs
from cluster.job import Done, Plan, tasks_left
from cluster.job import run as run_job
from collection.job import Job
from collection.walk import find_photographs
from model.images import decode_image
from model.registry import load_captioner
from model.settings import ModelSettings

BILLION = 1_000_000_000
DOLLARS_AN_HOUR = {"2 cores": 0.09, "T4": 0.53, "V100": 3.06}
"""Assumed; the order of what large clouds ask for such a machine on demand."""
RESNET_PER_SECOND = {"T4": 426, "V100": 1229}
"""Published by NVIDIA for ResNet-50 v1.5 alone, single precision, batches of 128 (docs/scaling.md says where)."""
GPU_SHARE = 0.5
"""Assumed: of that rate, what is left with the decoder and with photographs that must first come to the GPU."""


@dataclass(frozen=True)
class Config:
    photographs: int = 640
    workers: tuple[int, ...] = (1, os.cpu_count() or 1)
    """Of a core each."""
    output: Path = Path("docs/benchmarks")
    document: Path = Path("docs/scaling.md")


def run(config: Config) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "photographs"
        folder.mkdir()
        files = photographs(config.photographs)
        for number, data in enumerate(files):
            (folder / f"{number:06}.jpg").write_bytes(data)
        decoding = timed(lambda: [decode_image(data) for data in files])
        return {
            "machine": machine(),
            "photographs": len(files),
            "bytes_read": sum(map(len, files)) / len(files),
            "decode_ms": decoding / len(files) * 1000,
            "one_process": _one_process(folder),
            "workers": [_workers(folder, Path(scratch) / f"by-{count}", count) for count in config.workers],
        }


def _one_process(folder: Path) -> dict[str, Any]:
    paths = list(find_photographs([str(folder)]))
    job = Job(load_captioner(ModelSettings(device="cpu")))
    list(job.run(paths[: job.batch_size]))  # the first pass sets up kernels
    seconds = timed(lambda: list(job.run(paths)))
    return {"images_per_second": len(paths) / seconds}


def _workers(folder: Path, output: Path, count: int) -> dict[str, Any]:
    settings = ModelSettings(
        checkpoint=Path("best_model.pth").absolute(), vocabulary=Path("vocab.pkl").absolute(), device="cpu"
    )
    plan = Plan(str(folder), str(output), model=settings, actors=count, part_batches=2)
    tasks, _ = tasks_left(plan)
    start = perf_counter()
    done = list(run_job(plan, tasks))
    return {
        "count": count,
        "images_per_second": rate(done),
        "seconds": perf_counter() - start,
        "bytes_written": sum(file.stat().st_size for file in output.glob("part-*")) / len(list(folder.iterdir())),
    }


def rate(parts: Iterable[Done]) -> float:
    """Photographs a second of all workers together while they work: without the cluster's start and end."""
    counts: dict[tuple[str, int], int] = defaultdict(int)
    seconds: dict[tuple[str, int], float] = defaultdict(float)
    for part in parts:
        counts[part.host, part.process] += part.photographs
        seconds[part.host, part.process] += part.seconds
    return sum((counts[worker] / seconds[worker] for worker in counts), 0.0)


def describe(record: dict[str, Any]) -> str:
    one = record["one_process"]["images_per_second"]
    rows = [(f"one process, {record['machine']['threads']} threads", one, one * 86_400, 1.0)]
    for workers in record["workers"]:
        name = f"a Ray job of {workers['count']} worker{'s' * (workers['count'] > 1)}, a thread each"
        found = workers["images_per_second"]
        rows.append((name, found, found * 86_400, found / one))
    measured = table(["measured", "photographs a second", "a day", "of one process"], rows)
    best = record["workers"][-1]
    rates = {"2 cores": best["images_per_second"]}
    rates |= {f"{name}": GPU_SHARE * alone for name, alone in RESNET_PER_SECOND.items()}
    billion = table(
        ["a billion photographs", "a second", "machine hours", "machines for a day", "for 30 days", "$ a million", "$"],
        [
            (
                f"{name}, {'measured' if name == '2 cores' else 'estimated'}",
                each,
                (hours := BILLION / each / 3600),
                _machines(hours, 24),
                _machines(hours, 24 * 30),
                DOLLARS_AN_HOUR[name] * hours / 1000,
                DOLLARS_AN_HOUR[name] * hours,
            )
            for name, each in rates.items()
        ],
    )
    transfer = table(
        ["what it moves", "read, TB", "written as Parquet, TB", *(f"MB/s into a {name} machine" for name in rates)]
        + [f"cores that decode for a {name}" for name in RESNET_PER_SECOND],
        [
            (
                "a billion photographs like these",
                record["bytes_read"] * BILLION / 1e12,
                best["bytes_written"] * BILLION / 1e12,
                *(each * record["bytes_read"] / 1e6 for each in rates.values()),
                *(rates[name] * record["decode_ms"] / 1000 for name in RESNET_PER_SECOND),
            )
        ],
    )
    return f"{measured}\n{billion}\n{transfer}"


def _machines(hours: float, available: float) -> int:
    return -int(-hours // available)


def main() -> None:

    config = tyro.cli(Config, description=__doc__)
    record = run_part("scaling", config, run, describe)
    config.document.write_text(put_in(config.document.read_text(), {"scaling": describe(record)}))


if __name__ == "__main__":
    main()
