"""Load through each of the doors beside /predict, in turns on one server: python -m benchmarks.doors"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import tyro

from benchmarks.asking import DOORS
from benchmarks.client import Clients
from benchmarks.client import Config as ClientConfig
from benchmarks.measure import machine, milliseconds, run_part, table
from benchmarks.server import running_server

_FIRST = "/predict"


@dataclass(frozen=True)
class Config:
    clients: int = 16
    seconds: float = 8
    """For each door and round."""
    rounds: int = 5
    """In each every door has its turn, so that what else the machine does falls on all of them."""
    output: Path = Path("docs/benchmarks")


def run(config: Config) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {door: [] for door in DOORS}
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        server.wait_until_healthy()
        _measure(server.url, _FIRST, config)  # the way there
        for turn in range(config.rounds):
            for door in sorted(DOORS, reverse=turn % 2 == 1):
                found[door].append(_measure(server.url, door, config))
    plain = [turn["per_second"] for turn in found[_FIRST]]
    doors = {
        door: {
            "per_second": median(turn["per_second"] for turn in turns),
            "of_predict": median(turn["per_second"] / other for turn, other in zip(turns, plain, strict=True)),
            "p50": median(turn["p50"] for turn in turns),
            "p95": median(turn["p95"] for turn in turns),
            "others": sum(turn["others"] for turn in turns),
        }
        for door, turns in found.items()
    }
    return {"machine": machine(), "clients": config.clients, "rounds": config.rounds, "doors": doors}


def _measure(url: str, door: str, config: Config) -> dict[str, Any]:
    outcome = Clients(ClientConfig(url, config.clients, config.seconds, door=door)).outcome()
    others = sum(count for status, count in outcome.statuses.items() if status != "200")
    return {"per_second": outcome.rate, **milliseconds(outcome.latencies), "others": others}


def describe(record: dict[str, Any]) -> str:
    header = ["door", "captions / s", "of /predict's", "p50 ms", "p95 ms", "other than 200"]
    rows = [
        [door, one["per_second"], f"{one['of_predict']:.0%}", one["p50"], one["p95"], one["others"]]
        for door, one in record["doors"].items()
    ]
    told = f"{record['clients']} clients; medians of {record['rounds']} rounds, in which every door has its turn.\n"
    return table(header, rows) + "\n" + told


def main() -> None:
    run_part("doors", tyro.cli(Config, description=__doc__), run, describe)


if __name__ == "__main__":
    main()
