"""From what a model says to how often it is so (isotonic: Zadrozny and Elkan 2002); the order stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from model.ranking import Floats


@dataclass(frozen=True)
class Calibration:
    said: Floats
    so: Floats
    """The share of times that it was so, for each of `said`, both rising."""

    def __call__(self, said: Floats) -> Floats:
        so: Floats = np.interp(said, self.said, self.so)
        return so


def calibrated(raw: Floats, kinds: Sequence[str], calibrations: Mapping[str, Calibration]) -> Floats:
    """(…, tags), each tag by the calibration of its kind."""
    result = raw.copy()
    for kind, calibration in calibrations.items():
        own = np.array(kinds) == kind
        result[..., own] = calibration(raw[..., own])
    return result
