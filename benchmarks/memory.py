"""Memory after load and after many requests, and the time from start to healthy: python -m benchmarks.memory"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil
import tyro

from benchmarks.client import Clients
from benchmarks.client import Config as ClientConfig
from benchmarks.measure import machine, run_part, table
from benchmarks.server import Server, running_server

_SAMPLES = 10


@dataclass(frozen=True)
class Config:
    requests: int = 10_000
    clients: int = 8
    output: Path = Path("docs/benchmarks")


def resident_megabytes(server: Server) -> float:
    """Of the server's processes together, what they share counted once (proportional set size)."""
    parent = psutil.Process(server.process.pid)
    sizes: list[int] = [p.memory_full_info().pss for p in (parent, *parent.children(recursive=True))]
    return sum(sizes) / 1e6


def measure(server: Server, config: Config) -> dict[str, Any]:
    """`growth` is relative to the first tenth's end, by when every thread has had its first request."""
    after_load = resident_megabytes(server)
    samples: list[dict[str, Any]] = []
    for _ in range(_SAMPLES):
        part = max(1, config.requests // _SAMPLES)
        outcome = Clients(ClientConfig(server.url, config.clients, requests=part)).outcome()
        samples.append({"statuses": outcome.statuses, "megabytes": resident_megabytes(server)})
    first, last = samples[0]["megabytes"], samples[-1]["megabytes"]
    return {
        "requests": config.requests,
        "megabytes_after_load": after_load,
        "megabytes_after_requests": last,
        "growth": last / first - 1,
        "growth_since_load": last / after_load - 1,
        "samples": samples,
    }


def run(config: Config) -> dict[str, Any]:
    began = perf_counter()
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        server.wait_until_healthy()
        healthy = perf_counter() - began
        return {"machine": machine(), "seconds_to_healthy": healthy} | measure(server, config)


def describe(record: dict[str, Any]) -> str:
    header = ["start to healthy, s", "MB after load", "MB after a tenth", f"MB after {record['requests']:,} requests"]
    values = [f"{record['seconds_to_healthy']:.1f}", record["megabytes_after_load"], record["samples"][0]["megabytes"]]
    values += [record["megabytes_after_requests"], f"{record['growth']:+.1%}", f"{record['growth_since_load']:+.1%}"]
    return table([*header, "growth since the tenth", "growth since load"], [values])


def main() -> None:
    run_part("memory", tyro.cli(Config, description=__doc__), run, describe)


if __name__ == "__main__":
    main()
