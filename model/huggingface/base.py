"""What the back ends over Hugging Face's transformers share: steps over a cache of keys and values, and words from
parts of words.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache

from model.captioner import Capabilities, Caption, DecodingOptions, Stopwatch, Word, to_grid
from model.decoding import Hypothesis, Step, Tokens, decode

_ROWS_AT_ONCE = 32  # hypotheses: a large decoder's keys and values of the image take 100 MB for each


class SubWords:
    """A tokenizer of transformers as decoding needs it: which tokens may follow, and which words they make."""

    def __init__(self, tokenizer: Any, size: int, end: int) -> None:
        """`size` is that of the model's vocabulary, which may be larger than the tokenizer's."""
        self.tokenizer = tokenizer
        known = min(size, len(tokenizer))
        texts = [text or "" for text in tokenizer.convert_ids_to_tokens(list(range(known)))]
        special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values(), *range(known, size)}
        # Byte-level BPE and SentencePiece mark what begins a word, WordPiece what goes on with one.
        marker = next((mark for mark in ("Ġ", "▁") if any(text.startswith(mark) for text in texts)), "")
        inner = [not text.startswith(marker) if marker else text.startswith("##") for text in texts]
        continues = torch.tensor(inner + [False] * (size - known))
        forbidden = tuple(sorted(token for token in special if token != end and token < size))
        self.tokens = Tokens(start=end, end=end, forbidden=forbidden, continues=continues)

    def to(self, device: torch.device) -> SubWords:
        assert self.tokens.continues is not None
        self.tokens = replace(self.tokens, continues=self.tokens.continues.to(device))
        return self

    def text(self, tokens: Sequence[int]) -> str:
        text = self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=True)
        return " ".join(text.split())

    def caption(self, hypothesis: Hypothesis, with_attention: bool) -> Caption:
        """A word's probability is the product of its tokens', its attention their mean."""
        tokens = hypothesis.tokens[:-1]
        # How many words the text so far has; a later token may join two of them ("woman '" becomes "woman's").
        counts = [len(self.text(tokens[: n + 1]).split()) for n in range(len(tokens))]
        word_of = torch.tensor([max(min(counts[n:]), 1) - 1 for n in range(len(tokens))])
        scores = torch.tensor(hypothesis.log_probabilities[:-1], dtype=torch.float64)
        text = self.text(tokens)
        words = []
        for number, word in enumerate(text.split()):
            own = word_of == number
            grid = to_grid(hypothesis.attention[:-1][own].mean(dim=0)) if with_attention and own.any() else None
            words.append(Word(word, math.exp(float(scores[own].sum())), grid))
        return Caption(text, hypothesis.log_probability, tuple(words))


@dataclass
class CachedState:
    """A decoder's keys and values after a prompt, as a state for model/decoding.py.

    The rows of the cache are reordered in place, so only the newest state is of use.
    """

    cache: Any  # transformers' DynamicCache or EncoderDecoderCache
    image_of: Tensor
    """(rows): which image each row is of."""
    prompted: tuple[Tensor, Tensor] | None
    """Logits and attention after the prompt, until the first step gives them."""

    def select(self, rows: Tensor) -> CachedState:
        image_of = self.image_of[rows]
        own = getattr(self.cache, "self_attention_cache", self.cache)
        own.reorder_cache(rows)
        # Keys and values of the image are the same in all of its rows, and much larger than those of the words.
        if own is not self.cache and not torch.equal(image_of, self.image_of):
            self.cache.cross_attention_cache.reorder_cache(rows)
        prompted = self.prompted and (self.prompted[0][rows], self.prompted[1][rows])
        return CachedState(self.cache, image_of, prompted)


def new_cache(encoder_decoder: bool) -> Any:
    """An empty cache for a decoder, with a part for the encoder's keys and values if it attends to one."""
    return EncoderDecoderCache(DynamicCache(), DynamicCache()) if encoder_decoder else DynamicCache()


Forward = Callable[[Tensor, Any], tuple[Tensor, Tensor]]
"""Tokens (rows, 1) and a cache, which it extends, to logits (rows, vocabulary) and attention (rows, cells).
Where there is no attention to give: `no_attention(logits)`.
"""


def no_attention(logits: Tensor) -> Tensor:
    return logits.new_zeros(len(logits), 1)


def cached_step(forward: Forward) -> Step[CachedState]:
    """The step function for decoding; its first call gives what follows the prompt, whatever the tokens."""

    def step(tokens: Tensor, state: CachedState) -> tuple[Tensor, CachedState, Tensor]:
        if state.prompted is not None:
            scores, attention = state.prompted
            return scores, replace(state, prompted=None), attention
        scores, attention = forward(tokens.unsqueeze(1), state.cache)
        return scores, state, attention

    return step


class PretrainedCaptioner(ABC):
    """See `model.captioner.Captioner`. A back end says how photographs are encoded and how the decoder begins."""

    name: str
    capabilities: Capabilities

    def __init__(self, words: SubWords, device: torch.device, digest: str) -> None:
        self.words, self.device, self.digest = words.to(device), device, digest

    @abstractmethod
    def encode(self, images: Sequence[Image.Image]) -> Tensor:
        """Features (images, …)."""

    @abstractmethod
    def begin(self, features: Tensor, with_attention: bool) -> tuple[Forward, CachedState]:
        """What runs one token further, and the state after the prompt, a row an image."""

    @torch.inference_mode()
    def caption(
        self,
        images: Sequence[Image.Image],
        options: DecodingOptions = DecodingOptions(),
        stopwatch: Stopwatch | None = None,
    ) -> list[list[Caption]]:
        stopwatch = stopwatch or Stopwatch()
        rows = {"beam": options.beam_size, "greedy": 1, "sample": options.num_captions}[options.method]
        at_once = max(1, _ROWS_AT_ONCE // rows)
        captions = []
        for start in range(0, len(images), at_once):
            captions += self._caption(images[start : start + at_once], options, stopwatch)
        return captions

    def _caption(
        self, images: Sequence[Image.Image], options: DecodingOptions, stopwatch: Stopwatch
    ) -> list[list[Caption]]:
        with stopwatch.stage("encoder"):
            features = self.encode(images)
        with stopwatch.stage("decoder"):
            forward, state = self.begin(features, options.attention)
            ranked = decode(cached_step(forward), state, len(images), self.words.tokens, options, self.device)
        with_attention = options.attention and ranked[0][0].attention.shape[1] > 1
        return [[self.words.caption(hypothesis, with_attention) for hypothesis in found] for found in ranked]
