"""Every error of this package that a caller may see. Imports nothing of the house."""

from __future__ import annotations

from enum import Enum


class OptionRefused(ValueError):
    """A decoding option has a value that it cannot have; the message names the option and its range."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Refusal(Enum):
    """Why a photograph is refused."""

    NOT_AN_IMAGE = "not_an_image"
    DAMAGED_IMAGE = "damaged_image"
    TOO_MANY_PIXELS = "too_many_pixels"


class ImageRefused(ValueError):
    """The bytes cannot be captioned; the message says why in words for the person who sent them."""

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal


class CheckpointMismatch(ValueError):
    """The file is no checkpoint, or two things that must agree do not; the message says which two."""


class VocabularyRefused(ValueError):
    """The file is not a vocabulary that this project wrote."""


class SettingRefused(ValueError):
    """A setting holds what cannot be used; the message names it."""


class BackendUnavailable(RuntimeError):
    """The back end cannot be had here; the message says what to choose or install."""


class ExportRefused(ValueError):
    """The folder cannot take the export; the message says why."""


LOADING_ERRORS = (BackendUnavailable, CheckpointMismatch, VocabularyRefused, OSError)
"""What a command line tells in one line when `load_captioner` raises it."""
