"""A run that was killed, interrupted or out of room goes on; one that is another or finished does not."""

import json
import signal

import pytest
import torch

from model.registry import load_captioner
from model.settings import ModelSettings
from tests.conftest import no_file_larger_than
from tests.pictures import drawn
from tests.training.drawn_dataset import write
from tests.training.processes import command, run, start, wait_for_the_middle_of_epoch


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
    timed = ("seconds", "images_per_second", "evaluation_seconds")
    return [{k: v for k, v in record.items() if k not in timed} for record in history]


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
