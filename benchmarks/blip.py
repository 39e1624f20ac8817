"""Memory and time of BLIP at its real size with random weights: python -m benchmarks.blip [--dtype bf16]

The weights are saved, then loaded and run as the service does; only what is said makes no sense. Captions have ten
words, about as many as the published weights say. Processor seconds are those of all cores together: they hold on a
busy machine too.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import get_args

import torch
from PIL import Image
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor

from model.captioner import DecodingOptions, Stopwatch
from model.registry import load_captioner
from model.settings import Dtype, ModelSettings

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LARGE = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}


def save_random_blip(folder: Path, large: bool) -> int:
    """Gives the number of parameters."""
    vocabulary = {word: number for number, word in enumerate([*_SPECIAL, *(f"w{n}" for n in range(30522 - 5))])}
    text = {"num_attention_heads": 12, "sep_token_id": 3, "encoder_hidden_size": 1024 if large else 768}
    config = BlipConfig(text_config=text, vision_config=_LARGE if large else {})
    model = BlipForConditionalGeneration(config)
    model.save_pretrained(folder)
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    BlipImageProcessor().save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


def peak_gigabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measure(folder: Path, dtype: Dtype, device: str) -> None:
    began = time.monotonic()
    captioner = load_captioner(ModelSettings(backend="blip", weights=str(folder), dtype=dtype, device=device))
    print(f"{dtype}: loaded in {time.monotonic() - began:.1f} s, peak memory {peak_gigabytes():.2f} GB")
    for options in (DecodingOptions(method="greedy", max_words=10), DecodingOptions(max_words=10)):
        for images in (1, 8):
            photographs = [Image.effect_noise((640, 480), 64).convert("RGB")] * images
            captioner.caption(photographs[:1], options)
            stopwatch, wall, cores = Stopwatch(), time.monotonic(), time.process_time()
            captioner.caption(photographs, options, stopwatch)
            wall, cores = time.monotonic() - wall, time.process_time() - cores
            stages = ", ".join(f"{name} {value / images:.0f} ms" for name, value in stopwatch.milliseconds.items())
            print(
                f"  {options.method} of {images}: a photograph {wall / images:.2f} s ({stages}), "
                f"processor {cores / images:.2f} s, peak memory {peak_gigabytes():.2f} GB"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="blip-large's size instead of blip-base's")
    parser.add_argument("--dtype", default="fp32", choices=get_args(Dtype))
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--weights", type=Path, help="a folder that an earlier call saved; else one is made for the while"
    )
    parsed = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = parsed.weights or Path(temporary)
        if not (folder / "config.json").is_file():
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:  # its memory is not ours
                count = other.submit(save_random_blip, folder, parsed.large).result()
            print(f"{count / 1e6:.0f} million parameters, {(folder / 'model.safetensors').stat().st_size / 1e9:.2f} GB")
        measure(folder, parsed.dtype, parsed.device)


if __name__ == "__main__":
    main()
