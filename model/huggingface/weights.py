"""Weights of networks of Hugging Face's transformers, from a folder or the Hub.

They are read from safetensors, or, where a repository has none, by `torch.load` with `weights_only=True`: neither
executes anything. Code that comes with a repository never runs.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub import constants as hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # meant for users of the library
from transformers import AutoImageProcessor, AutoTokenizer, BitsAndBytesConfig

from model.errors import BackendUnavailable, CheckpointMismatch
from model.files import file_digest
from model.foreign import ONNX, PICKLE, SAFETENSORS, TEXT, TORCH, describe_foreign
from model.settings import Dtype

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
_ANY = (TORCH, SAFETENSORS, PICKLE, ONNX, TEXT)
_WEIGHTS_OF_OTHERS = frozenset(
    (".h5", ".keras", ".msgpack", ".onnx", ".gguf", ".ckpt", ".pt", ".pth", ".tflite", ".ot")
)


def fetch(weights: str, revision: str = "") -> Path:
    """The folder with the files: `weights` itself, or what the Hub has under that name, downloaded once.

    The library's own variables are honoured: HF_HOME, HF_HUB_OFFLINE, HF_ENDPOINT; the token is HF_TOKEN's, and no
    other. Raises BackendUnavailable, FileNotFoundError.
    """
    if Path(weights).is_dir():
        return Path(weights)
    if Path(weights).is_file():
        raise FileNotFoundError(f"{weights} is a file: name the folder in which it lies with its configuration")
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
    others = sorted(file.name for file in folder.iterdir() if file.suffix in _WEIGHTS_OF_OTHERS)
    instead = f"; {', '.join(others)} cannot be read here" if others else ""
    raise FileNotFoundError(f"{folder} holds no weights (*.safetensors, pytorch_model*.bin){instead}")


def _foreign(files: Iterable[Path]) -> str | None:
    """The first that is something else by its beginning, and what."""
    for file in files:
        kind = {".safetensors": SAFETENSORS, ".bin": TORCH}.get(file.suffix)
        if found := describe_foreign(file, *([kind] if kind else _ANY)):
            return f"{file} {'does not hold weights' if kind else 'is not what its name says'}: {found}"
    return None


def _foreign_beside_weights(folder: Path) -> str | None:
    return _foreign(sorted(file for pattern in _BESIDE_WEIGHTS for file in folder.glob(pattern)))


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
    files = weight_files(folder)
    if found := _foreign(files):
        raise CheckpointMismatch(found)
    arguments: dict[str, Any] = {}
    if dtype == "int8":
        arguments = {"quantization_config": BitsAndBytesConfig(load_in_8bit=True), "device_map": {"": device}}
    try:
        model, report = model_class.from_pretrained(
            folder,
            dtype=choose_dtype(dtype, device),
            use_safetensors=files[0].suffix == ".safetensors",
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **arguments,
        )
    except ImportError:
        raise
    except OSError as error:
        if found := _foreign_beside_weights(folder):
            raise CheckpointMismatch(found) from error
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
        why = _foreign_beside_weights(folder) or f"{folder} holds nothing that {part_class.__name__} can read: {error}"
        raise CheckpointMismatch(why) from error


def load_parts(model_class: Any, folder: Path, dtype: Dtype, device: torch.device) -> tuple[Any, Any, Any, str]:
    """The network, the processor of its images, its tokenizer, and the digest of its weights.

    Raises CheckpointMismatch, FileNotFoundError.
    """
    model = load_model(model_class, folder, dtype, device)
    processor, tokenizer = load_part(AutoImageProcessor, folder), load_part(AutoTokenizer, folder)
    return model, processor, tokenizer, digest(weight_files(folder))
