"""Pictures by commands: that they are drawn, and of what they were given."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.pictures import photograph
from tests.training.drawn_dataset import write
from training.pictures import main
from training.report import best_middle_worst

MODEL = ["--checkpoint", str(ROOT / "best_model.pth"), "--vocabulary", str(ROOT / "vocab.pkl"), "--device", "cpu"]


def colours(path):
    """How many different colours a picture has: one, if nothing was drawn."""
    return len(np.unique(np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3), axis=0))


def size(path):
    """Of a gallery, in photographs, which have 2.7 × 3.7 inches of 90 pixels each."""
    with Image.open(path) as picture:
        width, height = picture.size
    assert width <= 2500
    return round(width / 243), round(height / 333)


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
    assert size(output) == (5, 3)
    assert main([*arguments, "--each", "12"]) == 0
    assert size(output) == (10, 6)
    assert main([*arguments, "--each", "20"]) == 0  # more than there are
    assert size(output) == (10, 6)
    assert [len(part) for part in best_middle_worst(entries, 20).values()] == [12] * 3
    assert main([*arguments, "--each", "0"]) == 2


@pytest.mark.parametrize("arguments", [["curves", "nowhere"], ["attention", "nowhere.jpg"]])
def test_what_is_missing_is_said(arguments, capsys):
    assert main(arguments) == 2
    assert "nowhere" in capsys.readouterr().err
