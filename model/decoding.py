"""Greedy, beam and nucleus decoding over any step function; knows no network.

A step function takes tokens (rows) and a state, and gives log-probabilities (rows, vocabulary), which may lack a
constant of each row, the next state and the attention (rows, cells). A state is anything with `select(rows)`, which
gives the state of those rows: they may repeat, and whole images may be left out, for those that are finished leave.

Every method keeps five promises: no forbidden token is chosen, no caption is empty, every caption ends, no n-gram of
`no_repeat_ngram_size` words comes twice, and an image's captions do not depend on which other images are in the batch.

A token is a word, or a part of one: `max_words` and n-grams count words, a length is that of the tokens. The same word
made of other tokens is another word.
"""

from __future__ import annotations

from collections.abc import Callable
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
    guidance: Tensor | None = None,
    candidates: int = 0,
) -> list[list[Hypothesis]]:
    """For each of the `images` rows of `state` its hypotheses, best first: `options.num_captions`, and by beam search
    up to `candidates` where more are finished when those are certain.

    Beam search ranks by log-probability / length ** length_penalty; samples are ranked by log-probability.
    `guidance` (images, vocabulary) is added to the log-probabilities of tokens that a path has not yet chosen, and
    leads the search alone: hypotheses come with the log-probabilities that they have without it.
    """
    if options.method == "beam":
        return _beam_search(step, state, images, tokens, options, device, guidance, candidates)
    if options.method == "greedy":
        return _roll_out(step, state, images, 1, tokens, options, lambda scores, *_: scores.argmax(1), device, guidance)
    choose = _nucleus(options, _noise(images, tokens.at_most(options) + 1, options).to(device))
    found = _roll_out(step, state, images, options.num_captions, tokens, options, choose, device, guidance)
    return [sorted(hypotheses, key=lambda hypothesis: -hypothesis.log_probability) for hypotheses in found]


