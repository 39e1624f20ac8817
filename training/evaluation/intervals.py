"""How much of a score is luck of the photographs: bootstrap intervals (Efron 1979; for BLEU: Koehn 2004)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from nltk.translate.bleu_score import closest_ref_length, modified_precision

from training.evaluation.metrics import Tokens

_ORDERS = 4


def bootstrap_intervals(
    hypotheses: Sequence[Tokens],
    references: Sequence[Sequence[Tokens]],
    by_image: Mapping[str, Sequence[float]],
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """The 2.5th and 97.5th percentile of every metric over photographs drawn anew with replacement.

    `by_image` holds the metrics that are means over photographs; BLEU, which is not, is worked out anew from its
    counts for each draw. CIDEr's document frequencies stay those of the whole split.
    """
    counts = np.array([_bleu_counts(h, r) for h, r in zip(hypotheses, references, strict=True)])
    means = {name: np.asarray(values) for name, values in by_image.items()}
    random = np.random.default_rng(seed)
    found: dict[str, list[float]] = {}
    for _ in range(resamples):
        rows = random.integers(0, len(hypotheses), len(hypotheses))
        for n, value in enumerate(_bleu(counts[rows].sum(axis=0)), start=1):
            found.setdefault(f"B-{n}", []).append(value)
        for name, values in means.items():
            found.setdefault(name, []).append(float(values[rows].mean()))
    return {name: tuple(np.percentile(values, (2.5, 97.5)).tolist()) for name, values in found.items()}


def _bleu_counts(hypothesis: Tokens, references: Sequence[Tokens]) -> list[int]:
    """Matches of each order, n-grams of each order, length, closest reference length."""
    precisions = [modified_precision(references, hypothesis, n) for n in range(1, _ORDERS + 1)]
    return [
        *(p.numerator for p in precisions),
        *(p.denominator for p in precisions),
        len(hypothesis),
        closest_ref_length(references, len(hypothesis)),
    ]


def _bleu(counts: np.ndarray[Any, Any]) -> list[float]:
    matches, totals, (length, closest) = counts[:_ORDERS], counts[_ORDERS:-2], counts[-2:]
    brevity = min(0.0, 1 - closest / length)
    logs = [math.log(m / t) if m else -math.inf for m, t in zip(matches, totals, strict=True)]
    return [math.exp(brevity + sum(logs[:n]) / n) for n in range(1, _ORDERS + 1)]
