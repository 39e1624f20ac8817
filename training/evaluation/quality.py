"""What the usual metrics miss: captions that break off or repeat themselves, sameness, honesty of probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from model.captioner import Caption
from model.cnn_lstm.vocabulary import SPECIAL_TOKENS
from model.languages import ENGLISH, Language
from training.evaluation.groups import GROUPS, OTHER, groups_of
from training.evaluation.metrics import corpus_bleu_4
from training.evaluation.nouns import share_named

# No English sentence ends with one of these. (Others of their kind do: "a dog with a man behind".)
_NEVER_LAST = {
    *("a", "an", "the", "and", "or", "but", "of", "at", "with", "from", "to", "into", "onto", "for", "as", "that"),
    *("his", "her", "its", "their", "is", "are", "while", "near", "between"),
}
_BINS = 10
_COMMONEST = 20


def caption_quality(
    hypotheses: Sequence[Sequence[str]],
    references: Sequence[Sequence[Sequence[str]]],
    language: Language = ENGLISH,
) -> dict[str, Any]:
    """Counts over captions, all as words. `cut_off` and `repeated_bigrams` name how many captions have the fault;
    `misses` and `all_named`, which English alone has, are the shares of captions of whose nouns no reference has any,
    or has every one.
    """
    used = {word for words in hypotheses for word in words}
    known = {word for texts in references for text in texts for word in text}
    counts: dict[str, Any] = {
        "different_captions": len({tuple(words) for words in hypotheses}),
        "different_captions_per_1000": 1000 * len({tuple(words) for words in hypotheses}) / len(hypotheses),
        "exact_matches": sum(words in texts for words, texts in zip(hypotheses, references, strict=True)),
        "unknown_words": sum(any(token in words for token in SPECIAL_TOKENS) for words in hypotheses),
        "repeated_bigrams": sum(has_repeated_bigram(words) for words in hypotheses),
        "cut_off": sum(is_cut_off(words) for words in hypotheses),
        "different_words": len(used),
        "different_words_in_references": len(known),
        "mean_words": float(np.mean([len(words) for words in hypotheses])),
        "mean_reference_words": float(np.mean([len(text) for texts in references for text in texts])),
        "commonest": Counter(language.join(words) for words in hypotheses).most_common(_COMMONEST),
    }
    if language is not ENGLISH:
        return counts
    named = [share_named(words, texts) for words, texts in zip(hypotheses, references, strict=True)]
    return counts | {
        "misses": float(np.mean([share == 0 for share in named])),
        "all_named": float(np.mean([share == 1 for share in named])),
    }


def by_group(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]], cider: Sequence[float]
) -> dict[str, dict[str, float]]:
    """Scores of the photographs of each group that has any; CIDEr's document frequencies are the whole split's."""
    rows: dict[str, list[int]] = {group: [] for group in (*GROUPS, OTHER)}
    for row, texts in enumerate(references):
        for group in groups_of(texts):
            rows[group].append(row)
    return {
        group: {
            "photographs": len(own),
            "CIDEr": float(np.mean([cider[row] for row in own])),
            "B-4": corpus_bleu_4([hypotheses[row] for row in own], [references[row] for row in own]),
            "misses": float(np.mean([share_named(hypotheses[row], references[row]) == 0 for row in own])),
        }
        for group, own in rows.items()
        if own
    }


def has_repeated_bigram(words: Sequence[str]) -> bool:
    """As in "a man in a red shirt in a red hat"."""
    counts = Counter(pairwise(words))
    return max(counts.values(), default=0) > 1


def is_cut_off(words: Sequence[str]) -> bool:
    """As in "a man in a"."""
    return bool(words) and words[-1] in _NEVER_LAST


def calibration(
    captions: Sequence[Caption], cider: Sequence[float], references: Sequence[Sequence[Sequence[str]]]
) -> dict[str, Any]:
    """How far the probabilities that are shown can be believed.

    For captions, the rank correlation of their mean probability with their own CIDEr; for words, how often a word of
    a given probability stands in any reference of its photograph, in bins of equally many words, and the mean
    distance between the two (expected calibration error, Guo et al. 2017, arXiv 1706.04599).
    """
    probabilities = [caption.mean_probability for caption in captions]
    known: list[Collection[str]] = [{word for text in texts for word in text} for texts in references]
    words = [(word.probability, word.text in own) for c, own in zip(captions, known, strict=True) for word in c.words]
    confirmed = np.array(sorted(words, key=itemgetter(0)), dtype=np.float64)
    bins = [part.mean(axis=0).tolist() for part in np.array_split(confirmed, min(_BINS, len(confirmed)))]
    varied = len(set(probabilities)) > 1 and len(set(cider)) > 1
    pairs = np.array(sorted(zip(probabilities, cider, strict=True)))
    return {
        "caption_rank_correlation": float(spearmanr(probabilities, cider).statistic) if varied else 0.0,
        "caption_bins": [part.mean(axis=0).tolist() for part in np.array_split(pairs, min(_BINS, len(pairs)))],
        "word_bins": bins,
        "word_calibration_error": float(np.mean([abs(given - found) for given, found in bins])),
    }
