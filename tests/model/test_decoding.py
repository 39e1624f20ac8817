"""Decoding against a toy whose every sentence can be written down."""

import itertools
import math
from dataclasses import dataclass, replace

import pytest
import torch

from model.captioner import DecodingOptions
from model.decoding import Tokens, decode

PAD, START, END, UNKNOWN, A, B, C = range(7)
TOKENS = Tokens(start=START, end=END, forbidden=(PAD, START, UNKNOWN))
WORDS = (A, B, C)


@dataclass
class History:
    """The toy's state: which image a row belongs to and all that was said in it, so that nothing can be mixed up."""

    image: torch.Tensor
    said: torch.Tensor

    def select(self, rows):
        return History(self.image[rows], self.said[rows])


class Toy:
    """A language whose next-word distribution depends on the image and on everything said so far."""

    def __init__(self, images=3, seed=0, sharpness=1.5):
        self.images, self.seed, self.sharpness = images, seed, sharpness

    def start(self, images=None):
        images = torch.arange(self.images) if images is None else torch.tensor(images)
        return History(images, torch.zeros(len(images), 0, dtype=torch.long))

    def log_probabilities(self, image, said):
        key = hash((self.seed, image, tuple(said))) % 2**31
        scores = torch.randn(7, generator=torch.Generator().manual_seed(key)) * self.sharpness
        return scores.log_softmax(0)

    def step(self, tokens, state):
        said = torch.cat([state.said, tokens[:, None]], 1)
        rows = [self.log_probabilities(i, s) for i, s in zip(state.image.tolist(), said.tolist(), strict=True)]
        # The attention says which row it was: image and last word.
        attention = torch.stack([state.image.float(), tokens.float()], 1)
        return torch.stack(rows), History(state.image, said), attention

    def score(self, image, words):
        """Log-probability of a sentence, by the definition: only permitted tokens count."""
        total, said = 0.0, [START]
        for word in (*words, END):
            scores = self.log_probabilities(image, said)
            scores[list(TOKENS.forbidden)] = -math.inf
            total += float(scores.log_softmax(0)[word])
            said.append(word)
        return total

    def everything(self, image, max_words):
        """All sentences of one to max_words words with their log-probabilities."""
        for length in range(1, max_words + 1):
            for words in itertools.product(WORDS, repeat=length):
                yield words, self.score(image, words)


def repeats(words, size):
    """Whether a run of `size` words comes twice."""
    ngrams = [tuple(words[start : start + size]) for start in range(len(words) - size + 1)]
    return size > 0 and len(set(ngrams)) < len(ngrams)


def sentences(found):
    return [[hypothesis.tokens[:-1] for hypothesis in hypotheses] for hypotheses in found]


@pytest.mark.parametrize("penalty", [0.0, 0.8, 2.0])
@pytest.mark.parametrize(("max_words", "size"), [(1, 0), (2, 0), (4, 0), (4, 1), (4, 2)])
@pytest.mark.parametrize("seed", range(2))
def test_a_wide_beam_is_exhaustive_search(penalty, max_words, size, seed):
    toy = Toy(seed=seed)
    wide = 3**max_words  # as many hypotheses as there are sentences of full length: nothing is ever dropped
    options = DecodingOptions(max_words=max_words, length_penalty=penalty, no_repeat_ngram_size=size)
    object.__setattr__(options, "beam_size", max(wide, 10))
    object.__setattr__(options, "num_captions", 3 if max_words == 1 else 10)
    found = decode(toy.step, toy.start(), 3, TOKENS, options)
    for image, hypotheses in enumerate(found):
        possible = [(words, score) for words, score in toy.everything(image, max_words) if not repeats(words, size)]
        ranked = sorted(possible, key=lambda s: -s[1] / (len(s[0]) + 1) ** penalty)
        expected = ranked[: options.num_captions]
        assert [h.tokens[:-1] for h in hypotheses] == [words for words, _ in expected]
        assert [h.log_probability for h in hypotheses] == pytest.approx([score for _, score in expected], abs=1e-4)


