"""What the back ends over Hugging Face's transformers share: weights from a folder or the Hub, steps over a cache of
keys and values, and words from parts of words.

Weights are read from safetensors, or, where a repository has none, by `torch.load` with `weights_only=True`: neither
executes anything. Code that comes with a repository never runs.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub import constants as hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # meant for users of the library
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer, BitsAndBytesConfig, DynamicCache, EncoderDecoderCache

from model.captioner import Caption, DecodingOptions, Stopwatch, Word, to_grid
from model.checkpoint import CheckpointMismatch, file_digest
from model.decoding import Hypothesis, Step, Tokens, decode
from model.registry import BackendUnavailable, Dtype

PINNED = {
    "Salesforce/blip-image-captioning-base": "82a37760796d32b1411fe092ab5d4e227313294b",
    "Salesforce/blip-image-captioning-large": "353689b859fcf0523410b1806dace5fb46ecdf41",
    "Salesforce/blip2-flan-t5-xl": "0eb0d3b46c14c1f8c7680bca2693baafdb90bb28",
    "Salesforce/blip2-opt-2.7b": "59a1ef6c1e5117b3f65523d1c6066825bcf315e3",
    "openai/clip-vit-base-patch32": "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268",
    "openai-community/gpt2": "607a30d783dfa663caf39e06633721c8d4cfcd7e",
}
"""The commit that is taken of a repository on the Hub where no revision is chosen; of others it is `main`."""

_BESIDE_WEIGHTS = ["*.json", "*.txt", "*.model"]
_ROWS_AT_ONCE = 32  # hypotheses: a large decoder's keys and values of the image take 100 MB for each


def fetch(weights: str, revision: str = "") -> Path:
    """The folder with the files: `weights` itself, or what the Hub has under that name, downloaded once.

    The library's own variables are honoured: HF_HOME, HF_HUB_OFFLINE, HF_ENDPOINT; the token is HF_TOKEN's, and no
    other. Raises BackendUnavailable, FileNotFoundError.
    """
    if Path(weights).is_dir():
        return Path(weights)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", weights):
        raise FileNotFoundError(f"there is no folder {weights}, nor can the Hub have that name")
    revision = revision or PINNED.get(weights, "main")
    token = os.environ.get("HF_TOKEN") or False
    online, reason = not hub.is_offline_mode(), "HF_HUB_OFFLINE is set"
    names: list[str] = []
    if online:
        try:
            names = HfApi(token=token).list_repo_files(weights, revision=revision)
        except (httpx.TransportError, HfHubHTTPError) as error:
            online, reason = False, first_line(error)  # perhaps it was downloaded before
    kind = "*.safetensors" if not online or any(name.endswith(".safetensors") for name in names) else "*.bin"
    try:
        found = snapshot_download(
            weights,
            revision=revision,
            token=token,
            local_files_only=not online,
            allow_patterns=[*_BESIDE_WEIGHTS, kind],
        )
    except LocalEntryNotFoundError as error:
        raise BackendUnavailable(
            f"{weights} ({revision}) is neither a folder nor was it downloaded before, and cannot be now: {reason}"
        ) from error
    except (httpx.TransportError, HfHubHTTPError, HFValidationError) as error:
        raise BackendUnavailable(f"{weights} ({revision}) cannot be downloaded: {first_line(error)}") from error
    return Path(found)


def first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def weight_files(folder: Path) -> list[Path]:
    """By name; safetensors where there are any. Raises FileNotFoundError where there are no weights."""
    for pattern in ("*.safetensors", "pytorch_model*.bin"):
        if found := sorted(folder.glob(pattern)):
            return found
    raise FileNotFoundError(f"{folder} holds no weights (*.safetensors, pytorch_model*.bin)")


def digest(files: Sequence[Path]) -> str:
    """SHA-256 of the file; of several, that of the list which `sha256sum` prints of them in their folder."""
    digests = [file_digest(file) for file in files]
    if len(files) == 1:
        return digests[0]
    lines = [f"{one}  {file.name}\n" for one, file in zip(digests, files, strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def choose_dtype(name: Dtype, device: torch.device) -> torch.dtype:
    """For int8 that of what is not quantised, in which the library multiplies too."""
    if name == "auto":
        name = "fp32" if device.type == "cpu" else "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return {"fp32": torch.float32, "bf16": torch.bfloat16}.get(name, torch.float16)


def load_model(model_class: Any, folder: Path, dtype: Dtype, device: torch.device) -> Any:
    """A model of transformers in evaluation mode, every weight of it read from the folder.

    int8 is LLM.int8() (Dettmers et al. 2022, arXiv 2208.07339). Raises CheckpointMismatch where the weights are damaged
    or of another model, FileNotFoundError.
    """
    arguments: dict[str, Any] = {}
    if dtype == "int8":
        arguments = {"quantization_config": BitsAndBytesConfig(load_in_8bit=True), "device_map": {"": device}}
    try:
        model, report = model_class.from_pretrained(
            folder,
            dtype=choose_dtype(dtype, device),
            use_safetensors=weight_files(folder)[0].suffix == ".safetensors",
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **arguments,
        )
    except (OSError, ImportError):
        raise
    except Exception as error:  # a damaged or foreign file raises whatever its bytes lead to
        raise CheckpointMismatch(f"{folder} does not hold a {model_class.__name__}: {first_line(error)}") from error
    if unfit := [*report["missing_keys"], *report["mismatched_keys"]]:
        raise CheckpointMismatch(f"{folder} is no {model_class.__name__}: {len(unfit)} weights lack, as {unfit[0]}")
    return (model if dtype == "int8" else model.to(device)).eval().requires_grad_(False)


def load_part(part_class: Any, folder: Path) -> Any:
    """A tokenizer or an image processor. Raises CheckpointMismatch."""
    try:
        return part_class.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointMismatch(f"{folder} holds nothing that {part_class.__name__} can read: {error}") from error


def load_parts(model_class: Any, folder: Path, dtype: Dtype, device: torch.device) -> tuple[Any, Any, Any, str]:
    """The network, the processor of its images, its tokenizer, and the digest of its weights.

    Raises CheckpointMismatch, FileNotFoundError.
    """
    model = load_model(model_class, folder, dtype, device)
    processor, tokenizer = load_part(AutoImageProcessor, folder), load_part(AutoTokenizer, folder)
    return model, processor, tokenizer, digest(weight_files(folder))


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
        goes_on = [not text.startswith(marker) if marker else text.startswith("##") for text in texts]
        continues = torch.tensor(goes_on + [False] * (size - known))
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
