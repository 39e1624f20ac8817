"""What the encoder saw, said in a language: its decoder, its words and its second look."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.captioner import Caption, DecodingOptions
from model.cnn_lstm.captions import CaptionWriter
from model.cnn_lstm.decoder import Decoder
from model.cnn_lstm.heads import Heads
from model.cnn_lstm.language_pack import read_header
from model.cnn_lstm.runtime import PackedDecoder, can_pack
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import CheckpointMismatch

log = logging.getLogger(__name__)


class Speech:
    def __init__(
        self, decoder: Decoder, vocabulary: Vocabulary, heads: Heads, device: torch.device, dtype: torch.dtype
    ) -> None:
        decoder = decoder.eval().requires_grad_(False)
        packs = device.type == "cpu" and can_pack()
        self.decoder: Decoder | PackedDecoder = PackedDecoder(decoder, dtype) if packs else decoder.to(device)
        self.heads, self.language = heads.to(device), vocabulary.language.code
        self.writer = CaptionWriter(vocabulary, heads.second_look)

    def captions(
        self, features: Tensor, unlike: Tensor, options: DecodingOptions, mirrored: bool = False
    ) -> list[list[Caption]]:
        """Of grid features (photographs, cells, channels), best first; `unlike` (photographs) tells which the model
        does not know the like of. The cells may be two grids', the second of the mirrored photograph.
        """
        probabilities = self.heads.probabilities(features)
        state: Any = self.decoder.init_state(features)  # of a type for each kind of decoder
        found = self.writer.search(self.decoder.step, state, len(features), probabilities, options, features.device)
        if mirrored and options.attention:
            found = [[replace(each, attention=_on_one_grid(each.attention)) for each in own] for own in found]
        written = self.writer.captions(found, unlike, probabilities, options)
        return [[replace(caption, language=self.language) for caption in own] for own in written]

    def with_tags(self, found: Sequence[Sequence[Caption]], features: Tensor) -> list[list[Caption]]:
        """Captions of another language, of photographs with these grid features (photographs, cells, channels), and the
        tags of this language.
        """
        look = self.heads.second_look
        if not look:
            return [list(own) for own in found]
        looks = self.heads.probabilities(features).float().cpu().numpy()
        tags = [look.tags(look.named(each)) for each in looks]
        return [[replace(caption, tags=own) for caption in captions] for captions, own in zip(found, tags, strict=True)]


def _on_one_grid(attention: Tensor) -> Tensor:
    """Weights (words, 2 x cells), of a grid and of the mirrored photograph's, to (words, cells): those of the same
    place in the photograph are added.
    """
    straight, mirrored = attention.chunk(2, dim=1)
    side = math.isqrt(straight.shape[1])
    return straight + mirrored.reshape(-1, side, side).flip(2).flatten(1)


class Speeches:
    """By language: that of the checkpoint, and those of language packs, each loaded when it is first asked for."""

    def __init__(self, own: Speech, packs: Mapping[str, Path], load: Callable[[Path], Speech]) -> None:
        """`load` raises what reading a pack does."""
        self.own, self._packs, self._load = own, packs, load
        self._loaded = {own.language: own}

    @property
    def languages(self) -> tuple[str, ...]:
        """BCP 47, the checkpoint's own first."""
        return (self.own.language, *sorted(self._packs.keys() - {self.own.language}))

    def __getitem__(self, language: str) -> Speech:
        """Of one of the languages. Raises CheckpointMismatch, VocabularyRefused, OSError where its file is no more
        what it was.
        """
        if language not in self._loaded:
            self._loaded[language] = self._load(self._packs[language])
        return self._loaded[language]


def packs_for(encoder: str, folder: Path) -> dict[str, Path]:
    """By language, the packs in a folder that belong to the encoder of that digest; others are told of and left out."""
    found: dict[str, Path] = {}
    for file in sorted(folder.glob("*.pth")):
        try:
            header = read_header(file)
        except (CheckpointMismatch, OSError) as error:
            log.warning("language pack left out: %s", error)
            continue
        if header.encoder == encoder:
            found[header.language] = file
        else:
            log.warning("language pack left out: %s belongs to the encoder of another checkpoint", file)
    return found
