"""Any number of photographs: which are meant, in order, in bounded memory, and after a kill."""

import gc
import io
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from collection import walk as collection
from collection.finished import Finished, finish
from collection.job import Job, decode_ahead
from collection.journal import Journal, JournalRefused, record_line
from collection.outputs.jsonl import Jsonl
from collection.walk import PhotographUnreadable, find_photographs, read_list, read_photograph
from tests.model.colour_captioner import ColourCaptioner
from tests.pictures import encoded

BATCH = 8


def colour(number):
    return (number % 256, number // 256 * 16, 128)


def tiny(number):
    return encoded(Image.new("RGB", (8, 8), colour(number)))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """60, of which one is damaged, one no image and one gone."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(60):
        (folder / f"{number:03}.png").write_bytes(tiny(number))
    (folder / "007.png").write_bytes(tiny(7)[:40])
    (folder / "031.png").write_text("words")
    paths = list(find_photographs([str(folder)]))
    paths.insert(20, str(folder / "gone.png"))
    return paths


def found(folder, *names, leave_out=None):
    return [os.path.relpath(path, folder) for path in find_photographs(names or [str(folder)], leave_out)]


@pytest.fixture
def tree(tmp_path):
    for name in (
        "b.JPG",
        "a.png",
        "notes.txt",
        "c/z.webp",
        "c/d/y.tiff",
        "c/.hidden.png",
        ".cache/x.png",
        "copies/a.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "c" / "round").symlink_to(tmp_path)
    (tmp_path / "c" / "linked.gif").symlink_to(tmp_path / "a.png")
    return tmp_path


def test_a_folder_is_searched_with_those_in_it_in_the_order_of_names(tree):
    assert found(tree) == ["a.png", "b.JPG", "c/d/y.tiff", "c/linked.gif", "c/z.webp", "copies/a.png"]
    assert found(tree, leave_out=tree / "c" / ".." / "copies")[-1] == "c/z.webp"


def test_patterns_and_names(tree):
    assert found(tree, f"{tree}/**/*.*") == found(tree)
    assert found(tree, f"{tree}/c/*") == ["c/linked.gif", "c/z.webp"]
    assert found(tree, f"{tree}/*.bmp") == []
    assert found(tree, f"{tree}/notes.txt", f"{tree}/gone.jpg") == ["notes.txt", "gone.jpg"]
    (tree / "[1].png").write_bytes(b"")
    assert found(tree, f"{tree}/[1].png") == ["[1].png"]  # a name before it is a pattern
    long = "x" * 5000
    assert list(find_photographs([long])) == [long]


def test_folders_deeper_than_python_calls(tmp_path):
    deep = tmp_path
    for _ in range(1200):
        deep = deep / "d"
        deep.mkdir()
    (deep / "deep.png").write_bytes(b"")
    found = list(find_photographs([str(tmp_path)]))
    (deep / "deep.png").unlink()
    for folder in (deep, *deep.parents[:1199]):  # pytest, which clears up some runs later, calls itself too deeply
        folder.rmdir()
    assert found == [str(deep / "deep.png")]
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_paths(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"a b.jpg\r\n\n  \nf\xfcr.png\n")
    assert read_list(str(tmp_path / "list.txt")) == ["a b.jpg", "f\udcfcr.png"]


LISTS = {
    "a byte order mark": b"\xef\xbb\xbfa b.jpg\nc.jpg\n",
    "UTF-16, as PowerShell writes it": "a b.jpg\r\nc.jpg\r\n".encode("utf-16"),
    "big-endian UTF-16": b"\xfe\xff" + "a b.jpg\nc.jpg".encode("utf-16-be"),
    "Windows' ends of lines": b"a b.jpg\r\n\r\nc.jpg\r\n",
    "a Mac's of long ago": b"a b.jpg\rc.jpg\r",
    "comments": b"# photographs\na b.jpg\n  # of a trip\n#c.jpg is not there\nc.jpg\n#",
    "quotes": b"\"a b.jpg\"\n'c.jpg'\n",
    "quotes and spaces": b'  "a b.jpg"  \n\tc.jpg \n',
    "all of it": b"\xef\xbb\xbf# list\r\n\r\n \"a b.jpg\"\r\n'c.jpg'  \r\n# end",
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_as_other_programs_write_them(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_bytes(LISTS[kind])
    assert read_list("list.txt") == ["a b.jpg", "c.jpg"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LISTS[kind])))
    assert read_list("-") == ["a b.jpg", "c.jpg"]


def test_what_a_list_names_goes_before_how_lists_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("#1.jpg", " a.jpg ", "'b.jpg'"):
        (tmp_path / name).touch()
    (tmp_path / "list.txt").write_text("#1.jpg\n a.jpg \n'b.jpg'\n#2.jpg\n'#2.jpg'\n\"\n''\n")
    assert read_list("list.txt") == ["#1.jpg", " a.jpg ", "'b.jpg'", "#2.jpg", '"']


def test_only_plain_files_of_bounded_size_are_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "large.jpg").write_bytes(bytes(2000))
    monkeypatch.setattr(collection, "MAX_FILE_BYTES", 1000)
    for name, words in (
        ("pipe.jpg", "not a plain file"),
        ("large.jpg", "larger than"),
        ("gone.jpg", "No such file"),
        ("x" * 300, "name too long"),
        ("nul\0", "null"),
        (".", "folder"),
    ):
        with pytest.raises(PhotographUnreadable, match=words):
            read_photograph(tmp_path / name)


def test_records_are_in_order_and_a_damaged_photograph_is_one_of_them(photographs):
    records = [record for batch in Job(ColourCaptioner(), batch_size=BATCH).run(photographs) for record in batch]
    assert [record["path"] for record in records] == photographs
    failed = {Path(r["path"]).name: r["error"]["code"] for r in records if "error" in r}
    assert failed == {"007.png": "damaged_image", "031.png": "not_an_image", "gone.png": "unreadable"}
    for record in records:
        if "error" not in record:
            red, green, blue = colour(int(Path(record["path"]).stem))
            assert record["caption"] == record["captions"][0]["text"] == f"red {red} green {green} blue {blue}"


def images_in_memory():
    return sum(issubclass(type(thing), Image.Image) for thing in gc.get_objects())


@pytest.mark.parametrize("workers", [1, 4])
def test_no_more_than_two_batches_are_in_memory(tmp_path, workers):
    """Of 2,000 photographs: those that the model works on, and those that are decoded meanwhile."""
    for number in range(2000):
        (tmp_path / f"{number:04}.png").write_bytes(tiny(number))
    gc.collect()
    counts, before = [], images_in_memory()

    def count(images):
        assert len(images) <= BATCH
        if len(counts) % 10 == 0:
            time.sleep(0.02)  # for the workers to decode all that they may
            counts.append(images_in_memory() - before)
        else:
            counts.append(0)

    job = Job(ColourCaptioner(count), batch_size=BATCH, workers=workers)
    done = sum(len(batch) for batch in job.run(find_photographs([str(tmp_path)])))
    assert done == 2000 and len(counts) == 250
    # While a worker turns and shrinks a photograph, it has it twice.
    assert BATCH < max(counts) <= 2 * BATCH + 2 * workers


def test_memory_does_not_grow_with_their_number(tmp_path):
    """300 photographs of 3 MB each, decoded, would be 900 MB; a few batches of four are not."""
    (tmp_path / "large.png").write_bytes(encoded(Image.new("RGB", (1024, 1024), "red")))
    process, most = psutil.Process(), 0
    before = process.memory_info().rss

    def watch(images):
        nonlocal most
        most = max(most, process.memory_info().rss - before)

    for _ in Job(ColourCaptioner(watch), batch_size=4).run([str(tmp_path / "large.png")] * 300):
        pass
    assert most < 300 * 2**20


def test_decoding_stops_with_who_asks(photographs):
    asked = []
    decoded = decode_ahead((asked.append(path) or path for path in photographs), 2, 4)
    next(decoded)
    decoded.close()
    assert len(asked) <= 6


RUN = {"digest": "abc", "beam_size": 3}


def run(file, photographs, stop_after=None, **changed):
    """Captions into a file as the command line does; what was there before."""
    paths = iter(photographs)
    with Journal(file, RUN | changed) as journal:
        before = list(journal.recover(paths, BATCH))
        for number, records in enumerate(Job(ColourCaptioner(), batch_size=BATCH).run(paths)):
            if number == stop_after:
                return before
            journal.append(records)
        finish(file, RUN | changed, {}, lambda: iter(journal), Jsonl().write_file)
        journal.remove()
    return before


@pytest.fixture(scope="module")
def whole(photographs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder / "results.jsonl", photographs) == []
    assert sorted(path.name for path in folder.iterdir()) == ["results.jsonl", "results.jsonl.journal"]
    return (folder / "results.jsonl").read_bytes()


def test_wherever_it_was_killed_the_outcome_is_the_same(photographs, whole, tmp_path):
    file = tmp_path / "results.jsonl"
    run(file, photographs, stop_after=0)  # begun
    ends = sorted({*np.random.default_rng(0).integers(0, len(whole) + 1, 25), 0, 1, len(whole) - 1, len(whole)})
    for end in ends:
        shutil.copy(tmp_path / "results.jsonl.part.json", tmp_path / "kept")
        (tmp_path / "results.jsonl.part").write_bytes(whole[:end])
        before = run(file, photographs)
        assert len(before) == whole[:end].count(b"\n") // BATCH * BATCH
        assert file.read_bytes() == whole
        file.unlink()
        shutil.move(tmp_path / "kept", tmp_path / "results.jsonl.part.json")


def test_what_a_power_cut_left_is_cut_off(photographs, whole, tmp_path):
    run(tmp_path / "r.jsonl", photographs, stop_after=3)
    with (tmp_path / "r.jsonl.part").open("ab") as part:
        part.write(bytes(500) + b"\n" + whole[-300:])
    assert len(run(tmp_path / "r.jsonl", photographs)) == 3 * BATCH
    assert (tmp_path / "r.jsonl").read_bytes() == whole


def test_other_options_or_other_photographs_are_refused(photographs, tmp_path):
    file = tmp_path / "results.jsonl"
    run(file, photographs, stop_after=2)
    written = (tmp_path / "results.jsonl.part").read_bytes()
    with pytest.raises(JournalRefused, match=r"begun with beam_size 3 \(now 5\).*remove"):
        run(file, photographs, beam_size=5)
    with pytest.raises(JournalRefused, match=r"not those of.*001\.png comes where.*000\.png came"):
        run(file, photographs[1:])
    with pytest.raises(JournalRefused, match="no further photograph"):
        run(file, photographs[:10])
    (tmp_path / "results.jsonl.part.json").write_text("{")
    with pytest.raises(JournalRefused, match="cannot be read"):
        run(file, photographs)
    (tmp_path / "results.jsonl.part.json").unlink()
    with pytest.raises(JournalRefused, match="cannot be read"):
        run(file, photographs)
    assert (tmp_path / "results.jsonl.part").read_bytes() == written


def test_one_run_at_a_time_and_none_over_a_finished_one(photographs, tmp_path):
    file = tmp_path / "results.jsonl"
    with Journal(file, RUN), pytest.raises(JournalRefused, match="another run"):
        Journal(file, RUN)
    file.write_text("someone else's")
    with pytest.raises(JournalRefused, match="written by someone else meanwhile"):
        run(file, photographs)
    assert file.read_text() == "someone else's"
    (tmp_path / "results.jsonl.part").unlink()
    with pytest.raises(JournalRefused, match=r"is finished, and there is no results\.jsonl\.journal"):
        Finished.load(file)


def test_a_name_that_is_no_utf_8_survives():
    line = record_line({"path": "f\udcfcr.png"})
    assert line.isascii() and json.loads(line)["path"] == "f\udcfcr.png"
