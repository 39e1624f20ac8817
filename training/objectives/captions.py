"""To say what people say (cross-entropy), and to be rewarded for what is said (self-critical)."""

from __future__ import annotations

import torch
from torch import Tensor

from model.cnn_lstm.captioner import Network
from model.cnn_lstm.vocabulary import PAD, UNKNOWN
from training.batches import Batch
from training.objectives.cross_entropy import advantages, cross_entropy, self_critical
from training.objectives.objective import Outcome
from training.objectives.rewards import Reward
from training.objectives.sampling import sample


class CrossEntropy:
    """The references' words under teacher forcing."""

    shown, dropout = "loss", True

    def __init__(self, label_smoothing: float) -> None:
        self.label_smoothing = label_smoothing

    def __call__(self, network: Network, features: Tensor, batch: Batch) -> Outcome:
        loss, words = _of_captions(network, features, batch.captions, self.label_smoothing)
        return Outcome(loss, words, loss.detach(), words)

    def close(self) -> None:
        pass


class SelfCritical:
    """The reward of captions that the network samples itself, for the images that have references enough to judge by,
    plus the cross-entropy of one human caption of every image, drawn at random, which keeps words and length. Dropout
    is off: what is sampled is what is learnt.
    """

    shown, dropout = "reward", False

    def __init__(
        self,
        reward: Reward,
        samples: int = 5,
        max_words: int = 16,
        rewarded: Tensor | None = None,
        cross_entropy_weight: float = 0.0,
    ) -> None:
        """`rewarded` tells of every row of the training data whether it is (rows); None: all are."""
        self.reward, self.rewarded, self.cross_entropy_weight = reward, rewarded, cross_entropy_weight
        self.samples, self.max_words = samples, max_words

    def __call__(self, network: Network, features: Tensor, batch: Batch) -> Outcome:
        rows = torch.tensor(batch.rows)
        chosen = torch.arange(len(rows)) if self.rewarded is None else self.rewarded[rows].nonzero().squeeze(1)
        human = features.new_zeros(())
        words = features.new_zeros((), dtype=torch.long)
        if self.cross_entropy_weight:
            human, words = self._human(network, features, batch)
        if not len(chosen):
            none = torch.zeros_like(words)
            return Outcome(self.cross_entropy_weight * human, words, none.float(), none)
        chosen, rows = (part.to(features.device, non_blocking=True) for part in (chosen, rows[chosen]))
        policy, words, rewards = self._sampled(network, features[chosen], rows)
        over = torch.full_like(words, rewards.numel())
        return Outcome(policy + self.cross_entropy_weight * human, words, rewards.mean(), over)

    def _human(self, network: Network, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-entropy of one caption of every image, and its words."""
        count = (batch.captions[:, :, 1] != PAD).sum(dim=1)
        drawn = (torch.rand(len(count)) * count).long()
        captions = batch.captions[torch.arange(len(count)), drawn].unsqueeze(1)
        order = (captions != PAD).sum(dim=2).squeeze(1).argsort(descending=True, stable=True)
        features = features[order.to(features.device, non_blocking=True)]
        return _of_captions(network, features, captions[order], 0.0)

    def _sampled(self, network: Network, features: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, words, and rewards (images, samples) of what is sampled for the rows."""
        # Not under autocast: its cache would keep the weights as they are cast here, without a gradient.
        with torch.autocast(features.device.type, enabled=False):
            captions = sample(network.decoder, features.detach().float(), self.samples, self.max_words)
        order = (captions != PAD).sum(dim=2).amax(dim=1).argsort(descending=True, stable=True)
        captions = captions[order]
        rewards = self.reward(rows[order], captions[:, :, 1:])
        # How long they are a GPU is not asked: it says all words, and those of PAD do not count.
        logits, places = network.decoder(features[order], captions, whole=features.device.type != "cpu")
        advantage = advantages(rewards)
        by_word = advantage.unsqueeze(2).expand(-1, -1, captions.shape[2] - 1).flatten()[places]
        said = captions[:, :, 1:].flatten()[places]
        return self_critical(logits, said, by_word), (said != PAD).sum(), rewards

    def close(self) -> None:
        pass


def _of_captions(network: Network, features: Tensor, captions: Tensor, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy and words of captions (images, captions, length), which lie on a CPU: their lengths are known."""
    logits, places = network.decoder(features, captions)
    targets = captions.to(features.device, non_blocking=True)[:, :, 1:].flatten()[places]
    return cross_entropy(logits, targets, label_smoothing), (targets != UNKNOWN).sum()
