"""Learns all that stands on top of a finished network (model/cnn_lstm/heads.py) from the photographs it was trained on:
the out-of-distribution detector, the n-gram head, the ranking of a beam's sentences, the calibration of tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from model.cnn_lstm.captioner import Network
from model.cnn_lstm.encoder import STAGES, Encoder, Preprocessing
from model.cnn_lstm.heads import Heads, weights_digest
from model.cnn_lstm.ngrams import NgramHead, pool
from model.cnn_lstm.out_of_distribution import OutOfDistributionDetector, summarise
from model.cnn_lstm.vocabulary import Vocabulary
from model.languages import ENGLISH, Language
from model.ranking import Ngrams, Ranking
from model.second_look import SecondLook
from training.data.features import Features, SelectedFeatures, compute_features
from training.data.mixture import Dataset, of_all_languages
from training.data.records import Record, Split, in_split, spread
from training.evaluation.metrics import score
from training.evaluation.tags import fit_calibrations, fold_by_fold, tag_scores
from training.objectives.confidence import best_sentences, fit_confidence, fit_words
from training.objectives.judged import Judged, Seen
from training.objectives.ngrams import NgramConfig, choose_ngrams, learn_head, shares
from training.objectives.ranking import fit_ranking

LEAST_TRAIN, LEAST_DEV = 1000, 100
"""Seen with which an n-gram head and a ranking can be learnt: of fewer, they only know these by heart."""
_FOLDS = 5
_AT_ONCE = 50


@torch.inference_mode()
def look_at(
    records: Sequence[Record],
    features: Features,
    encoder: Encoder,
    first_stage: int,
    device: Any,
    *,
    keep_grid: bool,
    language: Language = ENGLISH,
) -> Seen:
    """From what the encoder's stages before `first_stage` gave."""
    encoder.eval()
    usable = [row for row, name in enumerate(features.names) if name not in features.refused]
    summaries, pooled, grids = [], [], []
    for start in tqdm(range(0, len(usable), _AT_ONCE), unit="batch", desc="looking at photographs"):
        grid = encoder(features.rows(usable[start : start + _AT_ONCE]).to(device), first_stage)
        summaries.append(summarise(grid).cpu())
        pooled.append(pool(grid).cpu())
        grids += [grid.half().cpu()] if keep_grid else []
    captions = [[language.tokenise(text) for text in records[row].captions] for row in usable]
    return Seen(captions, torch.cat(summaries), torch.cat(pooled), torch.cat(grids) if grids else None)


def see(
    dataset: Dataset,
    split: Split,
    encoder: Encoder,
    preprocessing: Preprocessing,
    cache: Path,
    *,
    photographs: int = 0,
    keep_grid: bool = True,
    language: Language = ENGLISH,
    shared_by: Sequence[Path] = (),
) -> Seen:
    """The photographs of a split, at most so many of them, evenly spaced (0: all); what the encoder's stages give is
    kept in the cache, where folders are given once for all languages in them. Raises TooManyRefused, OSError.
    """
    records = spread(in_split(dataset.records, split), photographs)
    size = len(dataset.records)
    kept = of_all_languages(records, shared_by) if shared_by else records
    features: Features = compute_features(kept, encoder, preprocessing, cache, dataset_size=size, mixed_precision=False)
    if shared_by:
        features = SelectedFeatures(features, [record.name for record in records])
    return look_at(records, features, encoder, len(STAGES), "cpu", keep_grid=keep_grid, language=language)


