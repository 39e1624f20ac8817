"""Decoding where tokens are parts of words: a toy vocabulary whose limits count words."""

import pytest
import torch

from model.captioner import DecodingOptions
from model.decoding import Tokens, decode

END, A, B, PART, OTHER = range(5)  # PART and OTHER go on with the word before them
TOKENS = Tokens(start=END, end=END, forbidden=(), continues=torch.tensor([False, False, False, True, True]))


class Nothing:
    def select(self, rows):
        return self


def liking(*tokens):
    """A step function that likes the tokens in turn, over and over, whatever came before, and the end least."""
    places = iter(range(1000))

    def step(last, state):
        logits = torch.tensor([-6.0, -3.0, -4.0, -3.5, -5.0])
        logits[tokens[next(places) % len(tokens)]] = 0.0
        return logits.log_softmax(dim=0).expand(len(last), -1), state, torch.zeros(len(last), 1)

    return step


def chosen(step, **options):
    [[hypothesis]] = decode(step, Nothing(), 1, TOKENS, DecodingOptions(method="greedy", **options))
    return hypothesis.tokens


def words(tokens):
    found = []
    for place, token in enumerate(tokens[:-1]):
        if place == 0 or token not in (PART, OTHER):
            found.append([])
        found[-1].append(token)
    return found


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_limit_counts_words_and_the_last_may_go_on(limit):
    tokens = chosen(liking(A, PART), max_words=limit, no_repeat_ngram_size=0)
    assert len(words(tokens)) == limit
    assert words(tokens)[0][:2] == [A, PART]


def test_what_comes_first_begins_a_word():
    assert chosen(liking(PART, PART), max_words=1, no_repeat_ngram_size=0)[-1] == END
    assert len(words(chosen(liking(PART, A), max_words=2, no_repeat_ngram_size=0))) == 2


def test_a_word_that_never_ends_is_cut():
    tokens = chosen(liking(PART), max_words=3, no_repeat_ngram_size=0)
    assert len(tokens) == 3 * 4 + 1 and tokens[-1] == END


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_run_of_words_comes_twice_though_its_tokens_may(size):
    tokens = chosen(liking(A, PART, B, PART), max_words=12, no_repeat_ngram_size=size)
    found = [tuple(word) for word in words(tokens)]
    runs = list(zip(*(found[start:] for start in range(size)), strict=False))
    assert len(runs) == len(set(runs))
    if size > 1:
        assert sum(token == PART for token in tokens) > 1  # a token may come twice, or a pair of tokens in one word


def test_the_last_word_goes_on_only_with_what_is_likelier_than_another_word():
    tokens = chosen(liking(A, PART, OTHER, B), max_words=1, no_repeat_ngram_size=0)
    assert tokens == (A, PART, OTHER, END)  # B would begin a word; PART, the next likely to go on, is not taken instead
