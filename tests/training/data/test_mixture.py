"""Several folders as one dataset."""

import pytest
from PIL import Image, ImageOps

from tests.training.drawn_dataset import write
from training.data.mixture import check_leakage, read_datasets, uncaptioned
from training.data.records import DatasetRefused


def inverted(folder, count=24):
    """A drawn dataset of other photographs, under the same names."""
    write(folder, "karpathy", count)
    for file in (folder / "images").iterdir():
        ImageOps.invert(Image.open(file)).save(file)
    return folder


@pytest.fixture
def folders(tmp_path):
    return [write(tmp_path / "one", "release", 24), inverted(tmp_path / "two")]


def test_names_tell_the_folders_apart(folders):
    one, two = read_datasets(folders, (1.0, 0.5), ("two",))
    assert (one.name, one.weight, one.rewarded) == ("one", 1.0, True)
    assert (two.name, two.weight, two.rewarded) == ("two", 0.5, False)
    assert one.records[0].name == "one/0000.jpg" and two.records[0].name == "two/0000.jpg"
    [alone] = read_datasets(folders[:1])
    assert alone.records[0].name == "0000.jpg"


@pytest.mark.parametrize(
    ("weights", "unrewarded", "words"),
    [((1.0,), (), "2 folders and 1 weights"), ((), ("three",), "there is no folder three to leave unrewarded")],
)
def test_what_does_not_fit_is_refused(folders, weights, unrewarded, words):
    with pytest.raises(DatasetRefused, match=words):
        read_datasets(folders, weights, unrewarded)


def test_two_folders_of_one_name_are_refused(folders, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(DatasetRefused, match="two folders have one name"):
        read_datasets([folders[0], write(tmp_path / "other" / "one", "release", 12)])


def test_a_photograph_in_another_folders_training_is_refused(folders, tmp_path):
    cache = tmp_path / "cache"
    check_leakage(read_datasets(folders), cache)
    assert len(list(cache.glob("leakage-*.json"))) == 1
    check_leakage(read_datasets(folders), cache)  # remembered
    # 0001.jpg is of one's test split; now a training photograph of two is the same, compressed anew
    Image.open(folders[0] / "Flicker8k_Dataset" / "0001.jpg").save(folders[1] / "images" / "0002.jpg", quality=95)
    with pytest.raises(DatasetRefused, match=r"one/0001.jpg is two/0002.jpg"):
        check_leakage(read_datasets(folders), cache)


def test_photographs_without_captions(folders):
    found = uncaptioned([folders[0] / "Flicker8k_Dataset"])
    assert len(found) == 24 and found[0].captions == () and found[0].name == "Flicker8k_Dataset/0000.jpg"
    with pytest.raises(DatasetRefused, match="nowhere is not a folder"):
        uncaptioned([folders[0] / "nowhere"])
