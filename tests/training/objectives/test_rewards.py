import numpy as np
import pytest
import torch

from benchmarks.slow_rewards import CaptionReward
from model.cnn_lstm.vocabulary import END, PAD
from training.objectives.rewards import Reward

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def random_texts(images=30, samples=5, references=(1, 2, 3, 5, 7)):
    """References of few words, so that some are shared and some repeat, and hypotheses made of theirs: cut, mixed,
    with words that no reference has, with one word again and again, and empty.
    """
    random = np.random.default_rng(0)
    words = lambda least, most: [int(w) for w in random.zipf(1.4, random.integers(least, most)) % 30 + 4]  # noqa: E731
    texts = [[[*words(0, 14), END] for _ in range(references[image % len(references)])] for image in range(images)]
    hypotheses = []
    for image, own in enumerate(texts):
        given = [
            own[0],
            [*own[-1][:-1][: 1 + image % 4], END],
            [t if random.random() < 0.7 else int(random.integers(4, 60)) for t in (own[0][:-1] + own[-1][:-1])] + [END],
            [*([own[0][0]] * (1 + image % 6)), *words(0, 8), END],
            [[END], [50, END], [40, 40, 40, 40, 40, END], [2**15 - 1, 2**15 - 1, END], [own[0][0]]][image % 5],
        ]
        hypotheses.append(given[:samples])
    return texts, hypotheses


def padded(hypotheses):
    length = max(len(text) for own in hypotheses for text in own)
    return torch.tensor([[[*text, *[PAD] * (length - len(text))] for text in own] for own in hypotheses], device=DEVICE)


def rewards(reward, images, hypotheses):
    return reward(torch.tensor(images, device=DEVICE), padded([hypotheses[image] for image in images]))


def expected(references, hypotheses, bleu_weight=0.0):
    reward = CaptionReward(references, bleu_weight)
    found = [[reward(image, text) for text in own] for image, own in enumerate(hypotheses)]
    return torch.tensor(found, dtype=torch.double)


@pytest.mark.parametrize("dtype", [torch.float32, torch.double])
@pytest.mark.parametrize("bleu_weight", [0.0, 0.5, 2.0])
def test_the_figures_are_those_of_the_reward_in_python(bleu_weight, dtype):
    references, hypotheses = random_texts()
    wanted = expected(references, hypotheses, bleu_weight)
    found = rewards(Reward(references, bleu_weight, DEVICE, dtype), range(len(references)), hypotheses)
    assert found.dtype == dtype and found.shape == (30, 5)
    precision = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(found.double().cpu(), wanted, rtol=precision, atol=precision)
    assert wanted.max() > 5 and wanted.unique().numel() > 100
    assert bleu_weight or (wanted == 0).any()


@pytest.mark.parametrize("number", [1, 5])
def test_with_the_same_number_of_references_everywhere(number):
    references, hypotheses = random_texts(references=(number,))
    found = rewards(Reward(references, 0.5, DEVICE), range(len(references)), hypotheses)
    torch.testing.assert_close(found.double().cpu(), expected(references, hypotheses, 0.5), rtol=1e-5, atol=1e-5)


def test_what_all_images_have_is_worth_nothing():
    """As a word that nearly all have is worth little: its frequency is that of images, not of references."""
    references = [[[4, 4, 5, END], [4, END], [4, 6, END]]] * 6 + [[[4, 7, 5, END]], [[4, 9, END]]]
    hypotheses = [[[END], [4, END], [4], [4, 5, END], [5, 5, END], [6, END], [9, 4, 9, END]]] * len(references)
    wanted = expected(references, hypotheses)
    found = rewards(Reward(references, 0.0, DEVICE), range(len(references)), hypotheses)
    torch.testing.assert_close(found.double().cpu(), wanted, rtol=1e-5, atol=1e-5)
    assert not found[:, 0].any() and not found[:, 2].any()


def test_of_one_image_nothing_is_rare():
    references, hypotheses = [[[4, 5, 6, 7, END], [4, 5, END]]], [[[4, 5, 6, 7, END], [9, END]]]
    found = rewards(Reward(references, 2.0, DEVICE), [0], hypotheses)
    torch.testing.assert_close(found.double().cpu(), expected(references, hypotheses, 2.0))
    assert found.tolist() == [[2.0, pytest.approx(found[0, 1].item())]] and found[0, 1] < 2


def test_neither_the_batch_nor_the_padding_changes_a_reward():
    references, hypotheses = random_texts()
    reward = Reward(references, 0.5, DEVICE)
    together = rewards(reward, range(len(references)), hypotheses)
    order = np.random.default_rng(1).permutation(len(references)).tolist()
    torch.testing.assert_close(rewards(reward, order, hypotheses), together[order])
    for image in (0, 7, 29):
        torch.testing.assert_close(rewards(reward, [image, image], hypotheses), together[[image, image]])


@pytest.mark.parametrize("length", [1, 2, 3])
def test_hypotheses_shorter_than_four(length):
    references, _ = random_texts()
    hypotheses = [[[*[*own[0][:-1], 5, 5][: length - 1], END]] for own in references]
    found = rewards(Reward(references, 1.0, DEVICE), range(len(references)), hypotheses)
    torch.testing.assert_close(found.double().cpu(), expected(references, hypotheses, 1.0), rtol=1e-5, atol=1e-5)


def test_bleu_takes_the_shorter_of_two_references_as_close():
    references = [[[4, 5, 6, 7, 8, 9, END], [4, 5, END]], [[9, 10, END]]]
    hypotheses = [[[4, 5, 6, 7, END]], [[9, END]]]
    found = rewards(Reward(references, 1.0, DEVICE), [0, 1], hypotheses)
    torch.testing.assert_close(found.double().cpu(), expected(references, hypotheses, 1.0), rtol=1e-5, atol=1e-5)


def test_empty_references_and_hypotheses():
    references, hypotheses = [[[], [4, 5, END]], [[6, END]]], [[[], [END], [4, END]], [[], [6, END], [4]]]
    found = rewards(Reward(references, 1.0, DEVICE), [0, 1], hypotheses)
    torch.testing.assert_close(found.double().cpu(), expected(references, hypotheses, 1.0), rtol=1e-5, atol=1e-5)


def test_refused_are_images_without_references_and_tokens_that_do_not_fit():
    for references in ([[[4, END]], []], [[[4, PAD, END]]], [[[2**15, END]]]):
        with pytest.raises(ValueError, match=r"image 1 has no reference|tokens from"):
            Reward(references, 0.0, DEVICE)
