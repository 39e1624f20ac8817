"""languages/de.pth and its like: a decoder of another language over the encoder of best_model.pth.

Like a checkpoint it describes itself and executes nothing; the encoder that it was trained on is told by its digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from model.cnn_lstm.checkpoint import half, single
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.heads import Heads, weights_digest
from model.cnn_lstm.packing import load_packed, save_packed
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import CheckpointMismatch
from model.foreign import describe_content

FORMAT = "image-captioner language pack 1"


def encoder_digest(encoder: Mapping[str, Tensor]) -> str:
    """SHA-256 of an encoder's weights in half precision, as they are stored."""
    return weights_digest(encoder, {})


@dataclass(frozen=True)
class LanguagePack:
    decoder: dict[str, Tensor]
    decoder_config: DecoderConfig
    vocabulary: Vocabulary
    encoder_digest: str
    training: dict[str, Any] = field(default_factory=dict)
    """How it came about: configuration, epochs, data."""
    scores: dict[str, float] = field(default_factory=dict)
    """On the dev split, by which it was chosen."""
    heads: Heads = Heads()
    """Its n-gram head and second look, where dev said that they pay."""

    @property
    def language(self) -> str:
        """BCP 47."""
        return self.vocabulary.language.code

    def save(self, path: Path) -> None:
        """Half precision weights, packed; the file appears whole or not at all."""
        content = {
            "format": FORMAT,
            "encoder_digest": self.encoder_digest,
            "decoder": half(self.decoder),
            "decoder_config": asdict(self.decoder_config),
            "vocabulary": self.vocabulary.state(),
            "training": self.training,
            "scores": self.scores,
            "heads": self.heads.state(),
        }
        save_packed(content, path)

    @classmethod
    def load(cls, path: Path) -> LanguagePack:
        """Weights come back in single precision.

        Raises CheckpointMismatch for a file that `save` did not write, VocabularyRefused, FileNotFoundError.
        """
        if not path.is_file():
            raise FileNotFoundError(f"there is no language pack {path}")
        content = load_packed(path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CheckpointMismatch(
                f"{path} is not a language pack of the format '{FORMAT}': {describe_content(content)}"
            )
        try:
            return cls(
                decoder=single(content["decoder"]),
                decoder_config=DecoderConfig(**content["decoder_config"]),
                vocabulary=Vocabulary.from_state(content["vocabulary"], str(path)),
                encoder_digest=content["encoder_digest"],
                training=content["training"],
                scores=content["scores"],
                heads=Heads.from_state(content["heads"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointMismatch(f"{path} lacks a part of a language pack: {error}") from error

    def network(self) -> Decoder:
        """Raises CheckpointMismatch where weights, words and sizes disagree."""
        if self.decoder_config.vocabulary_size != len(self.vocabulary):
            raise CheckpointMismatch("the language pack has more words than its weights, or fewer")
        decoder = Decoder(self.decoder_config)
        try:
            decoder.load_state_dict(self.decoder)
        except RuntimeError as error:
            raise CheckpointMismatch(f"the language pack's weights do not fit its sizes: {error}") from error
        return decoder
