"""What is alike: by the shipped encoder on real photographs, and by brute force over numbers."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from collection import features
from collection.catalogue import Collection
from collection.duplicates import duplicates, main
from collection.journal import STAMP, record_line
from collection.likeness import CHANNELS, Features, append, count, features_of
from collection.stamps import refreshed
from model.files import file_digest
from tests.collection.test_again import MODEL
from tests.conftest import ROOT
from tests.pictures import encoded, photograph


def finished(folder, names):
    """Results with a journal, as a run leaves them."""
    file = folder / "results.jsonl"
    found = [{"path": str(folder / name), "caption": name} for name in names]
    file.write_text("".join(map(record_line, found)))
    stamped = [one | {STAMP: refreshed(one["path"], (0, 0, ""))} for one in found]
    head = record_line({"run": {}, "weights": {}, "file": file_digest(file)})
    file.with_name("results.jsonl.journal").write_text(head + "".join(map(record_line, stamped)))
    return file


@pytest.fixture(scope="module")
def results(tmp_path_factory, captioner):
    folder = tmp_path_factory.mktemp("alike")
    names = ["coffee", "rocket", "chelsea", "astronaut"]
    for name in names:
        image = photograph(name)
        (folder / f"{name}.png").write_bytes(encoded(image))
        small = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS)
        (folder / f"{name}-small.jpg").write_bytes(encoded(small, "JPEG"))
    (folder / "copy.png").write_bytes((folder / "coffee.png").read_bytes())
    (folder / "broken.png").write_bytes(b"no photograph")
    file = finished(folder, sorted(path.name for path in folder.iterdir()))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(features, "load_captioner", lambda settings: captioner)
        assert features.main([str(file), *MODEL]) == 1  # of the broken one
        patched.setattr(features, "load_captioner", None)
        (folder / "broken.png").unlink()
    return file


def test_the_same_photograph_made_small_is_the_likest(results):
    collection = Collection(results)
    for name in ("rocket", "chelsea", "astronaut"):
        found = collection.similar(collection.at(str(results.parent / f"{name}.png")), 3)
        assert found[0][0].path.endswith(f"{name}-small.jpg") and found[0][1] > 0.95 > found[1][1]


def test_duplicates_are_grouped(results, capsys):
    groups = [sorted(path.rpartition("/")[2] for path in group) for group in duplicates(results, 0.95)]
    pairs = [[f"{name}-small.jpg", f"{name}.png"] for name in ("astronaut", "chelsea", "rocket")]
    assert sorted(groups) == sorted([*pairs, ["coffee-small.jpg", "coffee.png", "copy.png"]])
    assert main([str(results), "--threshold", "1", "--format", "jsonl"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert {path.rpartition("/")[2] for path in json.loads(line)} == {"coffee.png", "copy.png"}


def test_brute_force_finds_what_the_definition_does(tmp_path):
    random = np.random.default_rng(0)
    rows = random.gamma(0.5, size=(500, CHANNELS)).astype(np.float32)
    rows[7] = rows[3] + 0.01 * rows[9]
    digests = [f"{number:064x}" for number in range(len(rows))]
    folder = features_of(tmp_path / "results.jsonl")
    append(folder, digests[:300], rows[:300])
    with (folder / "features").open("ab") as torn:
        torn.write(b"of a run that was killed")
    assert count(folder) == 300
    append(folder, digests[300:], rows[300:])
    found = Features.of(tmp_path / "results.jsonl")
    assert [found.digest(row) for row in (0, 299, 499)] == [digests[row] for row in (0, 299, 499)]
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = unit @ unit[3]
    [first, *_] = found.nearest(found.row(digests[3]), 5)
    assert first[0] == digests[7] and first[1] == pytest.approx(cosines[7], abs=1e-3)
    assert found.row("f" * 64) is None


def test_without_features_it_is_said_what_to_do(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"x")
    file = finished(tmp_path, ["a.png"])
    assert main([str(file)]) == 2 and "python -m collection features" in capsys.readouterr().err
    assert main([str(file), "--threshold", "1"]) == 1


def test_the_web_needs_no_network_for_it():
    code = "import sys, collection.likeness, collection.catalogue; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
