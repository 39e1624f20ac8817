"""The default back end: ResNet-50 encoder, two-layer attention LSTM decoder and decoding behind `Captioner`."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from model.captioner import Capabilities, Caption, DecodingOptions, Stopwatch
from model.cnn_lstm.captions import TOKENS
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.decoder import Decoder
from model.cnn_lstm.encoder import Encoder, Preprocessing
from model.cnn_lstm.heads import Heads
from model.cnn_lstm.language_pack import LanguagePack, encoder_digest
from model.cnn_lstm.runtime import PackedEncoder, can_pack, multiplies_bfloat16
from model.cnn_lstm.speech import Speech, Speeches, packs_for
from model.cnn_lstm.vocabulary import Vocabulary
from model.decoding import Hypothesis, decode
from model.errors import BackendUnavailable, CheckpointMismatch
from model.files import file_digest
from model.language_tags import choose_language
from model.settings import Dtype, ModelSettings

CAPABILITIES = Capabilities(
    attention=True,
    low_confidence=True,
    features=True,
    licence="non-commercial research and education only: learnt from Flickr8k, whose terms these are",
)
CELL = 32
"""Pixels a side that become one cell of the encoder's grid: sizes of the input are multiples of it."""


class Network(nn.Module):
    """Encoder and decoder, as they are trained and stored together."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint) -> Network:
        """Raises CheckpointMismatch where weights and sizes disagree."""
        network = cls(Encoder(checkpoint.stride), Decoder(checkpoint.decoder_config))
        try:
            network.encoder.load_state_dict(checkpoint.encoder)
            network.decoder.load_state_dict(checkpoint.decoder)
        except RuntimeError as error:
            raise CheckpointMismatch(f"the checkpoint's weights do not fit its configuration: {error}") from error
        return network

    @torch.inference_mode()
    def decode(
        self, features: Tensor, options: DecodingOptions, guidance: Tensor | None = None
    ) -> list[list[Hypothesis]]:
        """Hypotheses for grid features (images, cells, channels); the guidance is model.decoding.decode's."""
        state = self.decoder.init_state(features)
        return decode(self.decoder.step, state, len(features), TOKENS, options, features.device, guidance)


def choose_image_size(size: int, trained: int) -> int:
    """Pixels a side that the encoder is shown: 0 for those of training. Smaller is faster, and sees less.

    Raises BackendUnavailable.
    """
    if size and (size % CELL or not 2 * CELL <= size <= 16 * CELL):
        raise BackendUnavailable(
            f"image_size is a multiple of {CELL} from {2 * CELL} to {16 * CELL}, or 0 for that of training, not {size}"
        )
    return size or trained


def choose_dtype(name: Dtype, device: torch.device) -> torch.dtype:
    """bfloat16 where the processor has matrix arithmetic for it and nothing else is asked for.

    Raises BackendUnavailable for what cannot be had, or was not measured to be worth having.
    """
    if name == "bf16" and not (device.type == "cpu" and multiplies_bfloat16()):
        raise BackendUnavailable("bf16 of cnn-lstm is for processors with AMX; choose auto or fp32")
    if name not in ("auto", "fp32", "bf16"):
        raise BackendUnavailable(f"cnn-lstm does not run in {name}; choose auto, fp32 or bf16")
    half = name != "fp32" and device.type == "cpu" and multiplies_bfloat16()
    return torch.bfloat16 if half else torch.float32


