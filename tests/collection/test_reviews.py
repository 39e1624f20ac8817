"""People's words: kept through kills, moves, other models and other people, and in every output."""

import csv
import json
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from collection import run
from collection.caption import main as caption
from collection.catalogue import Collection
from collection.export import main as export
from collection.query import QueryRefused
from collection.review import main as review
from collection.reviews import Stale
from collection.search import main as search
from collection.written import ReviewRefused
from tests.collection.test_again import MODEL, picture, said
from tests.conftest import ROOT
from tests.model.colour_captioner import ColourCaptioner

COUNT = 6


class Other(ColourCaptioner):
    """Another model, with other words for the same."""

    @staticmethod
    def _caption(image):
        found = ColourCaptioner._caption(image)
        return replace(found, text=f"other {found.text}")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "load_captioner", lambda settings: ColourCaptioner())
    (tmp_path / "p").mkdir()
    for number in range(COUNT):
        (tmp_path / "p" / f"{number}.png").write_bytes(picture(number))
    assert caption(["p", "--output", "results.jsonl", *MODEL]) == 0
    return tmp_path


@pytest.fixture
def results(folder):
    return folder / "results.jsonl"


def again(*arguments):
    assert caption(["p", *arguments, *MODEL]) == 0


def records(file):
    return {record["path"]: record for record in map(json.loads, file.read_text().splitlines())}


def test_words_are_in_every_output(results, folder):
    assert review([str(results), "edit", "p/1.png", "a red\n square", "--by", "Ada"]) == 0
    assert review([str(results), "reject", "p/2.png", "--by", "Bob"]) == 0
    assert review([str(results), "accept", "p/3.png", "--by", "Ada"]) == 0
    again("--output", "results.jsonl")
    found = records(results)
    assert found["p/1.png"]["caption"] == "a red square" and found["p/1.png"]["machine_caption"] == said(1)
    assert (found["p/1.png"]["reviewed"], found["p/1.png"]["reviewed_by"]) == ("edited", "Ada")
    assert (found["p/2.png"]["caption"], found["p/2.png"]["reviewed"]) == ("", "rejected")
    assert (found["p/3.png"]["caption"], found["p/3.png"]["reviewed"]) == (said(3), "accepted")
    assert "reviewed" not in found["p/0.png"]
    assert export([str(results), "--format", "jsonl", "--output", "copy.jsonl"]) == 0
    assert (folder / "copy.jsonl").read_bytes() == results.read_bytes()
    assert export([str(results), "--format", "sidecar"]) == 0
    texts = {path.name: path.read_text() for path in (folder / "p").glob("*.txt")}
    assert texts["1.txt"] == "a red square\n" and "2.txt" not in texts and len(texts) == COUNT - 1


def test_in_csv_and_text(folder, capsys):
    again("--format", "csv", "--output", "results.csv")
    assert review(["results.csv", "edit", "p/1.png", "words", "--by", "Ada"]) == 0
    again("--format", "csv", "--output", "results.csv")
    rows = {row["path"]: row for row in csv.DictReader((folder / "results.csv").read_text().splitlines())}
    told = [rows["p/1.png"][name] for name in ("caption", "reviewed", "reviewed_by", "machine_caption")]
    assert told == ["words", "edited", "Ada", said(1)]
    capsys.readouterr()
    assert export(["results.csv", "--format", "text"]) == 0
    assert "p/1.png: words\n" in capsys.readouterr().out
    assert search(["results.csv", "--where", "words reviewed:yes"]) == 0


def test_no_machine_writes_over_them(results, folder, monkeypatch):
    collection = Collection(results)
    collection.decide(collection.at("p/1.png"), "edit", "Ada", "a person's words")
    collection.decide(collection.at("p/2.png"), "accept", "Ada")
    collection.decide(collection.at("p/3.png"), "reject", "Ada")
    results.unlink()
    results.with_name("results.jsonl.journal").unlink()
    monkeypatch.setattr(run, "load_captioner", lambda settings: Other())
    (folder / "p" / "1.png").rename(folder / "p" / "moved.png")
    (folder / "p" / "00.png").write_bytes(picture(40))  # every line is another
    again("--output", "results.jsonl")
    found = records(results)
    assert found["p/moved.png"]["caption"] == "a person's words"
    assert found["p/moved.png"]["machine_caption"].startswith("other ")
    assert found["p/2.png"]["caption"] == said(2)
    assert found["p/3.png"]["caption"].startswith("other ")  # what was rejected were other words
    at = Collection(results).at("p/moved.png")
    assert (at.caption, at.status) == ("a person's words", "edited")
    history = Collection(results).history(at)
    assert (history[0].machine_caption, history[0].by) == (said(1), "Ada")


