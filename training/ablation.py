"""What each ingredient gives: python -m training.ablation configs/ablation.yaml --data DIR

Trains every variant of a plan with every seed, one after the other, and collects the records for
`python -m training.experiments`. The same command goes on where it stopped. Options that are not its own
(--mixed-precision, say) go to training.train, the same for all runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
import yaml

from model.files import atomic_write
from training import train
from training.results import Results


@dataclass(frozen=True)
class Config:
    plan: tyro.conf.Positional[Path]
    """A YAML file: `base` (settings of training.train), `seeds`, and `variants` (by name, what differs from base)."""
    data: Path
    """As in training."""
    output: Path = Path("runs/ablation")
    """Where the runs go. Of a finished one the model stays, and the state, four times as large, does not."""
    records: Path = Path("docs/experiments")
    """Where the finished runs' records go, as ablation-VARIANT-SEED.json."""


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
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        print(f"error: {config.plan} is no plan with base, seeds and variants: {error}", file=sys.stderr)
        return 2
    config.records.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        for variant, changes in variants.items():
            name = f"{variant.replace(' ', '_')}-{seed}"
            record = config.records / f"ablation-{name}.json"
            if record.is_file():
                continue
            print(f"{name}: training", flush=True)
            settings = merged(base, changes or {}) | {"seed": seed}
            status = _train(config.output / name, settings, ["--data", str(config.data), *for_training])
            if status:
                return status
            with atomic_write(record) as file:
                file.write_text((config.output / name / "record.json").read_text())
            Results(config.output / name).remove_state()
    print(f"finished: the records are in {config.records}")
    return 0


def _train(output: Path, settings: dict[str, Any], words: Sequence[str]) -> int:
    output.mkdir(parents=True, exist_ok=True)
    recipe = output / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(settings))
    return train.main(["--config", str(recipe), "--output", str(output), *words])


if __name__ == "__main__":
    sys.exit(main())
