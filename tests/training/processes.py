"""The training commands as processes: their words, and when to stop them."""

import os
import re
import subprocess
import sys

import torch
from torchvision.models import resnet50

from tests.conftest import ROOT
from tests.training.drawn_dataset import write


def write_folder(folder, photographs):
    """Data, encoder weights, and the features that all runs share."""
    write(folder / "data", "release", photographs)
    torch.manual_seed(0)
    torch.save(resnet50().state_dict(), folder / "resnet50.pth")
    return folder


def words(folder, output, **options):
    """Of training.train, with the tiny recipe."""
    settings = {
        "data": folder / "data",
        "output": folder / output,
        "cache": folder / "cache",
        "encoder-weights": folder / "resnet50.pth",
        "encoder-stride": "3x3",
        "config": ROOT / "configs" / "tiny.yaml",
        "image-size": 96,
    }
    return ["-m", "training.train", *flags(settings, **options)]


def flags(settings, **options):
    """Settings by their flags' names, and options, which go before them; `frozen__epochs` is --frozen.epochs."""
    options = {name.replace("__", ".").replace("_", "-"): value for name, value in options.items()}
    return [word for name, value in (settings | options).items() for word in (f"--{name}", str(value))]


def command(*arguments, **options):
    return [sys.executable, *words(*arguments, **options)]


def run(*arguments, **options):
    return subprocess.run(command(*arguments, **options), cwd=ROOT, capture_output=True, text=True, check=False)


def start(command, stdout=subprocess.DEVNULL):
    """Its progress bars show every step: by the clock alone a short epoch may show none."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"TQDM_MININTERVAL": "0"},
        stdout=stdout,
        stderr=subprocess.PIPE,
        bufsize=0,
    )


def wait_for_the_middle_of_epoch(process, number):
    """Reads the progress bar until it stands between 10 and 90 per cent of that epoch."""
    seen = b""
    while not re.search(rb"epoch %d: +[1-8]\d%%" % number, seen):
        block = process.stderr.read(64)
        assert block, seen.decode()
        seen = seen[-500:] + block
