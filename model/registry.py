"""Which back ends there are: one line each. A back end is imported when it is asked for, and not before."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from model.captioner import Captioner
from model.errors import BackendUnavailable
from model.settings import ModelSettings

if TYPE_CHECKING:
    import torch  # takes seconds and memory, which a process that only names back ends does not have to spend

BACKENDS = {
    "cnn-lstm": "model.cnn_lstm.captioner:CnnLstmCaptioner",
    "blip": "model.huggingface.blip:BlipCaptioner",
    "blip2": "model.huggingface.blip2:Blip2Captioner",
    "clipcap": "model.huggingface.clipcap.captioner:ClipCapCaptioner",
    "onnx": "model.cnn_lstm.onnx:OnnxCaptioner",
}
"""By the name that operators choose: the class, which is a `Captioner` with `load(settings, device)`."""


def choose_device(name: str) -> torch.device:
    """Raises BackendUnavailable for a device that this machine does not have."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise BackendUnavailable("CUDA is asked for, but PyTorch finds no CUDA device here; choose cpu or auto")
    if name not in ("cpu", "cuda"):
        raise BackendUnavailable(f"there is no device '{name}'; choose cpu, cuda or auto")
    return torch.device(name)


def load_captioner(settings: ModelSettings = ModelSettings()) -> Captioner:
    """The captioner that the settings name.

    Raises BackendUnavailable, and what the back end's loader raises for its files
    (FileNotFoundError, CheckpointMismatch, VocabularyRefused).
    """
    if settings.backend not in BACKENDS:
        raise BackendUnavailable(f"there is no back end '{settings.backend}'; choose one of {', '.join(BACKENDS)}")
    settings.check()
    device = choose_device(settings.device)
    module, name = BACKENDS[settings.backend].split(":")
    try:
        captioner: Captioner = getattr(import_module(module), name).load(settings, device)
    except ImportError as error:
        raise BackendUnavailable(
            f"the back end '{settings.backend}' needs packages that are not installed ({error.name or error}): "
            "pip install -r requirements-backends.txt"
        ) from error
    return captioner
