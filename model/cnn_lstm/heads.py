"""All that is learnt on top of a finished network, by `training.heads`; it belongs to these weights alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from model.cnn_lstm.ngrams import NgramHead
from model.cnn_lstm.out_of_distribution import OutOfDistributionDetector, summarise
from model.second_look import SecondLook


@dataclass(frozen=True)
class Heads:
    detector: OutOfDistributionDetector | None = None
    ngrams: NgramHead | None = None
    second_look: SecondLook | None = None
    """What the n-gram head is good for; there is both or neither."""
    weights: str = ""
    """`weights_digest` of the network; empty where a file of before 1.0 does not tell."""

    def unlike(self, features: Tensor) -> Tensor:
        """Of grid features (photographs, cells, channels): which are unlike those that the model was trained on."""
        if not self.detector:
            return torch.zeros(len(features), dtype=torch.bool, device=features.device)
        return self.detector.is_unlike(summarise(features))

    def probabilities(self, features: Tensor) -> Tensor:
        """Of grid features (photographs, cells, channels): those of n-grams (photographs, ngrams), of none without a
        head.
        """
        return self.ngrams(features) if self.ngrams else features.new_zeros(len(features), 0)

    def to(self, device: torch.device) -> Heads:
        return replace(
            self,
            detector=self.detector.to(device) if self.detector else None,
            ngrams=self.ngrams.to(device) if self.ngrams else None,
        )

    def state(self) -> dict[str, Any]:
        """Plain data and tensors."""
        return {
            "detector": vars(self.detector) if self.detector else None,
            "ngrams": self.ngrams.state() if self.ngrams else None,
            "second_look": self.second_look.state() if self.second_look else None,
            "weights": self.weights,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Heads:
        """Of what `state` gave. Raises KeyError, TypeError, AttributeError for anything else."""
        detector, ngrams, second_look = (state[name] for name in ("detector", "ngrams", "second_look"))
        return cls(
            OutOfDistributionDetector(**detector) if detector else None,
            NgramHead.from_state(ngrams) if ngrams else None,
            SecondLook.from_state(second_look) if second_look else None,
            state["weights"],
        )


def weights_digest(encoder: Mapping[str, Tensor], decoder: Mapping[str, Tensor]) -> str:
    """SHA-256 of a network's weights in half precision, as they are stored."""
    digest = hashlib.sha256()
    for tensors in (encoder, decoder):
        for name in sorted(tensors):
            tensor = tensors[name]
            stored = tensor.half() if tensor.is_floating_point() else tensor
            digest.update(name.encode() + stored.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
