"""What ten hypotheses, guided and ranked by a second look, cost beside the three of a plain beam, photograph by
photograph in turn: python -m benchmarks.second_look
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import tyro

from benchmarks.measure import machine, put_in, run_part, table
from benchmarks.photographs import photographs
from model.captioner import DecodingOptions
from model.images import decode_image
from model.registry import load_captioner
from model.settings import ModelSettings

_WAYS = {
    "plain beam of 3": DecodingOptions(beam_size=3, rerank=False, guidance=0),
    "plain beam of 10": DecodingOptions(beam_size=10, rerank=False, guidance=0),
    "beam of 10, ranked": DecodingOptions(beam_size=10, guidance=0),
    "default": DecodingOptions(),
}


@dataclass(frozen=True)
class Config:
    rounds: int = 60
    batch_size: int = 16
    output: Path = Path("docs/benchmarks")
    document: Path = Path("docs/second-look.md")


def run(config: Config) -> dict[str, Any]:
    captioner = load_captioner(ModelSettings(device="cpu", dtype="fp32"))
    images = [decode_image(data) for data in photographs(config.batch_size)]
    seconds: dict[str, dict[str, list[float]]] = {name: {"one": [], "batch": []} for name in _WAYS}
    for number in range(config.rounds + 1):
        for name, options in _WAYS.items():
            for kind, given in (("one", [images[number % len(images)]]), ("batch", images)):
                if kind == "batch" and number % 10:
                    continue  # it takes as long as that many photographs
                began = perf_counter()
                captioner.caption(given, options)
                if number:  # the first sets up kernels
                    seconds[name][kind].append((perf_counter() - began) / len(given))
    return {
        "machine": machine(),
        "batch_size": config.batch_size,
        "milliseconds": {
            name: {kind: 1000 * median(values) for kind, values in own.items()} for name, own in seconds.items()
        },
    }


def describe(record: dict[str, Any]) -> str:
    found = record["milliseconds"]
    plain = next(iter(found.values()))
    rows = [
        [name, own["one"], own["one"] / plain["one"], own["batch"], own["batch"] / plain["batch"]]
        for name, own in found.items()
    ]
    header = ["ms a photograph", "alone", "ratio", f"in batches of {record['batch_size']}", "ratio"]
    return table(header, rows)


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    record = run_part("second_look", config, run, describe)
    config.document.write_text(put_in(config.document.read_text(), {"second_look": describe(record)}))


if __name__ == "__main__":
    main()
