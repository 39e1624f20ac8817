"""ClipCap's mapping networks: an image embedding of CLIP to the prefix that GPT-2 reads before the caption.

After Mokady, Hertz and Bermano 2021, "ClipCap: CLIP Prefix for Image Captioning" (arXiv 2111.09734). Parameters have
the names of the published checkpoints, so that those load as they are; docs/clipcap.md lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Kind = Literal["mlp", "transformer"]
_HEADS = 8
_FEED_FORWARD = 2  # times the width


@dataclass(frozen=True)
class MappingConfig:
    """The sizes of a mapping network."""

    kind: Kind
    embedding: int
    """Numbers in CLIP's image embedding: 512 for ViT-B/32, 640 for RN50x4."""
    width: int
    """Numbers in a token embedding of GPT-2: 768 for the smallest."""
    prefix_length: int = 10
    """Token embeddings that take the photograph's place."""
    clip_length: int = 10
    """Positions over which the image embedding is spread (transformer)."""
    layers: int = 8
    """Of the transformer."""

    def __post_init__(self) -> None:
        if self.kind not in ("mlp", "transformer"):
            raise ValueError(f"there is no mapping '{self.kind}'; choose mlp or transformer")
        if self.kind == "transformer" and self.width % _HEADS:
            raise ValueError(f"the transformer mapping has {_HEADS} heads, which do not divide a width of {self.width}")


def new_mapping(config: MappingConfig) -> nn.Module:
    """A network with random weights that takes (images, embedding) to (images, prefix_length, width)."""
    return MlpMapping(config) if config.kind == "mlp" else TransformerMapping(config)


class MlpMapping(nn.Module):
    """Two layers with a tanh between; the hidden one is half as large as the prefix. Learnt along with GPT-2."""

    def __init__(self, config: MappingConfig) -> None:
        super().__init__()
        prefix = config.width * config.prefix_length
        self.model = nn.Sequential(nn.Linear(config.embedding, prefix // 2), nn.Tanh(), nn.Linear(prefix // 2, prefix))
        self.prefix_length = config.prefix_length

    def forward(self, embeddings: Tensor) -> Tensor:
        prefix: Tensor = self.model(embeddings).unflatten(1, (self.prefix_length, -1))
        return prefix


class TransformerMapping(nn.Module):
    """The image embedding, spread over `clip_length` positions, and as many learnt constants as the prefix is long
    look at each other through the layers; what has become of the constants is the prefix. Learnt with GPT-2 frozen.
    """

    def __init__(self, config: MappingConfig) -> None:
        super().__init__()
        self.clip_length = config.clip_length
        self.linear = nn.Linear(config.embedding, config.clip_length * config.width)
        self.prefix_const = nn.Parameter(torch.randn(config.prefix_length, config.width))
        self.transformer = nn.ModuleDict({"layers": nn.ModuleList(_Layer(config.width) for _ in range(config.layers))})

    def forward(self, embeddings: Tensor) -> Tensor:
        spread = self.linear(embeddings).unflatten(1, (self.clip_length, -1))
        sequence = torch.cat([spread, self.prefix_const.expand(len(embeddings), -1, -1)], dim=1)
        for layer in self.transformer["layers"]:  # type: ignore[attr-defined]
            sequence = layer(sequence)
        return sequence[:, self.clip_length :]


class _Layer(nn.Module):
    """A transformer layer that normalises before its attention and before its two feed-forward layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = _Attention(width)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, _FEED_FORWARD * width), "fc2": nn.Linear(_FEED_FORWARD * width, width)}
        )

    def forward(self, sequence: Tensor) -> Tensor:
        sequence = sequence + self.attn(self.norm1(sequence))
        after: Tensor = sequence + self.mlp["fc2"](F.relu(self.mlp["fc1"](self.norm2(sequence))))
        return after


class _Attention(nn.Module):
    """Every position looks at every other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_queries = nn.Linear(width, width, bias=False)
        self.to_keys_values = nn.Linear(width, 2 * width, bias=False)
        self.project = nn.Linear(width, width)

    def forward(self, sequence: Tensor) -> Tensor:
        keys, values = self.to_keys_values(sequence).chunk(2, dim=2)
        parts = (self.to_queries(sequence), keys, values)
        queries, keys, values = (part.unflatten(2, (_HEADS, -1)).transpose(1, 2) for part in parts)
        seen = F.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2)
        projected: Tensor = self.project(seen)
        return projected
