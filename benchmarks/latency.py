"""One photograph at a time, in this process, stage by stage: python -m benchmarks.latency

The floor is what the encoder's multiply-adds alone would take at the rate that this machine reaches in a large matrix
product of the same numbers, measured between the requests.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
import tyro

from benchmarks.measure import MatrixProduct, machine, milliseconds, multiply_adds, run_part, table
from benchmarks.photographs import photographs
from model.answer import describe_answer
from model.captioner import DecodingOptions, Stopwatch
from model.cnn_lstm.captioner import CnnLstmCaptioner
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.encoder import Encoder
from model.cnn_lstm.runtime import multiplies_bfloat16
from model.images import decode_image
from model.registry import load_captioner
from model.settings import Dtype, ModelSettings

STAGES = ("decode", "encoder", "decoder", "json")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_SIGHTS: dict[str, dict[str, Any]] = {
    "": {},
    ", 224 pixels": {"image_size": 224},
    ", TTA": {"tta": True},
}
_FLOOR_EVERY = 5  # requests


@dataclass(frozen=True)
class Config:
    requests: int = 200
    output: Path = Path("docs/benchmarks")
    options: DecodingOptions = field(default_factory=DecodingOptions)


def measure(
    captioner: CnnLstmCaptioner, dtype: torch.dtype, uploads: Sequence[bytes], options: DecodingOptions
) -> dict[str, Any]:
    """p50 and p95 by stage and of the whole, from the bytes of a photograph to those of the answer."""
    product = MatrixProduct(dtype)
    seconds: dict[str, list[float]] = {stage: [] for stage in (*STAGES, "total")}
    for number, upload in enumerate((uploads[0], *uploads)):
        if number % _FLOOR_EVERY == 0:
            product.sample()
        stopwatch, began = Stopwatch(), perf_counter()
        with stopwatch.stage("decode"):
            image = decode_image(upload)
        [captions] = captioner.caption([image], options, stopwatch)
        with stopwatch.stage("json"):
            json.dumps(describe_answer(image, captions, captioner, Stopwatch(), include_image=False))
        total = perf_counter() - began
        if number:  # the first sets up kernels
            for stage in STAGES:
                seconds[stage].append(stopwatch.milliseconds[stage] / 1000)
            seconds["total"].append(total)
    found: dict[str, Any] = {stage: milliseconds(values) for stage, values in seconds.items()}
    image_size = captioner.preprocessing.image_size
    views = 2 if captioner.tta else 1
    macs = views * multiply_adds(Encoder(Checkpoint.load(ModelSettings().checkpoint).stride), image_size)
    floor = macs / product.rate * 1000
    return found | {
        "image_size": image_size,
        "encoder_multiply_adds": macs,
        "product_rate": product.rate,
        "floor_ms": floor,
        "encoder_over_floor": found["encoder"]["p50"] / floor,
        "total_over_floor": found["total"]["p50"] / floor,
    }


def run(config: Config) -> dict[str, Any]:
    uploads = photographs(config.requests)
    dtypes: tuple[Dtype, ...] = ("fp32", "bf16") if multiplies_bfloat16() else ("fp32",)
    found = {}
    for name in dtypes:
        for sight, settings in _SIGHTS.items():
            captioner = load_captioner(ModelSettings(device="cpu", dtype=name, **settings))
            assert isinstance(captioner, CnnLstmCaptioner)
            found[name + sight] = measure(captioner, _DTYPES[name], uploads, config.options)
    return {"machine": machine(), "requests": config.requests, "dtypes": found}


def describe(record: dict[str, Any]) -> str:
    header = ["ms, p50 / p95", *STAGES, "total", "floor", "encoder / floor", "total / floor"]
    rows = [
        [name]
        + [f"{found[stage]['p50']:.1f} / {found[stage]['p95']:.1f}" for stage in (*STAGES, "total")]
        + [found["floor_ms"], found["encoder_over_floor"], found["total_over_floor"]]
        for name, found in record["dtypes"].items()
    ]
    first = next(iter(record["dtypes"].values()))
    rates = ", ".join(f"{f['product_rate'] / 1e9:.0f} G/s in {name}" for name, f in record["dtypes"].items())
    macs = first["encoder_multiply_adds"] / 1e9
    return f"{table(header, rows)}\nThe encoder: {macs:.2f} G multiply-adds a photograph; matrix product: {rates}.\n"


def main() -> None:
    run_part("latency", tyro.cli(Config, description=__doc__), run, describe)


if __name__ == "__main__":
    main()
