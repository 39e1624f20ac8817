"""No two photographs get one text, or one copy: it is refused before anything is loaded, by both names."""

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from collection import run
from collection.caption import main
from collection.outputs.sidecar import NOTES
from tests.model.colour_captioner import ColourCaptioner
from tests.pictures import encoded

NFC, NFD = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
SIDECARS = {
    "two endings": (["a.jpg", "a.png"], []),
    "three": (["a.jpg", "a.png", "a.webp"], []),
    "endings in capitals": (["a.jpg", "a.JPG"], []),
    "names in capitals": (["a.jpg", "A.jpg"], []),
    "capitals and endings": (["a.jpg", "A.png"], []),
    "beyond ASCII": (["straße.jpg", "STRASSE.png"], []),
    "composed and decomposed": ([f"{NFC}.jpg", f"{NFD}.jpg"], []),
    "composed, decomposed, in capitals": ([f"{NFC}.jpg", f"{NFD.upper()}.png"], []),
    "not UTF-8": (["f\udcfcr.jpg", "f\udcfcr.png"], []),
    "named one by one": (["a.jpg", "b/c.jpg", "a.png"], ["a.jpg", "b/c.jpg", "./a.png"]),
    "by a folder and a pattern": (["b/a.jpg", "b/a.png"], ["b/*.png", "b/a.jpg"]),
    "through a link": (["b/a.jpg", "b/a.png"], ["b/a.jpg", "link/a.png"]),
}
NO_COLLISIONS = {
    "in two folders": (["a.jpg", "b/a.jpg"], []),
    "one photograph twice": (["a.jpg"], ["a.jpg", "./a.jpg", "a.jpg"]),
    "folders in capitals": (["b/a.jpg", "B/a.png"], []),
    "a longer name": (["a.jpg", "a.jpg.png"], []),
}


@pytest.fixture
def loads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = []
    monkeypatch.setattr(run, "load_captioner", lambda settings: found.append(settings) or ColourCaptioner())
    return found


def photographs(folder, names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(Image.new("RGB", (8, 8), (number, 0, 0))))


def below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", SIDECARS)
def test_sidecars_that_would_collide_are_refused_and_full_names_do_not(tmp_path, kind, loads, capfd):
    names, given = SIDECARS[kind]
    photographs(tmp_path, names)
    if "link" in kind:
        (tmp_path / "link").symlink_to("b")
    before = below(tmp_path)
    command = [*(given or ["."]), "--format", "sidecar"]
    assert main(command) == 2 and not loads and below(tmp_path) == before
    error = capfd.readouterr().err
    assert error.count("\n") == 1 and "--sidecar-name full writes photo.jpg.txt" in error
    told = [name for name in names if name != "b/c.jpg"]
    assert all(Path(name).name.encode(errors="replace").decode() in error for name in told)
    assert main([*command, "--sidecar-name", "full"]) == 0
    texts = [(tmp_path / f"{name}.txt").read_text() for name in names]
    assert texts == [f"red {number} green 0 blue 0\n" for number in range(len(names))]


@pytest.mark.parametrize("kind", NO_COLLISIONS)
def test_what_does_not_collide_is_captioned(tmp_path, kind, loads):
    names, given = NO_COLLISIONS[kind]
    photographs(tmp_path, names)
    assert main([*(given or ["."]), "--format", "sidecar"]) == 0
    assert sum(name.endswith(".txt") for name in below(tmp_path)) == len(names)


def test_a_text_of_another_run_is_not_taken_for_ones_own(tmp_path, loads, capsys):
    photographs(tmp_path, ["a.jpg", "a.png"])
    assert main(["a.jpg", "--format", "sidecar"]) == 0
    assert main(["a.png", "--format", "sidecar"]) == 2 and len(loads) == 1
    assert "a.txt is of a.jpg and would be of a.png" in capsys.readouterr().err
    (tmp_path / "a.jpg").unlink()
    assert main(["a.png", "--format", "sidecar"]) == 0
    assert (tmp_path / "a.txt").read_text() == "red 1 green 0 blue 0\n"
    (tmp_path / "a.png").rename(tmp_path / "a.PNG")  # the same photograph under another name
    assert main(["a.PNG", "--format", "sidecar"]) == 0 and len(loads) == 2


@pytest.mark.parametrize("name", ["words.txt", "x" * 251 + ".jpg"])
def test_what_cannot_have_a_text_of_its_own_is_refused(tmp_path, name, loads, capsys):
    photographs(tmp_path, [name])
    full = ["--sidecar-name", "full"] if name.endswith("jpg") else []
    assert main([name, "--format", "sidecar", *full]) == 2 and not loads
    assert "would be written over" in (error := capsys.readouterr().err) or "no file can have a name as long" in error
    if full:
        assert main([name, "--format", "sidecar"]) == 0
        assert below(tmp_path) == sorted([NOTES, name, "x" * 251 + ".txt"])


COPIES = {
    "in capitals": (["a.jpg", "A.jpg"], []),
    "composed and decomposed": ([f"{NFC}.jpg", f"{NFD}.jpg"], []),
    "folders in capitals": (["b/a.jpg", "B/a.jpg"], []),
    "relative and absolute": (["here/tmp/a.jpg", "tmp/a.jpg"], None),
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_that_would_collide_are_refused(tmp_path, kind, loads, capsys, monkeypatch):
    names, given = COPIES[kind]
    photographs(tmp_path, names)
    if given is None:  # /…/tmp/a.jpg from the root, and one that lies under the same names below this folder
        inside = tmp_path / "here" / tmp_path.relative_to("/") / "tmp"
        inside.mkdir(parents=True)
        (tmp_path / "here" / "tmp" / "a.jpg").rename(inside / "a.jpg")
        monkeypatch.chdir(tmp_path / "here")
        given = [str((inside / "a.jpg").relative_to(tmp_path / "here")), str(tmp_path / "tmp" / "a.jpg")]
    for output in ([], ["--output", "results.jsonl"]):
        assert main([*(given or ["."]), "--write-metadata", "copies", *output]) == 2
    assert not loads and not list(tmp_path.rglob("copies"))
    error = capsys.readouterr().err.splitlines()[-1]
    assert "a folder of copies each" in error and error.count(".jpg and ") >= 1
    assert main([*(given or ["."]), "--format", "csv"]) == 0  # without copies nothing collides
    assert (
        main([names[1] if given is not None and not given else (given or names)[0], "--write-metadata", "copies"]) == 0
    )


def test_an_option_of_another_format_is_refused(tmp_path, loads, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["a.jpg", "--format", "csv", "--sidecar-name", "full"])
    assert stopped.value.code == 2
    assert "--sidecar-name means nothing to --format csv: leave it out" in capsys.readouterr().err
