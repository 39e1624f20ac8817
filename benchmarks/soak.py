"""Full load for minutes, the captioner killed in the middle of it: python -m benchmarks.soak --minutes 10

Every answer is compared with what its photograph was answered alone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import tyro

from benchmarks.client import Clients, alone
from benchmarks.client import Config as ClientConfig
from benchmarks.measure import machine, milliseconds, run_part, table
from benchmarks.server import Server, running_server


@dataclass(frozen=True)
class Config:
    minutes: float = 10
    clients: int = 32
    photographs: int = 64
    output: Path = Path("docs/benchmarks")


def captioner_of(server: Server) -> psutil.Process:
    """The process that holds the model."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    [captioner] = [child for child in children if any("captioner_process" in part for part in child.cmdline())]
    return captioner


def measure(server: Server, config: Config) -> dict[str, Any]:
    """`unanswered`: no answer came, or one that tells of a failure; a refusal with 503 was never accepted."""
    with tempfile.TemporaryDirectory() as folder:
        expected = Path(folder) / "expected.json"
        expected.write_text(json.dumps(alone(server.url, config.photographs)))
        seconds = config.minutes * 60
        clients = Clients(
            ClientConfig(server.url, config.clients, seconds, photographs=config.photographs, expected=expected)
        )
        time.sleep(seconds / 2)
        killed = captioner_of(server)
        os.kill(killed.pid, signal.SIGKILL)
        outcome = clients.outcome()
    return {
        "seconds": outcome.seconds,
        "clients": config.clients,
        "statuses": outcome.statuses,
        "answered": len(outcome.latencies),
        "refused": outcome.statuses.get("503", 0),
        "unanswered": sum(count for status, count in outcome.statuses.items() if status not in ("200", "503")),
        "wrong": outcome.wrong,
        "replaced": captioner_of(server).pid != killed.pid,
        "per_second": outcome.rate,
        **milliseconds(outcome.latencies),
        "longest": max(outcome.latencies) * 1000,
    }


def run(config: Config) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        server.wait_until_healthy()
        return {"machine": machine()} | measure(server, config)


def describe(record: dict[str, Any]) -> str:
    names = ["answered", "wrong", "unanswered", "refused", "per_second", "p50", "p95", "longest"]
    header = [f"{record['seconds']:.0f} s, {record['clients']} clients", *names]
    return table(header, [["captioner killed in the middle", *(record[name] for name in names)]])


def main() -> int:
    record = run_part("soak", tyro.cli(Config, description=__doc__), run, describe)
    return int(record["wrong"] + record["unanswered"] > 0 or not record["replaced"])


if __name__ == "__main__":
    sys.exit(main())
