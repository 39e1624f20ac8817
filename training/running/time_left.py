"""How long a run still takes, by what its epochs took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any


def seconds_by_stage(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What the last epoch of each stage took, its evaluation among it: the first may have been slower."""
    return {
        record["stage"]: record["seconds"] + record["evaluation_seconds"]
        for record in history
        if "evaluation_seconds" in record
    }


def time_left(epochs: Mapping[str, int], seconds: Mapping[str, float], elapsed: float = 0.0) -> str:
    """For so many more epochs of each stage, in their order, after so many seconds of the first of them; the stages of
    which nothing was measured are named. Empty where nothing is left. Stages that end early make it less.
    """
    stages = {name: count for name, count in epochs.items() if count}
    known = sum(count * seconds[name] for name, count in stages.items() if name in seconds)
    parts = [name for name in stages if name not in seconds]
    if len(parts) < len(stages):
        parts.insert(0, str(timedelta(seconds=round(max(0.0, known - elapsed)))))
    return " + ".join(parts)
