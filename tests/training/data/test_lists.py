"""Which list of captions is meant: through links, among others, and never what this project wrote itself."""

import json
import os

import pytest
from PIL import Image

from tests.conftest import ROOT
from training.check import main as check
from training.data.lists import locate
from training.data.mixture import read_datasets, uncaptioned
from training.data.records import DatasetRefused, lists_of, name_lists, read_dataset

IMAGE = {"id": 1, "file_name": "a.jpg"}
CAPTIONS = "path,caption\na.jpg,A dog\nb.jpg,A cat\n"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (32, 32), "red" if name == "a.jpg" else "blue").save(folder / name)
    return folder


def write(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def result(name, **more):
    """As `collection caption` writes it, in JSON lines."""
    caption = {"text": "a machine's", "log_probability": -1.0, "mean_probability": 0.5, "words": []}
    model = {"name": "cnn-lstm", "digest": "ab12", "device": "cpu"}
    return {
        "path": name,
        "caption": "a machine's",
        "captions": [caption],
        "low_confidence": False,
        "model": model,
        **more,
    }


LINKED = {
    "the folder is a link": lambda data, far: far.symlink_to(data),
    "the list is a link": lambda data, far: link(data, "list.csv", far, CAPTIONS),
    "the photographs' folder is a link": lambda data, far: moved(data, far, "Images"),
    "the photographs' folder is a link with another name": lambda data, far: moved(data, far, "photos"),
    "the list's folder is a link": lambda data, far: moved(data, far, "flickr", "a.jpg", "b.jpg", "list.csv"),
    "a photograph is a link": lambda data, far: link(data, "a.jpg", far, (data / "a.jpg").read_bytes()),
    "there is a link to itself": lambda data, far: (data / "self").symlink_to(data / "self"),
    "there is a link to the folder": lambda data, far: (data / "round").symlink_to(data),
    "there is a link upwards": lambda data, far: (data / "up").symlink_to(data.parent),
    "there is a list that is gone": lambda data, far: (data / "a.csv").symlink_to(data / "nowhere.csv"),
}


def link(data, name, far, content):
    far.mkdir()
    write(far, **{name: content})
    (data / name).unlink(missing_ok=True)
    (data / name).symlink_to(far / name)


def moved(data, far, name, *files):
    far.mkdir()
    for file in files or ("a.jpg", "b.jpg"):
        (data / file).rename(far / file)
    (data / name).symlink_to(far)


@pytest.mark.parametrize("kind", LINKED)
def test_links_are_followed_and_loops_end(data, tmp_path, kind):
    write(data, list_dot_csv=CAPTIONS)
    far = tmp_path / "far"
    LINKED[kind](data, far)
    for folder in (data, far) if kind == "the folder is a link" else (data,):
        one, two = read_dataset(folder)
        assert (one.captions, two.captions) == (("A dog",), ("A cat",))
        assert one.path.is_file() and two.path.is_file() and one.name == "a.jpg"
        found = uncaptioned([folder])
        assert sorted(record.path.name for record in found) == ["a.jpg", "b.jpg"]


def test_a_photograph_that_is_a_link_to_nowhere_is_missing_and_a_folder_without_any_is_refused(data, tmp_path, capsys):
    write(data, list_dot_csv=CAPTIONS)
    (data / "a.jpg").unlink()
    (data / "a.jpg").symlink_to("nowhere.jpg")
    assert [record.path.exists() for record in uncaptioned([data])] == [False, True]
    assert check(["--data", str(data), "--page", str(tmp_path / "page.html")]) == 0
    assert json.loads(capsys.readouterr().out)["unreadable"] == {"a.jpg": "there is no such file"}
    with pytest.raises(DatasetRefused, match="empty holds no photographs"):
        (tmp_path / "empty").mkdir()
        uncaptioned([tmp_path / "empty"])


OWN = {
    "results.csv": "path,caption,mean_probability,low_confidence,alternatives,error\r\na.jpg,a machine's,0.5,,,\r\n",
    "captions.csv": "\ufefffile,caption,mean_probability,low_confidence,alternatives,model,settings,error\r\n"
    "a.jpg,a machine's,0.5,false,,cnn-lstm ab12,beam_size=3,\r\n",
    "a first.csv": "path;caption;mean_probability;low_confidence;alternatives;error\na.jpg;a machine's;0,5;WAHR;;\n",
    "results.jsonl": lines(result("a.jpg"), result("b.jpg")),
    "failed.jsonl": lines({"path": "x.jpg", "error": {"code": "unreadable", "message": "gone"}}, result("a.jpg")),
    "part-000000.jsonl": lines(result("a.jpg")),
    "results.jsonl.part": lines(result("a.jpg")),
    "results.jsonl.part.json": json.dumps({"backend": "cnn-lstm", "digest": "ab12"}),
    "captions.json": json.dumps([{"name": "a.jpg", "caption": "a machine's", "cider": 1.0, "references": ["A dog"]}]),
    "page.json": json.dumps([{"file": "a.jpg", "state": "done", "caption": "a machine's", "answer": {}}]),
    "scores.json": json.dumps({"dataset": "data", "split": "test", "photographs": 2}),
    "record.json": json.dumps({"settings": {"data": "data"}, "photographs": 2, "history": []}),
    "check.json": json.dumps({"dataset": "data", "photographs": {"train": 2}, "captions": 2}),
    "ablation.csv": "name,seed,stage,photographs,epochs\nbase,1,frozen,2,3\n",
}


@pytest.mark.parametrize("name", OWN)
def test_what_this_project_wrote_is_never_taken(data, name):
    write(data, **{name: OWN[name]})
    with pytest.raises(DatasetRefused, match=r"written by this project|not in COCO's|none of|expected a header"):
        read_dataset(data)
    write(data, **{"train captions.csv": CAPTIONS})
    records = read_dataset(data)
    assert lists_of(records) == [data / "train captions.csv"] and records[0].captions == ("A dog",)
    assert name_lists(records) == f"captions: {data}/train captions.csv"
    if "results" in name and not name.endswith(("part", "part.json")):
        with pytest.raises(DatasetRefused, match=r"written by this project.*make a list of"):
            read_dataset(data, [data / name])


def test_what_the_project_writes_now_is_known(data, tmp_path):
    """By the real formats, and the page's own script: a column that is renamed shows here."""
    from collection.outputs import FORMATS

    for name in ("csv", "jsonl"):
        with (data / f"results.{name}").open("wb") as file:
            FORMATS[name]().write_file([result("a.jpg")], file)
    columns = (ROOT / "static" / "download.js").read_text().partition("COLUMNS = [")[2].partition("]")[0]
    write(data, **{"captions.csv": columns.replace('"', "").replace(" ", "") + "\na.jpg" + ",x" * 7})
    with pytest.raises(DatasetRefused) as refused:
        read_dataset(data)
    assert str(refused.value).count("was written by this project") == 3


@pytest.mark.parametrize(
    "others",
    [
        {"b.csv": "image,caption\na.jpg,A wolf\n"},
        {"captions.txt": "image,caption\na.jpg,A wolf\n"},
        {"metadata.jsonl": lines({"file_name": "a.jpg", "text": "A wolf"})},
        {"sub/deeper/z.tsv": "image\tcaption\na.jpg\tA wolf\n"},
        {"b.csv": "image,caption\na.jpg,A wolf\nb.jpg,A cat,or two\n"},
        {"coco.json": json.dumps({"images": [IMAGE], "annotations": [{"image_id": 1, "caption": "A wolf"}]})},
    ],
    ids=lambda others: next(iter(others)),
)  # fmt: skip
def test_of_two_that_can_be_meant_neither_is_taken_until_one_is_chosen(data, others, tmp_path, capsys):
    write(data, a_dot_csv=CAPTIONS, **others)
    [other] = others
    with pytest.raises(DatasetRefused, match=r"several lists.*a\.csv.*Choose one by --captions FILE") as refused:
        read_dataset(data)
    assert str(data / other) in str(refused.value)
    page = ["--page", str(tmp_path / "page.html")]
    assert check(["--data", str(data), *page]) == 2
    assert "several lists" in capsys.readouterr().err
    for way in (str(data / "a.csv"), "a.csv"):  # as it is reached from here, or as the folder has it
        assert check(["--data", str(data), "--captions", way, *page]) == 0
        printed = capsys.readouterr()
        assert json.loads(printed.out)["lists"] == [str(data / "a.csv")]
        assert printed.err.startswith(f"captions: {data}/a.csv\n")
    if "or two" in others[other]:
        return
    [record] = read_dataset(data, [data / other])
    assert record.captions == ("A wolf",)


@pytest.mark.parametrize("other", ["copy.csv", "metadata.jsonl"])
def test_two_that_say_the_same_are_one(data, other):
    entries = [{"file_name": "b.jpg", "text": "A cat"}, {"file_name": "a.jpg", "text": "A dog"}]
    write(data, a_dot_csv=CAPTIONS, **{other: lines(*entries) if other.endswith("l") else CAPTIONS.replace(",", ";")})
    assert len(read_dataset(data)) == 2


def test_lists_of_photographs_elsewhere_and_hidden_ones_are_not_meant(data):
    write(data, a_dot_csv=CAPTIONS, other_dot_csv="path,caption\nx.jpg,A wolf\n")
    write(data, **{".ipynb_checkpoints/a-checkpoint.csv": "path,caption\na.jpg,A wolf\n", "._b.csv": b"\0\5\x16\7"})
    (data / "folder.csv").mkdir()
    os.mkfifo(data / "pipe.csv")
    assert read_dataset(data)[0].captions == ("A dog",)


def test_chosen_lists_are_read_together_wherever_they_lie(data, tmp_path):
    write(
        tmp_path,
        **{"lists/train.csv": "path,caption\na.jpg,A dog\n", "lists/my words": "path\tcaption\nb.jpg\tA cat\n"},
    )
    write(tmp_path, **{"lists/a.jpg": b"another"})
    one, two = read_dataset(data, [tmp_path / "lists" / "train.csv", tmp_path / "lists" / "my words"])
    assert (one.split, one.path) == ("train", data / "a.jpg") and two.captions == ("A cat",)
    for wrong in ("nowhere.csv", ".", "x" * 300):
        with pytest.raises(DatasetRefused, match="there is no such file"):
            read_dataset(data, [data / wrong])


def test_each_folder_takes_what_is_chosen_in_it(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        names = [f"{n}.jpg" for n in range(16)]
        write(folder, **dict.fromkeys(names, b""))
        table = "".join(f"{name},A dog in {folder.name}\n" for name in names)
        write(folder, **{"a.csv": f"path,caption\n{table}", "b.csv": f"path,caption\n{table}".replace("dog", "wolf")})
    with pytest.raises(DatasetRefused, match="several lists"):
        read_datasets(folders)
    for chosen, expected in (
        (["a.csv"], ["a.csv", "a.csv"]),
        ([folders[1] / "b.csv", folders[0] / "a.csv"], ["a.csv", "b.csv"]),
    ):
        datasets = read_datasets(folders, captions=locate(list(map(type(tmp_path), chosen)), folders))
        found = [lists_of(dataset.records) for dataset in datasets]
        assert found == [[folder / name] for folder, name in zip(folders, expected, strict=True)]
    write(tmp_path, elsewhere_dot_csv=CAPTIONS)
    with pytest.raises(DatasetRefused, match=r"no such file in .*one and .*two"):
        locate([tmp_path / "elsewhere.csv"], folders)
    (tmp_path / "linked").symlink_to(folders[0])
    assert locate([folders[0] / "a.csv"], [tmp_path / "linked"]) == [[tmp_path / "linked" / "a.csv"]]


def test_no_photographs_beside_it_says_which_and_where(data):
    write(data, list_dot_csv="path,caption\n" + "".join(f"{n}.jpg,A dog\n" for n in range(5)), **{"Images/x.jpg": b""})
    with pytest.raises(DatasetRefused) as refused:
        read_dataset(data)
    message = str(refused.value)
    assert "looked for 0.jpg, 1.jpg, 2.jpg in " in message and "3.jpg" not in message
    assert f"{data}" in message and f"{data}/Images" in message and f"{data}/flickr30k" not in message
