"""How likely a picture's own people would agree with a sentence about it; knows no network.

A logistic model of a few numbers: how likely the picture shows what the sentence names, what its author and the ranking
thought of it, whether the beam's other sentences name the same. Calibration is what makes it a probability (Guo et al.
2017, arXiv 1706.04599). `training.confidence` measures what it promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.ranking import SMALLEST, Floats, Ngrams

LOW_CONFIDENCE = 0.85
"""Under it somebody should look; chosen on dev, where a tenth of the captions that are all right are under it."""
UNLIKE = 0.5
"""The factor for a picture unlike all that the model was trained on, where nothing is calibrated: it is always low."""
FEATURES = (
    *(
        "mean log-probability of what it names",
        "least of them",
        "number of them",
        "mean log-probability of their words",
    ),
    *("mean probability of its tags", "score of the ranking", "entropy of the ranking"),
    *("least share of the beam that names the same", "entropy of the picture's tags", "mean log-probability"),
)
TARGETS = ("half of what it names", "all of it", "CIDEr of .4")
"""Named by some reference. The first is the confidence."""
_LEAST = 0.01  # of a probability, before its logarithm
_NAMES_NOTHING = 0.05

Sentence = tuple[Sequence[str], Sequence[float]]
"""Its words, and the log-probability of each and of the end."""


@dataclass(frozen=True)
class Confidence:
    things: np.ndarray[Any, Any]
    """(tags): the number of the thing that each names, -1 for none; words for people name one thing."""
    means: Floats  # (features)
    deviations: Floats  # (features)
    weights: Floats  # (targets, features)
    biases: Floats  # (targets)

    def __call__(self, features: Floats) -> Floats:
        """(sentences, targets): probabilities, of (sentences, features)."""
        odds = ((features - self.means) / self.deviations) @ self.weights.T + self.biases
        found: Floats = 1 / (1 + np.exp(-odds))
        return found


def sentence_features(
    sentences: Sequence[Sentence], scores: Floats, named: Floats, ngrams: Ngrams, things: np.ndarray[Any, Any]
) -> Floats:
    """(sentences, FEATURES) of a beam's, with their scores by the ranking (sentences), and how likely each tag is named
    of the picture (tags).
    """
    there = _things_there(named, things)
    tags = [[ngrams.tag(word) for word in words] for words, _ in sentences]
    names = [[int(things[tag]) if tag >= 0 else -1 for tag in own] for own in tags]
    shares = np.exp(scores - scores.max())
    of_picture = [_entropy(shares / shares.sum()), _entropy(named) + _entropy(1 - named)]
    found = []
    for (_, each), own, named_things, score in zip(sentences, tags, names, scores.tolist(), strict=True):
        own_things = sorted(set(named_things) - {-1})
        likely = np.log([max(there[thing], _LEAST) for thing in own_things] or [_NAMES_NOTHING])
        written = [value for value, thing in zip(each, named_things, strict=False) if thing >= 0] or [min(each)]
        support = [named[tag] for tag in own if tag >= 0] or [_NAMES_NOTHING]
        agreed = [sum(thing in other for other in names) / len(names) for thing in own_things] or [0.0]
        of_words = [likely.mean(), likely.min(), len(own_things), np.mean(written), np.mean(support)]
        found.append([*of_words, score, of_picture[0], min(agreed), of_picture[1], np.mean(each)])
    return np.array(found, dtype=np.float64)


def _things_there(named: Floats, things: np.ndarray[Any, Any]) -> Floats:
    """(things): that one of a thing's tags is named, were they independent."""
    some = np.flatnonzero(things >= 0)
    found: Floats = -np.expm1(np.bincount(things[some], weights=np.log1p(-named[some].clip(0, 1 - SMALLEST))))
    return found


def _entropy(probabilities: Floats) -> float:
    return float(-(probabilities * np.log(probabilities.clip(SMALLEST))).sum())
