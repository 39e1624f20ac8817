"""The blip2 back end: a few queries read the photograph for a language model (Li et al. 2023, arXiv 2301.12597)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import Blip2Config, Blip2ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from model.captioner import Capabilities
from model.errors import BackendUnavailable
from model.huggingface.base import CachedState, Forward, PretrainedCaptioner, SubWords, new_cache, no_attention
from model.huggingface.weights import fetch, load_part, load_parts
from model.settings import ModelSettings

DEFAULT_WEIGHTS = "Salesforce/blip2-flan-t5-xl"


class Blip2Captioner(PretrainedCaptioner):
    """See `model.captioner.Captioner`. The language model sees no patches, so there is no attention to give.

    The language model is an encoder and a decoder (Flan-T5) or a decoder alone (OPT).
    """

    name = "blip2"
    capabilities = Capabilities(prompt=True)

    def __init__(
        self, model: Any, processor: Any, tokenizer: Any, device: torch.device, digest: str, prompt: str = ""
    ) -> None:
        """A caption is what follows `prompt`."""
        text = model.config.text_config
        words = SubWords(tokenizer, text.vocab_size, end=text.eos_token_id)
        super().__init__(words, device, digest)
        self.model, self.processor = model, processor
        asked = tokenizer(prompt, add_special_tokens=False).input_ids
        self.reads_all = not model.config.use_decoder_only_language_model
        """There is an encoder, which reads the prompt to its end; a decoder alone starts and goes on from it."""
        self.prompt = [*asked, text.eos_token_id] if self.reads_all else [text.bos_token_id, *asked]

    @classmethod
    def load(cls, settings: ModelSettings, device: torch.device) -> Blip2Captioner:
        """Raises BackendUnavailable, CheckpointMismatch, FileNotFoundError."""
        folder = fetch(settings.weights or DEFAULT_WEIGHTS, settings.revision)
        if settings.dtype == "fp16" and load_part(Blip2Config, folder).text_config.model_type == "t5":
            raise BackendUnavailable("Flan-T5 overflows in fp16, for it was trained in bf16; choose bf16 or fp32")
        model, processor, tokenizer, digest = load_parts(Blip2ForConditionalGeneration, folder, settings.dtype, device)
        return cls(model, processor, tokenizer, device, digest, settings.prompt)

    def encode(self, images: Sequence[Image.Image]) -> Tensor:
        """(images, queries, the language model's width)"""
        pixels = self.processor(images=list(images), return_tensors="pt").pixel_values
        pixels = pixels.to(self.device, self.model.vision_model.dtype)  # of the rest some stays in fp32
        queries: Tensor = self.model.get_image_features(pixels).pooler_output
        return queries

    def begin(self, features: Tensor, with_attention: bool) -> tuple[Forward, CachedState]:
        language = self.model.language_model
        images = len(features)
        prompt = torch.tensor([self.prompt], device=self.device).expand(images, -1)
        read = language.get_input_embeddings()(prompt)
        read = torch.cat([features.to(read.dtype), read], dim=1)
        cache = new_cache(encoder_decoder=self.reads_all)

        if self.reads_all:
            memory = language.get_encoder()(inputs_embeds=read).last_hidden_state

            def forward(tokens: Tensor, cache: Any) -> tuple[Tensor, Tensor]:
                # The encoder's output is read once: after that its keys and values are in the cache.
                encoded = BaseModelOutput(last_hidden_state=memory)
                return _last(language(decoder_input_ids=tokens, encoder_outputs=encoded, past_key_values=cache))

            start = torch.full((images, 1), language.config.decoder_start_token_id, device=self.device)
            prompted = forward(start, cache)
        else:

            def forward(tokens: Tensor, cache: Any) -> tuple[Tensor, Tensor]:
                return _last(language(input_ids=tokens, past_key_values=cache, use_cache=True))

            prompted = _last(language(inputs_embeds=read, past_key_values=cache, use_cache=True, logits_to_keep=1))
        return forward, CachedState(cache, torch.arange(images, device=self.device), prompted)


def _last(output: Any) -> tuple[Tensor, Tensor]:
    scores = output.logits[:, -1].float()
    return scores, no_attention(scores)
