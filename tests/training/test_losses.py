import numpy as np
import pytest
import torch
from pycocoevalcap.cider.cider import Cider

from model.vocabulary import END, START, UNKNOWN
from training.losses import CiderReward, advantages, cross_entropy, self_critical


def test_the_reward_is_cider_d():
    """Against pycocoevalcap on the same tokens, the end token included as a word of its own."""
    random = np.random.default_rng(0)
    text = lambda: [*map(int, random.integers(4, 20, random.integers(2, 12))), END]  # noqa: E731
    references = [[text() for _ in range(5)] for _ in range(40)]
    hypotheses = [[t if random.random() < 0.8 else 5 for t in texts[0][:-1]] + [END] for texts in references]
    spell = lambda tokens: " ".join(f"w{token}" for token in tokens)  # noqa: E731
    _, expected = Cider().compute_score(
        {i: [spell(t) for t in texts] for i, texts in enumerate(references)},
        {i: [spell(t)] for i, t in enumerate(hypotheses)},
    )
    reward = CiderReward(references)
    assert [reward(i, text) for i, text in enumerate(hypotheses)] == pytest.approx(expected.tolist(), rel=1e-6)


def test_a_caption_that_breaks_off_is_rewarded_less():
    references = [[[4, 5, 6, 7, 8, END]] * 5, [[9, 10, 11, 12, END]] * 5, [[13, 14, 15, 16, END]] * 5]
    reward = CiderReward(references)
    assert reward(0, [4, 5, 6, 7, 8, END]) > reward(0, [4, 5, 6, 7, END]) > reward(0, [9, 10, END])


def test_advantages_compare_with_the_other_samples():
    found = advantages(torch.tensor([[1.0, 2.0, 6.0], [3.0, 3.0, 3.0]]))
    assert found.tolist() == [[1 - 4, 2 - 3.5, 6 - 1.5], [0, 0, 0]]


def test_self_critical_makes_what_was_rewarded_likelier():
    logits = torch.zeros(2, 8, requires_grad=True)
    self_critical(logits, torch.tensor([5, 6]), torch.tensor([1.0, -1.0])).backward()
    assert logits.grad[0, 5] < 0 < logits.grad[1, 6]  # a step goes against the gradient
    assert not logits.grad[:, [0, START, UNKNOWN]].any()
    # By hand: five tokens are possible, so the gradient of the chosen one is -(1 - 1/5) / 2 words.
    assert logits.grad[0, 5].item() == pytest.approx(-0.4)


def test_cross_entropy_leaves_unknown_words_out():
    logits = torch.randn(3, 8)
    all_three = cross_entropy(logits, torch.tensor([4, UNKNOWN, 6]), 0.0)
    assert torch.allclose(all_three, cross_entropy(logits[[0, 2]], torch.tensor([4, 6]), 0.0))
