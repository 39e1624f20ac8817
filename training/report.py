"""Tables and galleries in Markdown from the scores that training.evaluate measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

METRICS = ("B-1", "B-2", "B-3", "B-4", "R-1", "R-2", "R-L", "CIDEr", "METEOR")

REFERENCE_RESULTS: dict[str, dict[str, float]] = {
    "ResNet-50, 2-layer LSTM, where this project started": {
        "B-1": 0.523, "B-2": 0.316, "B-3": 0.209, "B-4": 0.142, "R-1": 0.487, "R-2": 0.235, "R-L": 0.452,
    },
    "Show, Attend and Tell, hard attention (arXiv 1502.03044)": {
        "B-1": 0.67, "B-2": 0.457, "B-3": 0.314, "B-4": 0.213,
    },
    "one person against the other four": {
        "B-1": 0.637, "B-2": 0.447, "B-3": 0.306, "B-4": 0.210, "R-L": 0.488, "CIDEr": 0.793,
    },
}  # fmt: skip
"""On Flickr8k's test split."""


def score_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """A Markdown table, a row a system, a dash where a figure is not known."""
    columns = [metric for metric in METRICS if any(metric in scores for scores in rows.values())]
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for name, scores in rows.items():
        cells = [f"{scores[metric]:.3f}" if metric in scores else "–" for metric in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def gallery(captions: Sequence[Mapping[str, Any]], each: int = 5) -> str:
    """The `each` best, middle and worst captions by CIDEr, ties by name: chosen by score, not by hand."""
    ranked = sorted(captions, key=lambda entry: (-entry["cider"], entry["name"]))
    middle = (len(ranked) - each) // 2
    parts = {"Best": ranked[:each], "Middle": ranked[middle : middle + each], "Worst": ranked[-each:]}
    lines: list[str] = []
    for title, entries in parts.items():
        lines += ["", f"### {title}", ""]
        for entry in entries:
            lines.append(f"- `{entry['name']}`: **{entry['caption']}** (CIDEr {entry['cider']:.2f})")
            lines += [f"    - {reference}" for reference in entry["references"]]
    return "\n".join(lines)


def evaluation_report(result: Mapping[str, Any]) -> str:
    """The whole report of one evaluation, from what training.evaluate writes as JSON."""
    model, inexpressible = result["model"], result["inexpressible"]
    name = f"{model['name']} {model['digest'][7:15]}, {result['decoding']}"
    rows = {f"**{name}**": result["scores"]}
    if result["scores_ptb"]:
        rows[f"{name}, PTB tokenisation"] = result["scores_ptb"]
    if result["flickr8k_test"]:
        rows |= REFERENCE_RESULTS
        note = "The rows below ours are published figures, or measured, on the same split."
    else:
        note = (
            "These are not the photographs of Flickr8k's official test split: published figures do not compare, and "
            "the checkpoint may have been trained on some of them."
        )
    lines = [
        f"# {result['dataset']}, {result['split']} split",
        "",
        f"{result['photographs']} photographs, {result['references']} references, {model['device']}, "
        f"{result['images_per_second']:.1f} images/s.",
        "",
        score_table(rows),
        "",
        f"Corpus level, clipped counts, closest reference length, no smoothing. {note}",
        "",
        f"- different captions: {result['different_captions']}",
        f"- mean length: {result['mean_words']:.1f} words, references {result['mean_reference_words']:.1f}",
    ]
    if inexpressible:
        lines.append(
            f"- references with a word outside the vocabulary, which no caption can match in full: "
            f"{inexpressible['references']:.1%} ({inexpressible['words']:.1%} of their words)"
        )
    if result["refused"]:
        lines.append(f"- photographs that could not be read: {len(result['refused'])}")
    return "\n".join(lines) + "\n\n## Captions\n" + gallery(result["captions"]) + "\n"