def _permitted(
    log_probabilities: Tensor, paths: Tensor, tokens: Tokens, options: DecodingOptions, guidance: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Log-probabilities over what may follow `paths` (rows, words so far): no forbidden token, no end at once, only
    the end at last, no n-gram a second time. The model's own, and those that lead the search, with the guidance
    (rows, vocabulary) of what is not yet said.
    """
    scores = log_probabilities.float().index_fill(1, paths.new_tensor(tokens.forbidden), -torch.inf).log_softmax(dim=1)
    if guidance is None:
        return (_ruled(scores, paths, tokens, options),) * 2
    guided = (scores + guidance.scatter(1, paths, 0.0)).log_softmax(dim=1)
    scores = _ruled(scores, paths, tokens, options)
    return scores, guided.masked_fill_(scores == -torch.inf, -torch.inf)


def _ruled(scores: Tensor, paths: Tensor, tokens: Tokens, options: DecodingOptions) -> Tensor:
    """In place, minus infinity for what may not follow."""
    position = paths.shape[1]
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
        _rule_out(scores, ngrams[:, :, -1], begun)
    return scores


def _rule_out(scores: Tensor, tokens: Tensor, where: Tensor) -> None:
    """Makes those of the tokens (rows, any number) impossible, in place, whose place in `where` is true."""
    limits = torch.full_like(tokens, torch.inf, dtype=scores.dtype).masked_fill_(where, -torch.inf)
    scores.scatter_reduce_(1, tokens, limits, "amin")


def _count_words(scores: Tensor, paths: Tensor, continues: Tensor, end: int, options: DecodingOptions) -> None:
    """Rules out, in place, a word more than `max_words` and a token that would complete an n-gram of words again.

    The last word goes on only with what is likelier than any next word: where the network would begin one, it ends.
    """
    after = ~continues[paths]
    after[:, :1] = True  # whatever comes first begins a word
    spent = after.sum(dim=1) >= options.max_words
    begins = ~continues
    begins[end] = False
    next_word = scores.masked_fill(~begins, -torch.inf).amax(dim=1, keepdim=True)
    less_likely = scores < next_word
    less_likely[:, end] = False
    scores.masked_fill_(spent[:, None] & (begins | less_likely), -torch.inf)
    if options.no_repeat_ngram_size and paths.shape[1]:
        _rule_out(scores, *_completing(paths, after, options.no_repeat_ngram_size))


def _completing(paths: Tensor, begins: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The last token of each n-gram of `size` words that ends anywhere in `paths` (rows, tokens), and whether the
    n-gram's other tokens are those with which the path ends; both (rows, tokens). `begins`: which tokens begin a word.
    """
    length = paths.shape[1]
    places = torch.arange(length, device=paths.device)
    # How many tokens up to, not including, each are the same as at the path's end: (rows, tokens).
    back = places[:, None] - 1 - places  # (tokens, how far back)
    alike = (paths[:, back.clamp_min(0)] == paths.flip(1)[:, None]) & (back >= 0)
    common = alike.cumprod(dim=2).sum(dim=2)
    # The word of number n begins at `starts[n]`; the one with this token is number `word`.
    word = begins.cumsum(dim=1) - 1
    starts = torch.full_like(paths, length).scatter_reduce_(1, word, places.expand_as(word), "amin")
    start = starts.gather(1, (word - size + 1).clamp_min(0))
    ends_a_word = torch.cat([begins[:, 1:], torch.ones_like(begins[:, :1])], dim=1)
    return paths, ends_a_word & (word >= size - 1) & (places - start <= common)


def _roll_out(
    step: Step[S],
    state: S,
    images: int,
    each: int,
    tokens: Tokens,
    options: DecodingOptions,
    choose: Callable[[Tensor, Tensor, int], Tensor],
    device: torch.device | str,
    guidance: Tensor | None,
) -> list[list[Hypothesis]]:
    """One path a row, `each` rows an image; `choose(scores, rows, position)` gives the tokens of these rows."""
    rows = torch.arange(images * each, device=device)  # those of the images that are not finished
    state = state.select(rows // each)
    last = torch.full_like(rows, tokens.start)
    ended = torch.zeros_like(rows, dtype=torch.bool)
    paths = torch.empty((len(rows), 0), dtype=torch.long, device=device)
    history = _History(len(rows))
    for position in range(tokens.at_most(options) + 1):
        scores, state, attention = step(last, state)
        own = None if guidance is None else guidance[rows // each]
        permitted, guided = _permitted(scores, paths, tokens, options, own)
        # A row that has ended only goes on until the image's others have: it may say what it likes.
        scores, guided = (torch.where(ended[:, None], scores, part) for part in (permitted, guided))
        last = choose(guided, rows, position)
        history.add(rows, last, scores.gather(1, last.unsqueeze(1)).squeeze(1), attention)
        ended |= last == tokens.end
        alive = (~ended).view(-1, each).any(dim=1).repeat_interleave(each).nonzero().squeeze(1)
        if len(alive) == 0:
            break
        paths = torch.cat([paths, last.unsqueeze(1)], dim=1)
        if len(alive) < len(rows):
            state = state.select(alive)
            rows, last, ended, paths = (part[alive] for part in (rows, last, ended, paths))
    words, log_probabilities, attention = (part.transpose(0, 1) for part in history.stacked())
    lengths = (words == tokens.end).int().argmax(dim=1) + 1
    hypotheses = _hypotheses(words, log_probabilities, attention, lengths)
    return [hypotheses[i * each : (i + 1) * each] for i in range(images)]


class _History:
    """What was chosen at every step: for all rows, though those that are finished leave."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._steps: list[tuple[Tensor, tuple[Tensor, ...]]] = []

    def add(self, rows: Tensor, *parts: Tensor) -> None:
        """Parts (rows, …) of a step."""
        self._steps.append((rows, parts))

    def stacked(self) -> list[Tensor]:
        """The parts (steps, rows, …); zeros where a row had left."""
        first = self._steps[0][1]
        stacked = [part.new_zeros((len(self._steps), self._rows, *part.shape[1:])) for part in first]
        for position, (rows, parts) in enumerate(self._steps):
            for whole, part in zip(stacked, parts, strict=True):
                whole[position, rows] = part
        return [whole.cpu() for whole in stacked]


def _hypotheses(tokens: Tensor, log_probabilities: Tensor, attention: Tensor, lengths: Tensor) -> list[Hypothesis]:
    """Of parts (rows, steps, …) the first `lengths` (rows)."""
    found = zip(tokens.tolist(), log_probabilities.tolist(), attention, lengths.tolist(), strict=True)
    return [Hypothesis(tuple(t[:length]), tuple(scores[:length]), maps[:length]) for t, scores, maps, length in found]


def _noise(images: int, positions: int, options: DecodingOptions) -> Tensor:
    """Uniform numbers (images * num_captions, positions): with a seed the same for every image."""
    shape = (options.num_captions, positions)
    if options.seed is None:
        return torch.rand(images * shape[0], shape[1])
    return torch.rand(shape, generator=torch.Generator().manual_seed(options.seed)).repeat(images, 1)


def _nucleus(options: DecodingOptions, noise: Tensor) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Top-p sampling (Holtzman et al. 2020, arXiv 1904.09751) by inverting the cumulative distribution at `noise`."""

    def choose_among_all(scores: Tensor, rows: Tensor, position: int) -> Tensor:
        """The same without the sort, which takes longer than the step itself: self-critical training samples so."""
        total = (scores / options.temperature).softmax(dim=1).cumsum(dim=1)
        mass = total[:, -1:].contiguous()
        place = torch.searchsorted(total, noise[rows, position, None] * mass, right=True)
        return torch.minimum(place, torch.searchsorted(total, mass)).squeeze(1)  # the last that has a probability

    def choose(scores: Tensor, rows: Tensor, position: int) -> Tensor:
        likely, order = (scores / options.temperature).softmax(dim=1).sort(dim=1, descending=True)
        total = likely.cumsum(dim=1)
        inside = total - likely < options.top_p  # the likeliest token always is
        mass = (likely * inside).sum(dim=1, keepdim=True)
        place = torch.searchsorted(total, noise[rows, position, None] * mass, right=True)
        place = torch.minimum(place, inside.sum(dim=1, keepdim=True) - 1)  # rounding must not leave the nucleus
        return order.gather(1, place).squeeze(1)

    return choose_among_all if options.top_p == 1 else choose


def _beam_search(
    step: Step[S],
    state: S,
    images: int,
    tokens: Tokens,
    options: DecodingOptions,
    device: torch.device | str,
    guidance: Tensor | None,
    candidates: int,
) -> list[list[Hypothesis]]:
    """Beam search in which finished hypotheses wait in a pool of `beam_size` while the others go on.

    An image leaves when no running hypothesis can still enter its best `num_captions`: log-probabilities only fall
    and the divisor is at most that of the longest caption, so that bound is exact.
    """
    size, penalty = options.beam_size, options.length_penalty
    left = torch.arange(images, device=device)  # the images that are not finished
    state = state.select(left.repeat_interleave(size))
    last = torch.full((images * size,), tokens.start, device=device)
    running = torch.full((images, size), -torch.inf, device=device)
    running[:, 0] = 0.0  # all beams start alike: only one of them counts
    paths = torch.empty((images * size, 0), dtype=torch.long, device=device)
    pool, history = _Pool(images, size, device), _History(images)
    for position in range(tokens.at_most(options) + 1):
        scores, state, attention = step(last, state)
        own = None if guidance is None else guidance[left].repeat_interleave(size, dim=0)
        scores, guided = _permitted(scores, paths, tokens, options, own)
        words = guided.shape[1]
        total, index = (running.unsqueeze(2) + guided.view(len(left), size, words)).flatten(1).topk(2 * size, dim=1)
        parent, token = index // words, index % words
        last_score = scores.view(len(left), -1).gather(1, index)
        ends = token == tokens.end

        ended = total.masked_fill(~ends, -torch.inf) / (position + 1) ** penalty
        pool.add(left, ended, parent, last_score, position)
        # At most one candidate of a beam is its end, so of twice as many candidates enough go on.
        running, kept = total.masked_fill(ends, -torch.inf).topk(size, dim=1)
        parent, token, last_score = (part.gather(1, kept) for part in (parent, token, last_score))
        history.add(left, parent, token, last_score, attention.view(len(left), size, -1))

        reachable = running[:, 0] / (tokens.at_most(options) + 1) ** penalty
        alive = (pool.score[left, options.num_captions - 1] < reachable).nonzero().squeeze(1)
        if len(alive) == 0:
            break
        rows, last = (alive.unsqueeze(1) * size + parent[alive]).flatten(), token[alive].flatten()
        state, paths = state.select(rows), torch.cat([paths[rows], last.unsqueeze(1)], dim=1)
        left, running = left[alive], running[alive]
    return pool.best(max(options.num_captions, candidates), history, tokens.end)


class _Pool:
    """The best finished hypotheses of each image, as pointers into the history of the search."""

    def __init__(self, images: int, size: int, device: torch.device | str) -> None:
        self.score = torch.full((images, size), -torch.inf, device=device)
        self.parent = torch.zeros((images, size), dtype=torch.long, device=device)
        self.position = torch.zeros((images, size), dtype=torch.long, device=device)
        self.end_score = torch.zeros((images, size), device=device)

    def add(self, images: Tensor, score: Tensor, parent: Tensor, end_score: Tensor, position: int) -> None:
        """Candidates (images, any number) of these images; those that did not finish have the score minus infinity."""
        score, kept = torch.cat([self.score[images], score], dim=1).topk(self.score.shape[1], dim=1)
        self.score[images] = score
        new = ((self.parent, parent), (self.position, torch.full_like(parent, position)), (self.end_score, end_score))
        for held, candidates in new:
            held[images] = torch.cat([held[images], candidates], dim=1).gather(1, kept)

    def best(self, count: int, history: _History, end: int) -> list[list[Hypothesis]]:
        """For each image its best; fewer than `count` only where fewer hypotheses exist.

        `history` holds for every step the parents, the words, their scores (images, beams) and the attention of the
        beams before; the pointers are followed back through it for all hypotheses at once.
        """
        parents, chosen, scores, attention = history.stacked()
        beam, position = self.parent[:, :count].cpu(), self.position[:, :count].cpu()
        end_score, exist = self.end_score[:, :count].cpu(), (self.score[:, :count] > -torch.inf).cpu()
        words, log_probabilities, maps = [], [], []
        for step in reversed(range(len(parents))):
            alive = step < position  # here the hypothesis has a word, at `position` its end, later nothing
            words.append(chosen[step].gather(1, beam).where(alive, end))
            log_probabilities.append(scores[step].gather(1, beam).where(alive, end_score))
            beam = parents[step].gather(1, beam).where(alive, beam)
            maps.append(attention[step].gather(1, beam.unsqueeze(2).expand(-1, -1, attention.shape[3])))
        tokens, each, looked_at = (torch.stack(part[::-1], dim=2)[exist] for part in (words, log_probabilities, maps))
        found = iter(_hypotheses(tokens, each, looked_at, position[exist] + 1))
        return [[next(found) for _ in range(number)] for number in exist.sum(dim=1).tolist()]
