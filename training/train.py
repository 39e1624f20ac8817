"""Trains the captioner: python -m training.train --data DIR

First the decoder on features of the frozen encoder, then both with the encoder's last stages fine-tuned, then the
decoder by self-critical training, alone and with the encoder. The epoch with the best CIDEr on the dev split is kept.
--config FILE reads settings from a YAML file (configs/); those on the command line go before. Results go to --output:

    best_model.pth, vocab.pkl   what `app.py` and `python -m model` load
    record.json                 the settings, and one record an epoch; also as TensorBoard log in tensorboard/
    last.pth                    the state after the last finished epoch: the same command goes on from it

torchrun --nproc-per-node N -m training.train … shares the work between N processes (training/distributed.py).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import tyro

from training.config import Config, with_file
from training.distributed import workers_of_torchrun
from training.failures import FAILURES, exit_status
from training.trainer import Run


def main(arguments: Sequence[str] | None = None) -> int:
    run = None
    try:
        config = tyro.cli(Config, args=with_file(sys.argv[1:] if arguments is None else arguments), description=__doc__)
        with workers_of_torchrun() as workers:
            run = Run(config, workers)
            run.run()
    except KeyboardInterrupt:
        if run is None:
            print("\ninterrupted before anything was learnt", file=sys.stderr)
            return 130
        if not run.best_file.is_file():
            run.save_checkpoint(run.network, {})
        print(f"\ninterrupted; {run.best_file} can be used, the same command goes on", file=sys.stderr)
        return 130
    except FAILURES as error:
        return exit_status(error, begun=run is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
