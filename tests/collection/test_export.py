"""What people reviewed, as training reads it: every layout, splits that stay, nothing that nobody looked at."""

import json

import pytest

from collection import run
from collection.caption import main as caption
from collection.catalogue import Collection
from collection.datasets import DATASETS
from collection.export import main
from collection.results import records
from collection.reviewed import digest_of
from tests.collection.test_again import MODEL, picture, said
from tests.model.colour_captioner import ColourCaptioner
from training.data.records import read_dataset

COUNT = 40


@pytest.fixture
def collection(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "load_captioner", lambda settings: ColourCaptioner())
    (tmp_path / "p" / "q").mkdir(parents=True)
    for number in range(COUNT):
        (tmp_path / "p" / "q" / f"{number}.png").write_bytes(picture(number))
    names = ['naïve, "quoted".png', "a:b.png", "../outside.png"]
    for number, name in enumerate(names, 100):
        (tmp_path / "p" / name).write_bytes(picture(number))
    assert caption(["p", "outside.png", "--output", "results.jsonl", *MODEL]) == 0
    found = Collection(tmp_path / "results.jsonl")
    for number in range(30):
        found.decide(found.at(f"p/q/{number}.png"), "edit", "Ada", f"square, “{number}”")
    found.decide(found.at("p/q/30.png"), "accept", "Ada")
    found.decide(found.at("p/q/31.png"), "reject", "Ada")
    for name in ('p/naïve, "quoted".png', "p/a:b.png", "outside.png"):
        found.decide(found.at(name), "accept", "Ada")
    return found


def told(folder):
    """By the photographs' content: what training reads."""
    return {record.path.read_bytes(): (record.split, record.captions) for record in read_dataset(folder)}


@pytest.mark.parametrize("format", DATASETS)
def test_training_reads_what_is_written(collection, tmp_path, format, capsys):
    def export(*more):
        return main(["results.jsonl", "--format", format, "--output", "data", *more])

    assert export() == 0
    assert "34 photographs in data" in capsys.readouterr().out
    first = told(tmp_path / "data")
    expected = {picture(number): f"square, “{number}”" for number in range(30)} | {picture(30): said(30)}
    expected |= {picture(number): said(number) for number in range(100, 103)}
    assert {photograph: captions for photograph, (_, captions) in first.items()} == {
        photograph: (words,) for photograph, words in expected.items()
    }
    assert {split for split, _ in first.values()} == {"train", "dev", "test"}

    for number in range(32, COUNT):
        collection.decide(collection.at(f"p/q/{number}.png"), "accept", "Ada")
    collection.decide(collection.at("p/q/0.png"), "undo", "Ada")
    assert export() == 0
    second = told(tmp_path / "data")
    assert len(second) == 41 and picture(0) not in second
    assert {one: told for one, told in second.items() if one in first} == {
        one: told for one, told in first.items() if one != picture(0)
    }
    assert export("--unreviewed", "--photographs", "copy") == 0
    third = told(tmp_path / "data")
    assert len(third) == 42 and third[picture(0)][1] == (said(0),) and picture(31) not in third


def test_what_is_not_ours_is_left_alone_and_what_is_gone_is_told(collection, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    assert main(["results.jsonl", "--format", "coco", "--output", "other"]) == 2
    assert "something else" in capsys.readouterr().err and len(list((tmp_path / "other").iterdir())) == 1
    (tmp_path / "p" / "q" / "1.png").unlink()
    assert main(["results.jsonl", "--format", "csv", "--output", "data"]) == 1
    assert "1 are gone" in capsys.readouterr().out


def test_a_photograph_keeps_its_split_wherever_it_lies(collection, tmp_path):
    assert main(["results.jsonl", "--format", "csv", "--output", "one"]) == 0
    (tmp_path / "p" / "q").rename(tmp_path / "p" / "elsewhere")
    assert caption(["p", "outside.png", "--output", "results.jsonl", *MODEL]) == 0
    assert len({digest_of(record) for record in records(tmp_path / "results.jsonl")}) == COUNT + 3
    assert main(["results.jsonl", "--format", "karpathy", "--output", "two"]) == 0
    splits = {
        image["filename"]: image["split"]
        for image in json.loads((tmp_path / "two" / "dataset_reviewed.json").read_text())["images"]
    }
    one = [line.rsplit(",", 1) for line in (tmp_path / "one" / "captions.csv").read_text().splitlines()[1:]]
    assert all(splits[f"{n}.png"] == split for n in range(30) for path, split in one if f"/q/{n}.png" in path)
