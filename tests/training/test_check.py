"""The command that looks a dataset over."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.pictures import photograph
from tests.training.drawn_dataset import write
from training.check import leaks, main, perceptual_hashes
from training.datasets import DatasetRefused, Record, read_dataset


@pytest.fixture
def data(tmp_path):
    """Photographs that all differ: noise, coarse enough for a perceptual hash to see."""
    folder = write(tmp_path / "data", "release", 24)
    random = np.random.default_rng(0)
    for path in sorted((folder / "Flicker8k_Dataset").iterdir()):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((96, 96)).save(path)
    return folder


def test_a_sound_dataset(data, tmp_path, capsys):
    assert main(["--data", str(data), "--output", str(tmp_path / "check.json")]) == 0
    report = json.loads((tmp_path / "check.json").read_text())
    assert json.loads(capsys.readouterr().out) == report
    assert report["photographs"] == {"train": 16, "dev": 4, "test": 4} and report["captions"] == 72
    assert report["leaks"] == [] and report["unreadable"] == {}


def test_a_test_photograph_in_another_size_under_another_name_is_found(data, capsys):
    photographs = data / "Flicker8k_Dataset"
    small = Image.open(photographs / "0001.jpg").resize((60, 80))
    small.save(photographs / "0002.jpg", quality=60)
    assert main(["--data", str(data)]) == 1
    [leak] = json.loads(capsys.readouterr().out)["leaks"]
    assert (leak["split"], leak["photograph"], leak["in_training"]) == ("test", "0001.jpg", "0002.jpg")
    assert leak["differing_bits"] <= 4


def test_real_photographs_are_told_apart_and_recognised(tmp_path):
    names = ("chelsea", "astronaut", "coffee", "rocket", "camera")
    records = []
    for name in names:
        for split, size in (("train", (500, 400)), ("test", (224, 224))):
            path = tmp_path / f"{name}-{split}.jpg"
            photograph(name).convert("RGB").resize(size).save(path, quality=70)
            records.append(Record(path.name, path, split, ("a",)))
    hashes, unreadable = perceptual_hashes(records)
    found = {leak["photograph"]: leak["in_training"] for leak in leaks(records, hashes, "test", 4)}
    assert found == {f"{name}-test.jpg": f"{name}-train.jpg" for name in names} and not unreadable


def test_a_name_in_two_splits_is_refused(data):
    text = data / "Flickr8k_text" / "Flickr_8k.trainImages.txt"
    text.write_text(text.read_text() + "0001.jpg\n")
    with pytest.raises(DatasetRefused, match=r"0001\.jpg is in the train split and in the test split"):
        read_dataset(data)


def test_missing_and_damaged_photographs_are_named(data, capsys):
    (data / "Flicker8k_Dataset" / "0003.jpg").unlink()
    (data / "Flicker8k_Dataset" / "0004.jpg").write_bytes(b"damaged")
    assert main(["--data", str(data)]) == 0
    unreadable = json.loads(capsys.readouterr().out)["unreadable"]
    assert unreadable["0003.jpg"] == "there is no such file" and "0004.jpg" in unreadable


def test_no_dataset(tmp_path, capsys):
    assert main(["--data", str(tmp_path / "nowhere")]) == 2
    assert "nowhere is not a folder" in capsys.readouterr().err
