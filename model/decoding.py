"""Greedy, beam and nucleus decoding over any step function; knows no network.

A step function takes tokens (rows) and a state, and gives log-probabilities (rows, vocabulary), the next state
and the attention (rows, cells). A state is anything with `select(rows)`, which gives the state of those rows.

Every method keeps five promises: no forbidden token is chosen, no caption is empty, every caption ends, no n-gram of
`no_repeat_ngram_size` words comes twice, and an image's captions do not depend on which other images are in the batch.

A token is a word, or a part of one: `max_words` and n-grams count words, a length is that of the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from model.captioner import DecodingOptions


class State(Protocol):
    def select(self: S, rows: Tensor) -> S: ...


S = TypeVar("S", bound=State)
Step = Callable[[Tensor, S], tuple[Tensor, S, Tensor]]


_TOKENS_A_WORD = 4  # a caption of parts of words ends at this many times `max_words` tokens at the latest


@dataclass(frozen=True)
class Tokens:
    """What the decoder must know of a vocabulary."""

    start: int
    end: int
    forbidden: tuple[int, ...]
    """Never chosen: padding, start, unknown. The probabilities of the others are scaled up to sum to one."""
    continues: Tensor | None = None
    """(vocabulary), true for a token that goes on with the word before it. None: every token is a word."""

    def at_most(self, options: DecodingOptions) -> int:
        """How many tokens a caption may have before its end."""
        return options.max_words * (1 if self.continues is None else _TOKENS_A_WORD)


@dataclass(frozen=True)
class Hypothesis:
    """A finished sequence. Its last token is the end; the end has a log-probability and an attention as well."""

    tokens: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    attention: Tensor  # (tokens, cells)

    @property
    def log_probability(self) -> float:
        return sum(self.log_probabilities)


def decode(
    step: Step[S],
    state: S,
    images: int,
    tokens: Tokens,
    options: DecodingOptions,
    device: torch.device | str = "cpu",
) -> list[list[Hypothesis]]:
    """For each of the `images` rows of `state` its hypotheses, best first.

    Beam search ranks by log-probability / length ** length_penalty; samples are ranked by log-probability.
    """
    if options.method == "beam":
        return _beam_search(step, state, images, tokens, options, device)
    if options.method == "greedy":
        return _roll_out(step, state, images, 1, tokens, options, lambda scores, _: scores.argmax(1), device)
    choose = _nucleus(options, _noise(images, tokens.at_most(options) + 1, options).to(device))
    found = _roll_out(step, state, images, options.num_captions, tokens, options, choose, device)
    return [sorted(hypotheses, key=lambda hypothesis: -hypothesis.log_probability) for hypotheses in found]


def _permitted(log_probabilities: Tensor, paths: Tensor, tokens: Tokens, options: DecodingOptions) -> Tensor:
    """Log-probabilities over what may follow `paths` (rows, words so far): no forbidden token, no end at once, only
    the end at last, no n-gram a second time.
    """
    position = paths.shape[1]
    scores = log_probabilities.float().clone()
    scores[:, list(tokens.forbidden)] = -torch.inf
    scores = scores.log_softmax(dim=1)
    if position == 0:
        scores[:, tokens.end] = -torch.inf
    # What is ruled out from here on is not scaled up: a caption that is cut short keeps the low probability of
    # ending there.
    if position == tokens.at_most(options):
        end = scores[:, tokens.end].clone()
        scores.fill_(-torch.inf)
        scores[:, tokens.end] = end
    size = options.no_repeat_ngram_size
    if tokens.continues is not None:
        _count_words(scores, paths, tokens.continues, tokens.end, options)
    elif 0 < size <= position:
        ngrams = paths.unfold(1, size, 1)  # (rows, n-grams, size)
        begun = (ngrams[:, :, :-1] == paths[:, None, position - size + 1 :]).all(dim=2)
        rows, places = begun.nonzero(as_tuple=True)
        scores[rows, ngrams[rows, places, -1]] = -torch.inf
    return scores


def _count_words(scores: Tensor, paths: Tensor, continues: Tensor, end: int, options: DecodingOptions) -> None:
    """Rules out, in place, a word more than `max_words` and a token that would complete an n-gram of words again."""
    after = ~continues[paths]
    after[:, :1] = True  # whatever comes first begins a word
    spent = after.sum(dim=1) >= options.max_words
    begins = ~continues
    begins[end] = False
    scores.masked_fill_(spent[:, None] & begins, -torch.inf)
    size = options.no_repeat_ngram_size
    if size == 0:
        return
    for row, (path, starts) in enumerate(zip(paths.tolist(), after.tolist(), strict=True)):
        bounds = [place for place, start in enumerate(starts) if start] + [len(path)]
        for first, last in zip(bounds, bounds[size:], strict=False):
            *begun, completing = path[first:last]
            if path[len(path) - len(begun) :] == begun:
                scores[row, completing] = -torch.inf


def _roll_out(
    step: Step[S],
    state: S,
    images: int,
    each: int,
    tokens: Tokens,
    options: DecodingOptions,
    choose: Callable[[Tensor, int], Tensor],
    device: torch.device | str,
) -> list[list[Hypothesis]]:
    """One path a row, `each` rows an image; `choose(scores, position)` gives the tokens (rows)."""
    rows = images * each
    state = state.select(torch.arange(images, device=device).repeat_interleave(each))
    last = torch.full((rows,), tokens.start, device=device)
    ended = torch.zeros(rows, dtype=torch.bool, device=device)
    paths = torch.empty((rows, 0), dtype=torch.long, device=device)
    log_probabilities, attention = [], []
    for position in range(tokens.at_most(options) + 1):
        scores, state, weights = step(last, state)
        # A row that has ended only goes on until the others have: it may say what it likes.
        scores = torch.where(ended[:, None], scores, _permitted(scores, paths, tokens, options))
        last = choose(scores, position)
        paths = torch.cat([paths, last.unsqueeze(1)], dim=1)
        log_probabilities.append(scores.gather(1, last.unsqueeze(1)).squeeze(1))
        attention.append(weights)
        ended |= last == tokens.end
        if ended.all():
            break
    paths, scores, maps = paths.cpu(), torch.stack(log_probabilities, dim=1).cpu(), torch.stack(attention, dim=1).cpu()
    lengths = (paths == tokens.end).int().argmax(dim=1) + 1
    hypotheses = [
        Hypothesis(tuple(path[:length].tolist()), tuple(score[:length].tolist()), weights[:length])
        for path, score, weights, length in zip(paths, scores, maps, lengths.tolist(), strict=True)
    ]
    return [hypotheses[i * each : (i + 1) * each] for i in range(images)]


def _noise(images: int, positions: int, options: DecodingOptions) -> Tensor:
    """Uniform numbers (images * num_captions, positions): with a seed the same for every image."""
    shape = (options.num_captions, positions)
    if options.seed is None:
        return torch.rand(images * shape[0], shape[1])
    return torch.rand(shape, generator=torch.Generator().manual_seed(options.seed)).repeat(images, 1)


def _nucleus(options: DecodingOptions, noise: Tensor) -> Callable[[Tensor, int], Tensor]:
    """Top-p sampling (Holtzman et al. 2020, arXiv 1904.09751) by inverting the cumulative distribution at `noise`."""

    def choose_among_all(scores: Tensor, position: int) -> Tensor:
        """The same without the sort, which takes longer than the step itself: self-critical training samples so."""
        total = (scores / options.temperature).softmax(dim=1).cumsum(dim=1)
        mass = total[:, -1:].contiguous()
        place = torch.searchsorted(total, noise[:, position : position + 1] * mass, right=True)
        return torch.minimum(place, torch.searchsorted(total, mass)).squeeze(1)  # the last that has a probability

    def choose(scores: Tensor, position: int) -> Tensor:
        likely, order = (scores / options.temperature).softmax(dim=1).sort(dim=1, descending=True)
        total = likely.cumsum(dim=1)
        inside = total - likely < options.top_p  # the likeliest token always is
        mass = (likely * inside).sum(dim=1, keepdim=True)
        place = torch.searchsorted(total, noise[:, position : position + 1] * mass, right=True)
        place = torch.minimum(place, inside.sum(dim=1, keepdim=True) - 1)  # rounding must not leave the nucleus
        return order.gather(1, place).squeeze(1)

    return choose_among_all if options.top_p == 1 else choose


def _beam_search(
    step: Step[S], state: S, images: int, tokens: Tokens, options: DecodingOptions, device: torch.device | str
) -> list[list[Hypothesis]]:
    """Beam search in which finished hypotheses wait in a pool of `beam_size` while the others go on.

    It stops when no running hypothesis can still enter the best `num_captions` of any image: log-probabilities
    only fall and the divisor is at most that of the longest caption, so that bound is exact.
    """
    size, penalty = options.beam_size, options.length_penalty
    first_row = torch.arange(images, device=device).unsqueeze(1) * size
    state = state.select(torch.arange(images, device=device).repeat_interleave(size))
    last = torch.full((images * size,), tokens.start, device=device)
    running = torch.full((images, size), -torch.inf, device=device)
    running[:, 0] = 0.0  # all beams start alike: only one of them counts
    paths = torch.empty((images * size, 0), dtype=torch.long, device=device)
    pool = _Pool(images, size, device)
    history = []
    for position in range(tokens.at_most(options) + 1):
        scores, state, attention = step(last, state)
        scores = _permitted(scores, paths, tokens, options).view(images, size, -1)
        total, index = (running.unsqueeze(2) + scores).flatten(1).topk(2 * size, dim=1)
        parent, token = index // scores.shape[2], index % scores.shape[2]
        last_score = scores.flatten(1).gather(1, index)
        ends = token == tokens.end

        pool.add(total.masked_fill(~ends, -torch.inf) / (position + 1) ** penalty, parent, last_score, position)
        # At most one candidate of a beam is its end, so of twice as many candidates enough go on.
        running, kept = total.masked_fill(ends, -torch.inf).topk(size, dim=1)
        parent, token, last_score = (part.gather(1, kept) for part in (parent, token, last_score))
        history.append((parent, token, last_score, attention.view(images, size, -1)))

        reachable = running[:, 0] / (tokens.at_most(options) + 1) ** penalty
        if (pool.score[:, options.num_captions - 1] >= reachable).all():
            break
        rows, last = (first_row + parent).flatten(), token.flatten()
        state = state.select(rows)
        paths = torch.cat([paths[rows], last.unsqueeze(1)], dim=1)
    steps = [tuple(part.cpu() for part in parts) for parts in history]
    return [pool.best(image, options.num_captions, steps, tokens.end) for image in range(images)]


class _Pool:
    """The best finished hypotheses of each image, as pointers into the history of the search."""

    def __init__(self, images: int, size: int, device: torch.device | str) -> None:
        self.score = torch.full((images, size), -torch.inf, device=device)
        self.parent = torch.zeros((images, size), dtype=torch.long, device=device)
        self.position = torch.zeros((images, size), dtype=torch.long, device=device)
        self.end_score = torch.zeros((images, size), device=device)

    def add(self, score: Tensor, parent: Tensor, end_score: Tensor, position: int) -> None:
        """Candidates (images, any number); those that did not finish have the score minus infinity."""
        self.score, kept = torch.cat([self.score, score], dim=1).topk(self.score.shape[1], dim=1)
        positions = torch.full_like(parent, position)
        self.parent = torch.cat([self.parent, parent], dim=1).gather(1, kept)
        self.position = torch.cat([self.position, positions], dim=1).gather(1, kept)
        self.end_score = torch.cat([self.end_score, end_score], dim=1).gather(1, kept)

    def best(self, image: int, count: int, steps: Sequence[tuple[Tensor, ...]], end: int) -> list[Hypothesis]:
        """Follows the pointers back; fewer than `count` only where fewer hypotheses exist."""
        hypotheses = []
        for place in range(count):
            if self.score[image, place] == -torch.inf:
                break
            position, beam = int(self.position[image, place]), int(self.parent[image, place])
            path, scores = [end], [float(self.end_score[image, place])]
            attention = [steps[position][3][image, beam]]
            for parents, chosen, last_scores, weights in reversed(steps[:position]):
                path.append(int(chosen[image, beam]))
                scores.append(float(last_scores[image, beam]))
                beam = int(parents[image, beam])
                attention.append(weights[image, beam])
            hypotheses.append(Hypothesis(tuple(path[::-1]), tuple(scores[::-1]), torch.stack(attention[::-1])))
        return hypotheses
