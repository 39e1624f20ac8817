"""What training refuses is said in a line."""

import subprocess

import pytest

from tests.conftest import ROOT
from tests.training.drawn_dataset import write
from tests.training.processes import command, run


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
    assert done.returncode == 2 and "did you mean frozen.epochs?" in done.stderr and "Traceback" not in done.stderr


def test_damaged_photographs_stop_the_run(folder, tmp_path):
    write(tmp_path / "data", "release", 72)
    for name in ("0002.jpg", "0003.jpg"):
        (tmp_path / "data" / "Flicker8k_Dataset" / name).write_bytes(b"damaged")
    done = run(folder, "damaged", data=tmp_path / "data")
    assert done.returncode == 1 and "2 of the dataset's 72 photographs are missing or damaged" in done.stderr
