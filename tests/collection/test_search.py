"""Words to photographs, through an index that is made once and anew when the results have changed."""

import json
import os
import sqlite3
import subprocess
import sys
import threading

import pytest

from collection.catalogue import Collection
from collection.query import QueryRefused
from collection.results import CollectionRefused
from collection.search import main
from tests.conftest import ROOT

CAPTIONS = {
    "a.jpg": "a dog runs through the grass",
    "b.jpg": "two dogs play with a red ball in the snow on a cold day in the winter",
    "c.jpg": "a man in a red shirt throws a ball",
    "d.jpg": "a snowboarder jumps",
    "e.jpg": "a dog",
}


def record(path, caption):
    return json.dumps({"path": path, "caption": caption, "captions": []}) + "\n"


@pytest.fixture
def results(tmp_path):
    file = tmp_path / "results.jsonl"
    damaged = json.dumps({"path": "x.jpg", "error": {"code": "damaged_image", "message": "a dog?"}}) + "\n"
    file.write_text(damaged + "".join(record(path, caption) for path, caption in CAPTIONS.items()))
    return file


def paths(results, query, limit=10):
    return [found.path for found in Collection(results).search(query, limit)[1]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("dog", ["e.jpg", "a.jpg", "b.jpg"]),  # the shorter caption says it more
        ("DOGS", ["e.jpg", "a.jpg", "b.jpg"]),
        ("red ball", ["c.jpg", "b.jpg"]),
        ('"red ball"', ["b.jpg"]),
        ("snow", ["b.jpg"]),
        ("snow*", ["d.jpg", "b.jpg"]),
        ("cat", []),
        # None of these is an operator, a column or a mistake.
        ("dog OR cat", []),
        ("dog NOT red", []),
        ("path:a", []),
        ("NEAR(dog grass)", []),
        ("dog AND", []),
        ("-dog", ["e.jpg", "a.jpg", "b.jpg"]),
        ('dog "', ["e.jpg", "a.jpg", "b.jpg"]),
        ("dog) ^ + {", ["e.jpg", "a.jpg", "b.jpg"]),
        ("dog'; DROP TABLE captions; --", []),
        ("d\0og", []),
        ("dog \udcff", ["e.jpg", "a.jpg", "b.jpg"]),
    ],
)
def test_words_are_words(results, query, expected):
    assert paths(results, query) == expected


@pytest.mark.parametrize("query", ["", "  ", '"', "***", "()", "x" * 201])
def test_nothing_to_search_for_is_refused(results, query):
    with pytest.raises(QueryRefused):
        Collection(results).search(query, 10)


def test_the_best_and_how_many_there_are(results):
    total, found = Collection(results).search("dog", 1)
    assert total == 3 and [(one.id, one.path, one.caption) for one in found] == [(6, "e.jpg", "a dog")]
    assert Collection(results).photograph(6) == found[0]
    assert Collection(results).photograph(1) is None and Collection(results).photograph(-1) is None  # no caption


def test_the_index_is_made_once_and_anew_when_the_results_change(results):
    index = results.with_name("results.jsonl.sqlite")
    assert paths(results, "dog")
    made = index.stat().st_mtime_ns
    assert paths(results, "dog") and index.stat().st_mtime_ns == made
    with results.open("a") as stream:
        stream.write(record("f.jpg", "dog dog dog"))
    assert "f.jpg" in paths(results, "dog")
    assert sorted(path.name for path in results.parent.iterdir()) == ["results.jsonl", "results.jsonl.sqlite"]
    results.unlink()
    assert "f.jpg" in paths(index, "dog")  # the index alone will do


def test_an_index_that_is_none_is_made_anew(results):
    index = results.with_name("results.jsonl.sqlite")
    (results.with_name("results.jsonl.sqlite.tmp")).write_bytes(b"of one that was killed")
    for content in (b"", b"rubbish" * 1000, b"SQLite format 3\0" + bytes(5000)):
        index.write_bytes(content)
        assert paths(results, "snow") == ["b.jpg"]
    index.unlink()
    with sqlite3.connect(index) as other:
        other.execute("CREATE TABLE captions (caption, path)")
    other.close()
    assert paths(results, "snow") == ["b.jpg"]


@pytest.mark.parametrize(
    "content",
    ["words\n", "[]\n", '{"path": "a.jpg"}\n', '{"path": 1, "caption": "x"}\n', "path,caption\na,b\n", "\xff"],
)
def test_what_is_no_collection_is_refused_and_leaves_nothing(tmp_path, content):
    file = tmp_path / "results.jsonl"
    file.write_text(record("a.jpg", "a dog") + content)
    with pytest.raises(CollectionRefused, match="line 2"):
        Collection(file).search("dog", 10)
    assert list(tmp_path.iterdir()) == [file]


def test_another_database_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "other.sqlite") as other:
        other.execute("CREATE TABLE captions (caption, path)")
    other.close()
    with pytest.raises(CollectionRefused, match="not an index of captions"):
        Collection(tmp_path / "other.sqlite").search("dog", 10)


def test_who_comes_while_the_index_is_made_waits_for_it(results):
    found = []
    threads = [threading.Thread(target=lambda: found.append(paths(results, "snow"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["b.jpg"]] * 8


def test_a_caption_that_is_no_text_and_a_path_that_is_no_utf_8(tmp_path):
    file = tmp_path / "results.jsonl"
    file.write_text(record("f\udcfcr.jpg", "a dog\0 \ud800"))
    assert paths(file, "dog") == ["f\udcfcr.jpg"]


def test_as_a_user_calls_it(results):
    def search(*arguments):
        command = [sys.executable, "-m", "collection", "search", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = search(results, "--where", "dog", "--limit", "2")
    assert (done.returncode, done.stderr) == (0, "2 of 3 found\n")
    assert done.stdout == "e.jpg: a dog\na.jpg: a dog runs through the grass\n"
    assert search(results, "--where", "cat").returncode == 1


def test_the_command_line_reports_in_one_line(results, tmp_path, capsys):
    assert main([str(results), "--where", "red shirt", "--format", "jsonl"]) == 0
    told = {"id": 4, "path": "c.jpg", "caption": CAPTIONS["c.jpg"], "confidence": None, "reviewed": None}
    assert json.loads(capsys.readouterr().out) == told
    for arguments in (
        [str(results), "--where", "?"],
        [str(tmp_path / "gone"), "--where", "dog"],
        [str(tmp_path), "--where", "dog"],
        [os.devnull, "--where", "dog"],
    ):
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1


def test_no_model_is_loaded_for_a_search():
    code = (
        "import sys, collection.__main__, collection.search; sys.exit('torch' in sys.modules or 'PIL' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
