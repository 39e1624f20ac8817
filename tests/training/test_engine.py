"""Learning itself, on features that are made up: no encoder is run."""

import numpy as np
import pytest
import torch

from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import Encoder
from model.cnn_lstm.vocabulary import UNKNOWN, Vocabulary
from training.batches import TrainingData
from training.data.features import CachedFeatures
from training.data.records import Record
from training.engine import evaluate, train_one_epoch
from training.objectives.captions import CrossEntropy, SelfCritical
from training.objectives.rewards import Reward
from training.running.failures import LossNotFinite

CAPTIONS = [
    "a red dog runs over the green grass",
    "two men sit on a bench",
    "a child in a blue shirt jumps",
    "the snow is white",
    "a cat sleeps under a table in the sun",
]


@pytest.fixture
def records(tmp_path):
    return [Record(f"{n}.jpg", tmp_path / f"{n}.jpg", "train", (text,)) for n, text in enumerate(CAPTIONS)]


@pytest.fixture
def features():
    array = np.random.default_rng(0).normal(size=(5, 2, 2, 2048)).clip(0).astype(np.float16)
    return CachedFeatures(array, tuple(f"{n}.jpg" for n in range(5)), {})


@pytest.fixture
def vocabulary():
    return Vocabulary.build(CAPTIONS, 1)


def make(vocabulary, dropout=0.0):
    torch.manual_seed(0)
    config = DecoderConfig(len(vocabulary), embedding=32, hidden=64, dropout=dropout)
    network = Network(Encoder(), Decoder(config))
    network.encoder.freeze_all_but_last(0)
    return network


def train(network, data, epochs, objective=None, rate=0.01, **options):
    optimizer = torch.optim.Adam([{"params": network.decoder.parameters(), "lr": rate, "initial_lr": rate}])
    objective = objective or CrossEntropy(label_smoothing=0.0)
    defaults = {
        "encoder_stages": 0,
        "batch_size": 5,
        "gradient_norm": 5.0,
        "learning_rate_at": lambda share: 1.0,
        "mixed_precision": False,
    }
    return [train_one_epoch(network, data, optimizer, objective, seed=n, **(defaults | options)) for n in range(epochs)]


def test_a_batch_shows_each_photograph_in_one_of_the_views(records, vocabulary):
    def constant(offset):
        values = np.arange(5, dtype=np.float16).reshape(5, 1, 1, 1) + offset
        return CachedFeatures(np.broadcast_to(values, (5, 2, 2, 3)), tuple(f"{n}.jpg" for n in range(5)), {})

    data = TrainingData.of(records, vocabulary, [constant(0), constant(10), constant(20)])
    seen = set()
    for seed in range(20):
        (batch,) = data.batches(5, torch.Generator().manual_seed(seed))
        augmentations = (batch.inputs[:, 0, 0, 0] - torch.tensor(batch.rows)).tolist()
        assert batch.inputs.shape == (5, 3, 2, 2) and sorted(batch.rows) == [0, 1, 2, 3, 4]
        seen |= set(zip(batch.rows, augmentations, strict=True))
    assert seen == {(row, augmentation) for row in range(5) for augmentation in (0, 10, 20)}


def test_five_photographs_are_learnt_by_heart(records, features, vocabulary):
    network = make(vocabulary)
    losses = train(network, TrainingData.of(records, vocabulary, [features]), 60)
    assert losses[-1] < 0.05 < 1 < losses[0]
    scores = evaluate(
        network, features, records, vocabulary, DecodingOptions(), encoder_stages=0, mixed_precision=False
    )
    assert scores.corpus["B-4"] == pytest.approx(1) and scores.corpus["CIDEr"] == pytest.approx(10)


