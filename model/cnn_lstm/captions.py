"""From what decoding found to what a person reads: the captions of each photograph, in the order of a second look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from model.captioner import Caption, DecodingOptions, Word, to_grid
from model.cnn_lstm.vocabulary import END, PAD, START, UNKNOWN, Vocabulary
from model.decoding import Hypothesis, S, Step, Tokens, decode
from model.second_look import Guide, SecondLook

TOKENS = Tokens(start=START, end=END, forbidden=(PAD, START, UNKNOWN))
_CERTAIN = 3


class CaptionWriter:
    def __init__(self, vocabulary: Vocabulary, second_look: SecondLook | None) -> None:
        self.vocabulary, self.second_look = vocabulary, second_look
        self._guide = Guide(second_look.ngrams, vocabulary.words) if second_look else None

    def search(
        self,
        step: Step[S],
        state: S,
        images: int,
        probabilities: Tensor,
        options: DecodingOptions,
        device: torch.device | str = "cpu",
    ) -> list[list[Hypothesis]]:
        """As `model.decoding.decode`, led by the probabilities of n-grams (images, ngrams), for all that a beam has to
        choose from once its best few are certain: to wait for ten takes half as long again and ranks no better.
        """
        guidance = self._guide(probabilities, options.guidance) if self._guide and options.guidance else None
        candidates = 0
        if self.second_look and options.rerank and options.method == "beam":
            candidates = options.beam_size
            options = replace(options, num_captions=max(options.num_captions, min(_CERTAIN, candidates)))
        return decode(step, state, images, TOKENS, options, device, guidance, candidates)

    def captions(
        self, found: Sequence[Sequence[Hypothesis]], unlike: Tensor, probabilities: Tensor, options: DecodingOptions
    ) -> list[list[Caption]]:
        """Of each photograph its hypotheses as captions, best first; `unlike` (photographs) tells which of them the
        model does not know the like of, `probabilities` are those of n-grams (photographs, ngrams).
        """
        written = [
            [self._caption(hypothesis, low_confidence, options.attention) for hypothesis in own]
            for own, low_confidence in zip(found, unlike.tolist(), strict=True)
        ]
        if not self.second_look:
            return written
        looks = probabilities.float().cpu().numpy()
        return [self.second_look.judged(own, look, options) for own, look in zip(written, looks, strict=True)]

    def _caption(self, hypothesis: Hypothesis, low_confidence: bool, with_attention: bool) -> Caption:
        texts = self.vocabulary.write(self.vocabulary.decode(hypothesis.tokens))
        words = tuple(
            Word(text, math.exp(score), to_grid(weights) if with_attention else None)
            for text, score, weights in zip(texts, hypothesis.log_probabilities, hypothesis.attention, strict=False)
        )
        return Caption(self.vocabulary.language.join(texts), hypothesis.log_probability, words, low_confidence)
