"""Which back ends there are: one line each. A back end is imported when it is asked for, and not before."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from model.captioner import Captioner
from model.errors import BackendUnavailable
from model.folders import files_below
from model.settings import ModelSettings

if TYPE_CHECKING:
    import torch  # takes seconds and memory, which a process that only names back ends does not have to spend


class Backend(NamedTuple):
    target: str
    """Module and class, which is a `Captioner` with `load(settings, device)`."""
    settings: tuple[str, ...]
    """Those of ModelSettings that it goes by, beside those that all do."""


BACKENDS = {
    "cnn-lstm": Backend(
        "model.cnn_lstm.captioner:CnnLstmCaptioner", ("checkpoint", "vocabulary", "languages", "tta", "image_size")
    ),
    "blip": Backend("model.huggingface.blip:BlipCaptioner", ("weights", "revision", "prompt", "second_look")),
    "blip2": Backend("model.huggingface.blip2:Blip2Captioner", ("weights", "revision", "prompt", "second_look")),
    "clipcap": Backend("model.huggingface.clipcap.captioner:ClipCapCaptioner", ("weights", "revision", "second_look")),
    "onnx": Backend("model.cnn_lstm.onnx:OnnxCaptioner", ("weights",)),
}
"""By the name that operators choose."""
_OF_ALL = ("backend", "device", "dtype")


def used_settings(settings: ModelSettings) -> dict[str, Any]:
    """The settings that the chosen back end goes by, with their values. Raises BackendUnavailable."""
    return {name: getattr(settings, name) for name in (*_OF_ALL, *_chosen(settings).settings)}


def model_files(settings: ModelSettings) -> list[Path]:
    """The files on this disk that the chosen back end's settings name, and those in a folder that they name. Raises
    BackendUnavailable.
    """
    values = used_settings(settings)
    named = [Path(value) for name, value in values.items() if isinstance(value, Path) or (name == "weights" and value)]
    inside = (map(Path, files_below(str(path), lambda name: True)) if path.is_dir() else [path] for path in named)
    return [path for paths in inside for path in paths if path.is_file()]


def users_of(setting: str) -> list[str]:
    """The back ends that go by a setting."""
    return [name for name, backend in BACKENDS.items() if setting in (*_OF_ALL, *backend.settings)]


def _chosen(settings: ModelSettings) -> Backend:
    if settings.backend not in BACKENDS:
        raise BackendUnavailable(f"there is no back end '{settings.backend}'; choose one of {', '.join(BACKENDS)}")
    return BACKENDS[settings.backend]


def check_settings(settings: ModelSettings) -> None:
    """Raises BackendUnavailable for a value that there is not, and for a setting that the back end would ignore."""
    used = used_settings(settings)
    settings.check()
    for setting in dataclasses.fields(settings):
        if setting.name not in used and getattr(settings, setting.name) != setting.default:
            users = ", ".join(users_of(setting.name))
            raise BackendUnavailable(f"{setting.name} is for {users} alone, not for {settings.backend}")


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
    check_settings(settings)
    device = choose_device(settings.device)
    module, name = _chosen(settings).target.split(":")
    try:
        captioner: Captioner = getattr(import_module(module), name).load(settings, device)
    except ImportError as error:
        raise BackendUnavailable(
            f"the back end '{settings.backend}' needs packages that are not installed ({error.name or error}): "
            "pip install -r requirements/backends.txt"
        ) from error
    if settings.second_look:
        from model.cnn_lstm.second_opinion import SecondOpinion

        return SecondOpinion.load(captioner, settings, device)
    return captioner
