"""Against cases worked by hand, and against the COCO evaluation on the same tokens."""

import math

import numpy as np
import pytest

from training.evaluation.metrics import java_found, ptb_tokenise, score


def test_bleu_by_hand():
    """Seven the-s against a reference with two: clipped to 2/7 (Papineni et al. 2002, example 2)."""
    hypothesis = ["the"] * 7
    references = [["the", "cat", "is", "on", "the", "mat"], ["there", "is", "a", "cat", "on", "the", "mat"]]
    assert score([hypothesis], [references]).corpus["B-1"] == pytest.approx(2 / 7)


def test_brevity_penalty_takes_the_closest_reference_length():
    hypothesis = ["a", "b", "c", "d"]
    references = [["a", "b", "c", "d", "e"], ["a", "b", "c", "d", "e", "f", "g", "h"]]
    found = score([hypothesis], [references]).corpus
    assert found["B-1"] == found["B-4"] == pytest.approx(math.exp(1 - 5 / 4))


def test_bleu_is_of_the_corpus_not_the_mean_of_sentences():
    hypotheses = [["a", "b"], ["c", "x", "y", "z"]]
    references = [[["a", "b"]], [["c", "d", "e", "f"]]]
    assert score(hypotheses, references).corpus["B-1"] == pytest.approx(3 / 6)


def test_no_smoothing():
    found = score([["a", "x", "b"]], [[["a", "b", "c"]]]).corpus
    assert found["B-1"] == pytest.approx(2 / 3) and found["B-2"] < 1e-100


def test_rouge_by_hand():
    found = score([["a", "b", "c"]], [[["a", "c", "d", "e"], ["x", "b"]]]).corpus
    assert found["R-1"] == pytest.approx(2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4))
    assert found["R-2"] == 0
    # ROUGE-L takes the best precision (2/3) and the best recall (1/2) over the references, with beta 1.2.
    p, r, beta = 2 / 3, 1 / 2, 1.2
    assert found["R-L"] == pytest.approx((1 + beta**2) * p * r / (r + beta**2 * p))


def test_cider_of_a_perfect_corpus_is_ten():
    texts = [["a", "dog", "runs", "fast"], ["two", "cats", "sleep", "here"], ["men", "ride", "red", "bikes"]]
    found = score(texts, [[text] for text in texts])
    assert found.corpus["CIDEr"] == pytest.approx(10)
    assert found.by_image["CIDEr"] == pytest.approx((10, 10, 10))


def test_cider_of_strangers_is_zero():
    found = score([["x"] * 4, ["y"] * 4], [[["a", "b", "c", "d"]], [["e", "f", "g", "h"]]])
    assert found.corpus["CIDEr"] == 0


@pytest.fixture(scope="module")
def corpus():
    """Sixty groups of five references, and as hypothesis one of them with a word in six changed."""
    random = np.random.default_rng(0)
    words = [f"w{n}" for n in range(30)]
    references = [[list(random.choice(words, random.integers(5, 12))) for _ in range(5)] for _ in range(60)]
    hypotheses = [[w if random.random() > 1 / 6 else random.choice(words) for w in texts[0]] for texts in references]
    return hypotheses, references


def test_bleu_agrees_with_the_coco_evaluation(corpus):
    from pycocoevalcap.bleu.bleu import Bleu

    hypotheses, references = corpus
    truth = {i: [" ".join(text) for text in texts] for i, texts in enumerate(references)}
    given = {i: [" ".join(text)] for i, text in enumerate(hypotheses)}
    theirs, _ = Bleu(4).compute_score(truth, given, verbose=0)
    ours = score(hypotheses, references).corpus
    assert [ours[f"B-{n}"] for n in range(1, 5)] == pytest.approx(theirs, rel=1e-4)


def test_the_order_of_references_does_not_matter(corpus):
    hypotheses, references = corpus
    assert score(hypotheses, references).corpus == pytest.approx(
        score(hypotheses, [texts[::-1] for texts in references]).corpus
    )


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # pycocoevalcap leaves its Java process's pipes to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_meteor_and_ptb_tokens_where_java_is(corpus):
    if not java_found():
        with pytest.raises(FileNotFoundError):
            ptb_tokenise([["a dog"]])
        return
    hypotheses, references = corpus
    assert 0 < score(hypotheses, references, meteor=True).corpus["METEOR"] < 1
    assert ptb_tokenise([["A man's t-shirt, red."], ["Two dogs .", "x"]]) == [
        [["a", "man", "'s", "t-shirt", "red"]],
        [["two", "dogs"], ["x"]],
    ]
