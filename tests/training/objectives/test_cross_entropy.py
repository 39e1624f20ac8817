import pytest
import torch

from model.cnn_lstm.vocabulary import START, UNKNOWN
from training.objectives.cross_entropy import advantages, cross_entropy, self_critical


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
