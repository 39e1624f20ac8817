"""What the network would say by chance, for self-critical training.

The captions are those of `model.decoding` with top_p 1, by the same random numbers; but they stay on the device, rows
that have ended go on unheard, and nothing waits for a GPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.cnn_lstm.decoder import Decoder
from model.cnn_lstm.vocabulary import END, PAD, START, UNKNOWN


@torch.no_grad()
def sample(decoder: Decoder, features: Tensor, samples: int, max_words: int) -> Tensor:
    """For grid features (images, cells, channels) captions (images, samples, length) of one to `max_words` words, from
    START to END, filled up with PAD. Random numbers are a CPU's, so that a seed says the same everywhere.
    """
    noise = torch.rand(len(features) * samples, max_words + 1).to(features.device, non_blocking=True)
    state = decoder.init_state(features).repeated(samples)
    last = torch.full((len(noise),), START, device=features.device)
    ended = torch.zeros_like(last, dtype=torch.bool)
    said = [last]
    for position in range(max_words):
        scores, state, _ = decoder.step(last, state)
        for token in (PAD, START, UNKNOWN) if position else (PAD, START, UNKNOWN, END):
            scores[:, token] = -torch.inf
        last = _drawn(scores, noise[:, position])
        said.append(last.where(~ended, PAD))
        ended |= last == END
        if ended.device.type == "cpu" and ended.all():
            break
    said.append(torch.where(ended, PAD, END))
    return torch.stack(said, dim=1).view(len(features), samples, -1)


def _drawn(scores: Tensor, noise: Tensor) -> Tensor:
    """Tokens (rows) by inverting each row's cumulative distribution, of log-probabilities (rows, vocabulary), at noise
    (rows) from 0 to 1.
    """
    total = scores.softmax(dim=1).cumsum(dim=1)
    mass = total[:, -1:].contiguous()
    place = torch.searchsorted(total, noise.unsqueeze(1) * mass, right=True)
    return torch.minimum(place, torch.searchsorted(total, mass)).squeeze(1)  # the last that has a probability
