"""The features of a sentence, computed by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from model.calibration import Calibration
from model.captioner import Caption, DecodingOptions, Word
from model.confidence import FEATURES as SENTENCE_FEATURES
from model.confidence import TARGETS, Confidence, sentence_features
from model.ranking import FEATURES, Ngrams, Ranking
from model.second_look import SecondLook

TEXTS = ("a", "dog", "dogs", "runs", "cat", "a dog", "dog runs", "a dog runs")
NGRAMS = Ngrams(
    texts=TEXTS,
    priors=np.array([0.9, 0.2, 0.1, 0.2, 0.1, 0.15, 0.05, 0.04]),
    rarities=np.array([0.1, 1.0, 1.5, 1.2, 1.6, 1.1, 2.0, 2.1]),
    unknown_rarity=3.0,
    tags=("dog", "run", "cat"),
    kinds=("noun", "verb", "noun"),
    tag_of=np.array([-1, 0, 0, 1, 2, -1, -1, -1]),
)
LOOK = np.array([0.9, 0.8, 0.3, 0.4, 0.05, 0.7, 0.3, 0.2])


def features(words, log_probabilities):
    return dict(zip(FEATURES, NGRAMS.seen_in(LOOK).features(words.split(), log_probabilities), strict=True))


def test_the_predicted_cider_is_the_cosine_with_the_expected_tfidf_vector():
    found = features("a dog runs", [-0.1, -0.5, -0.4, -0.2])
    vector = np.array([0.1, 1.0, 1.2])
    expected = LOOK[:5] * NGRAMS.rarities[:5]
    by_hand = (vector * expected[[0, 1, 3]]).sum() / (np.linalg.norm(vector) * np.linalg.norm(expected))
    assert found["predicted CIDEr of 1-grams"] == pytest.approx(by_hand)
    assert found["predicted CIDEr of 3-grams"] == pytest.approx(1)  # the only one there is
    assert found["share known of 2-grams"] == 1
    assert found["mean log-probability"] == pytest.approx(-0.3)
    assert found["least log-probability"] == -0.5


def test_unknown_words_make_a_sentence_longer_and_count_no_tag():
    found = features("a zebra zebra", [-0.1, -2, -2, -0.2])
    vector = np.array([0.1, 2 * 3.0])
    expected = LOOK[:5] * NGRAMS.rarities[:5]
    by_hand = 0.1 * expected[0] / (np.linalg.norm(vector) * np.linalg.norm(expected))
    assert found["predicted CIDEr of 1-grams"] == pytest.approx(by_hand)
    assert found["share known of 1-grams"] == 0.5 and found["predicted CIDEr of 2-grams"] == 0
    assert (found["tags"], found["repeats"], found["length"], found["length squared"]) == (0, 1, 3, 9)
    assert found["sum of tags' log-ratios"] == found["least of tags' log-ratios"] == 0


def test_tags_count_by_how_much_likelier_they_are_than_usual():
    found = features("a dog runs", [-1] * 4)
    ratios = [math.log(0.8 / 0.2), math.log(0.4 / 0.2)]
    assert found["sum of tags' log-ratios"] == pytest.approx(sum(ratios))
    assert found["least of tags' log-ratios"] == pytest.approx(min(ratios))
    assert found["sum of tags' log-odds"] == pytest.approx(math.log(0.8 / 0.2) + math.log(0.4 / 0.6))


CONFIDENCE = Confidence(
    things=np.array([0, -1, 1]),
    means=np.zeros(len(SENTENCE_FEATURES)),
    deviations=np.ones(len(SENTENCE_FEATURES)),
    weights=np.eye(len(TARGETS), len(SENTENCE_FEATURES)),
    biases=np.array([3.0, 0.0, 0.0]),
)


@pytest.fixture
def look():
    """By the predicted CIDEr of words alone."""
    weights = np.zeros(len(FEATURES))
    weights[FEATURES.index("predicted CIDEr of 1-grams")] = 1
    ranking = Ranking(np.zeros(len(FEATURES)), np.ones(len(FEATURES)), weights)
    halved = Calibration(np.array([0.0, 1.0]), np.array([0.0, 0.5]))
    return SecondLook(NGRAMS, ranking, {"noun": halved}, halved, CONFIDENCE)


def caption(text, log_probability):
    words = tuple(Word(word, math.exp(log_probability)) for word in text.split())
    return Caption(text, log_probability * (len(words) + 1), words)


def test_what_the_picture_shows_goes_before_what_is_likely_to_be_said(look):
    captions = [caption("a cat", -0.1), caption("A dog.", -2.0), caption("a zebra", -0.1)]
    judged = look.judged(captions, LOOK, DecodingOptions(num_captions=3))
    assert [own.text for own in judged] == ["A dog.", "a cat", "a zebra"]
    assert judged[0].log_probability == captions[1].log_probability  # the answer's numbers stay its author's
    assert [word.support for word in judged[0].words] == [None, pytest.approx(0.43)]
    assert judged[0].tags == judged[1].tags == look.tags(look.named(LOOK))
    assert [own.text for own in look.judged(captions, LOOK, DecodingOptions())] == ["A dog."]
    plain = look.judged(captions, LOOK, DecodingOptions(rerank=False))
    assert [own.text for own in plain] == ["a cat"] and plain[0].tags


def test_tags_join_their_forms_are_calibrated_by_kind_and_likely(look):
    named = look.named(LOOK)
    assert named == pytest.approx([(1 - 0.2 * 0.7) / 2, 0.4, 0.025])
    assert [(tag.name, round(tag.probability, 3)) for tag in look.tags(named)] == [("dog", 0.43), ("run", 0.4)]
    assert look.support("dogs", named) == look.support("dog", named) == named[0]
    assert look.support("a", named) is None and look.support("zebra", named) is None


def test_it_is_stored_as_plain_data(look):
    again = SecondLook.from_state(look.state())
    assert again.state() == look.state() and again.ngrams.texts == TEXTS
    [cat, dog] = again.scores([(["a", "cat"], [-1] * 3), (["a", "dog"], [-1] * 3)], LOOK)
    assert dog > cat


def test_a_sentence_is_believed_for_what_the_picture_shows_of_what_it_names(look):
    named = look.named(LOOK)
    sentences = [
        (["a", "dog", "runs"], [-0.1, -0.4, -0.2, -0.1]),
        (["a", "cat"], [-0.1, -1.0, -0.1]),
        (["a"], [-1, -2]),
    ]
    found = sentence_features(sentences, np.array([1.0, 0.0, 0.0]), named, NGRAMS, CONFIDENCE.things)
    dog, cat, nothing = (dict(zip(SENTENCE_FEATURES, row, strict=True)) for row in found)
    assert dog["mean log-probability of what it names"] == pytest.approx(math.log(0.43))
    assert cat["mean log-probability of what it names"] == pytest.approx(math.log(0.025))
    assert (dog["number of them"], cat["number of them"], nothing["number of them"]) == (1, 1, 0)
    assert dog["mean log-probability of their words"] == -0.4
    assert dog["mean probability of its tags"] == pytest.approx((0.43 + 0.4) / 2)
    assert dog["least share of the beam that names the same"] == pytest.approx(1 / 3)
    judged = look.judged([caption("a dog", -0.1), caption("a cat", -0.1)], LOOK, DecodingOptions(num_captions=2))
    assert (
        judged[0].confidence == pytest.approx(1 / (1 + math.exp(-3 - math.log(0.43)))) and not judged[0].low_confidence
    )
    assert judged[1].confidence == pytest.approx(1 / (1 + math.exp(-3 - math.log(0.025)))) and judged[1].low_confidence
    assert judged[0].words[1].probability == pytest.approx(math.exp(-0.1) / 2)


def test_a_picture_unlike_all_is_never_believed(look):
    strange = replace(caption("a dog", -0.1), low_confidence=True)
    [judged] = look.judged([strange], LOOK, DecodingOptions())
    assert judged.low_confidence and judged.confidence == pytest.approx(0.5 / (1 + math.exp(-3 - math.log(0.43))))
