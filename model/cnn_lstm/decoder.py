"""The decoder: grid features to words by two LSTM layers with soft attention.

The next word is read from the language state, what is attended to and the last word together ("deep output",
Xu et al., equation 7): without it the first epoch learns little more than how often each word occurs.

The layers are those of Anderson et al. 2018 (arXiv 1707.07998, "top-down"): an attention LSTM reads the language LSTM's
last state, the mean feature and the last word, and attends to cells; a language LSTM says the next word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.cnn_lstm.vocabulary import PAD


@dataclass(frozen=True)
class DecoderConfig:
    vocabulary_size: int
    """Words and special tokens."""
    feature_channels: int = 2048
    """Channels of a grid cell."""
    embedding: int = 256
    hidden: int = 512
    """Width of both LSTM layers and of the projected features."""
    dropout: float = 0.5
    """On word embeddings, projected features and the state that the next word is read from."""


def select_images(rows: Tensor, count: int, *parts: Tensor) -> tuple[Tensor, ...]:
    """Of `parts` (images, …) the images that are left when of `count` hypotheses those of the given rows are taken;
    the hypotheses of an image are consecutive, and equally many.
    """
    images = (rows // (count // len(parts[0]))).unique_consecutive()
    return parts if len(images) == len(parts[0]) else tuple(part[images] for part in parts)


class DecoderState(NamedTuple):
    """All that the next step depends on: `rows` hypotheses, those of an image consecutive and equally many."""

    values: Tensor  # (images, cells, hidden): the projected features, not repeated for the hypotheses
    mean: Tensor  # (rows, hidden): the values' mean over the cells
    hidden: tuple[Tensor, Tensor]  # first and second layer, each (rows, hidden)
    cell: tuple[Tensor, Tensor]

    def select(self, rows: Tensor) -> DecoderState:
        """The state of the given rows, which may repeat; those of an image stay together and equally many. Images of
        which no row is given leave.
        """
        (values,) = select_images(rows, len(self.mean), self.values)
        return self._map_rows(values, lambda tensor: tensor.index_select(0, rows))

    def repeated(self, each: int) -> DecoderState:
        """For so many hypotheses an image where there is one. Unlike `select` it need not wait for a GPU."""
        rows = torch.arange(len(self.mean), device=self.mean.device).repeat_interleave(each)
        return self._map_rows(self.values, lambda tensor: tensor.index_select(0, rows))

    def first(self, images: int) -> DecoderState:
        """The state of the first images, without a copy."""
        rows = images * (len(self.mean) // len(self.values))
        return self._map_rows(self.values[:images], lambda tensor: tensor[:rows])

    def _map_rows(self, values: Tensor, function: Callable[[Tensor], Tensor]) -> DecoderState:
        (hidden1, hidden2), (cell1, cell2) = self.hidden, self.cell
        return DecoderState(
            values, function(self.mean), (function(hidden1), function(hidden2)), (function(cell1), function(cell2))
        )


class Attention(nn.Module):
    """Soft attention with the bilinear score of Luong et al. 2015 (arXiv 1508.04025, "general").

    The additive score of Bahdanau et al. takes a tanh for each row, cell and channel at every word, which on a
    CPU costs several times as much as the two LSTM layers together.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.scale = width**-0.5

    def forward(self, state: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The values' weighted mean (rows, hidden) and the weights (rows, cells), which sum to one."""
        images, cells, width = values.shape
        query = (self.query(state) * self.scale).view(images, -1, width).to(values.dtype)
        weights = torch.bmm(query, values.transpose(1, 2)).float().softmax(dim=2)
        context = torch.bmm(weights.to(values.dtype), values)
        return context.flatten(0, 1), weights.view(-1, cells)


class Decoder(nn.Module):
    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding)
        self.project = nn.Sequential(nn.Linear(config.feature_channels, width), nn.ReLU(), nn.Dropout(config.dropout))
        self.attention = Attention(width)
        self.layers = nn.ModuleList(
            [nn.LSTMCell(width + width + config.embedding, width), nn.LSTMCell(width + width, width)]
        )
        self.last_word = nn.Linear(config.embedding, width, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(width, config.vocabulary_size)

    def init_state(self, features: Tensor) -> DecoderState:
        """The state before the first word, from grid features (rows, cells, channels)."""
        values = self.project(features)
        zero = values.new_zeros(values.shape[0], self.config.hidden)  # len() would fix the size in an export
        return DecoderState(values, values.mean(dim=1), (zero, zero), (zero, zero))

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Tensor]:
        """One word further: tokens (rows, those of an image consecutive) to log-probabilities (rows, vocabulary),
        the new state, and the attention (rows, cells) with which the words were chosen.
        """
        read, state, attention = self._advance(self.embedding(tokens), state)
        return self.output(read).float().log_softmax(dim=1), state, attention

    def forward(self, features: Tensor, captions: Tensor, whole: bool = False) -> tuple[Tensor, Tensor]:
        """Teacher forcing: logits (words, vocabulary) for every word to be predicted, and the place (words) of each
        in `captions[:, :, 1:].flatten()`.

        `features` (images, cells, channels) and `captions` (images, captions, length), each from START to END and
        filled up with PAD, ordered so that the longest caption of an image never is longer than that of the one
        before: images whose captions are over are left out of the later steps. Captions on a CPU may be of features on
        a GPU, for which nothing then waits. Nor does it where `whole` asks for all places, those of PAD among them.
        """
        images, each, _ = captions.shape
        inputs, targets = captions[:, :, :-1], captions[:, :, 1:]
        running = [images] * targets.shape[2]  # by position
        if not whole:
            running = [count for count in (targets != PAD).any(dim=1).sum(dim=0).tolist() if count]
        embedded = self.dropout(self.embedding(inputs.to(features.device, non_blocking=True))).unbind(dim=2)
        state = self.init_state(features).repeated(each)
        reads = []
        for position, count in enumerate(running):
            if count < len(state.values):
                state = state.first(count)
            read, state, _ = self._advance(embedded[position][:count].flatten(0, 1), state)
            reads.append(read)
        places = torch.arange(targets.numel(), device=captions.device).view(targets.shape)
        read_places = torch.cat([places[:count, :, position].flatten() for position, count in enumerate(running)])
        said = torch.cat(reads)
        if not whole:
            words = (targets.flatten()[read_places] != PAD).nonzero().squeeze(1)
            read_places = read_places[words].to(features.device, non_blocking=True)
            said = said.index_select(0, words.to(features.device, non_blocking=True))
        return self.output(self.dropout(said)), read_places

    def _advance(self, words: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Tensor]:
        """(rows, embedding) and a state to (rows, hidden), from which the next word is read, and the new state."""
        first, second = self.layers
        seen = torch.cat([state.hidden[1], state.mean, words], dim=1)
        hidden1, cell1 = first(seen, (state.hidden[0], state.cell[0]))
        context, weights = self.attention(hidden1, state.values)
        hidden2, cell2 = second(torch.cat([context, hidden1], dim=1), (state.hidden[1], state.cell[1]))
        state = DecoderState(state.values, state.mean, (hidden1, hidden2), (cell1, cell2))
        return hidden2 + context + self.last_word(words), state, weights
