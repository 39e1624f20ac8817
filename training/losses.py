"""What training makes small: cross-entropy, or the self-critical loss with CIDEr-D as reward."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from model.vocabulary import PAD, START, UNKNOWN

_ORDERS = 4
_SIGMA = 6.0  # of CIDEr-D's penalty for a difference in length

Ngram = tuple[int, ...]


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Mean over the words (words). A rare word says nothing of which word is right, and is never to be written:
    UNKNOWN is not learnt.
    """
    return nn.functional.cross_entropy(logits.float(), targets, ignore_index=UNKNOWN, label_smoothing=label_smoothing)


def self_critical(logits: Tensor, chosen: Tensor, advantage: Tensor) -> Tensor:
    """The policy gradient of sampled captions (Rennie et al. 2017, arXiv 1612.00563), mean over the words.

    `chosen` and `advantage` (words): a word that was sampled, and how much better its caption was rewarded than
    what it is compared with. Tokens that decoding never chooses have no probability here either.
    """
    logits = logits.float().clone()
    logits[:, [PAD, START, UNKNOWN]] = -torch.inf
    log_probabilities = logits.log_softmax(dim=1).gather(1, chosen.unsqueeze(1)).squeeze(1)
    return -(advantage * log_probabilities).mean()


def advantages(rewards: Tensor) -> Tensor:
    """Rewards (images, samples) minus the mean of the same image's other samples (Luo 2020, arXiv 2003.09971)."""
    samples = rewards.shape[1]
    return (rewards - rewards.mean(dim=1, keepdim=True)) * (samples / (samples - 1))


class CiderReward:
    """CIDEr-D (Vedantam et al. 2015, arXiv 1411.5726) of a hypothesis against an image's references, all as tokens
    that end with END: without the end in the reward, captions that break off are rewarded.

    Document frequencies are those of the references given: the training split's.
    """

    def __init__(self, references: Sequence[Sequence[Sequence[int]]]) -> None:
        counts = [[_ngrams(text) for text in texts] for texts in references]
        self._documents = Counter(ngram for texts in counts for ngram in set().union(*texts))
        self._log_images = math.log(len(references))
        self._references = [[self._vector(text) for text in texts] for texts in counts]

    def __call__(self, image: int, hypothesis: Sequence[int]) -> float:
        given = self._vector(_ngrams(hypothesis))
        found = self._references[image]
        return 10 * sum(_similarity(given, reference) for reference in found) / len(found)

    def _vector(self, counts: Counter[Ngram]) -> _Vector:
        weights: list[dict[Ngram, float]] = [{} for _ in range(_ORDERS)]
        for ngram, count in counts.items():
            rarity = self._log_images - math.log(max(1, self._documents[ngram]))
            weights[len(ngram) - 1][ngram] = count * rarity
        norms = [math.sqrt(sum(w * w for w in order.values())) for order in weights]
        return _Vector(weights, norms, sum(c for ngram, c in counts.items() if len(ngram) == 2))


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
