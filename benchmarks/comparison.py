"""The same photographs through other captioners: python -m benchmarks.comparison

- the plain loop: the same network as it was trained, a photograph, a hypothesis and a word at a time, as tutorials
  write beam search;
- transformers' BLIP-base with random weights of the real size, which cost what the published ones do. It has to say as
  many words as the captioner does on average, with as many beams.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from PIL import Image
from torch import Tensor

from benchmarks.measure import machine, run_part, table, timed
from benchmarks.photographs import photographs
from model.captioner import Captioner, DecodingOptions
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.captions import TOKENS
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.runtime import multiplies_bfloat16
from model.images import decode_image
from model.registry import load_captioner
from model.settings import ModelSettings

_REPEATED = 3


@dataclass(frozen=True)
class Config:
    photographs: int = 32
    batch: int = 8
    output: Path = Path("docs/benchmarks")


@torch.inference_mode()
def plain_loop(network: Network, features: Tensor, options: DecodingOptions) -> tuple[int, ...]:
    """Beam search over one photograph's features (1, cells, channels), in the plainest words; tokens to the end.

    What model/decoding.py finds, but for stopping as soon as nothing better can come.
    """
    start: tuple[int, ...] = (TOKENS.start,)
    running = [(0.0, start, network.decoder.init_state(features))]
    finished: list[tuple[float, tuple[int, ...]]] = []
    for position in range(options.max_words + 1):
        candidates = []
        for total, tokens, state in running:
            scores, following, _ = network.decoder.step(torch.tensor([tokens[-1]]), state)
            for token, score in enumerate(_allowed(scores[0], tokens, position, options)):
                if score > -math.inf:
                    candidates.append((total + score, (*tokens, token), following))
        candidates.sort(key=lambda candidate: -candidate[0])
        running = []
        for total, tokens, state in candidates[: 2 * options.beam_size]:
            if tokens[-1] == TOKENS.end:
                finished.append((total / (position + 1) ** options.length_penalty, tokens[1:]))
            elif len(running) < options.beam_size:
                running.append((total, tokens, state))
    return max(finished)[1]


def _allowed(scores: Tensor, tokens: tuple[int, ...], position: int, options: DecodingOptions) -> list[float]:
    scores = scores.clone()
    scores[list(TOKENS.forbidden)] = -torch.inf
    allowed: list[float] = scores.log_softmax(dim=0).tolist()
    if position == 0:
        allowed[TOKENS.end] = -math.inf
    if position == options.max_words:
        allowed = [score if token == TOKENS.end else -math.inf for token, score in enumerate(allowed)]
    size = options.no_repeat_ngram_size
    earlier = tokens[1:]
    for start in range(len(earlier) - size + 1 if size else 0):
        if earlier[start : start + size - 1] == earlier[len(earlier) - size + 1 :]:
            allowed[earlier[start + size - 1]] = -math.inf
    return allowed


class Blip:
    """transformers' own BLIP and generation, without a word of this project's code."""

    def __init__(self, config: Any, words: int, beams: int, dtype: torch.dtype = torch.float32) -> None:
        from transformers import BlipForConditionalGeneration

        torch.manual_seed(0)
        self.model = BlipForConditionalGeneration(config).eval().to(dtype)
        self.size, self.dtype = config.vision_config.image_size, dtype
        self.generation = {"min_new_tokens": words, "max_new_tokens": words, "num_beams": beams}

    @torch.inference_mode()
    def __call__(self, images: Sequence[Image.Image]) -> Tensor:
        from transformers import BlipImageProcessor

        processor = BlipImageProcessor(size={"height": self.size, "width": self.size})
        pixels = processor(list(images), return_tensors="pt")["pixel_values"].to(self.dtype)
        tokens: Tensor = self.model.generate(pixel_values=pixels, **self.generation)
        return tokens


def per_second(caption: Callable[[Sequence[Image.Image]], Any], images: Sequence[Image.Image], batch: int) -> float:
    """Photographs a second, in batches; the median of some rounds after one that does not count."""
    batches = [images[start : start + batch] for start in range(0, len(images), batch)]
    caption(batches[0])
    rounds = [sum(timed(caption, one) for one in batches) for _ in range(_REPEATED)]
    return len(images) / statistics.median(rounds)


def plain_captioner(options: DecodingOptions) -> Callable[[Sequence[Image.Image]], Any]:
    """The network as it was trained and the plain loop."""
    checkpoint = Checkpoint.load(ModelSettings().checkpoint)
    network = Network.from_checkpoint(checkpoint).eval().requires_grad_(False)

    @torch.inference_mode()
    def caption(images: Sequence[Image.Image]) -> list[tuple[int, ...]]:
        return [plain_loop(network, network.encoder(checkpoint.preprocessing([i])), options) for i in images]

    return caption


def run(config: Config) -> dict[str, Any]:
    from transformers import BlipConfig

    options = DecodingOptions()
    images = [decode_image(upload) for upload in photographs(config.photographs)]
    captioner: Captioner = load_captioner(ModelSettings(device="cpu"))
    words = round(statistics.mean(len(found[0].words) for found in captioner.caption(images, options))) + 1  # the end
    fp32 = load_captioner(ModelSettings(device="cpu", dtype="fp32"))
    ways: dict[str, Callable[[Sequence[Image.Image]], Any]] = {
        "this captioner": lambda part: captioner.caption(part, options),
        "this captioner, fp32": lambda part: fp32.caption(part, options),
        "plain loop, fp32": plain_captioner(options),
        "BLIP-base, fp32": Blip(BlipConfig(), words, options.beam_size),
    }
    if multiplies_bfloat16():
        ways["BLIP-base, bf16"] = Blip(BlipConfig(), words, options.beam_size, torch.bfloat16)
    found = {
        name: {str(size): per_second(way, images, size) for size in (1, config.batch)} for name, way in ways.items()
    }
    return {"machine": machine(), "batch": config.batch, "tokens": words, "per_second": found}


def describe(record: dict[str, Any]) -> str:
    ours, batch = record["per_second"]["this captioner"], str(record["batch"])
    header = ["photographs / s", "one at a time", f"{batch} together", "this captioner is faster, one", f"…, {batch}"]
    rows = [
        [name, rate["1"], rate[batch], f"{ours['1'] / rate['1']:.1f} ×", f"{ours[batch] / rate[batch]:.1f} ×"]
        for name, rate in record["per_second"].items()
    ]
    return table(header, rows)


def main() -> None:
    run_part("comparison", tyro.cli(Config, description=__doc__), run, describe)


if __name__ == "__main__":
    main()
