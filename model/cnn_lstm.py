"""The default back end: ResNet-50 encoder, two-layer attention LSTM decoder and decoding behind `Captioner`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from model.captioner import Caption, DecodingOptions, Stopwatch, Word
from model.checkpoint import Checkpoint, CheckpointMismatch, file_digest
from model.decoder import Decoder
from model.decoding import Hypothesis, Tokens, decode
from model.encoder import Encoder, Preprocessing
from model.familiarity import Familiarity, summarise
from model.vocabulary import END, PAD, START, UNKNOWN, Vocabulary, join_words

TOKENS = Tokens(start=START, end=END, forbidden=(PAD, START, UNKNOWN))


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
    def decode(self, features: Tensor, options: DecodingOptions) -> list[list[Hypothesis]]:
        """Hypotheses for grid features (images, cells, channels)."""
        state = self.decoder.init_state(features)
        return decode(self.decoder.step, state, len(features), TOKENS, options, features.device)


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
        familiarity: Familiarity | None = None,
    ) -> None:
        self.network = network.to(device).eval().requires_grad_(False)
        self.familiarity = familiarity.to(device) if familiarity else None
        self.vocabulary, self.preprocessing, self.device, self.digest = vocabulary, preprocessing, device, digest

    @classmethod
    def load(cls, checkpoint_file: Path, vocabulary_file: Path, device: torch.device) -> CnnLstmCaptioner:
        """Raises CheckpointMismatch, VocabularyRefused, FileNotFoundError."""
        checkpoint, vocabulary = Checkpoint.load(checkpoint_file), Vocabulary.load(vocabulary_file)
        checkpoint.verify(vocabulary)
        network = Network.from_checkpoint(checkpoint)
        digest = file_digest(checkpoint_file)
        return cls(network, vocabulary, checkpoint.preprocessing, device, digest, checkpoint.familiarity)

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
            pixels = self.preprocessing(images).to(self.device, memory_format=torch.channels_last)
            features = self.network.encoder(pixels)
            unlike = [False] * len(images)
            if self.familiarity:
                unlike = self.familiarity.is_unlike(summarise(features)).tolist()
        with stopwatch.stage("decoder"):
            ranked = self.network.decode(features, options)
        return [
            [to_caption(hypothesis, self.vocabulary, options.attention, low_confidence) for hypothesis in found]
            for found, low_confidence in zip(ranked, unlike, strict=True)
        ]


def to_caption(hypothesis: Hypothesis, vocabulary: Vocabulary, with_attention: bool, low_confidence: bool) -> Caption:
    """What a person reads of a finished sequence of tokens."""
    texts = vocabulary.decode(hypothesis.tokens)
    words = tuple(
        Word(text, math.exp(score), _grid(weights) if with_attention else None)
        for text, score, weights in zip(texts, hypothesis.log_probabilities, hypothesis.attention, strict=False)
    )
    return Caption(join_words(texts), hypothesis.log_probability, words, low_confidence)


def _grid(weights: Tensor) -> tuple[tuple[float, ...], ...]:
    """(cells) to rows of a square grid."""
    side = math.isqrt(len(weights))
    return tuple(tuple(row) for row in weights.view(side, side).tolist())
