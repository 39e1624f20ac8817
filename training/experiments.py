"""The table of experiments: python -m training.experiments docs/experiments --output docs/experiments.md

The folder holds what runs wrote: record.json of training runs under names of your choice, and, under names that
begin with "sweep", the records of training.sweep, with "ablation-", those of training.ablation. All figures are of the
dev split.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import tyro

from model.files import atomic_write

_METRICS = ("B-1", "B-4", "CIDEr")


@dataclass(frozen=True)
class Config:
    folder: tyro.conf.Positional[Path]
    output: Path = Path("docs/experiments.md")


_ABLATION, _SWEEP = "ablation-", "sweep"
_ON_THE_ABLATION = (
    "Short trainings on part of the photographs: what helps at once shows, what keeps a long training from learning by "
    "heart does not. A run's best epoch counts, so a stage that bettered nothing adds nothing. The time is that of the "
    "fastest epoch of the last stage, as runs may have shared the machine."
)


def experiments_report(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown, from the records by name."""
    sweeps = {name: record for name, record in records.items() if name.startswith(_SWEEP)}
    ablation = {name.removeprefix(_ABLATION): run for name, run in records.items() if name.startswith(_ABLATION)}
    runs = {name: record for name, record in records.items() if not name.startswith((_SWEEP, _ABLATION))}
    lines = [
        "# Experiments",
        "",
        "Dev split, beam 3 during training, chosen by CIDEr. Written by `python -m training.experiments`; the records "
        "are beside it in `experiments/`.",
    ]
    lines += ["", "## Stages: what each added", "", *_stage_table(runs)]
    lines += ["", "## Runs: what differs, over seeds", "", *_run_table(runs)]
    if ablation:
        lines += ["", "## Ablation: each ingredient alone and in sum", "", _ON_THE_ABLATION, ""]
        lines += _ablation_table(ablation)
    for name, sweep in sweeps.items():
        lines += ["", f"## Decoding: {name}, checkpoint {sweep['digest'][:8]}", "", *_sweep_table(sweep)]
    return "\n".join(lines) + "\n"


def _table(header: Sequence[str], rows: Iterator[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]


def _stages(record: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """A run's epochs by stage."""
    stages: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for epoch in record["history"]:
        stages[epoch["stage"]].append(epoch)
    return stages


def _best(epochs: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
    """Of the epochs, and of the mean with the stage's start."""
    found = (epoch[name] for epoch in epochs for name in ("dev", "dev_with_start") if name in epoch)
    best: Mapping[str, float] = max(found, key=lambda scores: scores["CIDEr"])
    return best


def _stage_table(runs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    def rows() -> Iterator[Sequence[str]]:
        for name, record in runs.items():
            for stage, epochs in _stages(record).items():
                seconds = mean(epoch["seconds"] for epoch in epochs)
                scores = [f"{_best(epochs)[metric]:.3f}" for metric in _METRICS]
                yield [name, stage, str(len(epochs)), f"{seconds:.0f}", *scores]

    return _table(["run", "stage", "epochs", "seconds an epoch", *_METRICS], rows())


def _run_table(runs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Runs that differ in nothing but the seed are one row: mean ± standard deviation."""
    alike: dict[str, list[str]] = defaultdict(list)
    settings = {name: _flat(record["settings"]) for name, record in runs.items()}
    for name, own in settings.items():
        alike[json.dumps({k: v for k, v in own.items() if k != "seed"}, sort_keys=True)].append(name)
    every = {key for own in settings.values() for key in own} - {"seed"}
    varied = sorted(key for key in every if len({json.dumps(own.get(key)) for own in settings.values()}) > 1)

    def rows() -> Iterator[Sequence[str]]:
        for names in alike.values():
            best = [_best(runs[name]["history"]) for name in names]
            own = settings[names[0]]
            differs = ", ".join(f"{key} {_shown(own[key])}" for key in varied if own.get(key) not in (None, []))
            seeds = ", ".join(str(settings[name]["seed"]) for name in names)
            yield [", ".join(names), differs or "–", seeds, *(_spread([b[m] for b in best]) for m in _METRICS)]

    return _table(["runs", "settings that differ between runs", "seeds", *_METRICS], rows())


def _ablation_table(runs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Variants named VARIANT-SEED, the best last; what each adds to the baseline of the same seed."""
    variants: dict[str, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for name, record in runs.items():
        variants[name.rpartition("-")[0]][record["settings"]["seed"]] = record
    best = {
        name: {seed: _best(record["history"]) for seed, record in by_seed.items()} for name, by_seed in variants.items()
    }
    baseline = best.get("baseline", {})

    def rows() -> Iterator[Sequence[str]]:
        for name in sorted(best, key=lambda name: mean(scores["CIDEr"] for scores in best[name].values())):
            shared = sorted(best[name].keys() & baseline.keys())
            gains = [best[name][seed]["CIDEr"] - baseline[seed]["CIDEr"] for seed in shared]
            gained = "–" if name == "baseline" or not gains else _spread(gains, "+.3f")
            last = [_stages(run).popitem()[1] for run in variants[name].values()]
            seconds = min(epoch["seconds"] for epochs in last for epoch in epochs)
            spreads = [_spread([scores[metric] for scores in best[name].values()]) for metric in _METRICS]
            seeds = ", ".join(map(str, sorted(best[name])))
            photographs = next(iter(variants[name].values()))["photographs"]
            yield [name.replace("_", " "), str(photographs), seeds, f"{seconds:.0f}", *spreads, gained]

    header = ["ingredient", "photographs", "seeds", "seconds an epoch", *_METRICS, "CIDEr gained"]
    return _table(header, rows())


def _shown(value: Any) -> str:
    """A setting, with no more of a digest than tells it from others."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return re.sub(r"(sha256 [0-9a-f]{8})[0-9a-f]+", r"\1", text)


def _spread(values: Sequence[float], form: str = ".3f") -> str:
    return f"{mean(values):{form}}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and not value.get("epochs", 1):
            continue  # a stage that was left out
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _sweep_table(sweep: Mapping[str, Any]) -> list[str]:
    def rows() -> Iterator[Sequence[str]]:
        for way in sweep["ways"]:
            quality = way["quality"]
            told = way["options"]
            options = ", ".join([told["method"], *(f"{k} {v}" for k, v in told.items() if k != "method")])
            scores = [f"{way['scores'][metric]:.3f}" for metric in (*_METRICS, "R-L")]
            counts = [str(quality[name]) for name in ("different_captions", "repeated_bigrams", "cut_off")]
            yield [options, *scores, f"{quality['mean_words']:.1f}", *counts, f"{way['seconds']:.1f}"]

    header = ["options", *_METRICS, "R-L", "words", "different", "repeated bigrams", "broken off", "seconds"]
    return _table(header, rows())


def main(arguments: Sequence[str] | None = None) -> int:
    config = tyro.cli(Config, args=arguments, description=__doc__)
    try:
        records = {file.stem: json.loads(file.read_text()) for file in sorted(config.folder.glob("*.json"))}
        if not records:
            raise ValueError(f"there are no records in {config.folder}")
        with atomic_write(config.output) as file:
            file.write_text(experiments_report(records))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written: {config.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
