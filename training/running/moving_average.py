"""An exponential moving average (EMA) of a network's weights over the steps of training."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class MovingAverage(Generic[M]):
    """Of the old average the share `decay` stays at every step; at first less, so that it reaches back over a tenth of
    its steps: where it started from is soon forgotten.

    Counts its steps where torch's AveragedModel asks the device for them, and waits for all that a GPU still has to do.
    """

    def __init__(self, network: M, decay: float, state: Mapping[str, Any] | None = None) -> None:
        """It goes on from `state`, if given."""
        self.module: M = deepcopy(network)
        self._decay, self._steps = decay, 0
        if state is not None:
            weights = dict(state)
            self._steps = int(weights.pop("steps"))
            self.module.load_state_dict(weights)

    @torch.no_grad()
    def update(self, network: M) -> None:
        """After a step. What the network does not learn (buffers) is taken as it is."""
        averages: list[Tensor] = list(self.module.parameters())
        currents: list[Tensor] = list(network.parameters())
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps)) if self._steps else 0.0
        torch._foreach_lerp_(averages, currents, 1 - decay)
        for average, current in zip(self.module.buffers(), network.buffers(), strict=True):
            average.copy_(current)
        self._steps += 1

    def state_dict(self) -> dict[str, Any]:
        return {"steps": torch.tensor(self._steps), **self.module.state_dict()}
