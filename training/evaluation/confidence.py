"""What a confidence is worth: which captions it tells apart, and whether it happens as often as it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from model.confidence import LOW_CONFIDENCE, TARGETS
from model.ranking import Floats

_BINS = 10
_FLAGGED_OF_GOOD = 0.15


def confidence_scores(probabilities: Floats, targets: Floats, shares: Floats) -> dict[str, Any]:
    """Of probabilities (captions, TARGETS), what came true (captions, TARGETS), and the share of what each caption
    names that some reference names (captions).

    `auroc` is of the confidence, the first column; `auroc_own` of each target's own column. `flagged` tells the share
    of captions under LOW_CONFIDENCE: of all, of those of less than a third right, of those that are all right;
    `bad_flagged_at_15` the share of the second at the threshold that flags 15 % of the third.
    """
    confidence, bad, good = probabilities[:, 0], shares < 1 / 3, shares >= 1
    low = confidence < LOW_CONFIDENCE
    threshold = np.quantile(confidence[good], _FLAGGED_OF_GOOD) if good.any() else 1.0
    return {
        "captions": len(shares),
        "so": dict(zip(TARGETS, targets.mean(axis=0).tolist(), strict=True)),
        "auroc": {name: auroc(confidence, target) for name, target in zip(TARGETS, targets.T, strict=True)},
        "auroc_own": {
            name: auroc(own, target) for name, own, target in zip(TARGETS, probabilities.T, targets.T, strict=True)
        },
        "ece": expected_calibration_error(confidence, targets[:, 0]),
        "flagged": {
            "of all": float(low.mean()),
            "of those with less than a third right": float(low[bad].mean()) if bad.any() else None,
            "of those that are all right": float(low[good].mean()) if good.any() else None,
        },
        "bad": int(bad.sum()),
        "bad_flagged_at_15": float((confidence[bad] < threshold).mean()) if bad.any() else None,
        "bins": bins(confidence, targets[:, 0]),
        "roc": {name: _roc(own, target) for name, own, target in zip(TARGETS, probabilities.T, targets.T, strict=True)},
    }


def auroc(said: Floats, so: Floats) -> float | None:
    """None where it is always so, or never."""
    return float(roc_auc_score(so, said)) if len(set(so.tolist())) == 2 else None


def expected_calibration_error(said: Floats, so: Floats) -> float:
    """Over ten equal bins (Guo et al. 2017, arXiv 1706.04599)."""
    return float(sum(count * abs(claimed - found) for claimed, found, count in bins(said, so)) / len(said))


def bins(said: Floats, so: Floats) -> list[tuple[float, float, int]]:
    """Mean of what is said, share that is so, and count, of each of ten equal bins that has any."""
    numbers = np.minimum((said * _BINS).astype(int), _BINS - 1)
    return [
        (float(said[numbers == each].mean()), float(so[numbers == each].mean()), int((numbers == each).sum()))
        for each in np.unique(numbers)
    ]


def _roc(said: Floats, so: Floats) -> Sequence[Sequence[float]]:
    """At most a hundred points: share of false alarms, share found."""
    if len(set(so.tolist())) < 2:
        return []
    wrong, right, _ = roc_curve(so, said)
    kept = np.unique(np.linspace(0, len(wrong) - 1, 100).astype(int))
    return np.round(np.stack([wrong[kept], right[kept]], axis=1), 4).tolist()  # type: ignore[no-any-return]
