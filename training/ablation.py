"""What each ingredient gives: python -m training.ablation configs/ablation.yaml --data DIR

Trains every variant of a plan with every seed, one after the other, and writes a table of them: a row for the best
epoch of every run's every stage. The same command goes on where it stopped. Options that are not its own
(--mixed-precision, say) go to training.train, the same for all runs.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import tyro
import yaml

from model.files import atomic_write
from model.names import unknown
from training import train
from training.running.results import Results

_PARTS = ("base", "seeds", "variants")
_METRICS = ("B-1", "B-2", "B-3", "B-4", "CIDEr")
_COLUMNS = ("name", "seed", "stage", "photographs", "epochs", "seconds_an_epoch", "fastest_epoch", *_METRICS)


@dataclass(frozen=True)
class Config:
    plan: tyro.conf.Positional[Path]
    """A YAML file: `base` (settings of training.train), `seeds`, and `variants` (by name, what differs from base)."""
    data: Path
    """As in training."""
    output: Path = Path("runs/ablation")
    """Where the runs go, and ablation.csv, the table of the finished ones.
    Of a finished one the model and the record stay, and the state, four times as large, does not.
    """


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with those of `changes` instead, group by group."""
    return base | {
        name: merged(base.get(name, {}), value) if isinstance(value, dict) else value for name, value in changes.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every run is finished, else what training ended with, 2 where the plan cannot be read."""
    config, for_training = tyro.cli(Config, args=arguments, description=__doc__, return_unknown_args=True)
    try:
        plan = yaml.safe_load(config.plan.read_text(encoding="utf-8"))
        base, seeds, variants = plan["base"], plan["seeds"], plan["variants"]
        if others := sorted(set(plan) - set(_PARTS)):
            raise ValueError(unknown("part", others[0], _PARTS))
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        print(f"error: {config.plan} is no plan with base, seeds and variants: {error}", file=sys.stderr)
        return 2
    table = config.output / "ablation.csv"
    rows = _read(table)
    finished = {(row["name"], row["seed"]) for row in rows}
    for seed in seeds:
        for variant, changes in variants.items():
            if (variant, str(seed)) in finished:
                continue
            run = config.output / f"{variant.replace(' ', '_')}-{seed}"
            print(f"{run.name}: training", flush=True)
            settings = merged(base, changes or {}) | {"seed": seed}
            status = _train(run, settings, ["--data", str(config.data), *for_training])
            if status:
                return status
            rows += stage_rows(variant, json.loads((run / "record.json").read_text()))
            _write(table, rows)
            Results(run).remove_state()
    print(f"finished: the table is {table}")
    return 0


def stage_rows(name: str, record: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row a stage: how long its epochs took, and the scores of its best, the mean with the stage's start included."""
    stages: dict[str, list[Mapping[str, Any]]] = {}
    for epoch in record["history"]:
        stages.setdefault(epoch["stage"], []).append(epoch)
    rows = []
    for stage, epochs in stages.items():
        scores = (epoch[name] for epoch in epochs for name in ("dev", "dev_with_start") if name in epoch)
        best = max(scores, key=lambda found: found["CIDEr"])
        seconds = [epoch["seconds"] for epoch in epochs]
        cells = [name, record["settings"]["seed"], stage, record["photographs"], len(epochs)]
        cells += [f"{mean(seconds):.1f}", f"{min(seconds):.1f}", *(f"{best[metric]:.6f}" for metric in _METRICS)]
        rows.append(dict(zip(_COLUMNS, map(str, cells), strict=True)))
    return rows


def _read(table: Path) -> list[dict[str, str]]:
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write(table: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with atomic_write(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _train(output: Path, settings: dict[str, Any], words: Sequence[str]) -> int:
    output.mkdir(parents=True, exist_ok=True)
    recipe = output / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(settings))
    return train.main(["--config", str(recipe), "--output", str(output), *words])


if __name__ == "__main__":
    sys.exit(main())
