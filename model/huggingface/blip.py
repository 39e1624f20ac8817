"""The blip back end: a vision transformer that a text decoder attends to (Li et al. 2022, arXiv 2201.12086)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import BlipForConditionalGeneration

from model.captioner import Capabilities
from model.errors import BackendUnavailable
from model.huggingface.base import CachedState, Forward, PretrainedCaptioner, SubWords, new_cache, no_attention
from model.huggingface.weights import fetch, load_parts
from model.settings import ModelSettings

DEFAULT_WEIGHTS = "Salesforce/blip-image-captioning-base"


def blip_prompt(config: Any, tokenizer: Any, text: str) -> list[int]:
    """Tokens before a caption: the start, in the place where the tokenizer would put a class token, and the text."""
    return [config.bos_token_id, *tokenizer(text, add_special_tokens=False).input_ids]


class BlipCaptioner(PretrainedCaptioner):
    """See `model.captioner.Captioner`.

    The attention of a word is the cross-attention of the step that chose it, the mean over layers, heads and tokens,
    over the patches alone: what goes to the class token is left out and the rest scaled up to sum to one.
    """

    name = "blip"
    capabilities = Capabilities(attention=True, prompt=True)

    def __init__(
        self, model: Any, processor: Any, tokenizer: Any, device: torch.device, digest: str, prompt: str = ""
    ) -> None:
        """A caption is what follows `prompt`."""
        text = model.config.text_config
        words = SubWords(tokenizer, text.vocab_size, end=text.sep_token_id)
        super().__init__(words, device, digest)
        self.model, self.processor = model, processor
        self.prompt = blip_prompt(text, tokenizer, prompt)

    @classmethod
    def load(cls, settings: ModelSettings, device: torch.device) -> BlipCaptioner:
        """Raises BackendUnavailable, CheckpointMismatch, FileNotFoundError."""
        if settings.dtype == "int8":
            raise BackendUnavailable("dtype int8 is for blip2; choose fp32, bf16 or fp16 for blip")
        folder = fetch(settings.weights or DEFAULT_WEIGHTS, settings.revision)
        model, processor, tokenizer, digest = load_parts(BlipForConditionalGeneration, folder, settings.dtype, device)
        return cls(model, processor, tokenizer, device, digest, settings.prompt)

    def encode(self, images: Sequence[Image.Image]) -> Tensor:
        """(images, 1 + patches, channels)"""
        pixels = self.processor(images=list(images), return_tensors="pt").pixel_values
        patches: Tensor = self.model.vision_model(pixels.to(self.device, self.model.dtype)).last_hidden_state
        return patches

    def begin(self, features: Tensor, with_attention: bool) -> tuple[Forward, CachedState]:
        def forward(tokens: Tensor, cache: Any) -> tuple[Tensor, Tensor]:
            output = self.model.text_decoder(
                tokens,
                encoder_hidden_states=features,  # read once: after that its keys and values are in the cache
                past_key_values=cache,
                use_cache=True,
                output_attentions=with_attention,
                logits_to_keep=1,
            )
            scores = output.logits[:, -1].float()
            if not with_attention:
                return scores, no_attention(scores)
            # a layer's: (rows, heads, tokens, 1 + patches)
            weights = torch.stack([layer[:, :, -1, 1:].float().mean(dim=1) for layer in output.cross_attentions])
            mean = weights.mean(dim=0)
            return scores, mean / mean.sum(dim=1, keepdim=True)

        images = len(features)
        cache = new_cache(encoder_decoder=True)
        prompt = torch.tensor([self.prompt], device=self.device).expand(images, -1)
        prompted = forward(prompt, cache)
        return forward, CachedState(cache, torch.arange(images, device=self.device), prompted)