def test_a_photograph_that_changed_keeps_them_and_swapped_ones_take_theirs_along(results, folder):
    collection = Collection(results)
    for number in (1, 2, 3):
        collection.decide(collection.at(f"p/{number}.png"), "edit", "Ada", f"words {number}")
    (folder / "p" / "1.png").write_bytes(picture(41))
    (folder / "p" / "2.png").rename(folder / "p" / "x")
    (folder / "p" / "3.png").rename(folder / "p" / "2.png")
    (folder / "p" / "x").rename(folder / "p" / "3.png")
    again("--output", "results.jsonl")
    found = records(results)
    assert [found[f"p/{number}.png"]["caption"] for number in (1, 2, 3)] == ["words 1", "words 3", "words 2"]
    assert [Collection(results).at(f"p/{n}.png").caption for n in (1, 2, 3)] == ["words 1", "words 3", "words 2"]


def test_a_sidecar_of_a_persons_stays(results, folder):
    assert review([str(results), "edit", "p/1.png", "words", "--by", "Ada"]) == 0
    assert export([str(results), "--format", "sidecar"]) == 0
    (folder / "p" / "1.png").write_bytes(picture(41))
    (folder / "p" / "2.png").write_bytes(picture(42))
    again("--format", "sidecar")
    assert (folder / "p" / "1.txt").read_text() == "words\n" and (folder / "p" / "2.txt").read_text() == f"{said(42)}\n"


def test_of_many_at_once_one_wins_and_the_others_are_told(results):
    collection = Collection(results)
    seen = collection.at("p/1.png")
    outcomes = []

    def decide(number):
        try:
            collection.decide(seen, "edit", f"person {number}", f"words {number}", seen.version)
            outcomes.append("won")
        except Stale as error:
            outcomes.append(error.current.caption)

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = collection.at("p/1.png")
    assert sorted(outcomes) == sorted(["won", *[now.caption] * 7]) and len(collection.history(now)) == 1


def test_what_is_acknowledged_survives_a_kill(results, folder):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from collection.catalogue import Collection\n"
        f"collection = Collection(Path({str(results)!r}))\n"
        "for number in range(1000):\n"
        "    collection.decide(collection.at('p/1.png'), 'edit', 'Ada', f'words {number}')\n"
        "    print(number, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    last = [process.stdout.readline() for _ in range(7)][-1]
    process.kill()
    last = int((process.communicate()[0].split() or [last])[-1])
    words = Collection(results).at("p/1.png").caption
    assert words in (f"words {last}", f"words {last + 1}")  # one may be on the disk and not told yet
    assert Collection(results).search(f'"{words}"', 5)[0] == 1


def test_undo_goes_back_step_by_step(results):
    collection = Collection(results)
    for action, text in (("accept", ""), ("edit", "words"), ("reject", "")):
        collection.decide(collection.at("p/1.png"), action, "Ada", text)
    states = [collection.decide(collection.at("p/1.png"), "undo", "Bob") for _ in range(3)]
    assert [(one.status, one.caption) for one in states] == [("edited", "words"), ("accepted", said(1)), ("", said(1))]
    with pytest.raises(ReviewRefused, match="nothing to undo"):
        collection.decide(states[-1], "undo", "Bob")
    assert len(collection.history(states[-1])) == 6


def test_filters_and_orders(results):
    lines = [
        json.loads(line) | {"confidence": number / 10} for number, line in enumerate(results.read_text().splitlines())
    ]
    results.write_text("".join(json.dumps(line | {"tags": [{"name": "dog"}]}) + "\n" for line in lines))
    collection = Collection(results)
    collection.decide(collection.at("p/1.png"), "edit", "Ada", "two running horses")

    def found(query, order="best"):
        return [one.path[2] for one in collection.search(query, 10, order)[1]]

    assert found("horse run") == ["1"] and found("red blue reviewed:no") == ["0", "2", "3", "4", "5"]
    assert found("confidence<0.3 reviewed:no", "least-sure") == ["0", "2"]
    assert found("confidence >= .4", "path") == ["4", "5"] and found("reviewed:yes tag:dogs") == ["1"]
    assert found("reviewed:rejected") == [] and found('"confidence < 3"') == []
    for query in ("confidence<x", "confidence<nan", "reviewed:maybe"):
        with pytest.raises(QueryRefused):
            collection.search(query, 10)


def test_a_terminal_of_lines_and_a_script(results, capsys):
    command = [sys.executable, "-m", "collection", "review", str(results), "--by", "Ada"]
    keys = "?\na\ne\nnew words\nr\nu\nq\n"
    done = subprocess.run(command, input=keys, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and "4 decided" in done.stdout
    assert review([str(results), "list", "--where", "reviewed:yes", "--format", "jsonl"]) == 0
    states = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["caption"] for one in states} == {said(0), "new words"}
    assert review([str(results), "accept", "p/none.png"]) == 1 and review(["none.jsonl", "list"]) == 2
    assert review([str(results), "history", "p/1.png"]) == 0
    assert "Ada: edit “new words”" in capsys.readouterr().out


def test_another_database_is_left_alone(results):
    other = results.with_name("results.jsonl.reviews.sqlite")
    other.write_bytes(b"rubbish" * 1000)
    assert review([str(results), "accept", "p/1.png"]) == 2
    assert other.read_bytes() == b"rubbish" * 1000
