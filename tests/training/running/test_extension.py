"""New words for the shipped captioner."""

import pytest
import torch

from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.vocabulary import START, UNKNOWN, Vocabulary
from tests.conftest import ROOT
from training.running.extension import extended

NEW = ("pentagon", "magenta")


@pytest.fixture(scope="module")
def shipped():
    return Checkpoint.load(ROOT / "best_model.pth"), Vocabulary.load(ROOT / "vocab.pkl")


@pytest.fixture(scope="module")
def networks(shipped):
    """The shipped network, and the one with two words more."""
    checkpoint, words = shipped
    more = words.extended(["A magenta pentagon above a red pentagon ."], min_count=1)
    assert more.words == (*words.words, *NEW)
    longer = extended(checkpoint, more)
    longer.verify(more)
    return [Network.from_checkpoint(which).eval() for which in (checkpoint, longer)]


@pytest.fixture(scope="module")
def features():
    return torch.rand(2, 49, 2048, generator=torch.Generator().manual_seed(0))


def test_old_words_have_the_same_logits_to_the_last_bit(shipped, networks, features):
    words = shipped[1]
    captions = torch.tensor([[words.encode("a dog runs through the grass")], [words.encode("two men sit on a bench")]])
    before, after = (network.decoder(features, captions)[0] for network in networks)
    assert after.shape == (len(before), len(words) + len(NEW))
    assert torch.equal(after[:, : len(words)], before)


def test_new_words_are_known_but_not_yet_said(shipped, networks, features):
    words, decoder = shipped[1], networks[1].decoder
    first, *_ = decoder.step(torch.tensor([START, START]), decoder.init_state(features))
    new = first[:, len(words) :].exp()
    assert (new > 0).all() and (new < 1 / len(words)).all()  # less than by chance
    embedded = decoder.embedding.weight
    assert torch.allclose(embedded[-1], embedded[UNKNOWN + 1 : len(words)].mean(dim=0), atol=1e-6)


def test_captions_are_the_same_before_anything_is_learnt(networks, features):
    options = DecodingOptions(beam_size=5, num_captions=5)
    before, after = (network.decode(features, options) for network in networks)
    assert [[h.tokens for h in found] for found in before] == [[h.tokens for h in found] for found in after]


def test_without_new_words_nothing_changes(shipped):
    checkpoint, words = shipped
    same = extended(checkpoint, words.extended(["a dog"], min_count=1))
    assert same.vocabulary_digest == checkpoint.vocabulary_digest
    assert all(torch.equal(same.decoder[name], tensor) for name, tensor in checkpoint.decoder.items())
