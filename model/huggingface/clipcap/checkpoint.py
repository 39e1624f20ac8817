"""ClipCap's checkpoints: this project's own, and the published ones of Mokady et al.

The own format is a safetensors file with a header; a published one is a state dict of PyTorch, read with
`weights_only=True`. Reading either executes nothing. docs/clipcap.md lists the published parameters.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from model.errors import CheckpointMismatch
from model.files import atomic_write, load_tensors
from model.foreign import SAFETENSORS, TORCH, describe_foreign
from model.huggingface.clipcap.mapping import MappingConfig
from model.huggingface.weights import PINNED

FORMAT = "image-captioner clipcap checkpoint 1"
_OLD_BUFFERS = re.compile(r"gpt\.transformer\.h\.\d+\.attn\.(bias|masked_bias)")
"""The causal mask, which transformers once kept among GPT-2's weights."""
_TIED = "gpt.lm_head.weight"  # GPT-2's token embeddings again


@dataclass(frozen=True)
class Source:
    """A network that was trained elsewhere."""

    name: str
    """On the Hub, or of a folder."""
    revision: str = ""
    digest: str = ""
    """Of its weights (`weights_digest`); empty where not known, or not needed."""


CLIP, GPT2 = (Source(name, PINNED[name]) for name in ("openai/clip-vit-base-patch32", "openai-community/gpt2"))


@dataclass(frozen=True)
class ClipCapCheckpoint:
    mapping: MappingConfig
    weights: dict[str, Tensor]
    """Of the mapping network (`clip_project.…`) and, where GPT-2 was fine-tuned, of GPT-2 (`gpt.…`)."""
    clip: Source = CLIP
    gpt2: Source = GPT2
    vocabulary_digest: str = ""
    """Of GPT-2's tokens in order; empty where not known."""
    normalised: bool = False
    """Image embeddings are scaled to length one."""
    full_stop_ends: bool = False
    """A caption ends at a full stop as well as at the end-of-text token, as the published ones learnt it."""
    training: dict[str, Any] = field(default_factory=dict)
    """How it came about: configuration, epochs, data."""
    scores: dict[str, float] = field(default_factory=dict)
    """On the dev split, by which it was chosen."""

    @property
    def holds_gpt2(self) -> bool:
        return any(name.startswith("gpt.") for name in self.weights)

    def save(self, path: Path) -> None:
        """Half precision weights; the file appears whole or not at all."""
        header = {name: value for name, value in vars(self).items() if name != "weights"}
        header |= {name: asdict(header[name]) for name in ("mapping", "clip", "gpt2")}
        weights = {name: tensor.half().contiguous() for name, tensor in self.weights.items() if name != _TIED}
        with atomic_write(path) as file:
            file.write_bytes(save(weights, {"format": FORMAT, "header": json.dumps(header)}))

    @classmethod
    def load(cls, path: Path) -> ClipCapCheckpoint:
        """What `save` wrote, or a published file. Weights come back in single precision.

        Raises CheckpointMismatch for anything else, FileNotFoundError where there is none.
        """
        if not path.is_file():
            raise FileNotFoundError(f"there is no checkpoint {path}")
        if found := describe_foreign(path, SAFETENSORS if path.suffix == ".safetensors" else TORCH):
            raise CheckpointMismatch(f"{path} is not a ClipCap checkpoint: {found}")
        try:
            return cls._load_own(path) if path.suffix == ".safetensors" else cls._load_published(path)
        except CheckpointMismatch:
            raise
        except (SafetensorError, KeyError, TypeError, AttributeError, ValueError, RuntimeError, EOFError) as error:
            raise CheckpointMismatch(f"{path} is not a ClipCap checkpoint that can be read: {error!r}") from error

    @classmethod
    def _load_own(cls, path: Path) -> ClipCapCheckpoint:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise CheckpointMismatch(f"{path} is not a checkpoint of the format '{FORMAT}'")
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (not a dictionary)
        header = json.loads(metadata["header"])
        header |= {name: Source(**header[name]) for name in ("clip", "gpt2")}
        return cls(**header | {"mapping": MappingConfig(**header["mapping"]), "weights": weights})

    @classmethod
    def _load_published(cls, path: Path) -> ClipCapCheckpoint:
        """These files say nothing of themselves: sizes come from shapes, the rest from how they were made."""
        content = load_tensors(path)
        kept = (name for name in content if name != _TIED and not _OLD_BUFFERS.fullmatch(name))
        weights = {name: content[name].float() for name in kept}
        mapping = published_mapping(weights)
        return cls(mapping, weights, normalised=mapping.kind == "transformer", full_stop_ends=True)

    def load_into(self, network: nn.Module) -> None:
        """Raises CheckpointMismatch where weights and sizes disagree."""
        try:
            missing, unexpected = network.load_state_dict(self.weights, strict=False)
        except RuntimeError as error:
            raise CheckpointMismatch(f"the checkpoint's weights do not fit its configuration: {error}") from error
        ours = [name for name in missing if name != _TIED and (self.holds_gpt2 or not name.startswith("gpt."))]
        if ours or unexpected:
            raise CheckpointMismatch(f"the checkpoint lacks weights ({ours[:3]}) or has others ({unexpected[:3]})")


def published_mapping(weights: Mapping[str, Tensor]) -> MappingConfig:
    """The sizes of a published mapping network, from its shapes. Raises KeyError where a parameter is missing."""
    width = weights["gpt.transformer.wte.weight"].shape[1]
    if "clip_project.model.0.weight" in weights:
        embedding = weights["clip_project.model.0.weight"].shape[1]
        return MappingConfig("mlp", embedding, width, len(weights["clip_project.model.2.weight"]) // width)
    spread = weights["clip_project.linear.weight"]
    layers = {name.split(".")[3] for name in weights if name.startswith("clip_project.transformer.layers.")}
    length = len(weights["clip_project.prefix_const"])
    return MappingConfig("transformer", spread.shape[1], width, length, len(spread) // width, len(layers))


def weights_digest(network: nn.Module) -> str:
    """SHA-256 over names and single precision values, in hexadecimal: the same from whatever files they came."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy())
    return digest.hexdigest()


def vocabulary_digest(tokens: Mapping[str, int]) -> str:
    """SHA-256 over the tokens in the order of their numbers, in hexadecimal."""
    return hashlib.sha256("\n".join(sorted(tokens, key=tokens.__getitem__)).encode()).hexdigest()
