"""Training that goes on from a checkpoint."""

import subprocess

import torch
from PIL import Image

from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.vocabulary import Vocabulary
from tests.conftest import ROOT
from tests.training.data.test_mixture import inverted
from tests.training.drawn_dataset import write
from tests.training.processes import command


def half_covered(folder, count):
    """Photographs that look like none that are rehearsed."""
    for file in (write(folder, "release", count) / "Flicker8k_Dataset").iterdir():
        image = Image.open(file)
        image.paste("magenta", (0, 0, 32, 64))
        image.save(file)
    return folder


def test_it_goes_on_from_a_checkpoint(folder, uninterrupted):
    """With a learning rate of zero nothing changes, so the weights and the scores are those that it began with."""
    init = folder / "whole" / "best_model.pth"
    arguments = command(folder, "init", init=init, joint__epochs=0, fine_tune__epochs=0, self_critical__epochs=0)
    for name in ("--encoder-weights", "--encoder-stride"):
        at = arguments.index(name)
        del arguments[at : at + 2]
    arguments += ["--frozen.epochs", "1", "--frozen.learning-rate", "0"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before, after = Checkpoint.load(init), Checkpoint.load(folder / "init" / "best_model.pth")
    assert all(torch.equal(before.decoder[name], after.decoder[name]) for name in before.decoder)
    assert after.training["init"]["history"] == before.training["history"]
    assert after.training["settings"]["init"].startswith("best_model.pth (sha256 ")


def test_it_goes_on_from_a_checkpoint_to_other_words_and_rehearses_two_folders(folder, uninterrupted, tmp_path):
    """With a learning rate of zero the old words' rows are what they were."""
    text = half_covered(tmp_path / "data", 12) / "Flickr8k_text" / "Flickr8k.token.txt"
    text.write_text(text.read_text().replace("circle", "pentagon"))
    init = folder / "whole" / "best_model.pth"
    arguments = command(folder, "other", data=tmp_path / "data", rehearse=folder / "data", init=init, joint__epochs=0)
    arguments += ["--rehearse", str(inverted(tmp_path / "more", 12))]
    for name in ("--encoder-weights", "--encoder-stride"):
        at = arguments.index(name)
        del arguments[at : at + 2]
    arguments += ["--frozen.epochs", "1", "--frozen.learning-rate", "0"]
    arguments += ["--fine-tune.epochs", "0", "--self-critical.epochs", "0"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    old, new = (Vocabulary.load(folder / output / "vocab.pkl") for output in ("whole", "other"))
    assert new.words == (*old.words, "pentagon")
    before, after = Checkpoint.load(init), Checkpoint.load(folder / "other" / "best_model.pth")
    assert all(
        torch.equal(before.decoder[name], rows[: len(before.decoder[name])]) for name, rows in after.decoder.items()
    )
    assert after.training["photographs"] == 8 + 8  # its own, and as many others
    names = [dataset.split()[0] for dataset in after.training["settings"]["rehearse"].split(" + ")]
    assert names == ["data", "more"]
