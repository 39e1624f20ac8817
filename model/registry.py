"""Which back ends there are and how each is loaded: the only place that knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from model.captioner import Captioner
from model.checkpoint import CheckpointMismatch
from model.vocabulary import VocabularyRefused


@dataclass(frozen=True)
class ModelSettings:
    """What an operator chooses of the model."""

    backend: str = "cnn-lstm"
    """A name in BACKENDS."""
    checkpoint: Path = Path("best_model.pth")
    vocabulary: Path = Path("vocab.pkl")
    device: str = "auto"
    """cpu, cuda, or auto: cuda where there is one."""


class BackendUnavailable(RuntimeError):
    """The back end cannot be had here; the message says what to choose or install."""


def _cnn_lstm(settings: ModelSettings, device: torch.device) -> Captioner:
    from model.cnn_lstm import CnnLstmCaptioner

    return CnnLstmCaptioner.load(settings.checkpoint, settings.vocabulary, device)


LOADING_ERRORS = (BackendUnavailable, CheckpointMismatch, VocabularyRefused, OSError)
"""What a command line tells in one line when `load_captioner` raises it."""

BACKENDS: dict[str, Callable[[ModelSettings, torch.device], Captioner]] = {"cnn-lstm": _cnn_lstm}


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
    """The captioner that the settings name.

    Raises BackendUnavailable, and what the back end's loader raises for its files
    (for cnn-lstm: FileNotFoundError, CheckpointMismatch, VocabularyRefused).
    """
    if settings.backend not in BACKENDS:
        raise BackendUnavailable(f"there is no back end '{settings.backend}'; choose one of {', '.join(BACKENDS)}")
    return BACKENDS[settings.backend](settings, choose_device(settings.device))
