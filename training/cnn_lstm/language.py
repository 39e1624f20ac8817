"""Trains a language pack: a decoder of another language over the encoder of a finished checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from model.cnn_lstm.captioner import Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.decoder import Decoder
from model.cnn_lstm.encoder import STAGES, Encoder
from model.cnn_lstm.heads import Heads
from model.cnn_lstm.language_pack import LanguagePack, encoder_digest
from model.cnn_lstm.vocabulary import Vocabulary
from model.languages import language_of
from training.cnn_lstm.trainer import CnnLstmTrainer
from training.config import Config
from training.data.augmentation import Augmentation
from training.data.features import Features, SelectedFeatures
from training.data.mixture import of_all_languages
from training.data.records import Record
from training.objectives.heads import describe_heads, learn_heads
from training.objectives.judged import Seen
from training.objectives.ngrams import NgramConfig
from training.running.results import Results

_HIDDEN = 256  # of the n-gram head: half of English's, for a pack is to be small
_OF_WORDS = ("embedding.weight", "output.weight", "output.bias")


class LanguageTrainer(CnnLstmTrainer):
    """As every training of a decoder; what the encoder gives is kept once for the languages of a folder."""

    init: Checkpoint

    def results_in(self, config: Config) -> Results:
        return Results(config.output, best=f"{config.language}.pth", writes=self.workers.first)

    def begin(self) -> tuple[Checkpoint, Vocabulary, Network]:
        config = self.config
        assert config.encoder
        checkpoint = Checkpoint.load(config.encoder)
        self.encoder_digest = encoder_digest(checkpoint.encoder)
        before = LanguagePack.load(config.init) if config.init else None
        vocabulary = Vocabulary.build(self.photographs.captions, config.min_count, language_of(config.language))
        network = Network(Encoder(checkpoint.stride), _begun(before or checkpoint, len(vocabulary)))
        network.encoder.load_state_dict(checkpoint.encoder)
        return checkpoint, vocabulary, network

    def save_words(self) -> None:
        """They are in the pack."""

    def _features(self, records: Sequence[Record], last: int, augmentation: Augmentation) -> Features:
        shared = of_all_languages(records, self.config.data)
        return SelectedFeatures(super()._features(shared, last, augmentation), [record.name for record in records])

    def _checkpoint(self, network: Network, dev_scores: dict[str, float]) -> LanguagePack:  # type: ignore[override]
        return LanguagePack(
            decoder=network.decoder.state_dict(),
            decoder_config=network.decoder.config,
            vocabulary=self.vocabulary,
            encoder_digest=self.encoder_digest,
            training=self.record(),
            scores=dev_scores,
        )

    def _write_piece(self, name: str) -> None:
        """A pack is trained at one go."""

    def _learn_heads(self) -> None:
        pack = LanguagePack.load(self.results.best_file)
        if pack.heads.weights:
            return
        encoder = self.network.encoder
        pack, report = with_heads(pack, encoder, *self._look(encoder, len(STAGES)))
        self.results.log(report)
        pack.save(self.results.best_file)

    def record(self) -> dict[str, Any]:
        return {name: value for name, value in super().record().items() if name != "init"}


def _begun(before: Checkpoint | LanguagePack, words: int) -> Decoder:
    """A decoder of so many words that begins as another language's: how it looks at pictures and makes sentences is
    much the same. Its words begin at random, as large as the other's.
    """
    weights: dict[str, Tensor] = dict(before.decoder)
    for name in _OF_WORDS:
        old = weights[name]
        weights[name] = old.mean(dim=0) + old.std(dim=0) * torch.randn(words, *old.shape[1:])
    decoder = Decoder(replace(before.decoder_config, vocabulary_size=words))
    decoder.load_state_dict(weights)
    return decoder


def with_heads(
    pack: LanguagePack, encoder: Encoder, train: Sequence[Seen], dev: Mapping[str, Seen]
) -> tuple[LanguagePack, str]:
    """The pack with a second look, where that finds better sentences in dev's beams than the likeliest, and a report.
    `dev` has its grids.
    """
    network = Network(encoder, pack.network().to(next(encoder.parameters()).device))
    heads, worth = learn_heads(network, pack.vocabulary, train, dev, NgramConfig(hidden=_HIDDEN))
    report, found = describe_heads(worth), [own["ranked"]["CIDEr"] for own in worth.get("ranking", {}).values()]
    if found and sum(found) / len(found) > pack.scores["CIDEr"]:
        return replace(pack, heads=replace(heads, detector=None)), report
    report += f"\nno better than without ({pack.scores.get('CIDEr', 0):.3f}): left out"
    return replace(pack, heads=Heads(weights=heads.weights)), report