class CnnLstmCaptioner:
    """See `model.captioner.Captioner`."""

    name = "cnn-lstm"

    def __init__(
        self,
        network: Network,
        vocabulary: Vocabulary,
        preprocessing: Preprocessing,
        device: torch.device,
        digest: str,
        heads: Heads = Heads(),
        dtype: torch.dtype = torch.float32,
        tta: bool = False,
        packs: Mapping[str, Path] | None = None,
    ) -> None:
        """`dtype` is single precision, or bfloat16 where `multiplies_bfloat16`; `packs` are the files of further
        languages.

        With test-time augmentation the image is seen mirrored, too: the decoder attends to the cells of both grids.
        """
        self.tta = tta
        self._last_seen: list[weakref.ref[Image.Image]] = []
        self._last_features: Tensor | None = None
        network = network.eval().requires_grad_(False)
        self.encoder: Encoder | PackedEncoder
        if device.type == "cpu" and can_pack():
            self.encoder = PackedEncoder(network.encoder, preprocessing.image_size, dtype)
        else:
            self.encoder = network.encoder.folded().to(device)

        def load_pack(file: Path) -> Speech:
            pack = LanguagePack.load(file)
            return Speech(pack.network(), pack.vocabulary, pack.heads, device, dtype)

        own = Speech(network.decoder, vocabulary, heads, device, dtype)
        self.heads, self.speeches = own.heads, Speeches(own, packs or {}, load_pack)
        self.capabilities = replace(
            CAPABILITIES, second_look=heads.second_look is not None, languages=self.speeches.languages
        )
        self.vocabulary, self.preprocessing, self.device, self.digest = vocabulary, preprocessing, device, digest

    @classmethod
    def load(cls, settings: ModelSettings, device: torch.device) -> CnnLstmCaptioner:
        """Raises CheckpointMismatch, VocabularyRefused, FileNotFoundError, BackendUnavailable."""
        return cls.from_files(
            settings.checkpoint,
            settings.vocabulary,
            device,
            settings.dtype,
            settings.tta,
            settings.image_size,
            settings.languages,
        )

    @classmethod
    def from_files(
        cls,
        checkpoint_file: Path,
        vocabulary_file: Path,
        device: torch.device,
        dtype: Dtype = "auto",
        tta: bool = False,
        image_size: int = 0,
        languages: Path | None = None,
    ) -> CnnLstmCaptioner:
        """`languages` is a folder of language packs.

        Raises CheckpointMismatch, VocabularyRefused, FileNotFoundError, BackendUnavailable.
        """
        numbers = choose_dtype(dtype, device)
        checkpoint, vocabulary = Checkpoint.load(checkpoint_file), Vocabulary.load(vocabulary_file)
        checkpoint.verify(vocabulary)
        network = Network.from_checkpoint(checkpoint)
        digest = file_digest(checkpoint_file)
        preprocessing = checkpoint.preprocessing
        preprocessing = replace(preprocessing, image_size=choose_image_size(image_size, preprocessing.image_size))
        packs = packs_for(encoder_digest(checkpoint.encoder), languages) if languages else {}
        return cls(network, vocabulary, preprocessing, device, digest, checkpoint.heads, numbers, tta, packs)

    @torch.inference_mode()
    def caption(
        self,
        images: Sequence[Image.Image],
        options: DecodingOptions = DecodingOptions(),
        stopwatch: Stopwatch | None = None,
    ) -> list[list[Caption]]:
        if not images:
            return []
        stopwatch = stopwatch or Stopwatch()
        with stopwatch.stage("encoder"):
            features = self._features_once(images)
            unlike = self.heads.unlike(features)
        with stopwatch.stage("decoder"):
            speech = self.speeches[choose_language(options.language, self.speeches.languages)]
            found = speech.captions(features, unlike, options, mirrored=self.tta)
            return found if speech is self.speeches.own else self.speeches.own.with_tags(found, features)

    def vocabulary_of(self, language: str) -> Vocabulary:
        """Of one of `capabilities.languages`. Raises what loading its pack does."""
        return self.speeches[language].writer.vocabulary

    def _features_once(self, images: Sequence[Image.Image]) -> Tensor:
        """Kept as long as these very images are: the same photographs in another language need no second look."""
        last = [seen() for seen in self._last_seen]
        if len(last) == len(images) and all(seen is image for seen, image in zip(last, images, strict=True)):
            assert self._last_features is not None
            return self._last_features
        features = self._last_features = self._features(images)
        self._last_seen = [weakref.ref(image, self._forget) for image in images]
        return features

    def _forget(self, _: weakref.ref[Image.Image]) -> None:
        self._last_seen, self._last_features = [], None

    def _features(self, images: Sequence[Image.Image]) -> Tensor:
        """Grid features (images, cells, channels), with test-time augmentation of the mirrored images, too."""
        pixels = self._pixels(images)
        features = self.encoder(pixels)
        return torch.cat([features, self.encoder(pixels.flip(3))], dim=1) if self.tta else features

    def _pixels(self, images: Sequence[Image.Image]) -> Tensor:
        return self.preprocessing(images).to(self.device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def features(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """See `model.captioner.GivesFeatures`; of the straight image alone, whatever is augmented."""
        pooled: NDArray[np.float32] = self.encoder(self._pixels(images)).float().mean(dim=1).cpu().numpy()
        return pooled

    @torch.inference_mode()
    def look(self, images: Sequence[Image.Image]) -> tuple[Tensor, Tensor]:
        """Which are unlike those of training (images), the probabilities of n-grams (images, ngrams); on the CPU."""
        features = self._features(images)
        return self.heads.unlike(features).cpu(), self.heads.probabilities(features).float().cpu()
