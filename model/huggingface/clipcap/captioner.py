"""The clipcap back end: CLIP's image embedding, mapped to a prefix that GPT-2 goes on from.

After Mokady, Hertz and Bermano 2021, "ClipCap: CLIP Prefix for Image Captioning" (arXiv 2111.09734). It has no
attention over the photograph to show: CLIP gives one vector for all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from transformers import (
    AutoTokenizer,
    CLIPImageProcessor,
    CLIPVisionModelWithProjection,
    DynamicCache,
    GPT2Config,
    GPT2LMHeadModel,
)

from model.captioner import Capabilities
from model.errors import BackendUnavailable, CheckpointMismatch
from model.files import file_digest
from model.huggingface.base import CachedState, Forward, PretrainedCaptioner, SubWords, no_attention
from model.huggingface.clipcap.checkpoint import ClipCapCheckpoint, Source, vocabulary_digest, weights_digest
from model.huggingface.clipcap.mapping import MappingConfig, new_mapping
from model.huggingface.weights import choose_dtype, fetch, load_model, load_part
from model.settings import ModelSettings

FILE = "clipcap.safetensors"
"""The checkpoint's name in the folder that training writes; `clip` and `gpt2` beside it go before the Hub."""

_BREAKS = "ĉĊċČčľĿŀŁ"  # as byte-level BPE writes tabs, line breaks and separators: a caption is one line of words


class ImageEncoder(nn.Module):
    """CLIP's image half with its preprocessing: photographs to embeddings (images, size)."""

    def __init__(self, folder: Path, normalised: bool = False) -> None:
        """Raises CheckpointMismatch, FileNotFoundError."""
        super().__init__()
        self.processor = load_part(CLIPImageProcessor, folder)
        self.clip = load_model(CLIPVisionModelWithProjection, folder, "fp32", torch.device("cpu"))
        self.normalised = normalised

    @property
    def size(self) -> int:
        return int(self.clip.config.projection_dim)

    def forward(self, images: Sequence[Image.Image]) -> Tensor:
        pixels = self.processor(images=list(images), return_tensors="pt")["pixel_values"]
        embeddings: Tensor = self.clip(pixels.to(self.clip.device, self.clip.dtype)).image_embeds
        return F.normalize(embeddings, dim=1) if self.normalised else embeddings


class ClipCapNetwork(nn.Module):
    """Mapping network and GPT-2: the part that learns. Parameters have the names of the published checkpoints."""

    def __init__(self, config: MappingConfig, gpt: GPT2LMHeadModel) -> None:
        super().__init__()
        self.clip_project = new_mapping(config)
        self.gpt = gpt

    def forward(self, embeddings: Tensor, tokens: Tensor) -> Tensor:
        """Logits (captions, length, vocabulary) for each of `tokens` (captions, length) from the image embedding
        (captions, size) and the tokens before it. Nothing reads what comes after it, so padding needs no mask.
        """
        read = torch.cat([self.clip_project(embeddings), self.gpt.transformer.wte(tokens[:, :-1])], dim=1)
        logits: Tensor = self.gpt(inputs_embeds=read, use_cache=False, logits_to_keep=tokens.shape[1]).logits
        return logits


