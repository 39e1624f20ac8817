"""Another captioner's captions, ranked and judged by what this network sees in the photograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from PIL import Image

from model.captioner import Caption, Captioner, DecodingOptions, Stopwatch
from model.cnn_lstm.captioner import CnnLstmCaptioner
from model.errors import BackendUnavailable
from model.second_look import search_options
from model.settings import ModelSettings


class SecondOpinion:
    """See `model.captioner.Captioner`."""

    def __init__(self, captioner: Captioner, judge: CnnLstmCaptioner) -> None:
        """Raises BackendUnavailable where the judge has no second look."""
        if not judge.heads.second_look:
            raise BackendUnavailable("a second look needs a checkpoint with an n-gram head: python -m training.heads")
        self.captioner, self.judge, self.second_look = captioner, judge, judge.heads.second_look
        self.name, self.digest, self.device = captioner.name, captioner.digest, captioner.device
        self.capabilities = replace(captioner.capabilities, second_look=True, low_confidence=True)

    @classmethod
    def load(cls, captioner: Captioner, settings: ModelSettings, device: torch.device) -> SecondOpinion:
        """Raises what loading cnn-lstm does."""
        return cls(captioner, CnnLstmCaptioner.from_files(settings.checkpoint, settings.vocabulary, device))

    def caption(
        self,
        images: Sequence[Image.Image],
        options: DecodingOptions = DecodingOptions(),
        stopwatch: Stopwatch | None = None,
    ) -> list[list[Caption]]:
        if not images:
            return []
        stopwatch = stopwatch or Stopwatch()
        found = self.captioner.caption(images, search_options(options), stopwatch)
        with stopwatch.stage("second look"):
            unlike, looks = self.judge.look(images)
        return [
            self.second_look.judged([replace(caption, low_confidence=strange) for caption in own], look, options)
            for own, strange, look in zip(found, unlike.tolist(), looks.numpy(), strict=True)
        ]