@pytest.mark.parametrize("size", [0, 1, 2, 3])
@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_promises(method, size):
    toy = Toy(images=40)
    options = DecodingOptions(
        method=method, max_words=6, num_captions=1 if method == "greedy" else 3, seed=1, no_repeat_ngram_size=size
    )
    for hypotheses in decode(toy.step, toy.start(), 40, TOKENS, options):
        assert len(hypotheses) == options.num_captions
        for hypothesis in hypotheses:
            *words, end = hypothesis.tokens
            assert end == END and 1 <= len(words) <= 6
            assert set(words) <= set(WORDS) and not repeats(words, options.no_repeat_ngram_size)
            assert len(hypothesis.log_probabilities) == len(hypothesis.attention) == len(words) + 1


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_log_probabilities_and_attention_belong_to_the_words(method):
    toy = Toy(images=8, seed=3)
    options = DecodingOptions(method=method, max_words=5, num_captions=1 if method == "greedy" else 3, seed=5)
    for image, hypotheses in enumerate(decode(toy.step, toy.start(), 8, TOKENS, options)):
        for hypothesis in hypotheses:
            assert hypothesis.log_probability == pytest.approx(toy.score(image, hypothesis.tokens[:-1]), abs=1e-4)
            # Word n was chosen while looking with word n - 1 in mind.
            assert hypothesis.attention[:, 0].tolist() == [image] * len(hypothesis.tokens)
            assert hypothesis.attention[:, 1].tolist() == [START, *hypothesis.tokens[:-1]]


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_an_image_is_decoded_alike_alone_and_among_others(method):
    toy = Toy(images=9, seed=7)
    options = DecodingOptions(method=method, max_words=5, num_captions=1 if method == "greedy" else 2, seed=11)
    together = sentences(decode(toy.step, toy.start(), 9, TOKENS, options))
    alone = [sentences(decode(toy.step, toy.start([i]), 1, TOKENS, options))[0] for i in range(9)]
    assert together == alone


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_a_finished_image_leaves(method):
    """A batch is as much work as its images alone: no step is taken for one whose captions are known."""
    toy = Toy(images=9, seed=7)
    options = DecodingOptions(method=method, max_words=8, num_captions=1 if method == "greedy" else 2, seed=11)

    def work(images):
        rows = []

        def step(tokens, state):
            rows.append(len(tokens))
            return toy.step(tokens, state)

        decode(step, toy.start(images), len(images), TOKENS, options)
        return rows

    alone = [work([image]) for image in range(9)]
    together = work(list(range(9)))
    assert sum(together) == sum(map(sum, alone)) and len({len(rows) for rows in alone}) > 1
    assert len(together) == max(map(len, alone))


def test_greedy_takes_the_likeliest_word_each_time():
    toy = Toy(seed=2)
    options = DecodingOptions(method="greedy", max_words=5, no_repeat_ngram_size=0)
    found = sentences(decode(toy.step, toy.start(), 3, TOKENS, options))
    for image, [words] in enumerate(found):
        said = [START]
        for position in range(6):
            scores = toy.log_probabilities(image, said)
            allowed = [END] if position == 5 else WORDS if position == 0 else (*WORDS, END)
            best = max(allowed, key=lambda token: scores[token])
            if best == END:
                break
            said.append(best)
        assert list(words) == said[1:]


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_what_may_not_come_twice_would_otherwise(method):
    """The check above can fail: without the option the toy repeats itself."""
    options = DecodingOptions(method=method, max_words=6, seed=1, no_repeat_ngram_size=0)
    found = sentences(decode(Toy(images=40).step, Toy(images=40).start(), 40, TOKENS, options))
    assert any(repeats(hypotheses[0], 2) for hypotheses in found)


def test_sampling_from_all_words_is_sampling_from_a_nucleus_of_all():
    toy = Toy(images=1, seed=9)
    options = DecodingOptions(method="sample", max_words=1, top_p=1.0)
    counts = []
    for o in (options, replace(options, top_p=0.99999)):
        said = [h[0].tokens[0] for h in decode(toy.step, toy.start([0] * 5000), 5000, TOKENS, o)]
        counts.append([said.count(word) for word in WORDS])
    assert counts[0] == pytest.approx(counts[1], abs=200)


def test_beam_is_never_worse_than_greedy_here():
    toy = Toy(images=30, seed=4)
    options = DecodingOptions(method="beam", beam_size=10, max_words=4, length_penalty=0)
    beam = decode(toy.step, toy.start(), 30, TOKENS, options)
    greedy = decode(toy.step, toy.start(), 30, TOKENS, replace(options, method="greedy"))
    pairs = [(b[0].log_probability, g[0].log_probability) for b, g in zip(beam, greedy, strict=True)]
    assert all(b >= g - 1e-5 for b, g in pairs) and any(b > g + 1e-3 for b, g in pairs)


def test_samples_follow_the_distribution():
    toy = Toy(images=1, seed=9)
    options = DecodingOptions(method="sample", max_words=1, top_p=1.0, seed=3)
    found = decode(toy.step, toy.start([0] * 20_000), 20_000, TOKENS, replace(options, seed=None))
    counts = {word: sum(h[0].tokens[0] == word for h in found) / 20_000 for word in WORDS}
    scores = toy.log_probabilities(0, [START])[list(WORDS)].softmax(0)
    assert list(counts.values()) == pytest.approx(scores.tolist(), abs=0.015)


