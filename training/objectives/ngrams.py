"""Learns the n-gram head (model/cnn_lstm/ngrams.py) from what people said of photographs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from model.cnn_lstm.ngrams import NgramHead
from model.languages import ENGLISH, Language
from model.ranking import ORDERS, Ngrams
from training.evaluation.words import lemmas

_OF_MANY = 0.3
Captions = Sequence[Sequence[Sequence[str]]]
"""Words, by caption, by photograph."""


@dataclass(frozen=True)
class NgramConfig:
    """What was tried on dev is in docs/second-look.md."""

    least: tuple[int, int, int] = (25, 30, 40)
    """Captions that hold a word, a pair, a triple that is learnt."""
    hidden: int = 512
    epochs: int = 8
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    dropout: tuple[float, float] = (0.5, 0.3)
    """Of the pooled grid, and of the hidden layer."""
    single_weight: float = 0.7
    """Of a photograph with one caption, whose shares are rough."""
    teachers: int = 3
    """Heads of which the head learns the mean, half and half with what people said; 0: it learns from people alone."""


def ngrams_in(words: Sequence[str]) -> set[str]:
    """All of a caption's, of every order, once each."""
    return {" ".join(words[at : at + n]) for n in ORDERS for at in range(len(words) - n + 1)}


def choose_ngrams(captions: Captions, config: NgramConfig, language: Language = ENGLISH) -> Ngrams:
    """Those that captions hold often enough, commonest first by order; the tags among them by lemma. In other languages
    than English every word is a tag that is not said of many photographs.
    """
    held, documents = Counter[str](), Counter[str]()
    for own in captions:
        found = [ngrams_in(words) for words in own]
        for ngrams in found:
            held.update(ngrams)
        documents.update(set().union(*found))
    texts = tuple(
        text
        for n, least in zip(ORDERS, config.least, strict=True)
        for text, count in held.most_common()
        if count >= least and text.count(" ") == n - 1
    )
    if language is ENGLISH:
        names = lemmas([words for own in captions for words in own])
    else:
        names = {text: (text, "word") for text in texts if documents[text] < _OF_MANY * len(captions)}
        names = {text: name for text, name in names.items() if " " not in text}
    kinds = {lemma: kind for text in texts if text in names for lemma, kind in [names[text]]}
    tags = tuple(kinds)
    number_of = {tag: number for number, tag in enumerate(tags)}
    number = sum(map(len, captions))
    return Ngrams(
        texts=texts,
        priors=np.array([held[text] / number for text in texts]),
        rarities=np.array([math.log(len(captions) / documents[text]) for text in texts]),
        unknown_rarity=math.log(len(captions) / min(config.least)),
        tags=tags,
        kinds=tuple(kinds.values()),
        tag_of=np.array([number_of[names[text][0]] if text in names else -1 for text in texts]),
    )


def shares(captions: Captions, ngrams: Ngrams) -> Tensor:
    """(photographs, ngrams): of a photograph's captions that hold each."""
    found = torch.zeros(len(captions), len(ngrams.texts))
    for row, own in enumerate(captions):
        for words in own:
            known = [ngrams.index[text] for text in ngrams_in(words) if text in ngrams.index]
            found[row, known] += 1 / len(own)
    return found


def learn_head(pooled: Tensor, targets: Tensor, weights: Tensor, config: NgramConfig) -> NgramHead:
    """As `fit_head`, of the size of one head and nearly as good as the mean of several (Hinton et al. 2015, arXiv
    1503.02531).
    """
    if not config.teachers:
        return fit_head(pooled, targets, weights, config)
    teachers = [fit_head(pooled, targets, weights, config, seed) for seed in range(1, config.teachers + 1)]
    with torch.inference_mode():
        taught = sum((teacher.from_pooled(pooled) for teacher in teachers), torch.zeros(())) / len(teachers)
    return fit_head(pooled, (targets + taught) / 2, torch.ones_like(weights), config, config.teachers + 1)


def fit_head(pooled: Tensor, targets: Tensor, weights: Tensor, config: NgramConfig, seed: int = 1) -> NgramHead:
    """By the binary cross-entropy, summed over n-grams, of `targets` (photographs, ngrams), each photograph with its
    weight (photographs). `pooled` is of these photographs, as `model.cnn_lstm.ngrams.pool` gives it.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    means, deviations = pooled.mean(dim=0), pooled.std(dim=0).clamp_min(1e-3)
    hidden, output = nn.Linear(pooled.shape[1], config.hidden), nn.Linear(config.hidden, targets.shape[1])
    with torch.no_grad():
        prior = (targets * weights[:, None]).sum(dim=0) / weights.sum()
        output.bias.copy_(prior.clamp(1e-4, 1 - 1e-4).logit())
        output.weight.mul_(0.1)
    before, between = (nn.Dropout(share) for share in config.dropout)
    network = nn.Sequential(before, hidden, nn.ReLU(), between, output)
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    steps = config.epochs * math.ceil(len(pooled) / config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with tqdm(total=steps, unit="step", desc="n-gram head") as bar:
        for _ in range(config.epochs):
            for rows in torch.randperm(len(pooled), generator=generator).split(config.batch_size):
                logits = network((pooled[rows] - means) / deviations)
                each = nn.functional.binary_cross_entropy_with_logits(logits, targets[rows], reduction="none")
                loss = (each.sum(dim=1) * weights[rows]).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update()
            bar.set_postfix(loss=f"{loss.item():.2f}")
    parts = (hidden.weight, hidden.bias, output.weight, output.bias)
    return NgramHead(means, deviations, *(part.detach() for part in parts))
