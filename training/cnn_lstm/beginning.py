"""The network that a training begins with, from a checkpoint or from ImageNet weights, and what it is called."""

from __future__ import annotations

from pathlib import Path

import torch

from model.cnn_lstm.captioner import Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import Encoder
from model.cnn_lstm.vocabulary import SPECIAL_TOKENS, Vocabulary
from model.files import file_digest
from model.languages import language_of
from training.config import Config
from training.running.extension import extended


def load_init(config: Config) -> tuple[Checkpoint | None, Vocabulary]:
    """The checkpoint to begin with and its words. Raises CheckpointMismatch, VocabularyRefused, OSError."""
    if not config.init:
        return None, Vocabulary(SPECIAL_TOKENS, language_of(config.language))
    init = Checkpoint.load(config.init)
    known = Vocabulary.load(config.init_vocabulary or config.init.with_name("vocab.pkl"))
    init.verify(known)
    return init, known


def new_network(config: Config, init: Checkpoint | None, vocabulary: Vocabulary) -> Network:
    """Raises CheckpointMismatch, ValueError."""
    if init:
        return Network.from_checkpoint(extended(init, vocabulary))
    decoder = DecoderConfig(len(vocabulary), embedding=config.embedding, hidden=config.hidden, dropout=config.dropout)
    encoder = Encoder(config.encoder_stride or "3x3")
    encoder.load_imagenet(config.encoder_weights)
    return Network(encoder, Decoder(decoder))


def named(config: Config) -> dict[str, str | None]:
    """What was begun with, by name and digest, not by path: where it lay is nobody else's business."""
    return {
        "init": _name_weights(str(config.init)) if config.init else None,
        "encoder_weights": None if config.init or config.encoder else _name_weights(config.encoder_weights),
        **({"encoder": _name_weights(str(config.encoder))} if config.encoder else {}),
    }


def begun_at(config: Config) -> tuple[int, int] | None:
    """The number of the stage of --start, and the epochs of it that another machine has done; None without. Raises
    ValueError.
    """
    if not config.start:
        return None
    stages = list(config.stages)
    name, _, epochs = config.start.partition(":")
    if name not in stages:
        raise ValueError(f"there is no stage {name} to start at: {', '.join(stages)}")
    if not config.init:
        raise ValueError("--start goes on from the weights of --init, which is not given")
    most = config.stages[name].epochs
    if not (epochs or "0").isdecimal() or int(epochs or 0) >= most:
        raise ValueError(f"the stage {name} has {most} epochs: --start {name}:EPOCHS needs fewer than these")
    return stages.index(name), int(epochs or 0)


def emulates_bfloat16(device: torch.device) -> bool:
    """Whether mixed precision would be several times slower there."""
    found = torch.cpu.get_capabilities()
    return device.type == "cpu" and not any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _name_weights(source: str) -> str:
    if source == "imagenet":
        return "torchvision IMAGENET1K_V2"
    return f"{Path(source).name} (sha256 {file_digest(Path(source))})"
