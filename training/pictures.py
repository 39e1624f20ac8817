"""Pictures for people: python -m training.pictures curves|attention|gallery …

curves RUN...        how loss, reward and dev scores went in one or more runs
attention PHOTO      where the model looked for each word of its caption
gallery CAPTIONS     best, middle and worst photographs of an evaluation with their captions
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import matplotlib.pyplot as plt
import numpy as np
import tyro
from PIL import Image

from model.arguments import current_names
from model.captioner import Captioner, DecodingOptions
from model.errors import ImageRefused
from model.images import decode_image
from model.registry import load_captioner
from model.settings import ModelSettings
from training.data.records import DatasetRefused, read_dataset
from training.report import best_middle_worst

plt.switch_backend("Agg")  # no window
_COLUMNS = 5


def draw_curves(histories: Mapping[str, Sequence[Mapping[str, Any]]], output: Path) -> None:
    """Dev CIDEr and B-4, loss and reward by epoch, one line a run, from the runs' records."""
    figure, axes = plt.subplots(1, 4, figsize=(16, 3.6), constrained_layout=True)
    for name, history in histories.items():
        epochs = [record["epoch"] for record in history]
        for axis, metric in zip(axes, ("CIDEr", "B-4"), strict=False):
            axis.plot(epochs, [record["dev"][metric] for record in history], marker=".", label=name)
        for axis, shown in zip(axes[2:], ("loss", "reward"), strict=True):
            points = [(record["epoch"], record[shown]) for record in history if shown in record]
            axis.plot(*np.array(points).reshape(-1, 2).T, marker=".", label=name)
    for axis, title in zip(axes, ("dev CIDEr", "dev B-4", "training loss", "training reward"), strict=True):
        axis.set(title=title, xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    axes[0].legend()
    _save(figure, output)


def draw_reliability(calibration: Mapping[str, Any], output: Path) -> None:
    """What the probabilities are worth: CIDEr by a caption's, being in a reference by a word's."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), constrained_layout=True)
    axes[0].plot(*np.array(calibration["caption_bins"]).T, marker="o")
    axes[0].set(xlabel="mean probability of a caption's words", ylabel="CIDEr", title="captions, in ten equal parts")
    axes[1].plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes[1].plot(*np.array(calibration["word_bins"]).T, marker="o")
    axes[1].set(xlabel="probability of a word", ylabel="share in a reference", title="words, in ten equal parts")
    for axis in axes:
        axis.grid(alpha=0.3)
    _save(figure, output)


def draw_attention(captioner: Captioner, image: Image.Image, output: Path) -> None:
    """The photograph once for each word of its caption, bright where the model looked."""
    caption = captioner.caption([image], DecodingOptions(attention=True))[0][0]
    rows = -(-(len(caption.words) + 1) // _COLUMNS)
    figure, axes = plt.subplots(rows, _COLUMNS, figsize=(2.4 * _COLUMNS, 2.6 * rows), constrained_layout=True)
    for axis in axes.flat:
        axis.axis("off")
    axes.flat[0].imshow(image)
    axes.flat[0].set_title(textwrap.fill(caption.text, 30), fontsize=8)
    for axis, word in zip(axes.flat[1:], caption.words, strict=False):
        weights = np.array(word.attention)
        cells = Image.fromarray((weights / weights.max()).astype(np.float32))
        heat = cells.resize(image.size, Image.Resampling.BICUBIC)
        axis.imshow(image.convert("L"), cmap="gray")
        axis.imshow(np.asarray(heat), cmap="inferno", alpha=0.55, vmin=0, vmax=1)
        axis.set_title(f"{word.text} ({word.probability:.0%})", fontsize=10)
    _save(figure, output)


def draw_gallery(
    captions: Sequence[Mapping[str, Any]], photographs: Mapping[str, Path], output: Path, each: int = _COLUMNS
) -> None:
    """The `each` best, middle and worst captions by CIDEr under their photographs, up to ten in a row."""
    if each < 1:
        raise ValueError(f"there are no {each} photographs to show")
    parts = best_middle_worst(captions, each)
    columns = min(each, 2 * _COLUMNS)
    rows = -(-each // columns)
    size = (2.7 * columns, 3.7 * rows * len(parts))
    figure, axes = plt.subplots(len(parts) * rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for number, (title, entries) in enumerate(parts.items()):
        for axis, entry in zip(axes[number * rows : (number + 1) * rows].flat, entries, strict=False):
            axis.imshow(decode_image(photographs[entry["name"]].read_bytes()))
            shown = f"{title}, CIDEr {entry['cider']:.2f}\n{textwrap.fill(entry['caption'], 34)}"
            reference = textwrap.fill(f"({entry['references'][0]})", 46)
            axis.set_title(shown, fontsize=9)
            axis.text(0.5, -0.02, reference, fontsize=6.5, ha="center", va="top", transform=axis.transAxes)
    figure.set_layout_engine("constrained")
    _save(figure, output)


def _save(figure: Any, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=90)
    plt.close(figure)
    print(f"written: {output}")


def curves(runs: tyro.conf.Positional[tuple[Path, ...]], output: Path = Path("runs/curves.png")) -> None:
    """How runs went: RUN is a run's output folder or its record.json."""
    files = [run / "record.json" if run.is_dir() else run for run in runs]
    records = {(file.parent.name if file.name == "record.json" else file.stem): file for file in files}
    draw_curves({name: json.loads(file.read_text())["history"] for name, file in records.items()}, output)


def attention(
    photograph: tyro.conf.Positional[Path],
    output: Path = Path("runs/attention.png"),
    model: Annotated[ModelSettings, tyro.conf.arg(name="")] = ModelSettings(),
) -> None:
    """Where the model looked for each word."""
    draw_attention(load_captioner(model), decode_image(photograph.read_bytes()), output)


def gallery(
    evaluated: tyro.conf.Positional[Path],
    data: Path,
    captions: tyro.conf.UseAppendAction[tuple[Path, ...]] = (),
    output: Path = Path("runs/gallery.png"),
    each: int = _COLUMNS,
) -> None:
    """Best, middle and worst (--each of them) of the captions.json that training.evaluate wrote, with the photographs
    of --data; --captions chooses its list as there."""
    photographs = {record.name: record.path for record in read_dataset(data, captions)}
    draw_gallery(json.loads(evaluated.read_text(encoding="utf-8")), photographs, output, each)


def main(arguments: Sequence[str] | None = None) -> int:
    commands: dict[str, Any] = {"curves": curves, "attention": attention, "gallery": gallery}
    try:
        tyro.extras.subcommand_cli_from_dict(commands, args=current_names(arguments), description=__doc__)
    except (DatasetRefused, ImageRefused, OSError, KeyError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
