"""python -m collection caption, with the shipped checkpoint, as it is called; see test_search.py for search."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from collection.__main__ import main
from tests.conftest import ROOT
from tests.pictures import encoded, photograph

MODEL = ["--checkpoint", str(ROOT / "best_model.pth"), "--vocabulary", str(ROOT / "vocab.pkl"), "--device", "cpu"]
QUICK = ["--method", "greedy", "--max-words", "4", *MODEL]


@pytest.fixture
def cat(tmp_path):
    path = tmp_path / "cat.jpg"
    path.write_bytes(encoded(photograph("chelsea"), "JPEG"))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 small photographs, one of them damaged, one hidden in a folder."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "inside").mkdir()
    for number in range(23):
        image = photograph(("chelsea", "astronaut", "coffee", "rocket")[number % 4]).resize((48, 48))
        (folder / f"{number:02}.jpg").write_bytes(encoded(image.rotate(number), "JPEG"))
    (folder / "inside" / "é.png").write_bytes(encoded(Image.new("RGB", (48, 48), "green")))
    (folder / "05.jpg").write_bytes((folder / "05.jpg").read_bytes()[:300])
    return folder


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "collection", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_lines(file, number, process):
    while not file.exists() or file.read_bytes().count(b"\n") < number:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def test_jsonl_is_what_the_api_returns(cat, capsys):
    assert main(["caption", str(cat), "--attention", "--num-captions", "2", *MODEL]) == 0
    [answer] = records(capsys.readouterr().out)
    parts = ["path", "caption", "captions", "language", "confidence", "low_confidence", "tags", "model"]
    assert list(answer) == parts
    assert answer["path"] == str(cat)
    assert answer["caption"] == answer["captions"][0]["text"] and len(answer["captions"]) == 2
    assert len(answer["captions"][0]["words"][0]["attention"]) == 9


def test_what_is_cut_off_says_so_in_its_record(cat, capsys):
    cat.write_bytes(cat.read_bytes()[:-200])
    assert main(["caption", str(cat), *QUICK]) == 0
    [answer] = records(capsys.readouterr().out)
    assert answer["warning"] == "truncated" and answer["caption"]
    assert main(["caption", str(cat), "--format", "csv", *QUICK]) == 0
    [row] = csv.DictReader(capsys.readouterr().out.splitlines())
    assert row["warning"] == "truncated" and row["caption"] == answer["caption"]
    assert main(["caption", str(cat), "--format", "sidecar", *QUICK]) == 0
    assert "the file is cut off" in capsys.readouterr().err


def test_killed_or_interrupted_the_same_command_resumes_to_the_same_file(folder, tmp_path, capsys):
    """Ctrl-C, then kill -9, each in the middle; then to the end: byte for byte what a run at one go writes."""
    command = ["caption", str(folder), "--batch-size", "2", *QUICK, "--output"]
    file, part = tmp_path / "results.jsonl", tmp_path / "results.jsonl.part"
    interrupted = started(*command, file)
    wait_for_lines(part, 4, interrupted)
    os.killpg(interrupted.pid, signal.SIGINT)
    errors = interrupted.communicate()[1]
    assert interrupted.returncode == 130 and "of 24 photographs; the same command goes on from there" in errors
    assert "Traceback" not in errors
    after_the_first = part.read_bytes()

    killed = started(*command, file)
    wait_for_lines(part, after_the_first.count(b"\n") + 4, killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL and not file.exists()
    assert part.read_bytes().startswith(after_the_first)
    with part.open("ab") as half:
        half.write(b'{"path": "half a li')

    assert main([*command, str(file), "--max-words", "5"]) == 2
    assert "begun with max_words 4 (now 5)" in capsys.readouterr().err
    assert main([*command, str(file)]) == 1
    assert "23 captioned, 1 failed (" in capsys.readouterr().err

    assert main([*command, str(tmp_path / "at-one-go.jsonl")]) == 1
    assert file.read_bytes() == (tmp_path / "at-one-go.jsonl").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("at-one-go.jsonl", "at-one-go.jsonl.journal", "results.jsonl", "results.jsonl.journal")
    ]
    found = records(file.read_text())
    assert [record["path"] for record in found] == sorted(str(path) for path in folder.rglob("*.*g"))
    assert [record["path"] for record in found if "error" in record] == [str(folder / "05.jpg")]


def test_csv_for_a_spreadsheet(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    formula = tmp_path / '=1+1, a "formula"\n.jpg'
    formula.write_bytes((folder / "01.jpg").read_bytes())
    given = [formula.name, str(folder / "05.jpg"), str(folder / "inside")]
    assert main(["caption", *given, "--format", "csv", "--output", "results.csv", *QUICK]) == 1
    text = (tmp_path / "results.csv").read_bytes().decode()
    assert main(["caption", *given, "--format", "csv", *QUICK]) == 1
    assert capsys.readouterr().out == text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["path"] for row in rows] == [f"'{formula.name}", given[1], f"{folder}/inside/é.png"]
    assert rows[0]["caption"] and not rows[0]["error"]
    assert not rows[1]["caption"] and "truncated" in rows[1]["error"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [formula.name, "results.csv", "results.csv.journal"]
    )


def test_a_text_beside_each_photograph_and_none_is_overwritten(folder, tmp_path, monkeypatch, capsys):
    for name in ("00.jpg", "05.jpg", "06.jpg"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "06.txt").write_text("my own words")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{tmp_path}\n".encode())))
    assert main(["caption", "-", "--format", "sidecar", *QUICK]) == 1
    assert len((tmp_path / "00.txt").read_text().split()) == 4
    assert (tmp_path / "06.txt").read_text() == "my own words" and not (tmp_path / "05.txt").exists()
    printed = capsys.readouterr()
    assert "05.jpg: The image is truncated" in printed.err and "2 captioned, 1 failed (1 of them before)" in printed.err
    assert printed.out == ""


def test_copies_with_the_caption_in_them(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trip").mkdir()
    (tmp_path / "trip" / "a.jpg").write_bytes((folder / "00.jpg").read_bytes())
    (tmp_path / "trip" / "b.gif").write_bytes(encoded(Image.new("RGB", (48, 48)), "GIF"))
    (tmp_path / "list.txt").write_text("trip\n")
    command = ["caption", "--from", "list.txt", "--write-metadata", "trip/copies", "--style", "alt", *QUICK]
    for _ in range(2):  # the copies are no photographs of the collection
        assert main(command) == 1
        first, second = records(capsys.readouterr().out)
        assert first["copy"] == "trip/copies/trip/a.jpg" and "Writing to GIF" in second["copy_error"]["message"]
    with Image.open(first["copy"]) as copy:
        description = copy.getxmp()["xmpmeta"]["RDF"]["Description"]
    assert description["description"]["Alt"]["li"]["text"] == first["caption"]
    assert first["caption"].endswith(".")
    assert (tmp_path / "trip" / "a.jpg").read_bytes() == (folder / "00.jpg").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--beam-size", "99"], "between 1 and 10"),
        (["--device", "tpu"], "there is no device 'tpu'"),
        (["--checkpoint", "nowhere.pth"], "nowhere.pth"),
        (["--from", "nowhere.txt"], "nowhere.txt"),
        (["--format", "jsonl", "--output", "nowhere/results.jsonl"], "nowhere/results.jsonl"),
    ],
)
def test_what_cannot_be_done_is_reported_in_one_line(cat, capsys, arguments, words):
    assert main(["caption", str(cat), *MODEL, *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_where_there_are_no_photographs_that_is_reported(tmp_path, capsys):
    assert main(["caption", str(tmp_path), *MODEL]) == 2
    assert capsys.readouterr().err == "error: there are no photographs to caption in what was named\n"
    assert main(["caption", str(tmp_path / "gone.jpg"), *QUICK]) == 2  # none could be
    assert "1 failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["captoin", "x"], "unknown command 'captoin'; did you mean caption?"),
        (["caption", "x", "--werkers", "2"], "unknown option '--werkers'; did you mean --workers?"),
        (["caption", "x", "--beam", "2"], "unknown option '--beam'; did you mean --beam-size?"),
        (["caption", "x", "--out=y"], "unknown option '--out'; did you mean --output?"),
        (["search", "x", "--where", "dog", "--max", "2"], "unknown option '--max'"),
        (["search", "x", "--where", "dog", "grass"], "what is meant by grass?"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(capsys, arguments, words):
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code
    assert status == 2 and words in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["--from"], ["x", "--batch-size", "0"], ["x", "--format", "text", "--output", "y"]]
)
def test_a_command_line_that_is_none(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["caption", *arguments])
    assert stopped.value.code == 2 and capsys.readouterr().err.startswith("usage: python -m collection caption")


def test_the_commands_are_listed(capsys):
    assert main(["--help"]) == 0
    usage = capsys.readouterr().out
    assert all(command in usage for command in ("caption", "search"))
    assert main([]) == 2 and main(["unknown"]) == 2
