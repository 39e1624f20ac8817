"""Tables and galleries in Markdown from the scores that training.evaluate measured.

`python -m training.report SCORES.json DOCUMENT.md …` puts the figures into documents, between the comments
`<!-- scores DATASET -->` and `<!-- /scores -->`, and those by group between `<!-- groups DATASET -->` and
`<!-- /groups -->`, so that no figure in them is typed by hand; between `<!-- languages DATASET -->` and
`<!-- /languages -->` those of evaluations in several languages. DATASET is the name of the evaluated folder.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from model.files import atomic_write
from model.languages import language_of

METRICS = ("B-1", "B-2", "B-3", "B-4", "R-1", "R-2", "R-L", "CIDEr", "METEOR")

REFERENCE_RESULTS: dict[str, dict[str, float]] = {
    "ResNet-50, 2-layer LSTM, where this project started": {
        "B-1": 0.523, "B-2": 0.316, "B-3": 0.209, "B-4": 0.142, "R-1": 0.487, "R-2": 0.235, "R-L": 0.452,
    },
    "NIC, ensemble, beam 20 (arXiv 1411.4555)": {"B-1": 0.63, "B-2": 0.41, "B-3": 0.27},
    "Show, Attend and Tell, hard attention (arXiv 1502.03044)": {
        "B-1": 0.67, "B-2": 0.457, "B-3": 0.314, "B-4": 0.213,
    },
    "ResNet-50 fine-tuned, LSTM (aravindvarier)": {
        "B-1": 0.627, "B-2": 0.451, "B-3": 0.319, "B-4": 0.221, "R-L": 0.478, "CIDEr": 0.551,
    },
    "adaptive attention, ResNet-152 fine-tuned, beam 5": {
        "B-1": 0.659, "B-2": 0.480, "B-3": 0.339, "B-4": 0.235, "R-L": 0.476, "CIDEr": 0.589,
    },
    "frozen ResNet-50, attention LSTM, beam 5 (capit)": {
        "B-1": 0.655, "B-2": 0.478, "B-3": 0.341, "B-4": 0.236, "CIDEr": 0.628,
    },
    "SCA-CNN, ResNet-152 (secondary source)": {"B-1": 0.682, "B-2": 0.496, "B-3": 0.359, "B-4": 0.258},
    "for scale: BLIP-base fine-tuned, 129 M pairs before": {
        "B-1": 0.745, "B-2": 0.590, "B-3": 0.453, "B-4": 0.339, "CIDEr": 1.006,
    },
    # each photograph's first caption, in words of letters only; "people" of scores.json is the mean over all five
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


def best_middle_worst(captions: Sequence[Mapping[str, Any]], each: int) -> dict[str, list[Mapping[str, Any]]]:
    """The `each` best, middle and worst captions by CIDEr, ties by name: chosen by score, not by hand."""
    ranked = sorted(captions, key=lambda entry: (-entry["cider"], entry["name"]))
    middle = max(0, (len(ranked) - each) // 2)
    return {"Best": ranked[:each], "Middle": ranked[middle : middle + each], "Worst": ranked[-each:]}


def gallery(captions: Sequence[Mapping[str, Any]], each: int = 5) -> str:
    """Captions beside their references."""
    lines: list[str] = []
    for title, entries in best_middle_worst(captions, each).items():
        lines += ["", f"### {title}", ""]
        for entry in entries:
            lines.append(f"- `{entry['name']}`: **{entry['caption']}** (CIDEr {entry['cider']:.2f})")
            lines += [f"    - {reference}" for reference in entry["references"]]
    return "\n".join(lines)


def evaluation_report(figures: Mapping[str, Any], captions: Sequence[Mapping[str, Any]]) -> str:
    """The whole report of one evaluation, from what training.evaluate writes as JSON."""
    lines = [
        f"# {figures['dataset']}, {figures['split']} split",
        "",
        f"{figures['photographs']} photographs, {figures['references']} references, {figures['model']['device']}, "
        f"{figures['images_per_second']:.1f} images/s.",
        "",
        summary(figures),
        "",
        *(["## By what the photographs show", "", group_table(figures), ""] if figures["groups"] else []),
        "## The commonest captions",
        "",
        *(f"- {count} × {text}" for text, count in figures["quality"]["commonest"]),
        "",
        "## Captions",
        gallery(captions),
    ]
    return "\n".join(lines) + "\n"


def group_table(figures: Mapping[str, Any]) -> str:
    """Scores by group of photographs; a photograph may be in several."""
    lines = ["| | photographs | CIDEr | B-4 | captions that miss everything |", "|---|---|---|---|---|"]
    for name, own in figures["groups"].items():
        lines.append(f"| {name} | {own['photographs']} | {own['CIDEr']:.3f} | {own['B-4']:.3f} | {own['misses']:.0%} |")
    return "\n".join(lines)


def language_table(all_figures: Sequence[Mapping[str, Any]]) -> str:
    """Scores by language, and what share they are of what people reach against each other; a row more where words are
    counted as well as characters.
    """
    lines = [
        "| | photographs | references each | B-1 | B-2 | B-3 | B-4 | R-L | CIDEr | 95 % interval | people's CIDEr "
        "| share of it |",
        "|---|" + "---|" * 11,
    ]
    for figures in all_figures:
        name = language_of(figures.get("language", "en")).name
        count, each = figures["photographs"], figures["references"] / figures["photographs"]
        lines.append(_language_row(name, count, each, figures))
        if words := figures.get("by_words"):
            lines[-1] = _language_row(f"{name}, by characters", count, each, figures)
            lines.append(_language_row(f"{name}, by words", count, each, words))
    return "\n".join(lines)


def _language_row(name: str, photographs: int, references: float, found: Mapping[str, Any]) -> str:
    scores, (low, high), people = found["scores"], found["intervals"]["CIDEr"], found["people"]
    cells = [f"{scores[metric]:.3f}" for metric in ("B-1", "B-2", "B-3", "B-4", "R-L", "CIDEr")]
    ceiling = people["scores"]["CIDEr"] if people else None
    share = [f"{ceiling:.3f}", f"{scores['CIDEr'] / ceiling:.0%}"] if ceiling else ["–", "–"]
    numbers = [f"{photographs:,}", f"{references:.0f}", *cells, f"{low:.3f}–{high:.3f}", *share]
    return f"| {name} | {' | '.join(numbers)} |"


def summary(figures: Mapping[str, Any], also: Sequence[Mapping[str, Any]] = ()) -> str:
    """The scores beside others and published ones, their intervals, and what the metrics miss."""
    name = _name(figures)
    rows = {f"**{name}**": figures["scores"]}
    if figures["scores_ptb"]:
        rows[f"{name}, PTB tokenisation"] = figures["scores_ptb"]
    rows |= {f"**{_name(other)}**": other["scores"] for other in also}
    if figures["flickr8k_test"]:
        rows |= REFERENCE_RESULTS
        note = "The rows below ours are published figures, or measured, on the same split."
    else:
        note = (
            "These are not the photographs of Flickr8k's official test split: published figures do not compare, and "
            "the checkpoint may have been trained on some of them."
        )
    if people := figures["people"]:
        rows[f"each person against the other {people['others']}, mean"] = people["scores"]
    intervals = (f"{metric} {low:.3f}–{high:.3f}" for metric, (low, high) in figures["intervals"].items())
    lines = [
        score_table(rows),
        "",
        f"Corpus level, clipped counts, closest reference length, no smoothing. {note}",
        "",
        f"95 % intervals (bootstrap over photographs): {', '.join(intervals)}.",
        "",
        *_quality_lines(figures),
    ]
    return "\n".join(lines)


def _name(figures: Mapping[str, Any]) -> str:
    model = figures["model"]
    return f"{model['name']} {model['digest'][7:15]}, {figures['decoding']}"


def _quality_lines(figures: Mapping[str, Any]) -> list[str]:
    quality, shown = figures["quality"], figures["calibration"]
    photographs = figures["photographs"]
    lines = [
        f"- different captions: {quality['different_captions']} of {photographs} "
        f"({1000 * quality['different_captions'] / photographs:.0f} per 1,000)"
        + (f"; word for word one of the references: {quality['exact_matches']}" if "exact_matches" in quality else ""),
        *(
            [
                f"- captions of whose nouns no reference has any: {quality['misses']:.1%}; that have every one of "
                f"theirs in some reference: {quality['all_named']:.1%}"
            ]
            if "misses" in quality
            else []
        ),
        f"- words used: {quality['different_words']}"
        + (f" of the {quality['vocabulary']} known" if "vocabulary" in quality else "")
        + f"; the references use {quality['different_words_in_references']}",
        f"- mean length: {quality['mean_words']:.1f} words, references {quality['mean_reference_words']:.1f}",
        f"- captions with an unknown word: {quality['unknown_words']}, with a bigram twice: "
        f"{quality['repeated_bigrams']}, broken off: {quality['cut_off']}",
        f"- captions of low confidence: {quality['low_confidence']}",
        f"- rank correlation of a caption's probability with its CIDEr: {shown['caption_rank_correlation']:.2f}; "
        f"calibration error of a word's probability: {shown['word_calibration_error']:.2f}",
    ]
    if figures["inexpressible"]:
        lines.append(
            f"- references with a word outside the vocabulary, which no caption can match in full: "
            f"{figures['inexpressible']['references']:.1%} ({figures['inexpressible']['words']:.1%} of their words)"
        )
    if figures["refused"]:
        lines.append(f"- photographs that could not be read: {len(figures['refused'])}")
    return lines


def fill_in(document: str, figures: Mapping[str, Any], also: Sequence[Mapping[str, Any]] = ()) -> str:
    """The document with the figures in its places for them. Raises ValueError where it has none."""
    dataset = figures["dataset"]
    texts = {
        "scores": lambda: summary(figures, also),
        "groups": lambda: group_table(figures),
        "languages": lambda: language_table([figures, *also]),
    }
    place = re.compile(rf"(<!-- (scores|groups|languages) {re.escape(dataset)} -->\n).*?(<!-- /\2 -->)", re.DOTALL)
    if not place.search(document):
        raise ValueError(f"there is no <!-- scores {dataset} --> … <!-- /scores --> in it")
    return place.sub(lambda found: f"{found[1]}{texts[found[2]]()}\n{found[3]}", document)


@dataclass(frozen=True)
class Config:
    scores: tyro.conf.Positional[Path]
    """scores.json of training.evaluate."""
    documents: tyro.conf.Positional[tuple[Path, ...]]
    also: tuple[Path, ...] = ()
    """Those of other evaluations on the same split, for a row each."""


def main(arguments: Sequence[str] | None = None) -> int:
    config = tyro.cli(Config, args=arguments, description=__doc__)
    for document in config.documents:
        try:
            figures, *also = (json.loads(file.read_text("utf-8")) for file in (config.scores, *config.also))
            with atomic_write(document) as file:
                file.write_text(fill_in(document.read_text("utf-8"), figures, also), encoding="utf-8")
        except (OSError, ValueError) as error:
            print(f"error: {document}: {error}", file=sys.stderr)
            return 2
        print(f"written: {document}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
