"""The inner loops: one epoch of training, and captions for a split. No argument parsing, no files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from tqdm import tqdm

from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.encoder import STAGES
from model.cnn_lstm.vocabulary import Vocabulary
from training.batches import Batch, TrainingData
from training.data.features import Features
from training.data.records import Record
from training.evaluation.metrics import Scores, score
from training.objectives.objective import Objective, Outcome
from training.running.distributed import Workers
from training.running.failures import LossNotFinite

_DECODED_AT_ONCE = 100
_LOOKED_EVERY = 50  # steps: to look at a number on a GPU is to wait for all that it still has to do


def train_one_epoch(
    network: Network,
    data: TrainingData,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    *,
    encoder_stages: int,
    batch_size: int,
    gradient_norm: float,
    seed: int,
    learning_rate_at: Callable[[float], float],
    mixed_precision: bool,
    workers: Workers = Workers(),
    after_step: Callable[[], None] | None = None,
    description: str = "training",
    time_left: Callable[[float], str] | None = None,
) -> float:
    """All photographs once; gives the mean over them of the number that the objective shows.

    All randomness comes from `seed`, so an epoch repeated from the same weights ends with the same weights.
    `learning_rate_at` takes the share of the epoch that is over and gives a factor for every group's base rate;
    `time_left` takes it too, and gives what the progress bar says of the whole run. A GPU's loss is looked at now and
    then: so long one that is not finite may go unnoticed, but never to the epoch's end.
    Raises LossNotFinite.
    """
    device = next(network.parameters()).device
    torch.manual_seed(seed + (workers.rank << 32))
    network.train(objective.dropout)
    step = workers.parallel(_Step(network, objective, encoder_stages))
    images, seen = data.epoch_size, 0
    sums = _Sums(device, description)
    with tqdm(total=images, unit="image", desc=description, disable=not workers.first) as bar:
        for number, batch in enumerate(data.batches(batch_size, torch.Generator().manual_seed(seed), workers), 1):
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * learning_rate_at(min(1.0, seen / images))
            inputs = batch.inputs.to(device, memory_format=torch.channels_last, non_blocking=True)
            with torch.autocast(device.type, torch.bfloat16, mixed_precision):
                outcome = step(inputs, batch)
            seen += batch.of
            all_words = sums.add(outcome, batch.of, workers)
            if device.type == "cpu" or number % _LOOKED_EVERY == 0:
                shown = {objective.shown: f"{sums.mean(seen):.3f}"}
                if time_left:
                    shown["left"] = time_left(seen / images)
                bar.set_postfix(shown, refresh=False)
            optimizer.zero_grad(set_to_none=True)
            # The mean over the workers, which the gradients become, is to be the mean over all words.
            (outcome.loss * (workers.count * outcome.words / all_words)).backward()
            nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], gradient_norm)
            optimizer.step()
            if after_step:
                after_step()
            bar.update(batch.of)
        mean = sums.mean(seen)
        bar.set_postfix({objective.shown: f"{mean:.3f}"})
    return mean


class _Sums:
    """Of an epoch so far, on the device: added to at every step, looked at when there is time to wait for it."""

    def __init__(self, device: torch.device, description: str) -> None:
        self._description = description
        self._shown, self._shown_for, self._losses = torch.zeros(3, dtype=torch.float64, device=device).unbind()

    def add(self, outcome: Outcome, photographs: int, workers: Workers) -> Tensor:
        """Of a batch of so many; gives the words that all workers have of it."""
        loss, words, shown, over = outcome
        parts = torch.stack([part.detach().double() for part in (words, loss, shown * over, over)])
        all_words, all_loss, all_shown, all_over = workers.total(parts).unbind()
        self._losses += all_loss
        counts = (all_over > 0) * photographs  # none of a batch may be rewarded
        self._shown += all_shown / all_over.clamp(min=1) * counts
        self._shown_for += counts
        return all_words

    def mean(self, seen: int) -> float:
        """Over the photographs, of what the objective shows. Raises LossNotFinite where a loss was not, up to here."""
        losses, shown, shown_for = torch.stack([self._losses, self._shown, self._shown_for]).tolist()
        if not math.isfinite(losses):
            raise LossNotFinite(f"the loss is {losses} after {seen} photographs of {self._description}")
        return float(shown / max(1, shown_for))


class _Step(nn.Module):
    """From a batch to its loss, as one module: workers share what goes through its `forward`."""

    def __init__(self, network: Network, objective: Objective, encoder_stages: int) -> None:
        super().__init__()
        self.network, self.objective = network, objective
        self.first_stage = len(STAGES) - encoder_stages

    def forward(self, inputs: Tensor, batch: Batch) -> Outcome:
        features = self.network.encoder(inputs, first_stage=self.first_stage)
        return self.objective(self.network, features, batch)


def hypotheses(
    network: Network,
    features: Features,
    vocabulary: Vocabulary,
    options: DecodingOptions,
    *,
    encoder_stages: int = 0,
    mixed_precision: bool = False,
) -> list[list[str]]:
    """The best caption, as words, of every photograph that could be read. `features` are what the encoder's stages
    before its last `encoder_stages` gave.
    """
    device = next(network.parameters()).device
    network.eval()
    usable = [row for row, name in enumerate(features.names) if name not in features.refused]
    found: list[list[str]] = []
    for start in range(0, len(usable), _DECODED_AT_ONCE):
        inputs = features.rows(usable[start : start + _DECODED_AT_ONCE]).to(device)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, mixed_precision):
            grid = network.encoder(inputs, first_stage=len(STAGES) - encoder_stages)
        found += [vocabulary.decode(ranked[0].tokens) for ranked in network.decode(grid.float(), options)]
    return found


def evaluate(
    network: Network,
    features: Features,
    records: Sequence[Record],
    vocabulary: Vocabulary,
    options: DecodingOptions,
    *,
    encoder_stages: int,
    mixed_precision: bool,
) -> Scores:
    """Captions of every photograph that could be read, scored against its references."""
    captions = hypotheses(
        network, features, vocabulary, options, encoder_stages=encoder_stages, mixed_precision=mixed_precision
    )
    usable = [record for record in records if record.name not in features.refused]
    return score(
        captions, [[vocabulary.language.tokenise(text) for text in record.captions] for record in usable], rouge=False
    )
