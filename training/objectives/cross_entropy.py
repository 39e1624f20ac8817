"""What training makes small: cross-entropy, or the self-critical loss over rewards (training/objectives/rewards.py)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.cnn_lstm.vocabulary import PAD, START, UNKNOWN


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Mean over the words (words). A rare word says nothing of which word is right, and is never to be written:
    UNKNOWN is not learnt.
    """
    return nn.functional.cross_entropy(logits.float(), targets, ignore_index=UNKNOWN, label_smoothing=label_smoothing)


def self_critical(logits: Tensor, chosen: Tensor, advantage: Tensor) -> Tensor:
    """The policy gradient of sampled captions (Rennie et al. 2017, arXiv 1612.00563), mean over the words.

    `chosen` and `advantage` (words): a word that was sampled, and how much better its caption was rewarded than
    what it is compared with. PAD is no word. Tokens that decoding never chooses have no probability here either.
    """
    logits = logits.float().clone()
    for token in (PAD, START, UNKNOWN):
        logits[:, token] = -torch.inf
    words = chosen != PAD
    log_probabilities = logits.log_softmax(dim=1).gather(1, chosen.unsqueeze(1)).squeeze(1).where(words, 0)
    return -(advantage * log_probabilities).sum() / words.sum()


def advantages(rewards: Tensor) -> Tensor:
    """Rewards (images, samples) minus the mean of the same image's other samples (Luo 2020, arXiv 2003.09971)."""
    samples = rewards.shape[1]
    return (rewards - rewards.mean(dim=1, keepdim=True)) * (samples / (samples - 1))