def learn_heads(
    network: Network,
    vocabulary: Vocabulary,
    train: Sequence[Seen],
    dev: Mapping[str, Seen],
    config: NgramConfig = NgramConfig(),
) -> tuple[Heads, dict[str, Any]]:
    """And what they are worth on the dev splits, by dataset: plain data. Of too few photographs the detector alone."""
    detector = OutOfDistributionDetector.fit(
        torch.cat([own.summaries for own in train]), torch.cat([own.summaries for own in dev.values()])
    )
    digest = weights_digest(network.encoder.state_dict(), network.decoder.state_dict())
    captions = [texts for own in train for texts in own.captions]
    held_out = sum(len(own.captions) for own in dev.values())
    if len(captions) < LEAST_TRAIN or held_out < LEAST_DEV:
        return Heads(detector, weights=digest), {}
    ngrams = choose_ngrams(captions, config, vocabulary.language)
    weights = torch.tensor([config.single_weight if len(texts) == 1 else 1.0 for texts in captions])
    head = learn_head(torch.cat([own.pooled for own in train]), shares(captions, ngrams), weights, config)
    head = NgramHead.from_state(head.state())  # as it is stored
    judged = {name: Judged.of(own, head, ngrams, network, vocabulary) for name, own in dev.items()}
    ranking, calibrations = _fit([*judged.values()]), _calibrate([*judged.values()], ngrams)
    best = [best_sentences(own, ngrams, ranking, calibrations) for own in judged.values()]
    second_look = SecondLook(ngrams, ranking, calibrations, fit_words(best), fit_confidence(best, ngrams))
    report = {
        "ngrams": {n: int((ngrams.orders == n).sum()) for n in (1, 2, 3)},
        "tags": {kind: ngrams.kinds.count(kind) for kind in dict.fromkeys(ngrams.kinds)},
        "ranking": ranking_scores(judged),
        "tag_scores": {name: _tag_scores(own, ngrams) for name, own in judged.items()},
    }
    return Heads(detector, head, second_look, digest), report


def describe_heads(report: Mapping[str, Any]) -> str:
    """What `learn_heads` reported, in a line for each dataset."""
    if not report:
        return (
            f"learnt on top: which photographs are like those of training; a second look takes {LEAST_TRAIN} of them "
            f"and {LEAST_DEV} of dev (python -m training.heads, with more --data)"
        )
    return "\n".join(
        f"a second look at {name} dev: CIDEr {own['first']['CIDEr']:.3f}, ranked {own['ranked']['CIDEr']:.3f} "
        f"(by five folds), the best of each beam {own['best']['CIDEr']:.3f}"
        for name, own in report["ranking"].items()
    )


def _fit(judged: Sequence[Judged], rows: Sequence[np.ndarray[Any, Any]] | None = None) -> Ranking:
    rows = rows or [np.arange(len(own.features)) for own in judged]
    features = [own.features[row] for own, these in zip(judged, rows, strict=True) for row in these]
    return fit_ranking(features, [own.ciders[row] for own, these in zip(judged, rows, strict=True) for row in these])


def _calibrate(judged: Sequence[Judged], ngrams: Ngrams) -> dict[str, Any]:
    raw, named = (np.concatenate([getattr(own, part) for own in judged]) for part in ("raw", "named"))
    return fit_calibrations(raw, named, ngrams.kinds)


def ranking_scores(judged: Mapping[str, Judged]) -> dict[str, Any]:
    """Of the beam's first, of the one that is ranked first by weights that four of five folds gave, of the best."""
    folds = {name: np.arange(len(own.features)) % _FOLDS for name, own in judged.items()}
    chosen: dict[str, list[int]] = {name: [0] * len(own.features) for name, own in judged.items()}
    for fold in range(_FOLDS):
        ranking = _fit([*judged.values()], [np.flatnonzero(of != fold) for of in folds.values()])
        for name, own in judged.items():
            for row in np.flatnonzero(folds[name] == fold):
                chosen[name][row] = int(ranking.scores(own.features[row]).argmax())
    return {
        name: {
            "first": _scores_of(own, [0] * len(own.features)),
            "ranked": _scores_of(own, chosen[name]),
            "best": _scores_of(own, [int(np.argmax(values)) for values in own.ciders]),
        }
        for name, own in judged.items()
    }


def _scores_of(own: Judged, chosen: Sequence[int]) -> dict[str, float]:
    texts = [sentences[number] for sentences, number in zip(own.sentences, chosen, strict=True)]
    found = score(texts, own.captions, rouge=False).corpus
    return {name: found[name] for name in ("CIDEr", "B-4")} | {"words": len({word for text in texts for word in text})}


def _tag_scores(own: Judged, ngrams: Ngrams) -> dict[str, Any]:
    before = tag_scores(own.raw, own.named, ngrams.kinds)
    after = tag_scores(fold_by_fold(own.raw, own.named, ngrams.kinds), own.named, ngrams.kinds)
    return after | {"ece_before": before["ece"]}
