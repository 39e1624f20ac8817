"""What an objective is to the loop that trains (training/engine.py)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from model.cnn_lstm.captioner import Network
from training.batches import Batch


class Outcome(NamedTuple):
    """What an objective makes of a batch, or of a worker's part of it. All are on the device: nobody waits for them."""

    loss: Tensor
    """To go down; a mean over words."""
    words: Tensor
    shown: Tensor
    """The number to show; a mean too. It has no gradient."""
    shown_over: Tensor
    """How many words or captions."""


class Objective(Protocol):
    """What an epoch makes better. Called with grid features (images, cells, channels) of a batch; `shown` names the
    number that it shows.
    """

    shown: str
    dropout: bool

    def __call__(self, network: Network, features: Tensor, batch: Batch) -> Outcome: ...

    def close(self) -> None: ...
