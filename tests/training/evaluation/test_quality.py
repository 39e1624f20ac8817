import pytest

from model.captioner import Caption, Word
from training.evaluation.quality import by_group, calibration, caption_quality, has_repeated_bigram, is_cut_off


@pytest.mark.parametrize(
    ("text", "repeated", "cut"),
    [
        ("a man in a red shirt", False, False),
        ("a man in a red in a red shirt", True, False),
        ("a man and a man", True, False),
        ("a man in a", False, True),
        ("a man with", False, True),
        ("a dog with a man behind", False, False),
        ("dogs", False, False),
    ],
)
def test_faults_of_one_caption(text, repeated, cut):
    words = text.split()
    assert has_repeated_bigram(words) == repeated and is_cut_off(words) == cut


def test_faults_are_counted():
    hypotheses = ["a dog", "a dog", "a man in a", "a a a <unk>"]
    references = [[["a", "cat", "sits"]], [["a", "dog"]], [["x"]], [["a"]]]
    assert caption_quality([text.split() for text in hypotheses], references) == {
        "different_captions": 3,
        "different_captions_per_1000": 750,
        "exact_matches": 1,
        "unknown_words": 1,
        "repeated_bigrams": 1,
        "cut_off": 1,
        "different_words": 5,
        "different_words_in_references": 5,
        "mean_words": 3,
        "mean_reference_words": 7 / 4,
        "misses": 3 / 4,  # "a dog" beside a cat, a man beside an x, and a caption that names nothing
        "all_named": 1 / 4,
        "commonest": [("a dog", 2), ("a man in a", 1), ("a a a <unk>", 1)],
    }


def test_scores_by_what_people_name():
    """The dog is named by two of its people, the car by one of two alone; the last photograph shows nothing known."""
    references = [["a dog in a car", "the dogs sleep", "an animal"], ["a red car", "a street"], ["a purple haze"]]
    split = [[text.split() for text in texts] for texts in references]
    captions = [text.split() for text in ("a dog", "a cat", "a purple haze")]
    found = by_group(captions, split, [3.0, 1.0, 0.5])
    assert list(found) == ["animals", "other"]
    assert found["animals"] == {"photographs": 1, "CIDEr": 3.0, "B-4": pytest.approx(0, abs=1e-9), "misses": 0.0}
    assert found["other"]["photographs"] == 2 and found["other"]["CIDEr"] == 0.75 and found["other"]["misses"] == 0.5


def captions(*probabilities):
    return [Caption("dog cat", 0.0, (Word("dog", p), Word("cat", p))) for p in probabilities]


def test_words_that_are_as_often_right_as_they_say_have_no_error():
    """Two hundred words of probability 1/2, of which every second is in a reference."""
    half = calibration(captions(*[0.5] * 100), [0.1] * 99 + [0.2], [[["a", "dog"]]] * 100)
    assert half["word_calibration_error"] == pytest.approx(0)
    boast = calibration(captions(*[0.99] * 100), [0.1] * 99 + [0.2], [[["bird"]]] * 100)
    assert boast["word_calibration_error"] == pytest.approx(0.99)


def test_rank_correlation():
    probabilities = [0.1 + 0.008 * n for n in range(100)]
    given = [Caption("dog", -1.0 / (n + 1), (Word("dog", p),)) for n, p in enumerate(probabilities)]
    references = [[["dog"]]] * 100
    rising = calibration(given, list(range(100)), references)
    falling = calibration(given, list(range(100, 0, -1)), references)
    assert rising["caption_rank_correlation"] == pytest.approx(1)
    assert falling["caption_rank_correlation"] == pytest.approx(-1)
    assert [len(rising[name]) for name in ("caption_bins", "word_bins")] == [10, 10]
