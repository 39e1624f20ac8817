"""BLEU, ROUGE, CIDEr and METEOR over tokenised captions, computed as the papers do so that figures compare.

Corpus level, all references of a photograph together. Each metric comes from the library that is its reference
in Python: nltk (BLEU), rouge-score (ROUGE-1 and 2), pycocoevalcap (CIDEr-D, ROUGE-L, METEOR, PTB tokenisation).
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nltk.translate.bleu_score import corpus_bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from rouge_score.rouge_scorer import RougeScorer

Tokens = Sequence[str]
_NEARLY_ALL = 0.9


@dataclass(frozen=True)
class Scores:
    corpus: dict[str, float]
    """By the metric's name: B-1 … B-4, R-1, R-2, R-L, CIDEr and, where Java is found, METEOR."""
    by_image: dict[str, tuple[float, ...]]
    """Of each photograph, for the metrics whose corpus figure is the mean over photographs."""


def score(
    hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]], *, rouge: bool = True, meteor: bool = False
) -> Scores:
    """One hypothesis and any number of references a photograph, all tokenised alike.

    BLEU has clipped counts, the closest reference length and no smoothing (nltk counts one n-gram for a hypothesis
    that is too short to have any, so it is never above the COCO evaluation's); ROUGE-1 and 2 are F-measures against
    the best reference; ROUGE-L is pycocoevalcap's (beta 1.2). `rouge=False` leaves out what takes long.
    """
    corpus = {f"B-{n}": value for n, value in enumerate(_bleu(hypotheses, references), start=1)}
    given, truth = _boxed(hypotheses, references)
    by_image = _rouge(given, truth) if rouge else {}
    by_image["CIDEr"] = ciders(hypotheses, references)
    corpus |= {name: sum(values) / len(values) for name, values in by_image.items()}
    if meteor:
        corpus["METEOR"] = float(Meteor().compute_score(truth, given)[0])
    return Scores(corpus, by_image)


def ciders(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> tuple[float, ...]:
    """CIDEr-D of each photograph; document frequencies are those of the references."""
    given, truth = _boxed(hypotheses, references)
    return tuple(map(float, Cider().compute_score(truth, given)[1]))


def _boxed(
    hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]
) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """As pycocoevalcap takes them."""
    truth = {i: [" ".join(reference) for reference in texts] for i, texts in enumerate(references)}
    return {i: [" ".join(hypothesis)] for i, hypothesis in enumerate(hypotheses)}, truth


def _bleu(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> list[float]:
    """BLEU-1 to 4."""
    weights = [tuple(1 / n for _ in range(n)) for n in range(1, 5)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "evaluates to 0": that is the answer without smoothing
        bleu = corpus_bleu([list(map(list, r)) for r in references], list(map(list, hypotheses)), weights)
    return list(map(float, bleu))


def corpus_bleu_4(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """See `score`."""
    return _bleu(hypotheses, references)[3]


def human_scores(references: Sequence[Sequence[Tokens]]) -> dict[str, Any]:
    """What people reach against each other: every reference scored against the others of its photograph, the mean
    over the positions that all photographs have. A photograph with a single reference is left out; where more than
    a tenth are, nothing is said of the split: the answer is empty. `others` is how many the others are at least.
    """
    several = [own for own in references if len(own) > 1]
    if len(several) < _NEARLY_ALL * len(references):
        return {}
    positions = min(map(len, several))
    found = [
        score([own[i] for own in several], [[*own[:i], *own[i + 1 :]] for own in several]).corpus
        for i in range(positions)
    ]
    return {
        "photographs": len(several),
        "others": positions - 1,
        "scores": {n: sum(each[n] for each in found) / positions for n in found[0]},
    }


class _Spaces:
    """The captions are tokenised already; rouge-score would do it again by its own rules."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


def _rouge(given: dict[int, list[str]], truth: dict[int, list[str]]) -> dict[str, tuple[float, ...]]:
    scorer = RougeScorer(["rouge1", "rouge2"], tokenizer=_Spaces())
    found = [scorer.score_multi(truth[i], text[0]) for i, text in given.items()]
    _, longest = Rouge().compute_score(truth, given)
    return {
        "R-1": tuple(scores["rouge1"].fmeasure for scores in found),
        "R-2": tuple(scores["rouge2"].fmeasure for scores in found),
        "R-L": tuple(map(float, longest)),
    }


def java_found() -> bool:
    """METEOR and the PTB tokeniser are Java programs that pycocoevalcap carries."""
    return shutil.which("java") is not None


def ptb_tokenise(captions: Sequence[Sequence[str]]) -> list[list[list[str]]]:
    """Each photograph's captions by the Penn Treebank tokeniser of the COCO evaluation. Needs Java."""
    boxed = {i: [{"caption": text} for text in texts] for i, texts in enumerate(captions)}
    tokenised = PTBTokenizer().tokenize(boxed)
    return [[text.split() for text in tokenised[i]] for i in boxed]
