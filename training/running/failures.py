"""How the training commands end where they fail."""

from __future__ import annotations

import sys

from model.errors import LOADING_ERRORS
from training.data.features import TooManyRefused
from training.data.records import DatasetRefused


class LossNotFinite(RuntimeError):
    """Training has diverged: the loss is infinite or not a number."""


FAILURES = (TooManyRefused, LossNotFinite, DatasetRefused, ValueError, *LOADING_ERRORS)


def exit_status(failure: Exception, begun: bool) -> int:
    """Tells one of FAILURES in a line: 1 where learning could not go on, 2 where what was given cannot be used.

    Raises it where it is neither, but a defect of ours.
    """
    learning = isinstance(failure, (TooManyRefused, LossNotFinite))
    if begun and not learning and not isinstance(failure, (OSError, DatasetRefused)):
        raise failure
    print(f"error: {failure}", file=sys.stderr)
    return 1 if learning else 2
