"""Names that are no UTF-8, or odd otherwise, through everything that a collection writes and reads."""

import csv
import json
import os

import pytest
from PIL import Image

from collection import run
from collection.caption import main
from collection.search import Collection
from collection.search import main as search
from tests.model.colour_captioner import ColourCaptioner
from tests.pictures import encoded

NAMES = [
    b"latin-1 f\xfcr.jpg",
    b"\xff\xfe.jpg",
    b"half \xe2\x82.jpg",
    b"surrogate \xed\xa0\x80.jpg",
    b"overlong \xc0\xaf.jpg",
    b"shift-jis \x83\x5c.jpg",
    b"inside \xfc/deep \xfd.jpg",
    "grüße 日本 🐕.jpg".encode(),
    b"comma, \"quotes\" and 'more'.jpg",
    b"tab\tin it.jpg",
    b"line\nend.jpg",
    b"return\rin it.jpg",
    b"# hash.jpg",
    b" spaces .jpg",
    b"back\\slash.jpg",
    b"[1]*?.jpg",
    b"<b>&amp;.jpg",
    b"x" * 251 + b".jpg",
]
PATHS = sorted(os.fsdecode(b"./" + name) for name in NAMES)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "load_captioner", lambda settings: ColourCaptioner())
    for path in PATHS:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(encoded(Image.new("RGB", (8, 8), (PATHS.index(path), 0, 0)), "JPEG"))
    return tmp_path


def test_jsonl_csv_and_search_give_the_names_back(folder, capfdbinary):
    assert main([".", "--output", "results.jsonl"]) == 0
    found = [json.loads(line)["path"] for line in (folder / "results.jsonl").read_bytes().splitlines()]
    assert sorted(found) == PATHS
    assert main([".", "--output", "results.jsonl"]) == 0  # known again
    assert b"nothing to do: 18 of 18 done" in capfdbinary.readouterr().err

    assert main([".", "--format", "csv", "--output", "results.csv"]) == 0
    with (folder / "results.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        assert sorted(row["path"] for row in csv.DictReader(file)) == PATHS
    capfdbinary.readouterr()
    for format in ("csv", "text"):  # as a process of its own has standard output, in UTF-8
        assert main([".", "--format", format]) == 0
    printed = capfdbinary.readouterr().out
    assert all(os.fsencode(path).replace(b'"', b'""') in printed for path in PATHS)

    _, results = Collection(folder / "results.jsonl").search("red", 100)
    assert sorted(result.path for result in results) == PATHS
    assert search(["results.jsonl", "--where", "red", "--limit", "100"]) == 0
    printed = capfdbinary.readouterr().out
    assert all(os.fsencode(path) + b": red " in printed for path in PATHS)


def test_sidecars_and_copies_keep_the_names(folder):
    for _ in range(2):
        assert main([".", "--format", "sidecar", "--write-metadata", "copies"]) == 0
    for path in PATHS:
        text = folder / f"{path.removesuffix('.jpg')}.txt"
        assert text.read_text().startswith("red ") and (folder / "copies" / path).is_file()
    assert not list(folder.rglob("*.tmp"))


def test_a_list_gives_the_names_back(folder):
    """All but those with an end of line in them, which a list of lines cannot hold."""
    paths = [path for path in PATHS if not set(path) & set("\n\r")]
    (folder / "list.txt").write_bytes(b"\r\n".join(map(os.fsencode, paths)))
    assert main(["--from", "list.txt", "--output", "results.jsonl"]) == 0
    found = [json.loads(line)["path"] for line in (folder / "results.jsonl").read_bytes().splitlines()]
    assert found == paths
