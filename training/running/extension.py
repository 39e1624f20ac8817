"""More words for a trained captioner, which forgets none of the old ones."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.vocabulary import SPECIAL_TOKENS, Vocabulary


def extended(checkpoint: Checkpoint, vocabulary: Vocabulary) -> Checkpoint:
    """The checkpoint with rows for the words that `vocabulary` has behind its own; all else is as it was.

    A new word begins as the mean of the old ones (Hewitt 2021, "Initializing New Word Embeddings for Pretrained
    Language Models") and as unlikely as the least likely of them, so that captions begin as they were.
    """
    decoder = dict(checkpoint.decoder)
    count = len(vocabulary) - checkpoint.decoder_config.vocabulary_size
    for name in ("embedding.weight", "output.weight"):
        decoder[name] = _with_rows(decoder[name], _words(decoder[name]).mean(dim=0), count)
    decoder["output.bias"] = _with_rows(decoder["output.bias"], _words(decoder["output.bias"]).min(), count)
    config = replace(checkpoint.decoder_config, vocabulary_size=len(vocabulary))
    return replace(checkpoint, decoder=decoder, decoder_config=config, vocabulary_digest=vocabulary.digest)


def _words(rows: Tensor) -> Tensor:
    return rows[len(SPECIAL_TOKENS) :]


def _with_rows(rows: Tensor, row: Tensor, count: int) -> Tensor:
    return torch.cat([rows, row.expand(count, *row.shape)])
