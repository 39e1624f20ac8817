import numpy as np
import pytest

from training.evaluation.intervals import bootstrap_intervals
from training.evaluation.metrics import score


def corpus(count):
    """Texts of random words; as hypothesis a reference with a word in six changed."""
    random = np.random.default_rng(0)
    words = [f"w{n}" for n in range(30)]
    references = [[list(random.choice(words, random.integers(5, 12))) for _ in range(5)] for _ in range(count)]
    hypotheses = [[w if random.random() > 1 / 6 else random.choice(words) for w in texts[0]] for texts in references]
    return hypotheses, references


def test_the_score_lies_within_and_more_photographs_narrow_it():
    widths = []
    for count in (50, 800):
        hypotheses, references = corpus(count)
        found = score(hypotheses, references)
        intervals = bootstrap_intervals(hypotheses, references, found.by_image, resamples=300)
        assert set(intervals) == {"B-1", "B-2", "B-3", "B-4", "R-1", "R-2", "R-L", "CIDEr"}
        assert all(low <= found.corpus[name] <= high for name, (low, high) in intervals.items())
        widths.append({name: high - low for name, (low, high) in intervals.items()})
    assert all(2 < widths[0][name] / widths[1][name] < 8 for name in widths[0])  # 4 for sixteen times as many


def test_photographs_that_are_all_alike_leave_no_doubt():
    hypotheses, references = corpus(1)
    found = score(hypotheses * 20, references * 20)
    for name, (low, high) in bootstrap_intervals(hypotheses * 20, references * 20, found.by_image, 50).items():
        assert low == pytest.approx(high) == pytest.approx(found.corpus[name])
