"""Fits the weights by which a beam's sentences are ranked (model/ranking.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from model.ranking import Floats, Ranking


def fit_ranking(features: Sequence[Floats], ciders: Sequence[Sequence[float]], penalty: float = 3e-4) -> Ranking:
    """The weights that maximise the expected CIDEr where a sentence is chosen with a probability proportional to the
    exponential of its score. `features` (sentences, FEATURES) and the sentences' CIDErs are by photograph.
    """
    rows = np.concatenate(features)
    means, deviations = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)
    standard = torch.from_numpy((rows - means) / deviations)
    most = max(map(len, features))
    owner = torch.tensor([photograph for photograph, own in enumerate(features) for _ in own])
    place = torch.tensor([number for own in features for number in range(len(own))])
    reward = torch.zeros(len(features), most, dtype=torch.double)
    reward[owner, place] = torch.tensor([value for own in ciders for value in own], dtype=torch.double)
    weights = torch.zeros(standard.shape[1], dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        scores = torch.full((len(features), most), -torch.inf, dtype=torch.double)
        scores[owner, place] = standard @ weights
        loss = -(scores.softmax(dim=1) * reward).sum(dim=1).mean() + penalty * weights.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return Ranking(means, deviations, weights.detach().numpy())
