"""How well pictures' tags fit what people say of them: calibration, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score

from model.calibration import Calibration, calibrated
from model.ranking import Floats, Ngrams
from training.evaluation.confidence import expected_calibration_error

_TOP = 5
_SAID = 0.1
_FOLDS = 5


def named_tags(captions: Sequence[Sequence[Sequence[str]]], ngrams: Ngrams) -> Floats:
    """(photographs, tags), true where some caption of the photograph has one of the tag's words."""
    found = np.zeros((len(captions), len(ngrams.tags)), dtype=bool)
    for row, own in enumerate(captions):
        tags = {ngrams.tag(word) for words in own for word in words}
        found[row, sorted(tags - {-1})] = True
    return found


def fit_calibrations(raw: Floats, named: Floats, kinds: Sequence[str]) -> dict[str, Calibration]:
    """By kind of tag, from what the head says (photographs, tags) and who named it (photographs, tags)."""
    found = {}
    for kind in dict.fromkeys(kinds):
        own = np.array(kinds) == kind
        fitted = IsotonicRegression(out_of_bounds="clip").fit(raw[:, own].ravel(), named[:, own].ravel())
        found[kind] = Calibration(fitted.X_thresholds_, fitted.y_thresholds_)
    return found


def fold_by_fold(raw: Floats, named: Floats, kinds: Sequence[str]) -> Floats:
    """Every fifth of the photographs calibrated by the others: (photographs, tags)."""
    fold = np.arange(len(raw)) % _FOLDS
    result = np.empty_like(raw)
    for each in range(_FOLDS):
        fitted = fit_calibrations(raw[fold != each], named[fold != each], kinds)
        result[fold == each] = calibrated(raw[fold == each], kinds, fitted)
    return result


def tag_scores(probabilities: Floats, named: Floats, kinds: Sequence[str]) -> dict[str, Any]:
    """Mean average precision over the tags that are named at all, precision of each photograph's first five, and the
    expected calibration error by kind, of (photographs, tags).
    """
    some = named.any(axis=0)
    top = np.argsort(-probabilities, axis=1)[:, :_TOP]
    return {
        "tags": int(some.sum()),
        "mAP": float(average_precision_score(named[:, some], probabilities[:, some], average="macro")),
        "precision_at_5": float(np.take_along_axis(named, top, axis=1).mean()),
        "ece": {
            kind: _error_of_said(probabilities[:, np.array(kinds) == kind], named[:, np.array(kinds) == kind])
            for kind in dict.fromkeys(kinds)
        },
    }


def _error_of_said(probabilities: Floats, named: Floats) -> float:
    """Over ten equal bins, of those that are said with a tenth at least: nearly all tags are said not to be there."""
    some = probabilities >= _SAID
    return expected_calibration_error(probabilities[some], named[some]) if some.any() else 0.0
