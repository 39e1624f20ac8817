"""An exponential moving average (EMA) of a network's weights over the steps of training."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(network: nn.Module, decay: float, state: Mapping[str, Any] | None) -> AveragedModel | None:
    """Of the old average the share `decay` stays at every step; None for 0. It goes on from `state`, if given."""
    if not decay:
        return None
    average = AveragedModel(network, multi_avg_fn=partial(move_average, decay))
    if state is not None:
        average.load_state_dict(state)
    return average


def move_average(decay: float, averages: Any, currents: Any, steps: Any) -> None:
    """At first the average reaches back over a tenth of its steps: where it started from is soon forgotten."""
    steps = int(steps)
    get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averages, currents, steps)
