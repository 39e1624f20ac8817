"""What the objectives' batches teach is what follows caption by caption and word by word, each in a pass of its own."""

import pytest
import torch
from torch import nn

from benchmarks.slow_rewards import CaptionReward
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.vocabulary import END, PAD, START, UNKNOWN
from training.batches import Batch
from training.objectives import captions
from training.objectives.captions import CrossEntropy, SelfCritical
from training.objectives.rewards import Reward

pytestmark = pytest.mark.usefixtures("one_thread")
HUMAN = [  # by image; the longest first
    [[START, 4, 5, 6, 7, 8, END], [START, 4, 9, END]],
    [[START, 5, UNKNOWN, 7, END], [START, 6, 7, 4, END]],
    [[START, 9, 8, END], [START, 10, END]],
]
SAMPLED = [
    [[START, 4, 5, 7, END], [START, 8, END], [START, 4, 5, 6, 7, 8, END]],
    [[START, 9, 8, 7, END], [START, 10, END], [START, 9, END]],
]
REWARDED = torch.tensor([True, False, True])
NEVER = [PAD, START, UNKNOWN]


class Small(nn.Module):
    """An encoder of one convolution: (images, 3, 8, 8) to 4 cells."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 4, stride=4)

    def forward(self, inputs, first_stage=0):
        return self.convolution(inputs).relu().flatten(2).mT


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network(Small(), Decoder(DecoderConfig(12, feature_channels=8, embedding=6, hidden=10, dropout=0.0)))


@pytest.fixture
def batch():
    return Batch((0, 1, 2), torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1)), padded(HUMAN), 3)


def padded(texts):
    length = max(len(text) for own in texts for text in own)
    return torch.tensor([[text + [PAD] * (length - len(text)) for text in own] for own in texts])


def log_probabilities(network, pixels, text, never=()):
    """(words, vocabulary) of one caption, step by step."""
    state = network.decoder.init_state(network.encoder(pixels.unsqueeze(0)))
    found = []
    for token in text[:-1]:
        scores, state, _ = network.decoder.step(torch.tensor([token]), state)
        forbidden = torch.zeros(12, dtype=torch.bool)
        forbidden[list(never)] = True
        found.append(scores[0].masked_fill(forbidden, -torch.inf).log_softmax(dim=0))
    return torch.stack(found)


def slow_cross_entropy(network, pixels, texts, smoothing):
    losses = []
    for image, own in zip(pixels, texts, strict=True):
        for text in own:
            for scores, token in zip(log_probabilities(network, image, text), text[1:], strict=True):
                if token != UNKNOWN:
                    losses.append(-(1 - smoothing) * scores[token] - smoothing * scores.mean())
    return torch.stack(losses).mean()


def slow_self_critical(network, pixels, texts, rewards):
    terms = []
    for image, own, worth in zip(pixels, texts, rewards, strict=True):
        for number, text in enumerate(own):
            others = [reward for other, reward in enumerate(worth) if other != number]
            advantage = worth[number] - sum(others) / len(others)
            scores = log_probabilities(network, image, text, NEVER)
            terms += [-advantage * row[token] for row, token in zip(scores, text[1:], strict=True)]
    return torch.stack(terms).mean()


def gradients(network, loss):
    network.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def assert_alike(found, expected):
    assert found.keys() == expected.keys() and all(gradient.any() for gradient in expected.values())
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(network, batch, smoothing):
    loss, words, *_ = CrossEntropy(smoothing)(network, network.encoder(batch.inputs), batch)
    expected = slow_cross_entropy(network, batch.inputs, HUMAN, smoothing)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5) and words == 21
    assert_alike(gradients(network, loss), gradients(network, expected))


@pytest.mark.parametrize("whole", [False, True])
def test_self_critical_mixed_with_what_people_say(network, batch, monkeypatch, whole):
    """`whole`: as on a GPU, which is not asked how long the captions are."""
    monkeypatch.setattr(captions, "sample", lambda *_: padded(SAMPLED))
    monkeypatch.setattr(torch, "rand", lambda count: torch.zeros(count))  # the first caption of each
    forward = network.decoder.forward
    if whole:
        network.decoder.forward = lambda grid, texts, whole=False: forward(grid, texts, whole=texts.shape[1] == 3)
    references = [[text[1:] for text in own] for own in HUMAN]
    objective = SelfCritical(Reward(references, 0.5), 3, rewarded=REWARDED, cross_entropy_weight=0.15)
    loss, _, shown, over = objective(network, network.encoder(batch.inputs), batch)

    slow = CaptionReward(references, 0.5)
    rewards = [[slow(image, text[1:]) for text in own] for image, own in zip((0, 2), SAMPLED, strict=True)]
    policy = slow_self_critical(network, batch.inputs[[0, 2]], SAMPLED, rewards)
    expected = policy + 0.15 * slow_cross_entropy(network, batch.inputs, [own[:1] for own in HUMAN], 0.0)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    assert shown.item() == pytest.approx(sum(map(sum, rewards)) / 6, rel=1e-5) and over == 6
    assert_alike(gradients(network, loss), gradients(network, expected))
