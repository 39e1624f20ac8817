"""--in-place, --xmp and --write-metadata of `caption`, `write` of finished results, and summaries for scripts."""

import json

import pytest
from PIL import Image

from collection import run
from collection.caption import main as caption
from collection.write import main as write
from tests.conftest import ROOT
from tests.exiftool import told
from tests.model.colour_captioner import ColourCaptioner
from tests.pictures import encoded

MODEL = ["--checkpoint", str(ROOT / "best_model.pth"), "--vocabulary", str(ROOT / "vocab.pkl"), "--device", "cpu"]


@pytest.fixture
def loads(monkeypatch):
    found = []

    def load(settings):
        found.append(settings)
        return ColourCaptioner()

    monkeypatch.setattr(run, "load_captioner", load)
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch, loads):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trip").mkdir()
    for number in range(3):
        image = Image.new("RGB", (8, 8), (number * 100, 0, 0))
        (tmp_path / "trip" / f"{number}.jpg").write_bytes(encoded(image, "JPEG"))
    return tmp_path / "trip"


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def descriptions(folder):
    return [file.get("XMP-dc:Description") for file in told(*sorted(folder.glob("*.jpg")))]


def test_what_is_written_in_place_is_not_captioned_again(folder, loads, capsys):
    command = ["trip", *MODEL, "--output", "results.jsonl", "--in-place"]
    assert caption(command) == 0
    records = [json.loads(line) for line in (folder.parent / "results.jsonl").read_text().splitlines()]
    assert descriptions(folder) == [record["caption"] for record in records]
    before = files(folder)
    assert caption(command) == 0 and len(loads) == 1 and "nothing to do: 3 of 3" in capsys.readouterr().err
    assert caption(["trip", *MODEL, "--output", "results.jsonl"]) == 2  # the run was another
    assert "metadata InPlace() (now None)" in capsys.readouterr().err
    assert files(folder) == before


def test_results_are_written_later_and_people_outrank_the_machine(folder, loads, capsys):
    assert caption(["trip", *MODEL, "--output", "results.jsonl"]) == 0
    results = folder.parent / "results.jsonl"
    before = files(folder)
    assert write(["results.jsonl", "--in-place", "--dry-run"]) == 0
    printed = capsys.readouterr()
    assert "trip/1.jpg: dc:description: (nothing) -> red" in printed.out and "3 photographs would be" in printed.err
    assert files(folder) == before
    assert write(["results.jsonl", "--in-place"]) == 0
    written = files(folder)
    assert write(["results.jsonl", "--in-place"]) == 0 and files(folder) == written
    assert caption(["trip", *MODEL, "--output", "results.jsonl"]) == 0 and len(loads) == 1  # still the same photographs

    first, *others = results.read_text().splitlines(keepends=True)
    person = {"caption": "our balcony", "reviewed": "edited", "machine_caption": json.loads(first)["caption"]}
    (folder.parent / "other.jsonl").write_text(json.dumps(json.loads(first) | person) + "\n" + "".join(others))
    assert write(["other.jsonl", "--in-place", "--prefix", "AI: "]) == 0
    found = descriptions(folder)
    assert found[0] == "our balcony" and all(text.startswith("AI: red") for text in found[1:])
    assert "XMP-captioner:Model" not in told(folder / "0.jpg")[0]
    assert write(["results.jsonl", "--xmp", "--sidecar-name", "stem"]) == 0
    assert sorted(path.name for path in folder.glob("*.xmp")) == ["0.xmp", "1.xmp", "2.xmp"]
    assert write(["results.jsonl", "--write-metadata", "copies", "--if", "empty"]) == 0
    assert descriptions(folder.parent / "copies" / "trip")[0] == "our balcony"


def test_sidecars_of_a_run_and_what_they_refuse(folder, capsys):
    (folder / "1.jpg.xmp").write_bytes(b"<!DOCTYPE x><x/>")
    assert caption(["trip", *MODEL, "--xmp", "--output", "results.csv", "--format", "csv"]) == 1
    assert "of these: 1 no metadata" in capsys.readouterr().err
    found = told(folder / "0.jpg.xmp", folder / "2.jpg.xmp")
    assert [file["XMP-dc:Description"][:5] for file in found] == ["red 0", "red 2"]
    assert (folder / "1.jpg.xmp").read_bytes() == b"<!DOCTYPE x><x/>"
    (folder / "1.png").write_bytes(encoded(Image.new("RGB", (8, 8))))
    assert caption(["trip", *MODEL, "--xmp", "--sidecar-name", "stem"]) == 2
    assert "would be written to one file, trip/1.xmp" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(folder, capsys):
    before = files(folder.parent / "trip")
    for where in (["--in-place"], ["--xmp"], ["--write-metadata", "copies"]):
        assert caption(["trip", *MODEL, *where, "--dry-run", "--format", "sidecar"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert sum("dc:description: (nothing) -> red" in line for line in lines) == 3
    assert files(folder) == before and [path.name for path in folder.parent.iterdir()] == ["trip"]


def test_a_summary_for_scripts(folder, capsys):
    (folder / "bad.jpg").write_bytes(b"no photograph")
    command = ["trip", *MODEL, "--output", "results.jsonl", "--json"]
    assert caption(command) == 1
    first = json.loads(capsys.readouterr().err.splitlines()[-1])
    expected = {"status": 1, "total": 4, "captioned": 3, "reused": 0, "failed": 1, "refused": {"not_an_image": 1}}
    assert expected.items() <= first.items() and first["output"] == "results.jsonl" and first["error"] is None
    assert caption(command) == 1
    second = json.loads(capsys.readouterr().err)
    assert (expected | {"captioned": 0, "reused": 3}).items() <= second.items()
    assert caption(["nowhere.jpg", *MODEL, "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["refused"] == {"unreadable": 1}
    assert caption(["trip", *MODEL, "--json", "--from", "nowhere.txt"]) == 2
    assert "nowhere.txt" in json.loads(capsys.readouterr().err)["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--if", "always"], "--if says how metadata is written; where?"),
        (["--dry-run"], "--dry-run says how metadata is written"),
        (["--in-place", "--xmp"], "not allowed with"),
        (["--in-place", "--if", "sometimes"], "invalid choice: 'sometimes'"),
        (["--in-place", "--dry-run", "--output", "results.jsonl"], "--dry-run writes nothing"),
        (["--in-place", "--sidecar-name", "stem"], "--sidecar-name means nothing"),
    ],
)
def test_options_that_do_not_belong_together(folder, capsys, arguments, words):
    with pytest.raises(SystemExit):
        caption(["trip", *MODEL, *arguments])
    assert words in capsys.readouterr().err


def test_results_that_are_none(folder, capsys):
    (folder.parent / "other.jsonl").write_text('{"path": 3}\n')
    for results, words in (("nowhere.jsonl", "nowhere.jsonl"), ("other.jsonl", "line 1 is not a photograph's record")):
        assert write([results, "--xmp"]) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit):
        write(["other.jsonl"])
    assert "where? --in-place" in capsys.readouterr().err
