"""What stands on top, learnt of invented photographs whose pooled grid tells what people say of them."""

import math

import numpy as np
import pytest
import torch

from model.captioner import Caption, DecodingOptions, Word
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import Encoder
from model.cnn_lstm.heads import weights_digest
from model.cnn_lstm.vocabulary import SPECIAL_TOKENS, Vocabulary
from model.decoding import Hypothesis
from training.objectives.heads import LEAST_TRAIN, learn_heads
from training.objectives.judged import Seen
from training.objectives.ngrams import NgramConfig, choose_ngrams, shares
from training.objectives.ranking import fit_ranking

THINGS, DEEDS = ("dog", "cat", "horse", "boy"), ("runs", "jumps", "sits")
WORDS = ("a", *THINGS, *DEEDS, "dogs", "the", "grass", "on")
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *WORDS])
GUIDANCE = torch.zeros(30, len(VOCABULARY))


def photographs(count, seed):
    """The pooled grid tells which thing does what."""
    draw = np.random.default_rng(seed)
    captions, pooled, shown = [], [], []
    for _ in range(count):
        thing, deed = draw.integers(len(THINGS)), draw.integers(len(DEEDS))
        view = draw.normal(0, 0.3, 16)
        view[thing] += 2
        view[8 + deed] += 2
        name, does = THINGS[thing], DEEDS[deed]
        captions.append([["a", name, does], ["a", name, does, "on", "the", "grass"], ["the", name, does]])
        pooled.append(view)
        shown.append([[thing, deed]])
    pooled, grid = torch.tensor(np.array(pooled), dtype=torch.float), torch.tensor(shown, dtype=torch.half)
    return Seen(captions, torch.cat([pooled, pooled[:, :1]], dim=1), pooled, grid)


class Speaker(Network):
    """Says of every thing first that it is the next one."""

    def decode(self, features, options, guidance=None):
        assert not self.training  # dropout would be in its words
        assert guidance.shape == (len(features), len(VOCABULARY))
        return [self.beam(*map(int, own[0])) for own in features]

    def beam(self, thing, deed):
        name, wrong, does = THINGS[thing], THINGS[(thing + 1) % len(THINGS)], DEEDS[deed]
        texts = [["a", wrong, does], ["a", name, does], ["the", wrong, does, "on", "the", "grass"]]
        return [hypothesis(text, -0.1 * place) for place, text in enumerate(texts, 1)]


def hypothesis(words, log_probability):
    tokens = (*[VOCABULARY.encode(word)[1] for word in words], 2)
    return Hypothesis(tokens, (log_probability,) * len(tokens), torch.zeros(len(tokens), 1))


def as_caption(found):
    texts = VOCABULARY.decode(found.tokens)
    words = tuple(Word(text, math.exp(own)) for text, own in zip(texts, found.log_probabilities, strict=False))
    return Caption(" ".join(texts), found.log_probability, words)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Speaker(Encoder("1x1"), Decoder(DecoderConfig(len(VOCABULARY), embedding=8, hidden=16)))


@pytest.fixture(scope="module")
def learnt(network):
    config = NgramConfig(hidden=32, epochs=6, batch_size=32, teachers=1)
    dev = {"here": photographs(100, 1), "there": photographs(60, 2)}
    return learn_heads(network, VOCABULARY, [photographs(LEAST_TRAIN, 0)], dev, config)


def test_the_sentence_that_fits_the_picture_is_ranked_first(learnt, network):
    heads, report = learnt
    for scores in report["ranking"].values():
        assert scores["ranked"]["CIDEr"] > scores["first"]["CIDEr"] + 0.5
        assert scores["ranked"]["CIDEr"] == pytest.approx(scores["best"]["CIDEr"], rel=0.05)
    unseen = photographs(30, 3)
    looks = heads.ngrams.from_pooled(unseen.pooled).numpy()
    for look, captions, beam in zip(
        looks, unseen.captions, network.eval().decode(unseen.grid, None, GUIDANCE), strict=True
    ):
        found = [as_caption(own) for own in beam]
        assert heads.second_look.judged(found, look, DecodingOptions())[0].text == " ".join(captions[0])


def test_tags_are_what_people_name(learnt):
    heads, report = learnt
    assert set(heads.second_look.ngrams.tags) == {*THINGS, "run", "jump", "sit", "grass"}
    for scores in report["tag_scores"].values():
        assert scores["mAP"] > 0.95
        assert max(scores["ece"].values()) < 0.1
    unseen = photographs(30, 4)
    looks = heads.ngrams.from_pooled(unseen.pooled).numpy()
    told = [{tag.name for tag in heads.second_look.tags(heads.second_look.named(look))} for look in looks]
    right = [captions[0][1] in tags for captions, tags in zip(unseen.captions, told, strict=True)]
    assert sum(right) >= 27
    assert sum(len(tags & set(THINGS)) for tags in told) <= 40


def test_it_belongs_to_these_weights(learnt, network):
    state = network.state_dict()
    assert learnt[0].weights == weights_digest(network.encoder.state_dict(), network.decoder.state_dict())
    other = {name: tensor + 1 if name.endswith("output.bias") else tensor for name, tensor in state.items()}
    decoder = {name.removeprefix("decoder."): own for name, own in other.items() if name.startswith("decoder.")}
    assert learnt[0].weights != weights_digest(network.encoder.state_dict(), decoder)


def test_of_few_photographs_the_detector_alone_is_learnt(network):
    dev = {"here": photographs(20, 1)}
    heads, report = learn_heads(network, VOCABULARY, [photographs(80, 0)], dev)
    assert heads.detector and not heads.ngrams and not heads.second_look and report == {}


def test_ngrams_are_those_that_are_said_often_enough():
    captions = [[["a", "dog", "runs"]] * 2, [["a", "dog", "sits"], ["dogs", "sits"]]]
    ngrams = choose_ngrams(captions, NgramConfig(least=(2, 3, 2)))
    assert set(ngrams.texts) == {"a", "dog", "runs", "sits", "a dog", "a dog runs"}
    at = ngrams.index
    assert ngrams.priors[at["a dog"]] == 3 / 4 and ngrams.rarities[at["dog"]] == 0
    assert ngrams.rarities[at["runs"]] == pytest.approx(np.log(2))
    found = shares(captions, ngrams)
    assert found[0, at["runs"]] == 1 and found[1, at["dog"]] == 0.5 and found[1, at["sits"]] == 1


def test_the_ranking_maximises_the_expected_reward():
    """Of two features one tells which sentence is better, and one is noise."""
    draw = np.random.default_rng(0)
    features = [draw.normal(size=(5, 2)) for _ in range(300)]
    rewards = [(own[:, 0] * 0.5 + draw.normal(0, 0.1, 5)).tolist() for own in features]
    ranking = fit_ranking(features, rewards)
    assert ranking.weights[0] > 5 * abs(ranking.weights[1])
    chosen = [own[int(ranking.scores(rows).argmax())] for rows, own in zip(features, rewards, strict=True)]
    assert np.mean(chosen) == pytest.approx(np.mean([max(own) for own in rewards]), abs=0.03)
