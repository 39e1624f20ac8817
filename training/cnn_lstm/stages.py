"""What a stage of the training learns by: its objective, the parameters that it changes, and their rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from model.cnn_lstm.captioner import Network
from model.cnn_lstm.encoder import Preprocessing
from training.batches import TrainingData
from training.config import Config, Stage
from training.objectives.captions import CrossEntropy, SelfCritical
from training.objectives.distillation import TEACHERS, Distillation
from training.objectives.objective import Objective
from training.objectives.rewards import Reward


def objective_of(
    stage: Stage,
    config: Config,
    data: TrainingData,
    rewarded: Sequence[bool],
    preprocessing: Preprocessing,
    device: torch.device,
    state: Mapping[str, Any] | None = None,
) -> Objective:
    """`rewarded` tells of every row of the data whether captions of it may be; `state` is what is left of an
    interrupted stage, where its objective learns too.
    """
    if stage.objective == "cross-entropy":
        return CrossEntropy(config.label_smoothing)
    if stage.objective == "distillation":
        distillation = Distillation(TEACHERS[config.teacher](device), preprocessing).to(device)
        if state:
            distillation.load_state_dict(state)
        return distillation
    references = [[text[1:] for text in texts] for texts in data.captions]
    bleu_weight = config.bleu_weight if stage.bleu_weight is None else stage.bleu_weight
    enough = [own and len(texts) >= stage.reward_references for own, texts in zip(rewarded, references, strict=True)]
    return SelfCritical(
        Reward(references, bleu_weight, device),
        rewarded=None if all(enough) else torch.tensor(enough),
        cross_entropy_weight=stage.cross_entropy_weight,
    )


def optimizer_of(stage: Stage, network: Network, objective: Objective) -> torch.optim.Optimizer:
    """Of the decoder, or what a distillation learns beside the encoder, and of the encoder's parameters that are not
    frozen. `initial_lr` is each group's rate at the start.
    """
    learning: nn.Module = objective if isinstance(objective, Distillation) else network.decoder
    groups = [{"params": list(learning.parameters()), "lr": stage.learning_rate}]
    if stage.encoder_stages:
        tuned = [p for p in network.encoder.parameters() if p.requires_grad]
        groups.append({"params": tuned, "lr": stage.encoder_learning_rate})
    return torch.optim.AdamW(
        [group | {"initial_lr": group["lr"]} for group in groups], weight_decay=stage.weight_decay, fused=True
    )


def learning_rate_at(stage: Stage, finished: int, steps: int) -> Callable[[float], float]:
    """The factor of every rate, by the share that is over of the epoch after `finished` others, of `steps` each: half a
    cosine from 1 to 0 over the stage, after a rise over its first steps.
    """

    def factor(share: float) -> float:
        rise = min(1.0, ((finished + share) * steps + 1) / stage.warmup_steps) if stage.warmup_steps else 1.0
        return rise * (0.5 + 0.5 * math.cos(math.pi * (finished + share) / stage.epochs))

    return factor
