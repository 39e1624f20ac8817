import json

import pytest

from tests.training.drawn_dataset import draw, split_of, write
from training.datasets import DatasetRefused, in_split, is_flickr8k_test, read_dataset, split_by_name


@pytest.mark.parametrize("layout", ["release", "kaggle", "karpathy"])
def test_every_layout_gives_the_same_records(tmp_path, layout):
    records = read_dataset(write(tmp_path, layout, 24))
    assert [record.name for record in records] == [f"{n:04}.jpg" for n in range(24)]
    for number, record in enumerate(records):
        assert list(record.captions) == draw(number)[1]
        assert record.path.is_file()
        if layout != "kaggle":
            assert record.split == split_of(number)


def test_a_folder_above_the_layout_will_do(tmp_path):
    write(tmp_path / "downloads" / "flickr8k", "release", 6)
    assert len(read_dataset(tmp_path)) == 6


def test_photographs_in_a_folder_inside_a_folder_of_its_name(tmp_path):
    write(tmp_path, "release", 6)
    (tmp_path / "Flicker8k_Dataset").rename(tmp_path / "inner")
    (tmp_path / "Flicker8k_Dataset").mkdir()
    (tmp_path / "inner").rename(tmp_path / "Flicker8k_Dataset" / "Flicker8k_Dataset")
    assert all(record.path.is_file() for record in read_dataset(tmp_path))


def test_a_split_by_name_is_stable_and_in_proportion():
    names = [f"photo{n}.jpg" for n in range(4000)]
    splits = [split_by_name(name) for name in names]
    assert splits == [split_by_name(name) for name in names]
    assert splits.count("dev") / 4000 == pytest.approx(1 / 8, abs=0.02)
    assert splits.count("test") / 4000 == pytest.approx(1 / 8, abs=0.02)


def test_captions_with_commas_and_quotes(tmp_path):
    (tmp_path / "Images").mkdir()
    (tmp_path / "Images" / "a.jpg").touch()
    (tmp_path / "captions.txt").write_text('\ufeffimage,caption\na.jpg,"A dog , a ""cat"" ."\n')  # as Excel saves it
    [record] = read_dataset(tmp_path)
    assert record.captions == ('A dog , a "cat" .',)


def test_a_missing_photograph_is_not_missed_here(tmp_path):
    write(tmp_path, "release", 6)
    (tmp_path / "Flicker8k_Dataset" / "0000.jpg").unlink()
    records = read_dataset(tmp_path)
    assert len(records) == 6 and not records[0].path.exists()


def test_in_split(tmp_path):
    records = read_dataset(write(tmp_path, "release", 12))
    assert [record.name for record in in_split(records, "dev")] == ["0000.jpg", "0006.jpg"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "none of"),
        ({"captions.txt": "name;text\n"}, "image,caption"),
        ({"captions.txt": "image,caption\na.jpg,A dog .\nb.jpg\n"}, "line 3"),
        ({"captions.txt": "image,caption\na.jpg,A dog .\n"}, "no photographs"),
        ({"dataset.json": '{"pictures": []}'}, "Karpathy"),
        ({"Flickr8k.token.txt": "no tab here\n"}, "line 1"),
        ({"Flickr8k.token.txt": "a.jpg#0\tA dog .\n"}, "split"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, files, words):
    (tmp_path / "Images").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DatasetRefused, match=words):
        read_dataset(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(DatasetRefused, match="nowhere"):
        read_dataset(tmp_path / "nowhere")


def test_karpathys_zip_holds_several_datasets_of_which_one_is_here(tmp_path):
    write(tmp_path, "karpathy", 6)
    image = {"filename": "COCO_1.jpg", "filepath": "val2014", "split": "val", "sentences": [{"raw": "A dog ."}]}
    (tmp_path / "dataset_coco.json").write_text(json.dumps({"images": [image]}))
    assert len(read_dataset(tmp_path)) == 6


def test_karpathys_coco_lies_in_folders_by_year(tmp_path):
    image = {"filename": "COCO_1.jpg", "filepath": "val2014", "split": "val", "sentences": [{"raw": "A dog ."}]}
    (tmp_path / "dataset_coco.json").write_text(json.dumps({"images": [image]}))
    (tmp_path / "val2014").mkdir()
    (tmp_path / "val2014" / "COCO_1.jpg").touch()
    assert read_dataset(tmp_path)[0].path.is_file()


def test_only_flickr8ks_own_test_split_is_taken_for_it(tmp_path):
    assert not is_flickr8k_test(in_split(read_dataset(write(tmp_path, "release", 12)), "test"))