def test_the_same_seed_gives_the_same_weights(records, features, vocabulary):
    data = TrainingData.of(records, vocabulary, [features])
    one, two = make(vocabulary, dropout=0.5), make(vocabulary, dropout=0.5)
    assert train(one, data, 3) == train(two, data, 3)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_rare_words_are_not_learnt(records, features):
    vocabulary = Vocabulary.build(CAPTIONS, 3)  # little more than "a": nearly every word is unknown
    network = make(vocabulary)
    train(network, TrainingData.of(records, vocabulary, [features]), 40)
    tokens = torch.tensor([UNKNOWN])
    scores, *_ = network.decoder.eval().step(tokens, network.decoder.init_state(features.rows([0]).flatten(2).mT))
    assert scores[0, UNKNOWN] < -3


def test_refused_photographs_are_left_out(records, features, vocabulary):
    refused = CachedFeatures(features.array, features.names, {"2.jpg": "damaged"})
    data = TrainingData.of(records, vocabulary, [refused])
    assert data.usable == [0, 1, 3, 4]
    [batch] = data.batches(5, torch.Generator().manual_seed(0))
    assert len(batch.inputs) == 4


def test_a_batch_has_all_views_and_longest_captions_first(records, features, vocabulary):
    flipped = CachedFeatures(-features.array, features.names, {})
    data = TrainingData.of(records, vocabulary, [features, flipped])
    signs = set()
    for seed in range(10):
        [batch] = data.batches(5, torch.Generator().manual_seed(seed))
        lengths = (batch.captions != 0).sum(2).amax(1).tolist()
        assert lengths == sorted(lengths, reverse=True)
        signs |= {bool(row.sum() > 0) for row in batch.inputs}
    assert signs == {True, False}


def test_divergence_stops(records, features, vocabulary):
    network = make(vocabulary)
    torch.nn.init.constant_(network.decoder.output.weight, float("nan"))
    with pytest.raises(LossNotFinite):
        train(network, TrainingData.of(records, vocabulary, [features]), 1)


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_self_critical_training_raises_the_reward(records, features, vocabulary, mixed_precision):
    """From a network that knows the words but not yet the sentences."""
    network = make(vocabulary)
    data = TrainingData.of(records, vocabulary, [features])
    train(network, data, 12)
    references = [[text[1:] for text in texts] for texts in data.captions]
    objective = SelfCritical(Reward(references), samples=10)
    rewards = train(network, data, 60, objective, rate=0.002, mixed_precision=mixed_precision)
    assert sum(rewards[-5:]) / 5 > 1.5 * sum(rewards[:5]) / 5


def test_what_is_not_rewarded_learns_the_words_of_people(records, features, vocabulary):
    """None rewarded: a share of the cross-entropy alone; two rewarded: samples of these."""
    network, data = make(vocabulary), TrainingData.of(records, vocabulary, [features])
    batch = next(data.batches(5, torch.Generator().manual_seed(0)))
    grid = network.encoder(batch.inputs, first_stage=5)
    reward = Reward([[text[1:] for text in texts] for texts in data.captions])
    none = SelfCritical(reward, rewarded=torch.zeros(5, dtype=torch.bool), cross_entropy_weight=0.15)
    loss, words, shown, over = none(network, grid, batch)
    expected, all_words, *_ = CrossEntropy(0.0)(network, grid, batch)
    assert loss.item() == pytest.approx(0.15 * expected.item(), rel=1e-5)
    assert words == all_words == sum(len(text.split()) + 1 for text in CAPTIONS) and (shown, over) == (0.0, 0)
    two = torch.tensor([True, False, True, False, False])
    mixed = SelfCritical(reward, samples=4, rewarded=two, cross_entropy_weight=0.15)
    loss, *_, over = mixed(network, grid, batch)
    assert over == 8 and loss.requires_grad


def test_an_epoch_sees_photographs_as_often_as_it_is_told(records, features, vocabulary):
    data = TrainingData.of(records, vocabulary, [features], times=[2, 1, 0, 0.5, 1])
    assert data.epoch_size == 4  # 4.5, to the even number
    counts = torch.zeros(5)
    for seed in range(200):
        for batch in data.batches(2, torch.Generator().manual_seed(seed)):
            for row in batch.rows:
                counts[row] += 1
    assert counts[[0, 1, 2, 4]].tolist() == [400, 200, 0, 200] and 70 < counts[3] < 130
