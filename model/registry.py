"""Which back ends there are and how each is loaded: the only place that knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from model.captioner import Captioner
from model.checkpoint import CheckpointMismatch
from model.vocabulary import VocabularyRefused

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


class BackendUnavailable(RuntimeError):
    """The back end cannot be had here; the message says what to choose or install."""


def _cnn_lstm(settings: ModelSettings, device: torch.device) -> Captioner:
    from model.cnn_lstm import CnnLstmCaptioner

    return CnnLstmCaptioner.load(
        settings.checkpoint, settings.vocabulary, device, settings.dtype, settings.look, settings.image_size
    )


def _blip(settings: ModelSettings, device: torch.device) -> Captioner:
    from model.blip import BlipCaptioner

    return BlipCaptioner.load(settings, device)


def _blip2(settings: ModelSettings, device: torch.device) -> Captioner:
    from model.blip2 import Blip2Captioner

    return Blip2Captioner.load(settings, device)


def _clipcap(settings: ModelSettings, device: torch.device) -> Captioner:
    from model.clipcap import ClipCapCaptioner

    return ClipCapCaptioner.load(settings, device)


def _onnx(settings: ModelSettings, device: torch.device) -> Captioner:
    from model.onnx_captioner import OnnxCaptioner

    if not settings.weights:
        raise BackendUnavailable("the back end onnx needs the folder that python -m model export wrote, as weights")
    if settings.device == "cuda" or settings.dtype not in ("auto", "fp32"):
        raise BackendUnavailable("the back end onnx runs on the CPU in fp32 alone")
    return OnnxCaptioner.load(Path(settings.weights))


LOADING_ERRORS = (BackendUnavailable, CheckpointMismatch, VocabularyRefused, OSError)
"""What a command line tells in one line when `load_captioner` raises it."""

BACKENDS: dict[str, Callable[[ModelSettings, torch.device], Captioner]] = {
    "cnn-lstm": _cnn_lstm,
    "blip": _blip,
    "blip2": _blip2,
    "clipcap": _clipcap,
    "onnx": _onnx,
}


def choose_device(name: str) -> torch.device:
    """Raises BackendUnavailable for a device that this machine does not have."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise BackendUnavailable("CUDA is asked for, but PyTorch finds no CUDA device here; choose cpu or auto")
    if name not in ("cpu", "cuda"):
        raise BackendUnavailable(f"there is no device '{name}'; choose cpu, cuda or auto")
    return torch.device(name)


def load_captioner(settings: ModelSettings = ModelSettings()) -> Captioner:
    """The captioner that the settings name. A back end's packages are imported here and not before.

    Raises BackendUnavailable, and what the back end's loader raises for its files
    (FileNotFoundError, CheckpointMismatch, VocabularyRefused).
    """
    for name, chosen, choices in (
        ("back end", settings.backend, tuple(BACKENDS)),
        ("dtype", settings.dtype, get_args(Dtype)),
        ("look", settings.look, get_args(Look)),
    ):
        if chosen not in choices:
            raise BackendUnavailable(f"there is no {name} '{chosen}'; choose one of {', '.join(choices)}")
    if settings.look != "usual" and settings.backend != "cnn-lstm":
        raise BackendUnavailable(f"the look '{settings.look}' is for cnn-lstm alone; choose usual")
    if settings.image_size and settings.backend != "cnn-lstm":
        raise BackendUnavailable("image_size is for cnn-lstm alone; leave it at 0")
    device = choose_device(settings.device)
    try:
        return BACKENDS[settings.backend](settings, device)
    except ImportError as error:
        raise BackendUnavailable(
            f"the back end '{settings.backend}' needs packages that are not installed ({error.name or error}): "
            "pip install -r requirements-backends.txt"
        ) from error
