"""What is sampled is what decoding samples."""

import pytest
import torch

from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import Encoder
from model.cnn_lstm.vocabulary import END, PAD, START, UNKNOWN
from training.objectives.sampling import sample

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def network():
    torch.manual_seed(0)
    decoder = Decoder(DecoderConfig(40, embedding=16, hidden=32)).eval()
    decoder.output.weight.data *= 8  # some words are likelier than others
    return Network(Encoder(), decoder)


@pytest.mark.parametrize("max_words", [1, 4, 16])
def test_by_the_same_random_numbers_the_captions_are_those_of_decoding(network, max_words):
    features = torch.randn(6, 4, 2048)
    options = DecodingOptions(method="sample", num_captions=5, max_words=max_words, top_p=1.0, no_repeat_ngram_size=0)
    torch.manual_seed(3)
    with torch.no_grad():
        expected = network.decode(features, options)
    torch.manual_seed(3)
    found = sample(network.decoder, features, 5, max_words)
    assert found.shape[:2] == (6, 5) and found.shape[2] <= max_words + 2 and not found.requires_grad
    for ours, theirs in zip(found.tolist(), expected, strict=True):
        texts = sorted(tuple(token for token in caption if token != PAD) for caption in ours)
        assert texts == sorted((START, *hypothesis.tokens) for hypothesis in theirs)


def test_what_is_never_said(network):
    """No caption is empty, none lacks its end, and what comes after it is PAD."""
    network.decoder.output.bias.data[[PAD, START, UNKNOWN, END]] = 9.0
    captions = sample(network.decoder, torch.randn(4, 4, 2048), 8, 6)[:, :, 1:]
    assert not (captions == START).any() and not (captions == UNKNOWN).any() and not (captions[:, :, 0] == END).any()
    ends = (captions == END).int()
    assert ends.sum(dim=2).eq(1).all()
    assert ((captions == PAD) == (ends.cumsum(dim=2) - ends > 0)).all()
