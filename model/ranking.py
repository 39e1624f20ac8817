"""A beam's sentences ranked by what people would say of the picture; knows no network.

Something that looks at the picture (model/cnn_lstm/ngrams.py) says how likely a person uses each of many words and
phrases of it. With these the CIDEr of a sentence is predicted before anybody has described the picture, and sentences
are ranked by a linear function of that and of what the network that wrote them thought of them. The idea is Fang et al.
2015 (arXiv 1411.4952), the score CIDEr-D's (Vedantam et al. 2015, arXiv 1411.5726) with expected counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Floats = np.ndarray[Any, Any]

ORDERS = (1, 2, 3)
SMALLEST = 1e-6  # of a probability, before its logarithm
FEATURES = (
    *("mean log-probability", "sum of log-probabilities", "least log-probability"),
    *(f"{name} of {n}-grams" for n in ORDERS for name in ("predicted CIDEr", "mean log-ratio", "share known")),
    *("sum of tags' log-ratios", "mean of tags' log-ratios", "least of tags' log-ratios"),
    *("sum of tags' log-odds", "mean of tags' log-odds"),
    *("length", "length squared", "tags", "repeats"),
)


@dataclass(frozen=True)
class Ngrams:
    """Words, pairs and triples that people use of pictures, and how they use them."""

    texts: tuple[str, ...]
    """Their words, with a blank between them."""
    priors: Floats
    """(ngrams): the share of captions that hold each."""
    rarities: Floats
    """(ngrams): the logarithm of the inverse document frequency; a document is all that is said of one picture."""
    unknown_rarity: float
    """Of every other n-gram."""
    tags: tuple[str, ...]
    """Names of things, deeds and properties, each for one or more of the single words."""
    kinds: tuple[str, ...]
    """(tags): noun, verb, adjective or colour."""
    tag_of: np.ndarray[Any, Any]
    """(ngrams): which tag each belongs to, -1 for none."""

    @cached_property
    def orders(self) -> np.ndarray[Any, Any]:
        """(ngrams): of how many words each is."""
        return np.array([text.count(" ") + 1 for text in self.texts])

    @cached_property
    def index(self) -> dict[str, int]:
        return {text: number for number, text in enumerate(self.texts)}

    def tag(self, word: str) -> int:
        """The number of the tag that the word belongs to, -1 for none."""
        return int(self.tag_of[self.index[word]]) if word in self.index else -1

    def seen_in(self, probabilities: Floats) -> Expected:
        """What to expect of a picture of which the n-grams have these probabilities (ngrams)."""
        p = np.clip(probabilities, SMALLEST, 1 - SMALLEST).astype(np.float64)
        vector = p * self.rarities
        return Expected(
            ngrams=self,
            log_ratios=np.log(p / self.priors),
            log_odds=np.log(p / (1 - p)),
            worth=vector * self.rarities,
            norms=np.array([np.sqrt(np.square(vector[self.orders == n]).sum()) or 1.0 for n in ORDERS]),
        )


@dataclass(frozen=True)
class Expected:
    """What people are expected to say of one picture."""

    ngrams: Ngrams
    log_ratios: Floats  # (ngrams): of the probability to the prior
    log_odds: Floats  # (ngrams)
    worth: Floats  # (ngrams): what one adds to the product of the expected tf-idf vector and a sentence's
    norms: Floats  # (orders): of the expected tf-idf vector

    def features(self, words: Sequence[str], log_probabilities: Sequence[float]) -> list[float]:
        """FEATURES of a sentence: its words, and what its author thought of each and of the end."""
        found = [sum(log_probabilities) / len(log_probabilities), sum(log_probabilities), min(log_probabilities)]
        for n, norm in zip(ORDERS, self.norms.tolist(), strict=True):
            found += self._order(words, n, norm)
        tags = [i for word in words if (i := self.ngrams.index.get(word, -1)) >= 0 and self.ngrams.tag_of[i] >= 0]
        ratios, odds = self.log_ratios[tags], self.log_odds[tags]
        found += [ratios.sum(), ratios.mean(), ratios.min(), odds.sum(), odds.mean()] if tags else [0.0] * 5
        return [*found, len(words), len(words) ** 2, len(tags), len(words) - len(set(words))]

    def _order(self, words: Sequence[str], n: int, norm: float) -> tuple[float, float, float]:
        """The predicted CIDEr of one order, the mean log-ratio and the share of its n-grams that are known."""
        counts = Counter(" ".join(words[at : at + n]) for at in range(len(words) - n + 1))
        index = self.ngrams.index
        known = {number: count for text, count in counts.items() if (number := index.get(text, -1)) >= 0}
        if not known:
            return 0.0, 0.0, 0.0
        own = list(known)
        vector = self.ngrams.rarities[own] * list(known.values())
        strange = sum(count**2 for text, count in counts.items() if text not in index)
        length = np.sqrt(np.square(vector).sum() + strange * self.ngrams.unknown_rarity**2) or 1.0
        predicted, ratio = self.worth[own].sum() / (norm * length), self.log_ratios[own].mean()
        return float(predicted), float(ratio), len(known) / len(counts)


@dataclass(frozen=True)
class Ranking:
    """A linear function of standardised FEATURES."""

    means: Floats  # (features)
    deviations: Floats  # (features)
    weights: Floats  # (features)

    def scores(self, features: Sequence[Sequence[float]]) -> Floats:
        """(sentences), higher is better, of (sentences, features)."""
        scores: Floats = ((np.array(features) - self.means) / self.deviations) @ self.weights
        return scores
