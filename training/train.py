"""Trains the captioner: python -m training.train --data DIR

First the decoder on features of the frozen encoder, then both with the encoder's last stages fine-tuned, then the
decoder by self-critical training, alone and with the encoder. The epoch with the best CIDEr on the dev split is kept.
--config FILE reads settings from a YAML file (configs/); those on the command line go before. Results go to --output:

    best_model.pth, vocab.pkl   what `app.py` and `python -m model` load
    record.json                 the settings, and one record an epoch; also as TensorBoard log in tensorboard/
    last.pth                    the state after the last finished epoch: the same command goes on from it

torchrun --nproc-per-node N -m training.train … shares the work between N processes (training/running/distributed.py).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

import tyro

from training.cnn_lstm.language import LanguageTrainer
from training.cnn_lstm.trainer import CnnLstmTrainer
from training.config import Config, with_file
from training.running.distributed import workers_of_torchrun
from training.trainer import run_training


def main(arguments: Sequence[str] | None = None) -> int:
    def start() -> CnnLstmTrainer:
        words = with_file(sys.argv[1:] if arguments is None else arguments)
        config = tyro.cli(Config, args=words, description=__doc__)
        trainer = LanguageTrainer if config.encoder else CnnLstmTrainer
        return trainer(config, processes.enter_context(workers_of_torchrun()))

    with ExitStack() as processes:
        return run_training(start, not_begun="interrupted before anything was learnt")


if __name__ == "__main__":
    sys.exit(main())
