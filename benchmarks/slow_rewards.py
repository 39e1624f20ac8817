"""The reward of training/objectives/rewards.py word for word, which it is compared with: slow, and easy to read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

_ORDERS = 4
_SIGMA = 6.0  # of CIDEr-D's penalty for a difference in length

Ngram = tuple[int, ...]
Texts = Sequence[Sequence[Sequence[int]]]
"""Captions as tokens, by image."""


class CaptionReward:
    """CIDEr-D (Vedantam et al. 2015, arXiv 1411.5726) of a hypothesis against an image's references, plus
    `bleu_weight` times its BLEU-4. All are tokens that end with END: without the end in the reward, captions that
    break off are rewarded.

    Document frequencies are those of the references given: the training split's.
    """

    def __init__(self, references: Texts, bleu_weight: float = 0.0) -> None:
        self._bleu_weight = bleu_weight
        self._counts = [[_ngrams(text) for text in texts] for texts in references]
        self._documents = Counter(ngram for texts in self._counts for ngram in set().union(*texts))
        self._log_images = math.log(len(references))
        self._vectors = [[self._vector(text) for text in texts] for texts in self._counts]

    def __call__(self, image: int, hypothesis: Sequence[int]) -> float:
        counts = _ngrams(hypothesis)
        given = self._vector(counts)
        found = self._vectors[image]
        cider = 10 * sum(_similarity(given, reference) for reference in found) / len(found)
        return cider + (self._bleu_weight * _bleu4(counts, self._counts[image]) if self._bleu_weight else 0.0)

    def _vector(self, counts: Counter[Ngram]) -> _Vector:
        weights: list[dict[Ngram, float]] = [{} for _ in range(_ORDERS)]
        for ngram, count in counts.items():
            rarity = self._log_images - math.log(max(1, self._documents[ngram]))
            weights[len(ngram) - 1][ngram] = count * rarity
        norms = [math.sqrt(sum(w * w for w in order.values())) for order in weights]
        return _Vector(weights, norms, _length(counts, 2))


class _Vector:
    """tf-idf weights by order, their norms, and the length in bigrams."""

    __slots__ = ("length", "norms", "weights")

    def __init__(self, weights: list[dict[Ngram, float]], norms: list[float], length: int) -> None:
        self.weights, self.norms, self.length = weights, norms, length


def _ngrams(text: Sequence[int]) -> Counter[Ngram]:
    spans: Iterable[Ngram] = (
        tuple(text[start : start + order]) for order in range(1, _ORDERS + 1) for start in range(len(text) - order + 1)
    )
    return Counter(spans)


def _length(counts: Counter[Ngram], order: int) -> int:
    """How many n-grams of that order there are."""
    return sum(count for ngram, count in counts.items() if len(ngram) == order)


def _similarity(given: _Vector, reference: _Vector) -> float:
    total = 0.0
    for ours, theirs, our_norm, their_norm in zip(
        given.weights, reference.weights, given.norms, reference.norms, strict=True
    ):
        if our_norm and their_norm:
            shared = sum(
                min(weight, theirs[ngram]) * theirs[ngram] for ngram, weight in ours.items() if ngram in theirs
            )
            total += shared / (our_norm * their_norm)
    penalty = math.exp(-((given.length - reference.length) ** 2) / (2 * _SIGMA**2))
    return total / _ORDERS * penalty


def _bleu4(counts: Counter[Ngram], references: Sequence[Counter[Ngram]]) -> float:
    """Of one sentence, with one added to numerator and denominator above single words (Lin and Och 2004): a single
    missing four-gram would make it zero.
    """
    matched, given = [0] * _ORDERS, [0] * _ORDERS
    for ngram, count in counts.items():
        order = len(ngram) - 1
        matched[order] += min(count, max(reference[ngram] for reference in references))
        given[order] += count
    if not matched[0]:
        return 0.0
    precision = sum(
        math.log((hit + (order > 0)) / (max(1, all_) + (order > 0)))  # too short to have any: one that is wrong
        for order, (hit, all_) in enumerate(zip(matched, given, strict=True))
    )
    closest = min((_length(reference, 1) for reference in references), key=lambda n: (abs(n - given[0]), n))
    return math.exp(precision / _ORDERS + min(0.0, 1 - closest / given[0]))
