"""Several folders as one dataset."""

import pytest
from PIL import Image, ImageOps

from tests.training.drawn_dataset import write
from training.data.mixture import check_leakage, read_datasets, rehearsed, uncaptioned
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


def test_as_many_are_rehearsed_from_each_folder(folders):
    """16 of 24 photographs are in training."""
    one, two = rehearsed(folders, 9, seed=1)
    assert (one.name, two.name) == ("one", "two") and {len(one.records), len(two.records)} == {4, 5}
    names = {record.name for dataset in (one, two) for record in dataset.records}
    assert len(names) == 9 and all(name.startswith(("rehearsed/one/", "rehearsed/two/")) for name in names)
    assert all(record.split == "train" for record in one.records)
    assert [one, two] == rehearsed(folders, 9, seed=1) != rehearsed(folders, 9, seed=2)
    assert [len(dataset.records) for dataset in rehearsed(folders, 100, seed=1)] == [16, 16]
    assert rehearsed([], 9, seed=1) == []


def test_where_a_folder_has_too_few_the_other_has_more(folders, tmp_path):
    few, many = rehearsed([write(tmp_path / "few", "release", 6), folders[1]], 14, seed=1)
    assert (few.name, many.name) == ("few", "two")
    assert len(few.records) == 4 and len(many.records) == 10


def test_what_cannot_be_rehearsed_is_refused(folders, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(DatasetRefused, match="two folders to rehearse have one name"):
        rehearsed([folders[0], write(tmp_path / "other" / "one", "release", 12)], 4, seed=1)
    (tmp_path / "other" / "test").mkdir()
    (tmp_path / "other" / "test" / "test.csv").write_text("path,caption\na.jpg,a dog\n")
    Image.new("RGB", (32, 32)).save(tmp_path / "other" / "test" / "a.jpg")
    with pytest.raises(DatasetRefused, match="test has no training photographs to rehearse"):
        rehearsed([tmp_path / "other" / "test"], 4, seed=1)


def test_a_dev_photograph_must_not_be_rehearsed(folders, tmp_path):
    """0001.jpg is of one's test split, and now of what is rehearsed."""
    Image.open(folders[0] / "Flicker8k_Dataset" / "0001.jpg").save(folders[1] / "images" / "0002.jpg", quality=95)
    with pytest.raises(DatasetRefused, match=r"0001.jpg is rehearsed/two/0002.jpg"):
        check_leakage([*read_datasets(folders[:1]), *rehearsed(folders[1:], 16, seed=1)], tmp_path / "cache")
