import json

import pytest

from tests.training.drawn_dataset import draw, split_of, write
from training.data.records import DatasetRefused, in_split, is_flickr8k_test, read_dataset, split_by_name


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
        ({"mine.csv": "path,caption\na.jpg,A dog, running\n"}, "line 2: expected 2 cells .* found 3; a caption with"),
        (
            {"mine.csv": "path,caption\na.jpg,A dog\na.jpg,...\n"},
            r"line 3: the caption '\.\.\.' of a\.jpg has no words",
        ),
        ({"mine.csv": 'path,caption\na.jpg,"A dog\nb.jpg,A cat\n'}, "line 3: unexpected end of data"),
        ({"mine.csv": "path,caption,split\na.jpg,A dog,training\nb.jpg,A cat,later\n"}, "line 3: 'later' is no split"),
        ({"mine.csv": "path,caption\n,A dog\n"}, "line 2: expected the photograph's path"),
        ({"mine.csv": b"path,caption\na.jpg,A dog\nb.jpg,A caf\xe9\n"}, "line 3: this is not UTF-8"),
        ({"mine.jsonl": '{"path": "a.jpg", "caption": "A dog"}\n{"path": "b.jpg"\n'}, "line 2: this is not JSON"),
        ({"mine.jsonl": '{"path": "a.jpg", "caption": "A dog"}\n["b.jpg"]\n'}, "line 2: expected"),
        ({"mine.jsonl": '{"path": "a.jpg", "captions": ["A dog", 5]}\n'}, "line 1: a caption is text"),
        ({"mine.jsonl": '{"path": "a.jpg", "captions": []}\n'}, "line 1: a caption is text"),
        ({"mine.jsonl": '{"path": 5, "caption": "A dog"}\n'}, "line 1: expected the photograph's path"),
        ({"mine.jsonl": '{"path": "a.jpg", "caption": "A dog", "split": ["test"]}\n'}, "line 1: .* is no split"),
        ({"mine.jsonl": '{"path": "a.jpg", "caption": ' + "[" * 100_000}, "line 1: this is not JSON"),
        (
            {"mine.json": '{"images": [], "annotations": [{"image_id": 2, "caption": "a"}]}'},
            r"annotations\[0\]: .* the id 2",
        ),
        ({"mine.json": '{"images": [{"id": 1}], "annotations": []}'}, r"images\[0\] is not in COCO's layout"),
        ({"mine.json": '{"images": [], "annotations": [{"image_id": 1, "bbox": []}]}'}, "has no caption"),
        ({"mine.json": "{"}, "this is not JSON"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, files, words):
    (tmp_path / "Images").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
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


def files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def as_lines(*entries):
    return "".join(json.dumps(entry) + "\n" for entry in entries)


@pytest.mark.parametrize(
    "outside", ["../a.jpg", "x/../../a.jpg", "/etc/passwd", "C:\\a.jpg", "..\\a.jpg", "\\\\host\\a"]
)
def test_no_path_leads_out_of_the_data_folder(tmp_path, outside):
    files(tmp_path, "a.jpg", "data/b.jpg")
    entries = [{"path": "b.jpg", "caption": "A cat"}, {"path": outside, "caption": "A dog"}]
    (tmp_path / "data" / "mine.jsonl").write_text(as_lines(*entries))
    with pytest.raises(DatasetRefused, match=r"mine\.jsonl, line 2: .* leads out of the data folder"):
        read_dataset(tmp_path / "data")


@pytest.mark.parametrize(
    "header", ["path,caption", "image,caption", "file,caption", "Caption, File_Name", "text,filename"]
)
def test_a_list_as_csv_under_the_names_that_people_use(tmp_path, header):
    files(tmp_path, "photos/a.jpg", "photos/b.jpg")
    rows = [("photos/a.jpg", "A dog"), ("photos/b.jpg", "A cat"), ("./photos/a.jpg", "A brown dog")]
    if header.lower().startswith(("caption", "text")):
        rows = [row[::-1] for row in rows]
    (tmp_path / "mine.csv").write_text("\n".join([header, *map(",".join, rows)]))
    one, two = read_dataset(tmp_path)
    assert (one.name, one.captions) == ("photos/a.jpg", ("A dog", "A brown dog")) and one.path.is_file()
    assert (two.name, two.captions, two.split) == ("photos/b.jpg", ("A cat",), split_by_name("photos/b.jpg"))


def test_a_made_split_goes_by_the_name_and_not_by_the_order(tmp_path):
    entries = [{"path": f"{n}.jpg", "caption": "A dog"} for n in range(40)]
    files(tmp_path, "15.jpg")
    found = []
    for order in (entries, entries[::-1], entries[10:30]):
        (tmp_path / "mine.jsonl").write_text(as_lines(*order))
        found.append({record.name: record.split for record in read_dataset(tmp_path)})
    assert found[0] == found[1] and found[2].items() <= found[0].items()
    assert set(found[0].values()) == {"train", "dev", "test"}


