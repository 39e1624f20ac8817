"""Ways to run the captioner, each in a process of its own: python -m benchmarks.runtimes [--data FLICKR8K]

With --data, a folder that training reads, also CIDEr on its dev split, int8 being calibrated on its training split.
Its test split is not read.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from benchmarks.measure import machine, run_part, table
from benchmarks.variants import VARIANTS
from model.cnn_lstm.runtime import multiplies_bfloat16

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Config:
    data: Path | None = None
    variants: tuple[str, ...] = tuple(VARIANTS)
    requests: int = 50
    batches: tuple[int, ...] = (8, 32)
    calibration: int = 300
    """Photographs."""
    graphs: Path | None = None
    """What benchmarks.graphs wrote before; else it is written for the while."""
    output: Path = Path("docs/benchmarks")


def run(config: Config) -> dict[str, Any]:
    """A variant that cannot be had here, for want of a package or because of the processor, has a reason instead."""
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        graphs = config.graphs or Path(temporary) / "graphs"
        data = [f"--data={config.data}"] if config.data else []
        if not graphs.exists() and any(VARIANTS[name].graph for name in config.variants):
            _python("benchmarks.graphs", f"--folder={graphs}", f"--calibration={config.calibration}", *data)
        for name in config.variants:
            if VARIANTS[name].bfloat16 and not multiplies_bfloat16():
                found[name] = {"missing": "the processor does not multiply bfloat16"}
                continue
            arguments = [f"--folder={graphs}", f"--requests={config.requests}", f"--started={time.time()}", *data]
            done = _python("benchmarks.variants", name, *arguments, "--batches", *map(str, config.batches))
            if done.returncode:
                found[name] = {"missing": done.stderr.strip().splitlines()[-1]}
            else:
                found[name] = json.loads(done.stdout.splitlines()[-1])
            print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    return {"machine": machine(), "dataset": config.data and config.data.name, "variants": found}


def _python(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def describe(record: dict[str, Any]) -> str:
    found = {name: one for name, one in record["variants"].items() if "missing" not in one}
    sizes = list(next(iter(found.values()))["images_per_second"]) if found else []
    header = ["variant", "p50 ms", "p95 ms", *(f"images / s, batch {size}" for size in sizes)]
    rows = [[name, *_figures(one, sizes)] for name, one in found.items()]
    missing = [f"- {name}: {one['missing']}" for name, one in record["variants"].items() if "missing" in one]
    return table([*header, "start-up s", "memory MB", "disk MB", "dev CIDEr"], rows) + "\n".join(["", *missing])


def _figures(one: dict[str, Any], sizes: list[str]) -> list[Any]:
    rates = [one["images_per_second"][size] for size in sizes]
    costs = [one["start_up_seconds"], one["megabytes"], one["disk_megabytes"]]
    return [one["p50"], one["p95"], *rates, *costs, f"{one['cider']:.4f}" if "cider" in one else None]


def main() -> None:
    run_part("runtimes", tyro.cli(Config, description=__doc__), run, describe)


if __name__ == "__main__":
    main()
