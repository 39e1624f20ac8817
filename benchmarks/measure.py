"""What the parts share: percentiles, the machine and its floor, tables and records."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from model.cnn_lstm.encoder import Encoder
from model.cnn_lstm.runtime import multiplies_bfloat16

_SIDE = 2048  # of the matrices: large enough for any processor's best


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """p50 and p95."""
    p50, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95])
    return {"p50": float(p50), "p95": float(p95)}


def machine() -> dict[str, Any]:
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "bfloat16": multiplies_bfloat16(),
        "torch": torch.__version__,
        "load": os.getloadavg()[0],
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).is_file() else []


class MatrixProduct:
    """The machine's rate of multiply-adds in a matrix product, sampled all through a run as the rest of it is."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._factors = torch.randn(_SIDE, _SIDE).to(dtype), torch.randn(_SIDE, _SIDE).to(dtype)
        self._seconds: list[float] = []
        torch.mm(*self._factors)

    def sample(self) -> None:
        began = perf_counter()
        torch.mm(*self._factors)
        self._seconds.append(perf_counter() - began)

    @property
    def rate(self) -> float:
        """Multiply-adds a second: the median of the samples."""
        return float(_SIDE**3 / np.median(self._seconds))


@torch.inference_mode()
def multiply_adds(encoder: Encoder, image_size: int) -> int:
    """Of one photograph, counted at the convolutions."""
    total = 0

    def count(module: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += output.numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    encoder(torch.zeros(1, 3, image_size, image_size))
    for hook in hooks:
        hook.remove()
    return total


def timed(function: Callable[..., Any], *arguments: Any) -> float:
    """Seconds that the call takes."""
    began = perf_counter()
    function(*arguments)
    return perf_counter() - began


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Markdown; the first column is text, numbers have three digits that count."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def save(folder: Path, part: str, record: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{part}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


class PartConfig(Protocol):
    """Settings of a part of the benchmarks."""

    @property
    def output(self) -> Path: ...


C = TypeVar("C", bound=PartConfig)


def run_part(
    part: str, config: C, run: Callable[[C], dict[str, Any]], describe: Callable[[dict[str, Any]], str]
) -> dict[str, Any]:
    """Measures, saves the record and prints it."""
    record = run(config)
    save(config.output, part, record)
    print(describe(record))
    return record


_PLACE = re.compile(r"(<!-- benchmarks (\w+) -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)


def put_in(document: str, texts: Mapping[str, str]) -> str:
    """The document with each part's text in its place; other places stay as they are."""

    def replaced(match: re.Match[str]) -> str:
        begin, part, end = match.groups()
        return begin + texts[part] + end if part in texts else match[0]

    return _PLACE.sub(replaced, document)