class ClipCapCaptioner(PretrainedCaptioner):
    """See `model.captioner.Captioner`."""

    name = "clipcap"
    capabilities = Capabilities()

    def __init__(
        self,
        encoder: ImageEncoder,
        network: ClipCapNetwork,
        words: SubWords,
        device: torch.device,
        digest: str,
        full_stop: int | None = None,
    ) -> None:
        """`full_stop` is the token that ends a caption as well as the end-of-text token does; None if none does."""
        never = {*words.tokens.forbidden, *([] if full_stop is None else [full_stop])}
        never |= {token for text, token in words.tokenizer.get_vocab().items() if any(mark in text for mark in _BREAKS)}
        words.tokens = replace(words.tokens, forbidden=tuple(sorted(never)))
        super().__init__(words, device, digest)
        self.encoder, self.network, self.full_stop = encoder, network, full_stop

    @classmethod
    def load(cls, settings: ModelSettings, device: torch.device) -> ClipCapCaptioner:
        """Raises BackendUnavailable, CheckpointMismatch, FileNotFoundError."""
        if settings.dtype == "int8":
            raise BackendUnavailable("dtype int8 is for blip2; choose fp32, bf16 or fp16 for clipcap")
        if not settings.weights:
            raise BackendUnavailable(
                "clipcap needs weights: a ClipCap checkpoint, which python -m training.clipcap writes"
            )
        path = Path(settings.weights)
        if not path.is_file():
            path = fetch(settings.weights, settings.revision) / FILE
        checkpoint = ClipCapCheckpoint.load(path)
        encoder = load_encoder(source_folder(checkpoint.clip, path.parent / "clip"), checkpoint)
        network, tokenizer = load_network(source_folder(checkpoint.gpt2, path.parent / "gpt2"), checkpoint)
        dtype = choose_dtype(settings.dtype, device)
        for part in (encoder, network):
            part.to(device, dtype).eval().requires_grad_(False)
        words = SubWords(tokenizer, network.gpt.config.vocab_size, tokenizer.eos_token_id)
        full_stop = tokenizer.convert_tokens_to_ids(".") if checkpoint.full_stop_ends else None
        return cls(encoder, network, words, device, file_digest(path), full_stop)

    def encode(self, images: Sequence[Image.Image]) -> Tensor:
        embeddings: Tensor = self.encoder(images)
        return embeddings

    def begin(self, features: Tensor, with_attention: bool) -> tuple[Forward, CachedState]:
        cache = DynamicCache(config=self.network.gpt.config)
        prefix = self.network.clip_project(features)
        scores = self._scores(cache, inputs_embeds=prefix)
        rows = torch.arange(len(features), device=self.device)
        return self._forward, CachedState(cache, rows, (scores, no_attention(scores)))

    def _forward(self, tokens: Tensor, cache: Any) -> tuple[Tensor, Tensor]:
        scores = self._scores(cache, input_ids=tokens)
        return scores, no_attention(scores)

    def _scores(self, cache: Any, **read: Tensor) -> Tensor:
        """Log-probabilities (rows, vocabulary) of what comes after what was read; a full stop counts as the end."""
        logits = self.network.gpt(past_key_values=cache, use_cache=True, logits_to_keep=1, **read).logits
        scores: Tensor = logits[:, -1].float().log_softmax(dim=1)
        if self.full_stop is not None:
            end = self.words.tokens.end
            scores[:, end] = torch.logaddexp(scores[:, end], scores[:, self.full_stop])
        return scores


def source_folder(source: Source, beside: Path) -> Path:
    """Where the files of a network are: the folder `beside` if there is one, else what the Hub has.

    Raises BackendUnavailable.
    """
    if beside.is_dir():
        return beside
    try:
        return fetch(source.name, source.revision)
    except FileNotFoundError:
        raise BackendUnavailable(
            f"the checkpoint was trained with a folder '{source.name}': put it, or a link to it, at {beside}"
        ) from None


def load_encoder(folder: Path, checkpoint: ClipCapCheckpoint) -> ImageEncoder:
    """Raises CheckpointMismatch where this is not the CLIP that the checkpoint was trained with."""
    encoder = ImageEncoder(folder, checkpoint.normalised)
    if encoder.size != checkpoint.mapping.embedding:
        raise CheckpointMismatch(
            f"the checkpoint takes image embeddings of {checkpoint.mapping.embedding} numbers, CLIP in {folder} gives "
            f"{encoder.size}: they do not belong together"
        )
    _verify("CLIP", checkpoint.clip.digest, weights_digest(encoder.clip) if checkpoint.clip.digest else "")
    return encoder


def load_gpt2(folder: Path, *, with_weights: bool = True) -> tuple[GPT2LMHeadModel, Any]:
    """GPT-2, with random weights if so wanted, and its tokenizer. Raises CheckpointMismatch, FileNotFoundError."""
    tokenizer = load_part(AutoTokenizer, folder)
    if with_weights:
        return load_model(GPT2LMHeadModel, folder, "fp32", torch.device("cpu")), tokenizer
    return GPT2LMHeadModel(load_part(GPT2Config, folder)), tokenizer


def load_network(folder: Path, checkpoint: ClipCapCheckpoint) -> tuple[ClipCapNetwork, Any]:
    """The network with the checkpoint's weights, and GPT-2's tokenizer. GPT-2's weights are read from the folder only
    where the checkpoint does not hold them. Raises CheckpointMismatch.
    """
    gpt, tokenizer = load_gpt2(folder, with_weights=not checkpoint.holds_gpt2)
    _verify("vocabulary", checkpoint.vocabulary_digest, vocabulary_digest(tokenizer.get_vocab()))
    if not checkpoint.holds_gpt2:
        _verify("GPT-2", checkpoint.gpt2.digest, weights_digest(gpt) if checkpoint.gpt2.digest else "")
    network = ClipCapNetwork(checkpoint.mapping, gpt)
    checkpoint.load_into(network)
    return network, tokenizer


def _verify(what: str, expected: str, found: str) -> None:
    if expected and expected != found:
        raise CheckpointMismatch(
            f"the checkpoint was trained with the {what} {expected[:12]}…, the one given is {found[:12]}…: "
            "they do not belong together"
        )
