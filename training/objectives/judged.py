"""What the beams of a split say, and all that tells how good that is: by it the ranking, the tags and the confidence
are fitted and measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from tqdm import tqdm

from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.ngrams import NgramHead
from model.cnn_lstm.vocabulary import Vocabulary
from model.confidence import Sentence
from model.decoding import Hypothesis
from model.ranking import Floats, Ngrams
from model.second_look import Guide, raw_tags
from training.evaluation.metrics import ciders
from training.evaluation.tags import named_tags
from training.objectives.ngrams import Captions

_SEARCH = DecodingOptions(beam_size=10, num_captions=10)
_AT_ONCE = 50


@dataclass(frozen=True)
class Seen:
    """Those of one split of a dataset that could be read, as the finished encoder sees them."""

    captions: Captions
    """Words, by caption, by photograph."""
    summaries: Tensor  # (photographs, channels + 1): see out_of_distribution.summarise
    pooled: Tensor  # (photographs, 2 * channels): see ngrams.pool
    grid: Tensor | None = None  # (photographs, cells, channels), half precision, where it is to be described, too


@dataclass(frozen=True)
class Judged:
    captions: Captions
    sentences: Sequence[Sequence[Sequence[str]]]
    """Of each photograph, in the beam's order."""
    log_probabilities: Sequence[Sequence[Sequence[float]]]
    """Of their words and the end."""
    features: Sequence[Floats]
    """Of each photograph's sentences (sentences, model.ranking.FEATURES)."""
    ciders: Sequence[Sequence[float]]
    probabilities: Floats  # (photographs, ngrams)
    raw: Floats  # (photographs, tags)
    named: Floats  # (photographs, tags)

    @classmethod
    def of(cls, seen: Seen, head: NgramHead, ngrams: Ngrams, network: Network, vocabulary: Vocabulary) -> Judged:
        """`seen` has its grid."""
        found = head.from_pooled(seen.pooled)
        guidance = Guide(ngrams, vocabulary.words)(found, _SEARCH.guidance)
        probabilities, beams = found.numpy(), _beams(network, seen, guidance)
        sentences = [[vocabulary.decode(each.tokens) for each in beam] for beam in beams]
        features = []
        for look, texts, beam in zip(probabilities, sentences, beams, strict=True):
            expected = ngrams.seen_in(look)
            features.append(
                np.array(
                    [expected.features(words, own.log_probabilities) for words, own in zip(texts, beam, strict=True)]
                )
            )
        return cls(
            seen.captions,
            sentences,
            [[hypothesis.log_probabilities for hypothesis in beam] for beam in beams],
            features,
            _ciders(sentences, seen.captions),
            probabilities,
            raw_tags(ngrams, probabilities),
            named_tags(seen.captions, ngrams),
        )

    def beam(self, photograph: int) -> list[Sentence]:
        return list(zip(self.sentences[photograph], self.log_probabilities[photograph], strict=True))


def _beams(network: Network, seen: Seen, guidance: Tensor) -> list[list[Hypothesis]]:
    assert seen.grid is not None
    network.eval()
    device = next(network.decoder.parameters()).device
    beams = []
    for start in tqdm(range(0, len(seen.grid), _AT_ONCE), unit="batch", desc="describing photographs"):
        part = slice(start, start + _AT_ONCE)
        beams += network.decode(seen.grid[part].float().to(device), _SEARCH, guidance[part].to(device))
    return beams


def _ciders(sentences: Sequence[Sequence[Sequence[str]]], captions: Captions) -> list[list[float]]:
    """Of every sentence of every photograph."""
    found: list[list[float]] = [[] for _ in sentences]
    for place in range(max(map(len, sentences))):
        of_place = ciders([own[min(place, len(own) - 1)] for own in sentences], captions)
        for own, texts, value in zip(found, sentences, of_place, strict=True):
            own += [value] if place < len(texts) else []
    return found
