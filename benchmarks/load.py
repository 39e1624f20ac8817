"""Clients at once, over real sockets, with batches and without: python -m benchmarks.load"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from benchmarks.client import Clients, Outcome
from benchmarks.client import Config as ClientConfig
from benchmarks.measure import machine, milliseconds, run_part, table
from benchmarks.server import running_server

SERVERS = {"batching": {}, "one at a time": {"CAPTION_MAX_BATCH": "1"}}
"""By name, the settings that differ from the defaults."""


@dataclass(frozen=True)
class Config:
    clients: tuple[int, ...] = (1, 8, 32, 128)
    seconds: float = 20
    """For each number of clients."""
    output: Path = Path("docs/benchmarks")


def measure(url: str, clients: int, seconds: float) -> dict[str, Any]:
    """`p95_over_queue`: p95 over the time in which as many photographs as there are clients are captioned, which is
    what a request waits on average where all clients always wait (Little's law).
    """
    Clients(ClientConfig(url, clients, min(seconds / 4, 3))).outcome()  # the way there
    outcome: Outcome = Clients(ClientConfig(url, clients, seconds)).outcome()
    times = milliseconds(outcome.latencies)
    return {
        "clients": clients,
        "per_second": outcome.rate,
        "statuses": outcome.statuses,
        **times,
        "p95_over_queue": times["p95"] / 1000 * outcome.rate / clients,
    }


def run(config: Config) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name, environment in SERVERS.items():
        with (
            tempfile.TemporaryDirectory() as folder,
            running_server(Path(folder), ("app.py",), **environment) as server,
        ):
            server.wait_until_healthy()
            found[name] = [measure(server.url, clients, config.seconds) for clients in config.clients]
    return {"machine": machine(), "seconds": config.seconds, "servers": found} | _gain(found)


def _gain(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Captions a second of 32 clients with batches over those of one client without."""
    many = [row["per_second"] for row in found["batching"] if row["clients"] == 32]
    alone = [row["per_second"] for row in found["one at a time"] if row["clients"] == 1]
    return {"gain_at_32": many[0] / alone[0]} if many and alone else {}


def describe(record: dict[str, Any]) -> str:
    header = ["server, clients", "captions / s", "p50 ms", "p95 ms", "p95 / queue", "other than 200"]
    rows = [
        [f"{name}, {row['clients']}", row["per_second"], row["p50"], row["p95"], row["p95_over_queue"], _others(row)]
        for name, rows in record["servers"].items()
        for row in rows
    ]
    gain = record.get("gain_at_32")
    gained = f"\n32 clients with batches: {gain:.2f} times the rate of one client without.\n" if gain else ""
    return table(header, rows) + gained


def _others(row: dict[str, Any]) -> int:
    return sum(count for status, count in row["statuses"].items() if status != "200")


def main() -> None:
    run_part("load", tyro.cli(Config, description=__doc__), run, describe)


if __name__ == "__main__":
    main()
