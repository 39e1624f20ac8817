"""The whole recipe on two drawn folders: distillation, cross-entropy, mixed self-critical training, in pieces."""

import json
import signal
import subprocess

import pytest
import torch

from model.cnn_lstm.checkpoint import Checkpoint
from tests.conftest import ROOT
from tests.training.data.test_mixture import inverted
from tests.training.processes import command, run, start, wait_for_the_middle_of_epoch, write_folder

OPTIONS = {
    "distil__epochs": 2,
    "distil__objective": "distillation",
    "frozen__epochs": 0,
    "fine_tune__epochs": 2,
    "self_critical__epochs": 2,
    "self_critical__encoder_stages": 1,
    "self_critical__reward_references": 3,
    "self_critical__cross_entropy_weight": 0.15,
    "joint__epochs": 0,
    "image_size": 64,
    "augmentations": "random",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("recipe"), 36)
    file = inverted(folder / "more", 36) / "dataset_flickr8k.json"
    content = json.loads(file.read_text())
    for image in content["images"][::2]:
        del image["sentences"][1:]  # too few to be rewarded
    file.write_text(json.dumps(content))
    return folder


def both(folder, output, **options):
    words = command(folder, output, **OPTIONS | options)
    return [*words, "--data", str(folder / "more")]


def finished(words):
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def whole(folder):
    done = finished(both(folder, "whole"))
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "whole" / "record.json").read_text())


def test_every_stage_scores_both_folders(folder, whole):
    history = whole["history"]
    assert [epoch["stage"] for epoch in history] == ["distil"] * 2 + ["fine_tune"] * 2 + ["self_critical"] * 2
    assert all(set(epoch["dev_by_dataset"]) == {"data", "more"} for epoch in history)
    assert history[1]["dev"]["distance"] < history[0]["dev"]["distance"] < 2
    for epoch in history[2:]:
        own = [scores["CIDEr"] for scores in epoch["dev_by_dataset"].values()]
        assert epoch["dev"]["CIDEr"] == pytest.approx(sum(own) / 2)
    assert "reward" in history[-1] and "loss" in history[2]


def test_a_stage_ends_with_a_checkpoint_from_which_another_machine_goes_on(folder, whole):
    piece = folder / "whole" / "stage-distil.pth"
    assert Checkpoint.load(piece).preprocessing.image_size == 64
    assert piece.stat().st_size < (folder / "whole" / "best_model.pth").stat().st_size
    words = both(folder, "piece", init=piece, start="fine_tune")
    encoder = words.index("--encoder-weights")
    del words[encoder : encoder + 4]  # the piece brings its own
    (folder / "whole" / "vocab.pkl").rename(folder / "vocab.pkl")
    words += ["--init-vocabulary", str(folder / "vocab.pkl")]
    done = finished(words)
    assert done.returncode == 0, done.stderr
    history = json.loads((folder / "piece" / "record.json").read_text())["history"]
    assert [epoch["stage"] for epoch in history] == ["fine_tune"] * 2 + ["self_critical"] * 2


@pytest.mark.parametrize("epoch", [2, 6])
def test_killed_it_goes_on_to_the_same_weights(folder, whole, epoch):
    output = f"killed{epoch}"
    process = start(both(folder, output))
    wait_for_the_middle_of_epoch(process, epoch)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    again = finished(both(folder, output))
    assert again.returncode == 0 and f"going on after epoch {epoch - 1}" in again.stdout, again.stderr
    expected, found = (Checkpoint.load(folder / name / "best_model.pth") for name in ("whole", output))
    for part in ("encoder", "decoder"):
        ours, theirs = getattr(expected, part), getattr(found, part)
        assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_a_start_that_there_is_not(folder):
    done = run(folder, "none", start="nowhere")
    assert done.returncode == 2 and "there is no stage nowhere to start at" in done.stderr
