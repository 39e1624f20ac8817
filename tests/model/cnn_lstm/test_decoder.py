from itertools import pairwise

import pytest
import torch

from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.vocabulary import PAD, START


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return Decoder(DecoderConfig(30, feature_channels=16, embedding=8, hidden=12)).eval()


def test_the_sizes_that_are_trained():
    config = DecoderConfig(2542)
    assert (config.embedding, config.hidden, config.feature_channels) == (256, 512, 2048)
    assert len(Decoder(config).layers) == 2


def test_step_gives_distributions(decoder):
    state = decoder.init_state(torch.randn(3, 5, 16))
    scores, state, attention = decoder.step(torch.full((3,), START), state)
    assert scores.shape == (3, 30) and attention.shape == (3, 5)
    assert torch.allclose(scores.exp().sum(1), torch.ones(3), atol=1e-5)
    assert torch.allclose(attention.sum(1), torch.ones(3), atol=1e-5)


def test_teacher_forcing_agrees_with_steps(decoder):
    """Captions of several lengths, the longest first: what training predicts is what decoding predicts."""
    features = torch.randn(2, 5, 16)
    captions = torch.full((2, 2, 6), PAD)
    texts = [[[1, 7, 8, 9, 10, 2], [1, 5, 2]], [[1, 11, 12, 2], [1, 13, 14, 2]]]
    for image, group in enumerate(texts):
        for number, text in enumerate(group):
            captions[image, number, : len(text)] = torch.tensor(text)
    logits, places = decoder(features, captions)
    targets = captions[:, :, 1:].flatten()[places]
    found = sorted(zip(targets.tolist(), logits.log_softmax(1).tolist(), strict=True))
    expected = []
    for image, group in enumerate(texts):
        for text in group:
            state = decoder.init_state(features[image : image + 1])
            for token, following in pairwise(text):
                scores, state, _ = decoder.step(torch.tensor([token]), state)
                expected.append((following, scores[0].tolist()))
    expected.sort()
    assert [token for token, _ in found] == [token for token, _ in expected]
    for (_, ours), (_, theirs) in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_asked_for_all_places_it_says_the_same_words(decoder):
    features = torch.randn(2, 5, 16)
    captions = torch.tensor([[[1, 7, 8, 2, 0], [1, 5, 2, 0, 0]], [[1, 11, 2, 0, 0], [1, 2, 0, 0, 0]]])
    logits, places = decoder(features, captions)
    everywhere, all_places = decoder(features, captions, whole=True)
    assert sorted(all_places.tolist()) == list(range(16))
    by_place = everywhere[all_places.argsort()]
    assert torch.allclose(by_place[places], logits, atol=1e-5)


def test_an_image_with_fewer_captions_is_filled_up(decoder):
    captions = torch.full((2, 2, 4), PAD)
    captions[0, 0] = torch.tensor([1, 7, 8, 2])
    captions[0, 1] = torch.tensor([1, 9, 2, PAD])
    captions[1, 0] = torch.tensor([1, 6, 2, PAD])
    _, places = decoder(torch.randn(2, 5, 16), captions)
    assert sorted(captions[:, :, 1:].flatten()[places].tolist()) == [2, 2, 2, 6, 7, 8, 9]


def test_selected_rows_keep_their_image(decoder):
    features = torch.randn(2, 5, 16)
    both = decoder.init_state(features).select(torch.tensor([0, 0, 1, 1]))
    tokens = torch.tensor([4, 5, 4, 5])
    scores, both, _ = decoder.step(tokens, both)
    for row, image in enumerate([0, 0, 1, 1]):
        alone, _, _ = decoder.step(tokens[row : row + 1], decoder.init_state(features[image : image + 1]))
        assert torch.allclose(scores[row], alone[0], atol=1e-5)
    swapped = both.select(torch.tensor([1, 0, 3, 2]))
    assert torch.allclose(decoder.step(tokens, swapped)[0], decoder.step(tokens[[1, 0, 3, 2]], both)[0][[1, 0, 3, 2]])


def test_what_is_seen_changes_what_is_said(decoder):
    tokens = torch.tensor([START])
    first = decoder.step(tokens, decoder.init_state(torch.randn(1, 5, 16)))[0]
    second = decoder.step(tokens, decoder.init_state(torch.randn(1, 5, 16)))[0]
    assert not torch.allclose(first, second)
