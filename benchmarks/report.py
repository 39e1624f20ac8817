"""The records as tables in documents and as a plot: python -m benchmarks.report docs/benchmarks.md

A document gets them between `<!-- benchmarks NAME -->` and `<!-- /benchmarks -->`, NAME being a part's, so that no
figure in it is typed by hand.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import tyro
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks import comparison, doors, latency, load, memory, runtimes, scaling, soak
from benchmarks.measure import put_in

DESCRIBE = {
    "latency": latency.describe,
    "runtimes": runtimes.describe,
    "load": load.describe,
    "doors": doors.describe,
    "comparison": comparison.describe,
    "memory": memory.describe,
    "soak": soak.describe,
    "scaling": scaling.describe,
}


@dataclass(frozen=True)
class Config:
    documents: Annotated[tuple[Path, ...], tyro.conf.Positional] = (Path("docs/benchmarks.md"),)
    records: Path = Path("docs/benchmarks")


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The records that there are, by part."""
    return {part: json.loads(file.read_text()) for part in DESCRIBE if (file := folder / f"{part}.json").is_file()}


def fill_in(document: str, records: dict[str, dict[str, Any]]) -> str:
    """Parts without a record stay as they are."""
    return put_in(document, {part: DESCRIBE[part](record) for part, record in records.items()})


def draw(records: dict[str, dict[str, Any]], file: Path) -> None:
    """A panel for each part that has a curve."""
    panels = [(part, panel) for part, panel in _PANELS.items() if part in records]
    if not panels:
        return
    mpl.use("Agg")
    figure, axes = plt.subplots(1, len(panels), figsize=(5.5 * len(panels), 4.2), squeeze=False)
    for ax, (part, panel) in zip(axes[0], panels, strict=True):
        panel(ax, records[part])
    figure.tight_layout()
    figure.savefig(file, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _draw_latency(ax: Axes, record: dict[str, Any]) -> None:
    names = list(record["dtypes"])
    left = [0.0] * len(names)
    for stage in latency.STAGES:
        widths = [record["dtypes"][name][stage]["p50"] for name in names]
        ax.barh(names, widths, left=left, label=stage)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    floors = [record["dtypes"][name]["floor_ms"] for name in names]
    ax.plot(floors, names, "k|", markersize=30, label="floor of the encoder")
    ax.set_title("One photograph at a time, ms (p50)")
    ax.legend(fontsize=8)


def _draw_runtimes(ax: Axes, record: dict[str, Any]) -> None:
    found = {name: one for name, one in record["variants"].items() if "missing" not in one}
    for offset, size in enumerate(next(iter(found.values()))["images_per_second"]):
        places = [n + 0.4 * offset for n in range(len(found))]
        rates = [one["images_per_second"][size] for one in found.values()]
        ax.barh(places, rates, height=0.4, label=f"batch {size}")
    ax.set_yticks([n + 0.2 for n in range(len(found))], list(found), fontsize=8)
    ax.invert_yaxis()
    ax.set_title("Photographs a second by runtime")
    ax.legend(fontsize=8)


def _draw_load(ax: Axes, record: dict[str, Any]) -> None:
    for name, rows in record["servers"].items():
        ax.plot([row["clients"] for row in rows], [row["per_second"] for row in rows], "o-", label=name)
    ax.set_xscale("log", base=2)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("clients at once")
    ax.set_title("Captions a second over sockets")
    ax.legend(fontsize=8)


_PANELS = {"latency": _draw_latency, "runtimes": _draw_runtimes, "load": _draw_load}


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    records = read(config.records)
    draw(records, config.records / "benchmarks.png")
    for path in config.documents:
        path.write_text(fill_in(path.read_text(), records))


if __name__ == "__main__":
    main()
