import numpy as np
import pytest
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from pycocoevalcap.cider.cider import Cider

from benchmarks.slow_rewards import CaptionReward
from model.cnn_lstm.vocabulary import END


def random_texts(images=40):
    """References, and hypotheses that share some of their words."""
    random = np.random.default_rng(0)
    text = lambda: [*map(int, random.integers(4, 20, random.integers(2, 12))), END]  # noqa: E731
    references = [[text() for _ in range(5)] for _ in range(images)]
    hypotheses = [[t if random.random() < 0.8 else 5 for t in texts[0][:-1]] + [END] for texts in references]
    return references, hypotheses


def test_the_slow_reward_is_cider_d():
    """Against pycocoevalcap on the same tokens, the end token included as a word of its own."""
    references, hypotheses = random_texts()
    spell = lambda tokens: " ".join(f"w{token}" for token in tokens)  # noqa: E731
    _, expected = Cider().compute_score(
        {i: [spell(t) for t in texts] for i, texts in enumerate(references)},
        {i: [spell(t)] for i, t in enumerate(hypotheses)},
    )
    reward = CaptionReward(references)
    assert [reward(i, text) for i, text in enumerate(hypotheses)] == pytest.approx(expected.tolist(), rel=1e-6)


def test_bleu_in_the_reward_is_nltk_s_with_one_added():
    references, hypotheses = random_texts()
    alone, both = CaptionReward(references), CaptionReward(references, bleu_weight=2.0)
    found = [(both(i, text) - alone(i, text)) / 2 for i, text in enumerate(hypotheses)]
    smooth = SmoothingFunction().method2
    expected = [sentence_bleu(r, h, smoothing_function=smooth) for r, h in zip(references, hypotheses, strict=True)]
    assert found == pytest.approx(expected)
    assert min(expected) < 0.3 < 0.8 < max(expected)


def test_bleu_of_nothing_in_common_is_zero():
    references = [[[4, 5, END]] * 5, [[6, 7, END]] * 5]
    assert CaptionReward(references, bleu_weight=1.0)(0, [8, 9]) == 0


def test_a_caption_that_breaks_off_is_rewarded_less():
    references = [[[4, 5, 6, 7, 8, END]] * 5, [[9, 10, 11, 12, END]] * 5, [[13, 14, 15, 16, END]] * 5]
    for bleu_weight in (0.0, 1.0):
        reward = CaptionReward(references, bleu_weight)
        assert reward(0, [4, 5, 6, 7, 8, END]) > reward(0, [4, 5, 6, 7, END]) > reward(0, [9, 10, END])
