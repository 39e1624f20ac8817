"""Fits the confidence in a sentence and in its words (model/confidence.py) to what a dev split's people say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from model.calibration import Calibration, calibrated
from model.confidence import Confidence, sentence_features
from model.ranking import Floats, Ngrams, Ranking
from training.evaluation.nouns import NAMES_NOTHING, PERSON, nouns, share_named
from training.objectives.judged import Judged

_INVERSE_PENALTY = 0.1


@dataclass(frozen=True)
class Best:
    """Of each photograph the sentence that is ranked first."""

    features: Floats  # (photographs, model.confidence.FEATURES)
    shares: Floats  # (photographs): of what it names, some reference names
    ciders: Floats  # (photographs)
    words: Floats  # (words of all sentences, 2): the author's probability; 1 where some reference has the word

    @property
    def targets(self) -> Floats:
        """(photographs, model.confidence.TARGETS), true or false."""
        return np.stack([self.shares >= 0.5, self.shares >= 1, self.ciders >= 0.4], axis=1)


def things_of(ngrams: Ngrams) -> np.ndarray:  # type: ignore[type-arg]
    """(tags): see Confidence.things."""
    numbers: dict[str, int] = {}
    found = []
    for tag, kind in zip(ngrams.tags, ngrams.kinds, strict=True):
        thing = PERSON if nouns([tag]) == {PERSON} else tag
        names = kind == "word" or (kind == "noun" and tag not in NAMES_NOTHING)
        found.append(numbers.setdefault(thing, len(numbers)) if names else -1)
    return np.array(found)


def best_sentences(judged: Judged, ngrams: Ngrams, ranking: Ranking, calibrations: Mapping[str, Calibration]) -> Best:
    things, named = things_of(ngrams), calibrated(judged.raw, ngrams.kinds, calibrations)
    features, shares, ciders, words = [], [], [], []
    for photograph, references in enumerate(judged.captions):
        beam, scores = judged.beam(photograph), ranking.scores(judged.features[photograph].tolist())
        best = int(scores.argmax())
        text, each = beam[best]
        features.append(sentence_features(beam, scores, named[photograph], ngrams, things)[best])
        shares.append(
            _share_said(text, references, ngrams) if "word" in ngrams.kinds else share_named(text, references)
        )
        ciders.append(judged.ciders[photograph][best])
        known = {word for reference in references for word in reference}
        words += [(math.exp(value), word in known) for word, value in zip(text, each, strict=False)]
    return Best(np.array(features), np.array(shares), np.array(ciders), np.array(words, dtype=np.float64))


def fit_words(best: Sequence[Best]) -> Calibration:
    """From a word's probability to the share of its like that some reference has."""
    words = np.concatenate([own.words for own in best])
    fitted = IsotonicRegression(out_of_bounds="clip").fit(words[:, 0], words[:, 1])
    return Calibration(fitted.X_thresholds_, fitted.y_thresholds_)


def fit_confidence(best: Sequence[Best], ngrams: Ngrams) -> Confidence:
    features, targets = (np.concatenate([getattr(own, part) for own in best]) for part in ("features", "targets"))
    scaler = StandardScaler().fit(features)
    fitted = [_logistic(scaler.transform(features), target) for target in targets.T]
    weights, biases = (np.array(part) for part in zip(*fitted, strict=True))
    return Confidence(things_of(ngrams), scaler.mean_, scaler.scale_, weights, biases)


def _logistic(features: Floats, target: Floats) -> tuple[Floats, float]:
    """Weights and bias. What is always so, or never, has only a bias (with one of the other kind added)."""
    if len(set(target.tolist())) < 2:
        return np.zeros(features.shape[1]), math.log((target.sum() + 1) / ((~target).sum() + 1))
    model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000).fit(features, target)
    return model.coef_[0], float(model.intercept_[0])


def _share_said(text: Sequence[str], references: Sequence[Sequence[str]], ngrams: Ngrams) -> float:
    """As `share_named`, of the words that are tags."""
    own = {word for word in text if ngrams.tag(word) >= 0}
    return len(own & {word for reference in references for word in reference}) / len(own) if own else 0.0
