"""A finished collection once more: nothing is loaded where nothing is new, and only what has changed is captioned."""

import csv
import json
import os
import resource
import subprocess
import sys

import pytest
from PIL import Image

from collection import finished, run
from collection.caption import main
from collection.journal import describe_changes
from collection.outputs.sidecar import NOTES
from tests.conftest import ROOT
from tests.model.colour_captioner import ColourCaptioner
from tests.pictures import encoded

MODEL = ["--checkpoint", str(ROOT / "best_model.pth"), "--vocabulary", str(ROOT / "vocab.pkl"), "--device", "cpu"]
COUNT = 30


def picture(number):
    return encoded(Image.new("RGB", (8, 8), (number % 256, number // 256, 0)))


def said(number):
    return f"red {number % 256} green {number // 256} blue 0"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photographs").mkdir()
    for number in range(COUNT):
        (tmp_path / "photographs" / f"{number:04}.png").write_bytes(picture(number))
    return tmp_path / "photographs"


@pytest.fixture
def loads(monkeypatch):
    """The photographs that a captioner was given, of each time that one was loaded."""
    found = []

    def load(settings):
        own = []
        found.append(own)
        return ColourCaptioner(own.extend)

    monkeypatch.setattr(run, "load_captioner", load)
    return found


def caption(*arguments, folder="photographs"):
    return main([folder, *arguments, *MODEL])


def rows(file):
    """Photographs' names and captions in their order, of a file in either format."""
    if file.suffix == ".csv":
        found = csv.DictReader(file.read_text().splitlines())
        return [(row["path"].rpartition("/")[2], row["caption"]) for row in found]
    found = map(json.loads, file.read_text().splitlines())
    return [(record["path"].rpartition("/")[2], record.get("caption", "")) for record in found]


WAYS = {
    "jsonl": ["--output", "results.jsonl"],
    "csv": ["--format", "csv", "--output", "results.csv"],
    "sidecar": ["--format", "sidecar"],
    "full sidecars": ["--format", "sidecar", "--sidecar-name", "full"],
}


def captions(way, folder):
    if "sidecar" in way:
        ends = {"sidecar": lambda path: path.with_suffix(".txt"), "full sidecars": lambda path: f"{path}.txt"}
        texts = {path.name: folder / ends[way](path) for path in sorted(folder.glob("*.png"))}
        return [(name, text.read_text().rstrip() if text.exists() else "") for name, text in texts.items()]
    return rows(folder.parent / f"results.{way}")


@pytest.mark.parametrize("way", WAYS)
def test_only_what_is_new_or_has_changed_is_captioned(folder, loads, way, capsys):
    assert caption(*WAYS[way]) == 0 and len(loads) == 1
    expected = [(f"{n:04}.png", said(n)) for n in range(COUNT)]
    assert captions(way, folder) == expected
    for _ in range(2):
        assert caption(*WAYS[way]) == 0
        assert capsys.readouterr().err.endswith(f"nothing to do: {COUNT} of {COUNT} done\n")
    os.utime(folder / "0003.png", (5, 5))  # another time, the same content
    assert caption(*WAYS[way]) == 0 and len(loads) == 1

    (folder / "0002.png").write_bytes(picture(502))
    times = (folder / "0004.png").stat()
    (folder / "0004.png").write_bytes(picture(504))
    os.utime(folder / "0004.png", ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    (folder / "0900.png").write_bytes(picture(900))
    assert caption(*WAYS[way]) == 0
    assert len(loads) == 2 and len(loads[1]) == 3
    assert f"31 captioned, 0 failed ({COUNT - 2} of them before)" in capsys.readouterr().err
    expected[2], expected[4] = ("0002.png", said(502)), ("0004.png", said(504))
    assert captions(way, folder) == [*expected, ("0900.png", said(900))]
    assert caption(*WAYS[way]) == 0 and len(loads) == 2


@pytest.mark.parametrize("way", ["jsonl", "csv"])
def test_what_is_gone_leaves_the_results_and_nothing_is_loaded_for_it(folder, loads, way, capsys):
    assert caption(*WAYS[way]) == 0
    (folder / "0000.png").unlink()
    (folder / "0007.png").rename(folder / "zzzz.png")
    assert caption(*WAYS[way]) == 0 and len(loads) == 1  # moved: known by its digest
    assert "29 captioned, 0 failed (29 of them before) in results." in capsys.readouterr().err
    names = [name for name, _ in captions(way, folder)]
    assert names == [path.name for path in sorted(folder.iterdir())] and names[-1] == "zzzz.png"
    (folder / "0001.png").unlink()
    assert caption(*WAYS[way]) == 0 and len(loads) == 1
    assert "; 1 gone" in capsys.readouterr().err and len(captions(way, folder)) == 28


@pytest.mark.parametrize("way", WAYS)
def test_what_failed_is_not_tried_again_until_it_has_changed(folder, loads, way, capsys):
    (folder / "0005.png").write_bytes(b"damaged")
    (folder / "0006.png").unlink()
    (folder / "0006.png").symlink_to("nowhere.png")
    assert caption(*WAYS[way]) == 1
    assert caption(*WAYS[way]) == 1 and len(loads) == 1
    assert f"nothing to do: {COUNT} of {COUNT} done, 2 of them failed" in capsys.readouterr().err
    for name in ("0005.png", "0006.png"):
        (folder / name).unlink()
        (folder / name).write_bytes(picture(int(name[:4])))
    assert caption(*WAYS[way]) == 0 and len(loads[1]) == 2
    assert captions(way, folder) == [(f"{n:04}.png", said(n)) for n in range(COUNT)]
    (folder / "0005.png").write_bytes(b"damaged again")
    assert caption(*WAYS[way]) == 1
    assert caption(*WAYS[way]) == 1 and len(loads) == 3


def test_what_a_person_wrote_is_not_written_over(folder, loads, capsys):
    assert caption(*WAYS["csv"]) == caption(*WAYS["sidecar"]) == 0
    results = folder.parent / "results.csv"
    results.write_text(results.read_text().replace("red 1 green", "my own words"))
    (folder / "0001.txt").write_text("my own words")
    before = results.read_bytes()
    assert caption(*WAYS["csv"]) == 0  # nothing is new: it stays, and nothing is wrong with that
    for name in ("0001.png", "0002.png"):
        (folder / name).write_bytes(picture(700))
    assert caption(*WAYS["csv"]) == 2
    assert "results.csv was changed after it was written, and is left as it is" in capsys.readouterr().err
    assert caption(*WAYS["sidecar"]) == 0
    assert results.read_bytes() == before and (folder / "0001.txt").read_text() == "my own words"
    assert (folder / "0002.txt").read_text() == f"{said(700)}\n"


def test_another_run_is_refused_before_anything_is_loaded(folder, loads, capsys):
    assert caption(*WAYS["jsonl"]) == 0
    assert caption(*WAYS["jsonl"], "--beam-size", "5") == 2 and len(loads) == 1
    assert "results.jsonl was made with beam_size 10 (now 5); go on with that" in capsys.readouterr().err
    (folder.parent / "results.jsonl.journal").write_text("{}\n")
    assert caption(*WAYS["jsonl"]) == 2
    assert "results.jsonl.journal cannot be read; remove results.jsonl to caption anew" in capsys.readouterr().err
    (folder.parent / "results.jsonl.journal").unlink()
    assert caption(*WAYS["jsonl"]) == 2
    assert "is finished, and there is no results.jsonl.journal to go on from" in capsys.readouterr().err
    (folder.parent / "results.jsonl").unlink()
    assert caption(*WAYS["jsonl"]) == 0 and len(loads) == 2


def test_another_model_under_the_same_name_is_noticed(folder, loads, capsys, monkeypatch, tmp_path):
    for name in ("best_model.pth", "vocab.pkl"):
        (tmp_path / name).write_bytes(b"a model")
    model = ["--checkpoint", "best_model.pth", "--vocabulary", "vocab.pkl"]
    assert main(["photographs", *WAYS["jsonl"], *model]) == 0
    os.utime("best_model.pth", (5, 5))
    assert main(["photographs", *WAYS["jsonl"], *model]) == 0 and len(loads) == 2  # it had to be looked at
    assert main(["photographs", *WAYS["jsonl"], *model]) == 0 and len(loads) == 2
    monkeypatch.setattr(ColourCaptioner, "digest", "another")
    (tmp_path / "best_model.pth").write_bytes(b"another model")
    assert main(["photographs", *WAYS["jsonl"], *model]) == 2
    assert "was made with digest" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["jsonl", "csv"])
def test_an_update_that_is_broken_off_goes_on(folder, loads, way, monkeypatch, capsys):
    """Within it, and where it was killed between FILE and its journal."""
    command = [*WAYS[way], "--batch-size", "2"]
    assert caption(*command) == 0
    for number in range(10):
        (folder / f"{number:04}.png").write_bytes(picture(600 + number))
    file, part = folder.parent / f"results.{way}", folder.parent / f"results.{way}.part"
    before = file.read_bytes()
    for batches in (1, 2):
        captioned = []

        def stop(images, captioned=captioned, batches=batches):
            captioned.extend(images)
            if len(captioned) > 2 * batches:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(run, "load_captioner", lambda settings, stop=stop: ColourCaptioner(stop))
            assert caption(*command) == 130
        assert file.read_bytes() == before
    with part.open("ab") as half:
        half.write(b'{"path": "half a li')
    (folder / "0001.png").write_bytes(picture(801))  # which the part has already
    with monkeypatch.context() as patch:
        patch.setattr(finished, "_write_journal", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        assert caption(*command) == 130
    assert len(loads[-1]) == 5 and part.exists()  # 6 were done, of which one changed
    expected = [(f"{n:04}.png", said(801 if n == 1 else 600 + n if n < 10 else n)) for n in range(COUNT)]
    assert captions(way, folder) == expected
    assert caption(*command) == 0 and not loads[-1] and captions(way, folder) == expected
    assert sorted(path.name for path in folder.parent.glob("results*")) == [file.name, f"{file.name}.journal"]
    assert caption(*command) == 0 and "nothing to do" in capsys.readouterr().err


def test_a_first_run_that_was_killed_between_file_and_journal_goes_on(folder, loads, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(finished, "_write_journal", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        assert caption(*WAYS["jsonl"]) == 130
    whole = (folder.parent / "results.jsonl").read_bytes()
    assert caption(*WAYS["jsonl"]) == 0
    assert (folder.parent / "results.jsonl").read_bytes() == whole
    assert caption(*WAYS["jsonl"]) == 0 and "nothing to do" in capsys.readouterr().err


def test_sidecars_know_whose_they_are_after_a_kill(folder, loads, monkeypatch):
    """Between the note on a text and the text, and with the last note half written."""
    from collection.outputs import sidecar

    with monkeypatch.context() as patch:
        patch.setattr(sidecar, "atomic_write", lambda text: (_ for _ in ()).throw(KeyboardInterrupt))
        assert caption(*WAYS["sidecar"]) == 130
    assert not list(folder.glob("*.txt"))
    with (folder / NOTES).open("ab") as notes:
        notes.write(b'[1]\n{"photograph": "0001.png", "side')
    assert caption(*WAYS["sidecar"]) == 0 and captions("sidecar", folder)[0] == ("0000.png", said(0))
    assert caption(*WAYS["sidecar"]) == 0 and len(loads) == 2


def test_copies_that_are_gone_are_made_again(folder, loads):
    for command in (WAYS["jsonl"], WAYS["sidecar"]):
        command = [*command, "--write-metadata", "copies"]
        assert caption(*command) == 0
        assert caption(*command) == 0
        (folder.parent / "copies" / "photographs" / "0003.png").unlink()
        assert caption(*command) == 0 and len(loads[-1]) == 1
        assert (folder.parent / "copies" / "photographs" / "0003.png").is_file()


def test_the_second_look_is_a_short_one(folder, loads):
    """In a process of its own, over 1,204 photographs: seconds of the processor, and no PyTorch."""
    for number in range(COUNT, 1204):
        (folder / f"{number:04}.png").write_bytes(picture(number))
    assert caption(*WAYS["jsonl"]) == 0
    code = "import sys; from collection.__main__ import main; s = main(sys.argv[1:])"
    code += "; sys.exit(9 if 'torch' in sys.modules else s)"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, "caption", "photographs", *WAYS["jsonl"], *MODEL],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stderr) == (0, "nothing to do: 1,204 of 1,204 done\n")
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


def test_an_option_that_there_was_not_yet_was_as_by_default():
    assert describe_changes({"method": "beam"}, {"method": "beam", "language": "en"}) == ""
    assert describe_changes({"method": "beam"}, {"method": "beam", "language": "de"}) == "language en (now de)"
