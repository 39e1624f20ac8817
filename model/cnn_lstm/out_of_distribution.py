"""Whether a photograph is like those that the model was trained on, by the encoder's features of it.

A network answers with confidence what it has never seen. The distance of its features from the training
photographs' (Mahalanobis, Lee et al. 2018, arXiv 1807.03888) tells a document or an empty wall from a scene.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

_COMPONENTS = 128
_UNLIKE_SHARE = 0.02
"""Of photographs of the kind that it was trained on, about this share is taken for another kind by each measure."""


def summarise(features: Tensor) -> Tensor:
    """Grid features (photographs, cells, channels) to (photographs, channels + 1): the mean over the cells, and how
    much the cells differ, which is next to nothing for an empty wall.
    """
    features = features.float()
    return torch.cat([features.mean(dim=1), features.std(dim=1).mean(dim=1, keepdim=True)], dim=1)


@dataclass(frozen=True)
class OutOfDistributionDetector:
    """The training photographs' mean features as a normal distribution: principal directions, and what is left."""

    mean: Tensor  # (channels)
    directions: Tensor  # (components, channels), orthonormal
    deviations: Tensor  # (components): standard deviation along each
    rest: float
    """Mean square of what lies in no direction."""
    threshold: float = 0.0
    """Distances above it are unlike."""
    least_detail: float = 0.0
    """Cells that differ less are unlike."""

    @classmethod
    def fit(cls, training: Tensor, held_out: Tensor) -> OutOfDistributionDetector:
        """From summaries (photographs, channels + 1); the limits come from photographs that were not learnt."""
        training = training[:, :-1]
        mean = training.mean(dim=0)
        _, spread, directions = torch.linalg.svd(training - mean, full_matrices=False)
        count = min(_COMPONENTS, len(training) // 2, training.shape[1] // 2)
        deviations = (spread[:count] / len(training) ** 0.5).clamp_min(1e-6)
        rest = max(float(spread[count:].square().sum() / len(training)), 1e-12)
        fitted = cls(mean, directions[:count].clone(), deviations, rest)  # a copy: not the whole square in the file
        return replace(
            fitted,
            threshold=float(torch.quantile(fitted.distance(held_out), 1 - _UNLIKE_SHARE)),
            least_detail=float(torch.quantile(held_out[:, -1], _UNLIKE_SHARE / 2)),
        )

    def distance(self, summaries: Tensor) -> Tensor:
        """(photographs); about 1 for a training photograph."""
        centred = summaries[:, :-1] - self.mean
        along = centred @ self.directions.T
        left = (centred.square().sum(dim=1) - along.square().sum(dim=1)).clamp_min(0)
        inside = (along / self.deviations).square().mean(dim=1)
        return (0.5 * (inside + left / self.rest)).sqrt()

    def is_unlike(self, summaries: Tensor) -> Tensor:
        """(photographs), true or false."""
        return (self.distance(summaries) > self.threshold) | (summaries[:, -1] < self.least_detail)

    def to(self, device: torch.device) -> OutOfDistributionDetector:
        mean, directions, deviations = (part.to(device) for part in (self.mean, self.directions, self.deviations))
        return replace(self, mean=mean, directions=directions, deviations=deviations)
