"""python -m model, with the shipped checkpoint, as it is called."""

import re
import subprocess
import sys

import pytest

from model.__main__ import main
from tests.conftest import ROOT
from tests.pictures import encoded, photograph

MODEL = ["--checkpoint", str(ROOT / "best_model.pth"), "--vocabulary", str(ROOT / "vocab.pkl"), "--device", "cpu"]


@pytest.fixture
def cat(tmp_path):
    path = tmp_path / "cat.jpg"
    path.write_bytes(encoded(photograph("chelsea"), "JPEG"))
    return path


def test_as_a_person_calls_it(cat):
    command = [sys.executable, "-m", "model", str(cat)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    path, _, caption = done.stdout.strip().partition(": ")
    assert (done.returncode, done.stderr) == (0, "")
    assert path == str(cat) and len(caption.split()) > 3


def test_a_damaged_photograph_does_not_stop_the_others(cat, tmp_path, capsys):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(cat.read_bytes()[:500])
    assert (
        main([str(bad), str(tmp_path / "missing.jpg"), str(cat), "--num-captions", "2", "--style", "alt", *MODEL]) == 1
    )
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert len(lines) == 2 and all(re.match(rf"{cat}: [A-Z].*\.  \(\d+% a word\)", line) for line in lines)
    assert "truncated or corrupt" in printed.err and "missing.jpg: The file cannot be read" in printed.err


def test_a_photograph_that_is_cut_off_says_so(cat, capsys):
    cat.write_bytes(cat.read_bytes()[:-200])
    assert main([str(cat), *MODEL]) == 0
    assert "(the file is cut off: its end is missing)" in capsys.readouterr().out


def test_a_folder_is_no_photograph(tmp_path, capsys):
    assert main([str(tmp_path), *MODEL]) == 2
    assert "The file cannot be read: Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["caption", "search"])
def test_what_has_moved_is_answered_with_the_new_command(command, capsys):
    assert main([command, "photos", "--x"]) == 2
    assert f"is now: python -m collection {command} photos --x" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--beam-size", "99"], "between 1 and 10"),
        (["--device", "tpu"], "there is no device 'tpu'"),
        (["--checkpoint", "nowhere.pth"], "nowhere.pth"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(cat, capsys, arguments, words):
    assert main([str(cat), *MODEL, *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("argument", "nearest"),
    [("--beamsize=5", "--beam-size"), ("--beam=5", "--beam-size"), ("--num_captions=2", "--num-captions")],
)
def test_an_unknown_option_is_refused_with_the_nearest(capsys, argument, nearest):
    with pytest.raises(SystemExit) as ended:
        main(["photo.jpg", argument])
    assert ended.value.code == 2 and f"did you mean {nearest}?" in capsys.readouterr().err


def test_vocabulary_of_another_model(cat, tmp_path, capsys):
    from model.cnn_lstm.vocabulary import Vocabulary

    Vocabulary.build(["a dog"], 1).save(tmp_path / "vocab.pkl")
    assert main([str(cat), *MODEL, "--vocabulary", str(tmp_path / "vocab.pkl")]) == 2
    assert "do not belong together" in capsys.readouterr().err
