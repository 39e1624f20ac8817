"""What a second look at the picture says of it and of sentences about it: tags, support of words, a better order.

Knows no network: whoever can tell the probabilities of `Ngrams` for a picture (model/cnn_lstm/ngrams.py) can have the
sentences of any captioner judged.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.calibration import Calibration, calibrated
from model.captioner import Caption, DecodingOptions, Tag
from model.confidence import LOW_CONFIDENCE, UNLIKE, Confidence, Sentence, sentence_features
from model.ranking import SMALLEST, Floats, Ngrams, Ranking

_TAGS_AT_MOST = 10
_TAG_LIKELY = 0.3


@dataclass(frozen=True)
class SecondLook:
    ngrams: Ngrams
    ranking: Ranking
    calibrations: Mapping[str, Calibration]
    """By kind of tag."""
    words: Calibration
    """From a word's probability by its author to how often somebody uses it."""
    confidence: Confidence

    def judged(self, captions: Sequence[Caption], probabilities: Floats, options: DecodingOptions) -> list[Caption]:
        """As many captions of a picture as are asked for, best first, with confidence, support and tags. The n-grams
        have these probabilities (ngrams) of it; captions of low confidence are of a picture unlike those of training.
        """
        sentences, named = [_said(caption) for caption in captions], self.named(probabilities)
        scores = self.scores(sentences, probabilities)
        order = np.argsort(-scores, kind="stable") if options.rerank else np.arange(len(captions))
        tags, confidences = self.tags(named), self.confidences(sentences, scores, named)[:, 0]
        return [
            self._judged(captions[number], float(confidences[number]), tags, named)
            for number in order[: options.num_captions].tolist()
        ]

    def _judged(self, caption: Caption, confidence: float, tags: tuple[Tag, ...], named: Floats) -> Caption:
        confidence *= UNLIKE if caption.low_confidence else 1
        likely = self.words(np.array([word.probability for word in caption.words])).tolist()
        words = tuple(
            replace(word, probability=probability, support=self.support(_plain_word(word.text), named))
            for word, probability in zip(caption.words, likely, strict=True)
        )
        low = confidence < LOW_CONFIDENCE
        return replace(caption, words=words, tags=tags, confidence=confidence, low_confidence=low)

    def scores(self, sentences: Sequence[Sentence], probabilities: Floats) -> Floats:
        """(sentences), higher is better; the n-grams have these probabilities (ngrams) of the picture."""
        expected = self.ngrams.seen_in(probabilities)
        return self.ranking.scores([expected.features(*sentence) for sentence in sentences])

    def confidences(self, sentences: Sequence[Sentence], scores: Floats, named: Floats) -> Floats:
        """(sentences, model.confidence.TARGETS), of what `scores` and `named` give."""
        return self.confidence(sentence_features(sentences, scores, named, self.ngrams, self.confidence.things))

    def named(self, probabilities: Floats) -> Floats:
        """(tags): how likely somebody who describes the picture names each; from (ngrams)."""
        return calibrated(raw_tags(self.ngrams, probabilities[None])[0], self.ngrams.kinds, self.calibrations)

    def tags(self, named: Floats) -> tuple[Tag, ...]:
        """The likeliest, of `named` (tags)."""
        likely = [number for number in np.argsort(-named)[:_TAGS_AT_MOST] if named[number] >= _TAG_LIKELY]
        return tuple(Tag(self.ngrams.tags[number], float(named[number])) for number in likely)

    def support(self, word: str, named: Floats) -> float | None:
        """How likely the picture shows what the word says; None for a word that is no tag."""
        tag = self.ngrams.tag(word)
        return float(named[tag]) if tag >= 0 else None

    def state(self) -> dict[str, Any]:
        """Plain data: lists, strings and numbers."""
        return {
            "ngrams": {name: _plain(getattr(self.ngrams, name)) for name in Ngrams.__dataclass_fields__},
            "ranking": {name: _plain(value) for name, value in vars(self.ranking).items()},
            "calibrations": {
                kind: {name: _plain(value) for name, value in vars(own).items()}
                for kind, own in self.calibrations.items()
            },
            "words": {name: _plain(value) for name, value in vars(self.words).items()},
            "confidence": {name: _plain(value) for name, value in vars(self.confidence).items()},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> SecondLook:
        """Of what `state` gave. Raises KeyError, TypeError, ValueError for anything else."""
        ngrams = dict(state["ngrams"])
        parts: dict[str, Any] = {name: tuple(ngrams.pop(name)) for name in ("texts", "tags", "kinds")}
        parts["unknown_rarity"] = float(ngrams.pop("unknown_rarity"))
        parts |= _arrays(ngrams)
        return cls(
            Ngrams(**parts),
            Ranking(**_arrays(state["ranking"])),
            {kind: Calibration(**_arrays(own)) for kind, own in state["calibrations"].items()},
            Calibration(**_arrays(state["words"])),
            Confidence(**_arrays(state["confidence"])),
        )


def search_options(options: DecodingOptions) -> DecodingOptions:
    """With which a captioner is asked whose sentences are ranked anew: for all that a beam has to choose from."""
    if options.rerank and options.method == "beam":
        return replace(options, num_captions=options.beam_size)
    return options


def _plain_word(text: str) -> str:
    """As n-grams have it: other captioners write sentences with capitals and commas."""
    return text.lower().strip(string.punctuation)


def _said(caption: Caption) -> Sentence:
    words = [_plain_word(word.text) for word in caption.words]
    each = [math.log(max(word.probability, SMALLEST)) for word in caption.words]
    return words, [*each, caption.log_probability - sum(each)]


class Guide:
    """What leads the search of a decoder of these words: the tags among them."""

    def __init__(self, ngrams: Ngrams, words: Sequence[str]) -> None:
        tags = [(place, ngrams.index[word]) for place, word in enumerate(words) if ngrams.tag(word) >= 0]
        self._places, self._known = torch.tensor(tags, dtype=torch.long).view(-1, 2).T
        self._priors = torch.from_numpy(ngrams.priors)[self._known]
        self._words = len(words)

    def __call__(self, probabilities: Tensor, strength: float) -> Tensor:
        """(photographs, words): what the search adds to the log-probability of each word, `strength` times the
        log-ratio of those that are tags; from probabilities (photographs, ngrams).
        """
        places, known = (part.to(probabilities.device) for part in (self._places, self._known))
        added = probabilities.new_zeros(len(probabilities), self._words)
        ratios = probabilities[:, known].clamp_min(SMALLEST) / self._priors.to(probabilities)
        added[:, places] = strength * ratios.log()
        return added


def raw_tags(ngrams: Ngrams, probabilities: Floats) -> Floats:
    """(photographs, tags): that one of a tag's words is used, were they independent; from (photographs, ngrams)."""
    words = np.flatnonzero(ngrams.tag_of >= 0)
    unused = np.log1p(-probabilities[:, words].clip(0, 1 - SMALLEST))
    each = [np.bincount(ngrams.tag_of[words], weights=own, minlength=len(ngrams.tags)) for own in unused]
    found: Floats = -np.expm1(np.array(each))
    return found


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else list(value) if isinstance(value, tuple) else value


def _arrays(state: Mapping[str, Any]) -> dict[str, Floats]:
    return {name: np.array(value) for name, value in state.items()}
