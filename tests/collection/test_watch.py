"""collection watch, as a process of its own with the shipped checkpoint: what happens in a folder is in the results."""

import json
import signal
import subprocess
import sys
import time

import pytest

from collection import settled
from collection.settled import Settled
from collection.watch import main
from tests.conftest import ROOT, wait_until
from tests.pictures import encoded, photograph

MODEL = ["--checkpoint", str(ROOT / "best_model.pth"), "--vocabulary", str(ROOT / "vocab.pkl"), "--device", "cpu"]
QUICK = ["--method", "greedy", "--max-words", "4", "--settle", "1", *MODEL]


def picture(name, turned=0):
    return encoded(photograph(name).resize((64, 64)).rotate(turned), "JPEG")


class Watching:
    def __init__(self, folder, *options):
        self.results = folder.parent / "results.jsonl"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "collection", "watch", str(folder), "--output", str(self.results), *QUICK, *options],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )

    def names(self):
        return sorted(self.records())

    def records(self):
        lines = self.results.read_text().splitlines() if self.results.exists() else []
        return {record["path"].rpartition("/")[2]: record for record in map(json.loads, lines)}

    def wait_for(self, *names):
        def is_so():
            assert self.process.poll() is None, self.process.stderr.read()
            return self.names() == sorted(names)

        wait_until(is_so)

    def end(self, how):
        self.process.send_signal(how)
        errors = self.process.communicate(timeout=60)[1]
        assert self.process.returncode == 0 and "Traceback" not in errors, errors
        return errors


def test_a_folder_and_its_results(tmp_path):
    folder = tmp_path / "photographs"
    (folder / "inside").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(picture("chelsea"))
    watching = Watching(folder)
    watching.wait_for("a.jpg")

    whole = picture("coffee")
    with (folder / "slow.jpg").open("wb") as slow:  # longer than it takes to settle
        slow.write(whole[:-400])
        slow.flush()
        (folder / ".hidden.jpg").write_bytes(whole)
        (folder / "upload.jpg.part").write_bytes(picture("astronaut"))
        (folder / "upload.jpg.part").rename(folder / "inside" / "placed.jpg")
        watching.wait_for("a.jpg", "placed.jpg")
        slow.write(whole[-400:])
    watching.wait_for("a.jpg", "placed.jpg", "slow.jpg")
    assert "warning" not in watching.records()["slow.jpg"]

    before = watching.records()
    (folder / "inside").rename(folder / "moved")
    (folder / "a.jpg").unlink()
    (folder / "slow.jpg").rename(folder / "b.jpg")
    watching.wait_for("b.jpg", "placed.jpg")
    after = watching.records()
    assert after["b.jpg"] == before["slow.jpg"] | {"path": str(folder / "b.jpg")}
    assert after["placed.jpg"]["path"] == str(folder / "moved" / "placed.jpg")
    errors = watching.end(signal.SIGTERM)
    assert "2 captioned, 0 failed (2 of them before)" in errors  # a move costs no caption

    (folder / "b.jpg").write_bytes(picture("rocket"))  # while nobody looks
    (folder / "new.jpg").write_bytes(picture("coffee", turned=90))
    (folder / "moved" / "placed.jpg").unlink()
    again = Watching(folder, "--poll")
    again.wait_for("b.jpg", "new.jpg")
    assert again.records()["b.jpg"]["caption"] != after["b.jpg"]["caption"]
    (folder / "polled.jpg").write_bytes(picture("chelsea", turned=90))
    again.wait_for("b.jpg", "new.jpg", "polled.jpg")
    for path in (folder / "b.jpg", folder / "new.jpg", folder / "polled.jpg"):
        path.rename(tmp_path / path.name)  # as if a disk were unmounted
    time.sleep(3)
    assert again.names() == ["b.jpg", "new.jpg", "polled.jpg"]
    assert "ended; the same command goes on" in again.end(signal.SIGINT)


def test_what_is_settled(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(settled.time, "monotonic", lambda: clock[0])
    watch, path = Settled(2), tmp_path / "a.jpg"
    assert watch.has(str(path))  # for others to find out
    path.write_bytes(picture("chelsea")[:-300])
    assert not watch.has(str(path))
    clock[0] += 3
    assert not watch.has(str(path))  # it is not whole
    path.write_bytes(picture("chelsea"))
    assert not watch.has(str(path))
    clock[0] += 1
    assert not watch.has(str(path))
    clock[0] += 1.5
    assert watch.has(str(path))
    path.write_bytes(b"never whole")
    assert not watch.has(str(path))
    clock[0] += 61
    assert watch.has(str(path))  # as whole as it gets


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--output", "x.jsonl"], "nowhere is no folder"),
        (["."], "required: --output"),
        ([".", "--output", "x", "--format", "text"], "goes into no file"),
        ([".", "--output", "x.jsonl", "--json"], "unknown option '--json'"),
    ],
)
def test_a_command_line_that_is_none(capsys, arguments, words):
    with pytest.raises(SystemExit):
        main([*arguments, *MODEL])
    assert words in capsys.readouterr().err
