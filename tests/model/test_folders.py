"""What lies below a folder: links are followed, and what they lead to comes once."""

import os

import pytest

from model.folders import files_below, is_photograph_name

LINKS = {
    "to a folder elsewhere": ({"in/linked": "out"}, ["in/linked/o.jpg", "in/sub/s.jpg", "in/top.jpg"]),
    "from elsewhere on": ({"in/linked": "out", "out/on": "far"}, ["in/linked/o.jpg", "in/linked/on/f.jpg"]),
    "two to the same": ({"in/one": "out", "in/two": "out"}, ["in/one/o.jpg"]),
    "to itself": ({"in/self": "in/self"}, ["in/top.jpg"]),
    "to its own folder": ({"in/here": "in"}, ["in/top.jpg"]),
    "upwards": ({"in/sub/up": "in"}, ["in/sub/s.jpg"]),
    "out of it upwards": ({"in/up": "."}, ["in/top.jpg"]),
    "to a sister": ({"in/a": "in/sub"}, ["in/sub/s.jpg"]),
    "to each other": ({"in/out": "out", "out/in": "in"}, ["in/out/o.jpg"]),
    "round and round elsewhere": ({"in/out": "out", "out/round": "out"}, ["in/out/o.jpg"]),
    "to a hidden folder": ({"in/shown": "in/.hidden"}, ["in/shown/h.jpg"]),
    "to a photograph": ({"in/p.jpg": "out/o.jpg"}, ["in/p.jpg"]),
    "to a photograph that is gone": ({"in/gone.jpg": "out/gone.jpg"}, ["in/gone.jpg"]),
    "of photographs to each other": ({"in/x.jpg": "in/y.jpg", "in/y.jpg": "in/x.jpg"}, ["in/x.jpg", "in/y.jpg"]),
    "to a folder that is gone": ({"in/gone": "nowhere"}, ["in/top.jpg"]),
    "called as a photograph, to a folder": ({"in/folder.jpg": "out"}, ["in/folder.jpg/o.jpg"]),
}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/top.jpg", "in/sub/s.jpg", "in/.hidden/h.jpg", "in/notes.txt", "out/o.jpg", "far/f.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def photographs(folder, **options):
    return [os.path.normpath(path) for path in files_below(folder, is_photograph_name, **options)]


@pytest.mark.parametrize("kind", LINKS)
def test_links(tree, kind):
    links, expected = LINKS[kind]
    for name, target in links.items():
        (tree / name).symlink_to(tree / target)
    found = photographs("in")
    assert set(expected) <= set(found) and {"in/top.jpg", "in/sub/s.jpg"} <= set(found)
    assert found == sorted(found) and len({os.path.realpath(path) for path in found}) == len(found)
    assert photographs(str(tree / "in")) == [str(tree / path) for path in found]


def test_a_folder_that_is_a_link(tree):
    (tree / "link").symlink_to("in")
    assert photographs("link") == ["link/sub/s.jpg", "link/top.jpg"]
    (tree / "in" / "again").symlink_to(tree / "link")
    assert photographs("link") == ["link/sub/s.jpg", "link/top.jpg"]


def test_a_folder_of_copies_is_left_out_whatever_leads_there(tree):
    (tree / "in" / "copies").symlink_to(tree / "out")
    assert photographs("in", leave_out=tree / "out") == ["in/sub/s.jpg", "in/top.jpg"]
    assert photographs("in", leave_out=tree / "in" / "copies") == ["in/sub/s.jpg", "in/top.jpg"]
    assert photographs("in", leave_out=tree) == ["in/copies/o.jpg", "in/sub/s.jpg", "in/top.jpg"]  # it is above


def test_what_is_no_plain_file_is_passed_over(tree):
    os.mkfifo("in/pipe.jpg")
    (tree / "in" / "folder.jpg").mkdir()
    assert photographs("in") == ["in/sub/s.jpg", "in/top.jpg"]
