"""languages/de.pth and its like: a decoder of another language over the encoder of best_model.pth.

Like a checkpoint it describes itself and executes nothing. A header of two lines, the format and JSON, tells the
language and the digest of the encoder that it was trained on without reading the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from torch import Tensor

from model.cnn_lstm.checkpoint import half, single
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.heads import Heads, weights_digest
from model.cnn_lstm.packing import packed, unpacked
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import CheckpointMismatch
from model.files import atomic_write, load_tensors
from model.foreign import describe_content

FORMAT = "image-captioner language pack 1"
_FIRST_LINE = FORMAT.encode() + b"\n"
_LONGEST = 1000  # bytes of the second line


class Header(NamedTuple):
    language: str
    """BCP 47."""
    encoder: str
    """`encoder_digest` of the encoder that the pack belongs to."""
    size: int
    """Bytes behind the header."""


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
        content = packed(
            {
                "decoder": half(self.decoder),
                "decoder_config": asdict(self.decoder_config),
                "vocabulary": self.vocabulary.state(),
                "training": self.training,
                "scores": self.scores,
                "heads": self.heads.state(),
            }
        )
        header = Header(self.language, self.encoder_digest, len(content))
        with atomic_write(path) as file:
            file.write_bytes(_FIRST_LINE + json.dumps(header._asdict()).encode() + b"\n" + content)

    @classmethod
    def load(cls, path: Path) -> LanguagePack:
        """Weights come back in single precision.

        Raises CheckpointMismatch for a file that `save` did not write, VocabularyRefused, FileNotFoundError.
        """
        with path.open("rb") as file:
            header = _read_header(file, path)
            try:
                content = load_tensors(path, unpacked(file) or file)
            except ValueError as error:
                raise CheckpointMismatch(f"{path} is not a readable language pack: {error}") from error
        if not isinstance(content, dict):
            raise CheckpointMismatch(f"{path} is not a language pack: {describe_content(content)}")
        try:
            return cls(
                decoder=single(content["decoder"]),
                decoder_config=DecoderConfig(**content["decoder_config"]),
                vocabulary=Vocabulary.from_state(content["vocabulary"], str(path)),
                encoder_digest=header.encoder,
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


def read_header(path: Path) -> Header:
    """Raises CheckpointMismatch for a file that is no language pack or lacks its end, OSError."""
    with path.open("rb") as file:
        return _read_header(file, path)


def _read_header(file: BinaryIO, path: Path) -> Header:
    if file.read(len(_FIRST_LINE)) != _FIRST_LINE:
        raise CheckpointMismatch(f"{path} is not a language pack of the format '{FORMAT}'")
    try:
        header = Header(**json.loads(file.readline(_LONGEST)))
    except (ValueError, TypeError) as error:
        raise CheckpointMismatch(f"{path} is not a readable language pack: {error}") from error
    if path.stat().st_size != file.tell() + header.size:
        raise CheckpointMismatch(f"{path} is cut off, or more than a language pack: copy it again")
    return header
