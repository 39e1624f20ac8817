"""The training command as a user runs it, on a small drawn dataset and a ResNet-50 of random weights."""

import json
import re
import shutil
import signal
import subprocess
import sys

import pytest
import torch

from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.vocabulary import Vocabulary
from model.registry import load_captioner
from model.settings import ModelSettings
from tests.conftest import ROOT, no_file_larger_than
from tests.pictures import drawn
from tests.training.drawn_dataset import write
from tests.training.processes import start, wait_for_the_middle_of_epoch, words, write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("training"), 72)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def few_states(folder):
    """A state has 270 MB: only that of the run that all tests compare with is left for the next."""
    yield
    for state in folder.glob("*/last.pth"):
        if state.parent.name != "whole":
            state.unlink()


def command(*arguments, **options):
    return [sys.executable, *words(*arguments, **options)]


def run(*arguments, **options):
    return subprocess.run(command(*arguments, **options), cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def uninterrupted(folder):
    done = run(folder, "whole")
    assert done.returncode == 0, done.stderr
    return done


def weights(folder, output):
    content = torch.load(folder / output / "last.pth", weights_only=True)
    return {
        f"{part}.{name}": tensor
        for part in ("network", "best_weights", "average")
        for name, tensor in (content[part] or {}).items()
    }


def course(folder, output):
    """The run's records without what depends on the clock."""
    history = json.loads((folder / output / "record.json").read_text())["history"]
    return [{k: v for k, v in record.items() if k not in ("seconds", "images_per_second")} for record in history]


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
    assert re.search(r"epoch 2: 100%.*image/s, loss=\d", uninterrupted.stderr)


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
    detector = Checkpoint.load(folder / "whole" / "best_model.pth").out_of_distribution
    assert detector.mean.shape == (2048,) and detector.threshold > 0


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


def test_it_goes_on_from_a_checkpoint_to_other_words_and_rehearses_the_old(folder, uninterrupted, tmp_path):
    """With a learning rate of zero the old words' rows are what they were."""
    text = write(tmp_path / "data", "release", 12) / "Flickr8k_text" / "Flickr8k.token.txt"
    text.write_text(text.read_text().replace("circle", "pentagon"))
    init = folder / "whole" / "best_model.pth"
    arguments = command(folder, "other", data=tmp_path / "data", rehearse=folder / "data", init=init, joint__epochs=0)
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
    assert after.training["photographs"] == 8 + 8  # its own, and as many of the old
    assert after.training["settings"]["rehearse"].startswith("data (sha256 ")


def test_a_checkpoint_tells_no_paths_of_this_machine(folder, uninterrupted):
    training = Checkpoint.load(folder / "whole" / "best_model.pth").training
    assert str(folder) not in json.dumps(training)
    assert training["settings"]["encoder_weights"].startswith("resnet50.pth (sha256 ")


@pytest.mark.parametrize("epoch", [2, 7])
def test_killed_in_mid_epoch_it_goes_on_to_the_same_weights(folder, uninterrupted, epoch):
    """Epoch 2 is in the first stage, epoch 7 self-critical with the encoder, after stages of every other kind.

    Losses and scores of the epochs after the kill are compared too: they show every step, also where the best
    weights, with which a stage ends, are from before it.
    """
    output = f"killed{epoch}"
    process = start(command(folder, output))
    wait_for_the_middle_of_epoch(process, epoch)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    assert len(json.loads((folder / output / "record.json").read_text())["history"]) == epoch - 1

    again = run(folder, output)
    assert again.returncode == 0, again.stderr
    assert f"going on after epoch {epoch - 1}" in again.stdout
    assert course(folder, output) == course(folder, "whole")
    expected, found = weights(folder, "whole"), weights(folder, output)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def test_ctrl_c_leaves_a_usable_checkpoint(folder, uninterrupted):
    process = start(command(folder, "interrupted"))
    wait_for_the_middle_of_epoch(process, 1)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 130 and "can be used, the same command goes on" in rest and "Traceback" not in rest
    output = folder / "interrupted"
    captioner = load_captioner(ModelSettings(checkpoint=output / "best_model.pth", vocabulary=output / "vocab.pkl"))
    assert captioner.caption([drawn()])[0][0].text


def test_a_full_disk_is_told_and_with_room_the_same_command_goes_on(folder, uninterrupted):
    """The best epoch's model is smaller than that, the state is not."""
    only = {"frozen__epochs": 1, "fine_tune__epochs": 0, "self_critical__epochs": 0, "joint__epochs": 0}
    with no_file_larger_than(60_000_000):
        done = run(folder, "full", **only)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert done.stderr.splitlines()[-1].endswith(f"'{folder / 'full' / 'last.pth'}'")
    assert not list((folder / "full").glob("*.tmp"))
    again = run(folder, "full", **only)
    assert again.returncode == 0, again.stderr
    assert len(course(folder, "full")) == 1 and (folder / "full" / "best_model.pth").is_file()


def test_a_finished_run_is_not_begun_again(folder, uninterrupted):
    before = weights(folder, "whole")
    again = run(folder, "whole")
    assert again.returncode == 0 and "epoch 8" not in again.stderr
    after = weights(folder, "whole")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_other_settings_do_not_go_on_from_a_run(folder, uninterrupted):
    vocabulary = (folder / "whole" / "vocab.pkl").read_bytes()
    done = run(folder, "whole", seed=2, min_count=9)
    assert done.returncode == 2
    assert "holds a run with other settings (min_count, seed): choose another --output" in done.stderr
    assert (folder / "whole" / "vocab.pkl").read_bytes() == vocabulary


def test_early_stop(folder, uninterrupted):
    only = {"fine_tune__epochs": 0, "self_critical__epochs": 0, "joint__epochs": 0}
    done = run(folder, "patience", frozen__epochs=30, patience=1, **only)
    assert done.returncode == 0, done.stderr
    history = json.loads((folder / "patience" / "record.json").read_text())["history"]
    scores = [record["dev"]["CIDEr"] for record in history]
    assert len(scores) < 30 and scores[-1] <= max(scores[:-1])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": "nowhere"}, "nowhere is not a folder"),
        ({"encoder_weights": "nowhere.pth"}, "nowhere.pth"),
        ({"config": "nowhere.yaml"}, "nowhere.yaml"),
        ({"config": "Makefile"}, "Makefile is not YAML"),
        ({"init": ROOT / "best_model.pth"}, "--init brings its own encoder"),
        ({"rehearse": "nowhere"}, "nowhere is not a folder"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder, options, words):
    done = run(folder, "wrong", **options)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_the_stride_is_never_guessed(folder):
    arguments = command(folder, "wrong")
    at = arguments.index("--encoder-stride")
    done = subprocess.run(
        [*arguments[:at], *arguments[at + 2 :]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "--encoder-stride" in done.stderr and "Traceback" not in done.stderr


def test_an_unknown_setting_in_a_file_is_named(folder, tmp_path):
    (tmp_path / "wrong.yaml").write_text("frozen: {epoch: 1}")
    done = run(folder, "wrong", config=tmp_path / "wrong.yaml")
    assert done.returncode == 2 and "--frozen.epoch" in done.stderr and "Traceback" not in done.stderr


def test_damaged_photographs_stop_the_run(folder, tmp_path):
    write(tmp_path / "data", "release", 72)
    for name in ("0002.jpg", "0003.jpg"):
        (tmp_path / "data" / "Flicker8k_Dataset" / name).write_bytes(b"damaged")
    done = run(folder, "damaged", data=tmp_path / "data")
    assert done.returncode == 1 and "2 of the dataset's 72 photographs are missing or damaged" in done.stderr


def test_other_data_do_not_go_on_from_a_run(folder, uninterrupted, tmp_path):
    write(tmp_path / "data", "release", 78)
    done = run(folder, "whole", data=tmp_path / "data")
    assert done.returncode == 2 and "other settings (data)" in done.stderr


def test_the_same_data_elsewhere_do(folder, uninterrupted, tmp_path):
    (tmp_path / "data").symlink_to(folder / "data")
    assert run(folder, "whole", data=tmp_path / "data").returncode == 0


def test_every_epoch_is_in_tensorboard_after_a_resume(folder, uninterrupted):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(folder, "whole")
    events = EventAccumulator(str(folder / "whole" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("dev/CIDEr")] == [1, 2, 3, 4, 5, 6, 7]
