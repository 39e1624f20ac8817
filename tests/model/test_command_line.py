import json
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


def test_as_a_user_calls_it(cat):
    done = subprocess.run(
        [sys.executable, "-m", "model", str(cat)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    path, _, caption = done.stdout.strip().partition(": ")
    assert path == str(cat) and len(caption.split()) > 3


def test_json_is_what_the_api_returns(cat, capsys):
    assert main([str(cat), "--json", "--attention", "--num-captions", "2", *MODEL]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["path"] == str(cat)
    assert answer["caption"] == answer["captions"][0]["text"] and len(answer["captions"]) == 2
    assert answer["image"].startswith("data:image/jpeg;base64,")
    assert len(answer["captions"][0]["words"][0]["attention"]) == 7
    assert set(answer["timing_ms"]) == {"decode", "encoder", "decoder", "image", "total"}


def test_a_damaged_photograph_does_not_stop_the_others(cat, tmp_path, capsys):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(cat.read_bytes()[:500])
    assert main([str(bad), str(tmp_path / "missing.jpg"), str(cat), *MODEL]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{cat}: ") and printed.out.count("\n") == 1
    assert "truncated or corrupt" in printed.err and "missing.jpg" in printed.err


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


def test_vocabulary_of_another_model(cat, tmp_path, capsys):
    from model.vocabulary import Vocabulary

    Vocabulary.build(["a dog"], 1).save(tmp_path / "vocab.pkl")
    assert main([str(cat), *MODEL, "--vocabulary", str(tmp_path / "vocab.pkl")]) == 2
    assert "do not belong together" in capsys.readouterr().err
