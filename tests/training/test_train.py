"""What a training run writes, and that it can be used: on a small drawn dataset and a ResNet-50 of random weights."""

import json
import re

from model.cnn_lstm.checkpoint import Checkpoint
from model.registry import load_captioner
from model.settings import ModelSettings
from tests.pictures import drawn
from tests.training.processes import run


def test_results_are_where_it_says(folder, uninterrupted):
    output = folder / "whole"
    assert str(output / "best_model.pth") in uninterrupted.stdout
    history = json.loads((output / "record.json").read_text())["history"]
    assert [record["epoch"] for record in history] == [1, 2, 3, 4, 5, 6, 7]
    stages = ["frozen"] * 3 + ["fine_tune"] * 2 + ["self_critical", "joint"]
    assert [record["stage"] for record in history] == stages
    assert [record["encoder_stages"] for record in history] == [0, 0, 0, 1, 1, 0, 1]
    assert [record["epoch"] for record in history if "dev_with_start" in record] == [3, 7]
    assert history[2]["loss"] < history[0]["loss"] and history[5]["reward"] > 0
    assert all(record["images_per_second"] > 0 and "CIDEr" in record["dev"] for record in history)
    assert list((output / "tensorboard").glob("events.*"))


def test_the_progress_bar_tells_loss_and_speed(uninterrupted):
    assert re.search(r"epoch 2: 100%.*(image/s|s/image), loss=\d", uninterrupted.stderr)
    assert re.search(r"epoch 2: .*, left=0:\d\d:\d\d \+ fine_tune \+ self_critical \+ joint\]", uninterrupted.stderr)
    assert re.search(
        r"epoch 4: .*, \d+\.\d images/s, dev .*; 0:\d\d:\d\d \+ self_critical \+ joint left", uninterrupted.stdout
    )


def test_the_best_epoch_is_kept_and_can_be_used(folder, uninterrupted):
    output = folder / "whole"
    history = json.loads((output / "record.json").read_text())["history"]
    checkpoint = Checkpoint.load(output / "best_model.pth")
    scores = [record[name]["CIDEr"] for record in history for name in ("dev", "dev_with_start") if name in record]
    assert checkpoint.scores["CIDEr"] == max(scores)
    assert checkpoint.training["photographs"] == 48
    captioner = load_captioner(ModelSettings(checkpoint=output / "best_model.pth", vocabulary=output / "vocab.pkl"))
    assert captioner.caption([drawn()])[0][0].text


def test_the_finished_model_knows_what_its_photographs_look_like(folder, uninterrupted):
    detector = Checkpoint.load(folder / "whole" / "best_model.pth").heads.detector
    assert detector.mean.shape == (2048,) and detector.threshold > 0


def test_a_checkpoint_tells_no_paths_of_this_machine(folder, uninterrupted):
    training = Checkpoint.load(folder / "whole" / "best_model.pth").training
    assert str(folder) not in json.dumps(training)
    assert training["settings"]["encoder_weights"].startswith("resnet50.pth (sha256 ")


def test_early_stop(folder, uninterrupted):
    only = {"fine_tune__epochs": 0, "self_critical__epochs": 0, "joint__epochs": 0}
    done = run(folder, "patience", frozen__epochs=30, patience=1, **only)
    assert done.returncode == 0, done.stderr
    history = json.loads((folder / "patience" / "record.json").read_text())["history"]
    scores = [record["dev"]["CIDEr"] for record in history]
    assert len(scores) < 30 and scores[-1] <= max(scores[:-1])
