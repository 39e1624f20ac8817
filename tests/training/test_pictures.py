"""Pictures by commands: that they are drawn, and of what they were given."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.pictures import photograph
from tests.training.drawn_dataset import write
from training.pictures import main

MODEL = ["--checkpoint", str(ROOT / "best_model.pth"), "--vocabulary", str(ROOT / "vocab.pkl"), "--device", "cpu"]


def colours(path):
    """How many different colours a picture has: one, if nothing was drawn."""
    return len(np.unique(np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3), axis=0))


def history(shown):
    return [{"epoch": n, shown: 1 / n, "dev": {"CIDEr": n / 9, "B-4": n / 20}} for n in range(1, 5)]


def test_curves(tmp_path):
    for name, shown in (("first", "loss"), ("second", "reward")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(json.dumps({"history": history(shown)}))
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    assert main(["curves", str(tmp_path / "first"), "--output", str(one)]) == 0
    assert main(["curves", str(tmp_path / "first"), str(tmp_path / "second"), "--output", str(two)]) == 0
    assert colours(one) > 10 and one.read_bytes() != two.read_bytes()


def test_attention(tmp_path):
    photograph("astronaut").save(tmp_path / "astronaut.png")
    output = tmp_path / "attention.png"
    assert main(["attention", str(tmp_path / "astronaut.png"), "--output", str(output), *MODEL]) == 0
    assert colours(output) > 1000


def test_gallery(tmp_path):
    data = write(tmp_path / "data", "release", 12)
    entries = [
        {"name": f"{n:04}.jpg", "caption": "a circle", "cider": n / 10, "references": ["A circle ."]} for n in range(12)
    ]
    (tmp_path / "captions.json").write_text(json.dumps(entries))
    output = tmp_path / "gallery.png"
    arguments = ["gallery", str(tmp_path / "captions.json"), "--data", str(data), "--output", str(output)]
    assert main(arguments) == 0
    assert colours(output) > 100
    height = len(plt.imread(output))
    assert main([*arguments, "--each", "6"]) == 0
    assert len(plt.imread(output)) == 2 * height


@pytest.mark.parametrize("arguments", [["curves", "nowhere"], ["attention", "nowhere.jpg"]])
def test_what_is_missing_is_said(arguments, capsys):
    assert main(arguments) == 2
    assert "nowhere" in capsys.readouterr().err
