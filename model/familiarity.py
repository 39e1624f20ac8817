"""Whether a photograph is like those that the model was trained on, by the encoder's features of it.

A network answers with confidence what it has never seen. The distance of its features from the training
photographs' (Mahalanobis, Lee et al. 2018, arXiv 1807.03888) tells a document or an empty wall from a scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_COMPONENTS = 128
_UNLIKE_SHARE = 0.02
"""Of photographs of the kind that it was trained on this share is taken for another kind."""


@dataclass(frozen=True)
class Familiarity:
    """The training photographs' mean features as a normal distribution: principal directions, and what is left."""

    mean: Tensor  # (channels)
    directions: Tensor  # (components, channels), orthonormal
    deviations: Tensor  # (components): standard deviation along each
    rest: float
    """Mean square of what lies in no direction."""
    threshold: float
    """Distances above it are unlike."""

    @classmethod
    def fit(cls, training: Tensor, held_out: Tensor) -> Familiarity:
        """From mean features (photographs, channels); the threshold comes from photographs that were not learnt."""
        mean = training.mean(dim=0)
        _, spread, directions = torch.linalg.svd(training - mean, full_matrices=False)
        directions = directions[: min(_COMPONENTS, len(training) // 2, training.shape[1] // 2)]
        deviations = spread[: len(directions)] / len(training) ** 0.5
        rest = float(spread[len(directions) :].square().sum() / len(training))
        fitted = cls(mean, directions, deviations.clamp_min(1e-6), max(rest, 1e-12), 0.0)
        threshold = float(torch.quantile(fitted.distance(held_out.unsqueeze(1)), 1 - _UNLIKE_SHARE))
        return cls(fitted.mean, fitted.directions, fitted.deviations, fitted.rest, threshold)

    def distance(self, features: Tensor) -> Tensor:
        """(photographs) for grid features (photographs, cells, channels); about 1 for a training photograph."""
        centred = features.float().mean(dim=1) - self.mean
        along = centred @ self.directions.T
        left = (centred.square().sum(dim=1) - along.square().sum(dim=1)).clamp_min(0)
        inside = (along / self.deviations).square().mean(dim=1)
        return (0.5 * (inside + left / self.rest)).sqrt()

    def is_unlike(self, features: Tensor) -> Tensor:
        """(photographs), true or false."""
        return self.distance(features) > self.threshold

    def to(self, device: torch.device) -> Familiarity:
        mean, directions, deviations = (part.to(device) for part in (self.mean, self.directions, self.deviations))
        return Familiarity(mean, directions, deviations, self.rest, self.threshold)
