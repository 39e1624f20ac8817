"""From what decoding found to what a person reads: the captions of each photograph, in the order of a second look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from model.captioner import Caption, DecodingOptions, Word, to_grid
from model.cnn_lstm.vocabulary import Vocabulary, join_words
from model.decoding import Hypothesis
from model.ranking import Floats
from model.second_look import SecondLook, guide


class CaptionWriter:
    def __init__(self, vocabulary: Vocabulary, second_look: SecondLook | None, options: DecodingOptions) -> None:
        self.vocabulary, self.second_look, self.options = vocabulary, second_look, options

    @property
    def search(self) -> DecodingOptions:
        """With which the decoder is searched: whoever looks again wants all that a beam has to choose from."""
        if self.second_look and self.options.rerank and self.options.method == "beam":
            return replace(self.options, num_captions=self.options.beam_size)
        return self.options

    def guidance(self, probabilities: Tensor) -> Tensor | None:
        """(photographs, words) for `model.decoding.decode`, from those of n-grams (photographs, ngrams)."""
        if not self.second_look or not self.options.guidance:
            return None
        return guide(self.second_look.ngrams, probabilities, self.vocabulary.words, self.options.guidance)

    def captions(
        self, found: Sequence[Sequence[Hypothesis]], unlike: Tensor, probabilities: Tensor
    ) -> list[list[Caption]]:
        """Of each photograph its hypotheses as captions, best first; `unlike` (photographs) tells which of them the
        model does not know the like of, `probabilities` are those of n-grams (photographs, ngrams).
        """
        looks = probabilities.float().cpu().numpy()
        return [
            self._of_photograph(own, low_confidence, look)
            for own, low_confidence, look in zip(found, unlike.tolist(), looks, strict=True)
        ]

    def _of_photograph(self, found: Sequence[Hypothesis], low_confidence: bool, look: Floats) -> list[Caption]:
        texts = [self.vocabulary.decode(hypothesis.tokens) for hypothesis in found]
        if not self.second_look:
            return [
                Caption(join_words(words), each.log_probability, self._words(words, each), low_confidence)
                for words, each in zip(texts, found, strict=True)
            ]
        order: Sequence[int] = range(len(found))
        if self.options.rerank and len(found) > 1:
            sentences = [(words, each.log_probabilities) for words, each in zip(texts, found, strict=True)]
            order = self.second_look.order(look, sentences)
        named = self.second_look.named(look)
        tags = self.second_look.tags(named)
        return [
            Caption(
                join_words(texts[i]),
                found[i].log_probability,
                tuple(
                    replace(word, support=self.second_look.support(word.text, named))
                    for word in self._words(texts[i], found[i])
                ),
                low_confidence,
                tags,
            )
            for i in order[: self.options.num_captions]
        ]

    def _words(self, texts: Sequence[str], hypothesis: Hypothesis) -> tuple[Word, ...]:
        return tuple(
            Word(text, math.exp(score), to_grid(weights) if self.options.attention else None)
            for text, score, weights in zip(texts, hypothesis.log_probabilities, hypothesis.attention, strict=False)
        )