def test_json_lines_with_one_or_more_captions_and_splits(tmp_path):
    files(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    entries = [
        {"image": "a.jpg", "captions": ["A dog", "A brown dog"], "split": "train"},
        {"file_name": "b.jpg", "caption": "A cat", "split": "val"},
        {"path": "c.jpg", "caption": "A line\u2028of two", "split": "test"},
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries))
    one, two, three = read_dataset(tmp_path)
    assert one.captions == ("A dog", "A brown dog")
    assert (one.split, two.split, three.split) == ("train", "dev", "test")


def test_a_photograph_in_two_splits_is_refused(tmp_path):
    files(tmp_path, "a.jpg")
    (tmp_path / "mine.csv").write_text("path,caption,split\na.jpg,A dog,train\na.jpg,A cat,test\n")
    with pytest.raises(DatasetRefused, match=r"line 3: .* in the train split and in the test split"):
        read_dataset(tmp_path)


def coco(*photographs):
    images = [{"id": number, "file_name": name} for number, (name, _) in enumerate(photographs)]
    annotations = [
        {"id": 10 * number, "image_id": number, "caption": caption}
        for number, (_, captions) in enumerate(photographs)
        for caption in captions
    ]
    return json.dumps({"info": {}, "images": images, "annotations": annotations})


def test_coco_captions_in_one_file(tmp_path):
    files(tmp_path, "photos/a.jpg", "photos/b.jpg")
    (tmp_path / "photos.json").write_text(coco(("a.jpg", ["A dog", "A brown dog"]), ("b.jpg", ["A cat"])))
    one, two = read_dataset(tmp_path)
    assert one.captions == ("A dog", "A brown dog") and one.path == tmp_path / "photos" / "a.jpg"
    assert two.split == split_by_name("b.jpg")


def test_coco_as_it_is_distributed(tmp_path):
    """Its other annotations beside the captions, and the same names in both folders, as nothing forbids."""
    files(tmp_path, "train2017/1.jpg", "val2017/1.jpg", "annotations/instances_train2017.json")
    (tmp_path / "annotations" / "captions_train2017.json").write_text(coco(("1.jpg", ["A dog"])))
    (tmp_path / "annotations" / "captions_val2017.json").write_text(coco(("1.jpg", ["A cat"])))
    found = {record.name: (record.split, record.path, record.captions) for record in read_dataset(tmp_path)}
    assert found == {
        "train2017/1.jpg": ("train", tmp_path / "train2017" / "1.jpg", ("A dog",)),
        "val2017/1.jpg": ("dev", tmp_path / "val2017" / "1.jpg", ("A cat",)),
    }


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_an_imagefolder_with_a_folder_for_each_split(tmp_path, kind):
    for split in ("train", "validation", "test"):
        files(tmp_path, f"{split}/0.jpg")
        entry = {"file_name": "0.jpg", "text": f"A dog in {split}"}
        text = as_lines(entry) if kind == "jsonl" else "\n".join(map(",".join, (entry.keys(), entry.values())))
        (tmp_path / split / f"metadata.{kind}").write_text(text)
    found = {record.name: (record.split, record.captions) for record in read_dataset(tmp_path)}
    assert found == {
        "train/0.jpg": ("train", ("A dog in train",)),
        "validation/0.jpg": ("dev", ("A dog in validation",)),
        "test/0.jpg": ("test", ("A dog in test",)),
    }
    assert all(record.path.is_file() for record in read_dataset(tmp_path))


def test_an_imagefolder_with_one_list_above_the_splits_folders(tmp_path):
    names = ["train/0.jpg", "validation/0.jpg", "test/0.jpg"]
    files(tmp_path, *names)
    (tmp_path / "metadata.jsonl").write_text(as_lines(*({"file_name": name, "text": "A dog"} for name in names)))
    assert {r.name: r.split for r in read_dataset(tmp_path)} == dict(zip(names, ("train", "dev", "test"), strict=True))


def test_files_for_each_split_are_read_together(tmp_path):
    files(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "train.csv").write_text("path,caption\na.jpg,A dog\n")
    (tmp_path / "val.csv").write_text("path,caption\nb.jpg,A cat\n")
    found = {record.name: (record.split, record.captions) for record in read_dataset(tmp_path)}
    assert found == {"a.jpg": ("train", ("A dog",)), "b.jpg": ("dev", ("A cat",))}


def test_other_files_beside_the_captions_do_no_harm(tmp_path):
    files(tmp_path, "photos/a.jpg", "empty.json", "empty.csv", "empty.jsonl")
    (tmp_path / "prices.csv").write_bytes(b"name,price\nbread,3\xa0\n")
    (tmp_path / "notes.json").write_text("[1, 2")
    (tmp_path / "zz.csv").write_text("file,caption\nphotos/a.jpg,A dog\n")
    [record] = read_dataset(tmp_path)
    assert record.captions == ("A dog",)
