"""The command that hashes a dataset over."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.conftest import ROOT
from tests.pictures import photograph
from tests.training.drawn_dataset import write
from training.check import main
from training.data.leakage import leaks, perceptual_hashes
from training.data.records import DatasetRefused, Record, read_dataset


def run(data, *arguments):
    return main(["--data", str(data), "--page", str(data.parent / "page.html"), *map(str, arguments)])


@pytest.fixture
def data(tmp_path):
    """Photographs that all differ: noise, coarse enough for a perceptual hash to see."""
    folder = write(tmp_path / "data", "release", 24)
    random = np.random.default_rng(0)
    for path in sorted((folder / "Flicker8k_Dataset").iterdir()):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((96, 96)).save(path)
    return folder


def test_a_sound_dataset(data, tmp_path, capsys):
    assert run(data, "--output", tmp_path / "check.json") == 0
    report = json.loads((tmp_path / "check.json").read_text())
    assert json.loads(capsys.readouterr().out) == report
    assert report["photographs"] == {"train": 16, "dev": 4, "test": 4} and report["captions"] == 72
    assert report["leaks"] == [] and report["unreadable"] == {} and report["duplicates"] == []
    assert report["captions_of_a_photograph"] == {"least": 3, "median": 3, "90 %": 3, "most": 3}
    assert report["words_in_a_caption"] == {"least": 3, "median": 5, "90 %": 9, "most": 9}


def test_a_test_photograph_in_another_size_under_another_name_is_found(data, capsys):
    photographs = data / "Flicker8k_Dataset"
    small = Image.open(photographs / "0001.jpg").resize((60, 80))
    small.save(photographs / "0002.jpg", quality=60)
    assert run(data) == 1
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
    assert run(data) == 0
    unreadable = json.loads(capsys.readouterr().out)["unreadable"]
    assert unreadable["0003.jpg"] == "there is no such file" and "0004.jpg" in unreadable


def test_no_dataset(tmp_path, capsys):
    assert run(tmp_path / "nowhere") == 2
    assert "nowhere is not a folder" in capsys.readouterr().err


def test_the_same_file_twice_is_named(data, capsys):
    photographs = data / "Flicker8k_Dataset"
    (photographs / "0003.jpg").write_bytes((photographs / "0002.jpg").read_bytes())  # both in training
    assert run(data) == 0
    assert json.loads(capsys.readouterr().out)["duplicates"] == [["0002.jpg", "0003.jpg"]]


def test_the_same_drawing_in_another_colour_is_another(tmp_path):
    records = []
    for split, colour in (("train", "red"), ("test", "blue")):
        image = Image.new("RGB", (224, 224), "white")
        ImageDraw.Draw(image).ellipse((40, 60, 150, 170), fill=colour)
        image.save(tmp_path / f"{split}.png")
        records.append(Record(split, tmp_path / f"{split}.png", split, ("a",)))
    hashes, _ = perceptual_hashes(records)
    assert leaks(records, hashes, "test", 64) == []


def test_what_is_new_to_a_trained_captioner(data, capsys):
    assert run(data, "--vocabulary", ROOT / "vocab.pkl", "--min-count", "1") == 0
    given = json.loads(capsys.readouterr().out)["given_vocabulary"]
    assert given["words"] == 3154 and given["new_words"] == 0 and given["words_outside"]["train"] == 0
    text = data / "Flickr8k_text" / "Flickr8k.token.txt"
    text.write_text(text.read_text().replace("square", "pentagon"))
    assert run(data, "--vocabulary", ROOT / "vocab.pkl", "--min-count", "1") == 0
    given = json.loads(capsys.readouterr().out)["given_vocabulary"]
    assert given["most_frequent_new_words"] == ["pentagon"] and given["words_outside"]["train"] > 0.05
    assert run(data, "--vocabulary", ROOT / "README.md") == 2
    assert "is not a readable vocabulary" in capsys.readouterr().err


def test_the_page_shows_samples_and_leaks_and_no_caption_is_taken_for_html(data, tmp_path):
    text = data / "Flickr8k_text" / "Flickr8k.token.txt"
    text.write_text(text.read_text().replace("A red circle .", "<script>alert(1)</script>"))
    photographs = data / "Flicker8k_Dataset"
    (photographs / "0002.jpg").write_bytes((photographs / "0001.jpg").read_bytes())
    (photographs / "0003.jpg").write_bytes(b"damaged")
    assert run(data) == 1
    page = (tmp_path / "page.html").read_text()
    assert page.count("<figure>") == 12 + 4 + 4 + 2 and "leaks: 1, each" in page
    assert "&lt;script&gt;alert(1)" in page and "<script>" not in page and "0003.jpg" not in page
    [first, *_] = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert Image.open(io.BytesIO(base64.b64decode(first))).size == (96, 96)
