"""Which back ends there are and how each is loaded: the only place that knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import torch

from model.captioner import Captioner
from model.errors import BackendUnavailable
from model.settings import Dtype, Look, ModelSettings


def _cnn_lstm(settings: ModelSettings, device: torch.device) -> Captioner:
    from model.cnn_lstm.captioner import CnnLstmCaptioner

    return CnnLstmCaptioner.load(
        settings.checkpoint, settings.vocabulary, device, settings.dtype, settings.look, settings.image_size
    )


def _blip(settings: ModelSettings, device: torch.device) -> Captioner:
    from model.huggingface.blip import BlipCaptioner

    return BlipCaptioner.load(settings, device)


def _blip2(settings: ModelSettings, device: torch.device) -> Captioner:
    from model.huggingface.blip2 import Blip2Captioner

    return Blip2Captioner.load(settings, device)


def _clipcap(settings: ModelSettings, device: torch.device) -> Captioner:
    from model.huggingface.clipcap.captioner import ClipCapCaptioner

    return ClipCapCaptioner.load(settings, device)


def _onnx(settings: ModelSettings, device: torch.device) -> Captioner:
    from model.cnn_lstm.onnx import OnnxCaptioner

    if not settings.weights:
        raise BackendUnavailable("the back end onnx needs the folder that python -m model export wrote, as weights")
    if settings.device == "cuda" or settings.dtype not in ("auto", "fp32"):
        raise BackendUnavailable("the back end onnx runs on the CPU in fp32 alone")
    return OnnxCaptioner.load(Path(settings.weights))


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
