"""Everything that is measured, one part after the other: python -m benchmarks [--data FLICKR8K]

Writes a record a part and a plot to --output, and fills the tables of docs/benchmarks.md in. Each part is a command of
its own as well, with more settings: python -m benchmarks.load --help
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks import comparison, doors, latency, load, memory, report, runtimes, soak
from benchmarks.measure import save

Part = Literal["latency", "runtimes", "load", "doors", "comparison", "memory", "soak"]


@dataclass(frozen=True)
class Config:
    data: Path | None = None
    """Folder that training reads: adds CIDEr on its dev split to the runtimes."""
    parts: tuple[Part, ...] = ("latency", "runtimes", "load", "doors", "comparison", "memory", "soak")
    output: Path = Path("docs/benchmarks")
    document: Path = Path("docs/benchmarks.md")
    minutes: float = 10
    """Of the soak."""
    requests: int = 10_000
    """Of the part memory."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    runs: dict[Part, Callable[[], dict[str, Any]]] = {
        "latency": lambda: latency.run(latency.Config()),
        "runtimes": lambda: runtimes.run(runtimes.Config(data=config.data)),
        "load": lambda: load.run(load.Config()),
        "doors": lambda: doors.run(doors.Config()),
        "comparison": lambda: comparison.run(comparison.Config()),
        "memory": lambda: memory.run(memory.Config(requests=config.requests)),
        "soak": lambda: soak.run(soak.Config(minutes=config.minutes)),
    }
    for part in config.parts:
        record = runs[part]()
        save(config.output, part, record)
        print(f"\n{part}\n\n{report.DESCRIBE[part](record)}", flush=True)
    records = report.read(config.output)
    report.draw(records, config.output / "benchmarks.png")
    config.document.write_text(report.fill_in(config.document.read_text(), records))


if __name__ == "__main__":
    main()