def test_the_nucleus_leaves_out_the_unlikely():
    toy = Toy(images=1, seed=9)
    scores = toy.log_probabilities(0, [START])[list(WORDS)].softmax(0)
    best = WORDS[int(scores.argmax())]
    second = float(scores.sort(descending=True).values[:2].sum())
    narrow = DecodingOptions(method="sample", max_words=1, top_p=0.01)
    assert {h[0].tokens[0] for h in decode(toy.step, toy.start([0] * 500), 500, TOKENS, narrow)} == {best}
    wider = replace(narrow, top_p=second - 0.01)
    assert len({h[0].tokens[0] for h in decode(toy.step, toy.start([0] * 500), 500, TOKENS, wider)}) == 2


def test_a_low_temperature_is_greedy_and_a_high_one_is_not():
    toy = Toy(images=20, seed=6)
    greedy = sentences(decode(toy.step, toy.start(), 20, TOKENS, DecodingOptions(method="greedy", max_words=4)))
    cold = DecodingOptions(method="sample", temperature=0.05, top_p=1.0, max_words=4, seed=1)
    hot = replace(cold, temperature=5.0)
    assert (
        sum(a == b for a, b in zip(sentences(decode(toy.step, toy.start(), 20, TOKENS, cold)), greedy, strict=True))
        >= 18
    )
    assert (
        sum(a == b for a, b in zip(sentences(decode(toy.step, toy.start(), 20, TOKENS, hot)), greedy, strict=True))
        <= 10
    )


def test_a_seed_repeats_and_another_does_not():
    toy = Toy(images=10, seed=1, sharpness=0.2)
    options = DecodingOptions(method="sample", max_words=6, num_captions=3, seed=1)
    run = lambda o: sentences(decode(toy.step, toy.start(), 10, TOKENS, o))  # noqa: E731
    assert run(options) == run(options)
    assert run(options) != run(replace(options, seed=2))
    assert run(replace(options, seed=None)) != run(replace(options, seed=None))


def test_samples_come_best_first():
    toy = Toy(images=5, seed=1, sharpness=0.2)
    options = DecodingOptions(method="sample", max_words=6, num_captions=6, seed=1)
    for hypotheses in decode(toy.step, toy.start(), 5, TOKENS, options):
        scores = [hypothesis.log_probability for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)


def test_a_higher_length_penalty_gives_longer_captions():
    toy = Toy(images=30, seed=8)
    lengths = []
    for penalty in (0.0, 1.0, 2.0):
        options = DecodingOptions(beam_size=10, max_words=4, length_penalty=penalty)
        found = decode(toy.step, toy.start(), 30, TOKENS, options)
        lengths.append(sum(len(h[0].tokens) for h in found))
    assert lengths[0] < lengths[1] <= lengths[2]


@pytest.mark.parametrize("method", ["beam", "greedy", "sample"])
def test_guidance_leads_the_search_and_leaves_the_probabilities(method):
    """The best sentence by log-probabilities with the guidance of words that are new in it, renormalised."""
    toy, towards = Toy(images=2, seed=3), torch.zeros(2, 7)
    towards[0, B] = towards[1, C] = 50.0
    options = DecodingOptions(method=method, beam_size=3, max_words=4, seed=1)
    plain = decode(toy.step, toy.start(), 2, TOKENS, options)
    guided = decode(toy.step, toy.start(), 2, TOKENS, options, guidance=towards)
    assert [own[0].tokens[0] for own in guided] == [B, C]
    for image, own in enumerate(guided):
        assert own[0].log_probability == pytest.approx(toy.score(image, own[0].tokens[:-1]), abs=1e-4)
    unmoved = decode(toy.step, toy.start(), 2, TOKENS, options, guidance=torch.zeros(2, 7))
    assert [own[0].tokens for own in unmoved] == [own[0].tokens for own in plain]


def test_a_word_that_is_said_draws_no_more():
    toy, towards = Toy(images=1, seed=5), torch.zeros(1, 7)
    towards[0, B] = 50.0
    options = DecodingOptions(method="greedy", max_words=3, no_repeat_ngram_size=0)
    [[found]] = decode(toy.step, toy.start(), 1, TOKENS, options, guidance=towards)
    own = toy.log_probabilities(0, [START, B])
    assert found.tokens[:2] == (B, max((A, B, C, END), key=lambda word: float(own[word])))
