"""What the confidence of a checkpoint is worth: python -m training.confidence CHECKPOINT --data DIR [--data DIR …]

On one split of captioned folders that it was not fitted to: whether captions come true as often as it says, which it
tells apart, whether another photograph's caption is found out, and what is drawn and no photograph at all. Writes
confidence.json, confidence.png (reliability, ROC) and report.md to --output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import tyro
from tqdm import tqdm

from model.cnn_lstm.captioner import CnnLstmCaptioner, Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.vocabulary import Vocabulary
from model.confidence import LOW_CONFIDENCE, TARGETS, sentence_features
from model.errors import CheckpointMismatch, VocabularyRefused
from model.files import atomic_write
from model.ranking import Floats
from model.second_look import SecondLook
from training.data.features import TooManyRefused
from training.data.lists import locate
from training.data.mixture import read_datasets
from training.data.records import DatasetRefused, Split, name_lists
from training.evaluation.confidence import auroc, bins, confidence_scores, expected_calibration_error
from training.evaluation.not_photographs import KINDS, drawn
from training.objectives.confidence import Best, best_sentences
from training.objectives.heads import see
from training.objectives.judged import Judged

plt.switch_backend("Agg")  # no window


@dataclass(frozen=True)
class Config:
    checkpoint: tyro.conf.Positional[Path]
    data: tyro.conf.UseAppendAction[tuple[Path, ...]]
    """Folders in one of the layouts of training/data/layouts.py."""
    split: Split = "test"
    captions: tyro.conf.UseAppendAction[tuple[Path, ...]] = ()
    """The list of captions to read, where a folder holds several; may be given several times."""
    vocabulary: Path | None = None
    """Default: vocab.pkl beside the checkpoint."""
    drawn: int = 25
    """Pictures of each kind that are no photographs."""
    output: Path = Path("runs/confidence")
    cache: Path = Path("runs/features")
    """As in training."""


def measure(config: Config) -> dict[str, Any]:
    """Raises what reading checkpoint, vocabulary and data does; CheckpointMismatch for one without a second look."""
    checkpoint = Checkpoint.load(config.checkpoint)
    vocabulary_file = config.vocabulary or config.checkpoint.with_name("vocab.pkl")
    vocabulary = Vocabulary.load(vocabulary_file)
    checkpoint.verify(vocabulary)
    head, look = checkpoint.heads.ngrams, checkpoint.heads.second_look
    if head is None or look is None:
        raise CheckpointMismatch("it has no second look and so no confidence: python -m training.heads")
    network = Network.from_checkpoint(checkpoint)
    best, swapped = {}, []
    for dataset in read_datasets(config.data, captions=locate(config.captions, config.data)):
        print(name_lists(dataset.records))
        seen = see(dataset, config.split, network.encoder, checkpoint.preprocessing, config.cache)
        judged = Judged.of(seen, head, look.ngrams, network, vocabulary)
        best[dataset.name] = best_sentences(judged, look.ngrams, look.ranking, look.calibrations)
        swapped.append(with_anothers_caption(judged, look))
    captioner = CnnLstmCaptioner.from_files(config.checkpoint, vocabulary_file, torch.device("cpu"), "fp32")
    together = Best(
        *(np.concatenate([getattr(own, part) for own in best.values()]) for part in Best.__dataclass_fields__)
    )
    own, others = (look.confidence(part)[:, 0] for part in (together.features, np.concatenate(swapped)))
    sets = best | ({"together": together} if len(best) > 1 else {})
    return {
        "split": config.split,
        "threshold": LOW_CONFIDENCE,
        "scores": {
            name: confidence_scores(look.confidence(part.features), part.targets, part.shares)
            for name, part in sets.items()
        },
        "words": {name: _word_scores(part, look) for name, part in sets.items()},
        "anothers_caption": {
            "pairs": len(others),
            "auroc": auroc(np.concatenate([own, others]), np.arange(2 * len(own)) < len(own)),
            "flagged": float((others < LOW_CONFIDENCE).mean()),
        },
        "no_photographs": {
            kind: _flagged(captioner, kind, config.drawn) for kind in tqdm(KINDS, desc="no photographs", unit="kind")
        },
    }


def with_anothers_caption(judged: Judged, look: SecondLook) -> Floats:
    """(photographs, model.confidence.FEATURES) of the caption of one half a split away, ranked first in each beam."""
    count = len(judged.captions)
    scores = [look.ranking.scores(own.tolist()) for own in judged.features]
    best = [judged.beam(number)[int(scores[number].argmax())] for number in range(count)]
    found = []
    for number in range(count):
        sentences = [best[(number + count // 2) % count], *judged.beam(number)]
        named = look.named(judged.probabilities[number])
        anew = look.scores(sentences, judged.probabilities[number])
        found.append(sentence_features(sentences, anew, named, look.ngrams, look.confidence.things)[0])
    return np.array(found)


def _word_scores(best: Best, look: SecondLook) -> dict[str, Any]:
    raw, so = best.words.T
    shown = look.words(raw)
    return {
        "ece_of_author": expected_calibration_error(raw, so),
        "ece": expected_calibration_error(shown, so),
        "bins": bins(shown, so),
    }


def _flagged(captioner: CnnLstmCaptioner, kind: str, count: int) -> float:
    found = captioner.caption(drawn(kind, count))
    return sum(captions[0].low_confidence for captions in found) / count


def report(figures: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    names = list(figures["scores"])

    def row(title: str, *path: str, of: str = "scores") -> str:
        cells = []
        for name in names:
            value: Any = figures[of][name]
            for step in path:
                value = value[step]
            cells.append("–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value))
        return f"| {title} | " + " | ".join(cells) + " |"

    other, drawings = figures["anothers_caption"], figures["no_photographs"]
    everything = sum(drawings.values()) / len(drawings)
    lines = [
        f"# What the confidence is worth, {figures['split']} split",
        "",
        "| | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
        row("captions", "captions"),
        *(row(f"so: {target}", "so", target) for target in TARGETS),
        *(row(f"AUROC of the confidence: {target}", "auroc", target) for target in TARGETS),
        *(row(f"AUROC of its own number: {target}", "auroc_own", target) for target in TARGETS[1:]),
        row("calibration error (ECE)", "ece"),
        row("captions with less than a third right", "bad"),
        row("of these flagged, at the threshold that flags 15 % of those that are all right", "bad_flagged_at_15"),
        *(
            row(f"flagged under {figures['threshold']}: {who}", "flagged", who)
            for who in figures["scores"][names[0]]["flagged"]
        ),
        row("calibration error of a word's probability", "ece", of="words"),
        row("the same of what its author thinks", "ece_of_author", of="words"),
        "",
        f"Another photograph's caption in place of its own, {other['pairs']} pairs: AUROC {other['auroc']:.3f}, "
        f"{other['flagged']:.0%} flagged.",
        "",
        f"Drawn, and no photographs: {everything:.0%} flagged ("
        + ", ".join(f"{kind} {share:.0%}" for kind, share in drawings.items())
        + ").",
        "",
        "![reliability and ROC](confidence.png)",
    ]
    return "\n".join(lines) + "\n"


def draw(figures: Mapping[str, Any], output: Path) -> None:
    """Reliability of captions and words, and the ROC of each target."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), constrained_layout=True)
    name = list(figures["scores"])[-1]
    shown = (
        (figures["scores"], "confidence of a caption", "share with half of its nouns named"),
        (figures["words"], "probability of a word", "share in a reference"),
    )
    for axis, (scores, said, so) in zip(axes, shown, strict=False):
        for dataset, own in scores.items():
            axis.plot(*np.array(own["bins"])[:, :2].T, marker="o", label=dataset)
        axis.plot([0, 1], [0, 1], color="grey", linestyle=":")
        axis.set(xlabel=said, ylabel=so, xlim=(0, 1), ylim=(0, 1))
    for target, points in figures["scores"][name]["roc"].items():
        if points:
            axes[2].plot(*np.array(points).T, label=target)
    axes[2].set(xlabel="false alarms", ylabel="found", title=f"ROC, {name}, each target by its own number")
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.savefig(output, dpi=100)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    config = tyro.cli(Config, args=arguments, description=__doc__)
    try:
        figures = measure(config)
        config.output.mkdir(parents=True, exist_ok=True)
        contents = {"confidence.json": json.dumps(figures, indent=1) + "\n", "report.md": report(figures)}
        for name, content in contents.items():
            with atomic_write(config.output / name) as file:
                file.write_text(content)
        draw(figures, config.output / "confidence.png")
    except (CheckpointMismatch, VocabularyRefused, DatasetRefused, TooManyRefused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report(figures))
    print(f"written: {config.output}/confidence.json, report.md and confidence.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
