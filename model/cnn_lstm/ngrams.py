"""The n-gram head: from the encoder's grid to the probability that a person uses each word or phrase of the picture.

Word detectors beside a captioner are Fang et al. 2015 (arXiv 1411.4952). What it says ranks a beam's sentences
(model/ranking.py), guides the search and names the picture's tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn


def pool(features: Tensor) -> Tensor:
    """Grid features (photographs, cells, channels) to (photographs, 2 * channels): mean and maximum of the cells."""
    features = features.float()
    return torch.cat([features.mean(dim=1), features.amax(dim=1)], dim=1)


@dataclass(frozen=True)
class NgramHead:
    """One hidden layer over the pooled grid."""

    means: Tensor  # (2 * channels), of the training photographs
    deviations: Tensor  # (2 * channels)
    hidden_weight: Tensor  # (hidden, 2 * channels)
    hidden_bias: Tensor  # (hidden)
    output_weight: Tensor  # (ngrams, hidden)
    output_bias: Tensor  # (ngrams)

    def __call__(self, features: Tensor) -> Tensor:
        """Grid features (photographs, cells, channels) to probabilities (photographs, ngrams)."""
        return self.from_pooled(pool(features))

    def from_pooled(self, pooled: Tensor) -> Tensor:
        """As `pool` gives them, (photographs, 2 * channels), to probabilities (photographs, ngrams)."""
        inputs = (pooled - self.means) / self.deviations
        hidden = nn.functional.linear(inputs, self.hidden_weight, self.hidden_bias).relu()
        return nn.functional.linear(hidden, self.output_weight, self.output_bias).sigmoid()

    def to(self, device: torch.device) -> NgramHead:
        return replace(self, **{name: part.to(device) for name, part in vars(self).items()})

    def state(self) -> dict[str, Any]:
        """In half precision, but for the standardisation."""
        return {name: part.half() if part.ndim == 2 else part for name, part in vars(self).items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> NgramHead:
        """Of what `state` gave. Raises TypeError for anything else."""
        return cls(**{name: part.float() for name, part in state.items()})
