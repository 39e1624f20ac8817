"""What an operator chooses of the model, each setting declared once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Dtype = Literal["auto", "fp32", "bf16", "fp16", "int8"]
Look = Literal["usual", "thorough"]


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class ModelSettings:
    """What an operator chooses of the model; docs/backends.md says more."""

    backend: str = _setting("cnn-lstm", "which captioner: cnn-lstm, blip, blip2, clipcap or onnx")
    checkpoint: Path = _setting(Path("best_model.pth"), "weights of cnn-lstm")
    vocabulary: Path = _setting(Path("vocab.pkl"), "words of cnn-lstm")
    device: str = _setting("auto", "cpu, cuda, or auto: cuda where there is one")
    weights: str = _setting("", "weights of the other back ends: a folder, or a name on the Hugging Face Hub")
    revision: str = _setting("", "commit, tag or branch of a name on the Hub; known names have a pinned commit")
    dtype: Dtype = _setting(
        "auto",
        "numbers: fp32, bf16, fp16, int8 (blip2); auto: for cnn-lstm bf16 on a processor with AMX, "
        "for the others half of fp32 on CUDA",
    )
    prompt: str = _setting("", "text that a caption of blip or blip2 goes on from, or a question for blip2")
    look: Look = _setting(
        "usual",
        "how cnn-lstm is shown a photograph: usual, or thorough: mirrored beside it, too, for better captions in "
        "nearly twice the time",
    )
    image_size: int = _setting(
        0,
        "pixels a side that cnn-lstm is shown, a multiple of 32; 0: as in training (288 for the shipped weights); 224 "
        "is faster, and sees less",
    )
