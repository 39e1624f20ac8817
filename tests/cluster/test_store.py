import pytest

from cluster.store import Store, StoreRefused
from collection.walk import PhotographUnreadable, find_photographs


@pytest.fixture
def folder(tmp_path):
    for name in ("b.JPG", "a/2.png", "a/10.png", "a-1.webp", "notes.txt", ".hidden.jpg", ".cache/c.jpg", "ü/é ?.gif"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "photos"


def test_finds_what_the_single_process_finds_in_its_order(folder):
    (folder / "round").symlink_to(folder)
    (folder / "f\udcfcr.jpg").write_bytes(b"not UTF-8")
    store = Store(str(folder))
    assert store.read(f"{folder}/f\udcfcr.jpg") == b"not UTF-8"
    assert Store(str(folder)).photographs() == list(find_photographs([str(folder)]))


def test_reads_what_it_found_by_path_and_by_address(folder):
    for store in (Store(f"{folder}/"), Store(folder.as_uri())):
        assert [store.read(name).decode() for name in store.photographs()] == [
            "a/10.png", "a/2.png", "a-1.webp", "b.JPG", "ü/é ?.gif"
        ]  # fmt: skip


def test_what_cannot_be_read_is_refused_with_the_reason(folder, monkeypatch):
    elsewhere = Store(folder.as_uri())
    for store in (Store(str(folder)), elsewhere):
        with pytest.raises(PhotographUnreadable, match="cannot be read: "):
            store.read(f"{store.address}/gone.jpg")
        monkeypatch.setattr("cluster.store.MAX_FILE_BYTES", 3)
        monkeypatch.setattr("collection.walk.MAX_FILE_BYTES", 3)
        with pytest.raises(PhotographUnreadable, match="larger than"):
            store.read(f"{store.address}/b.JPG")


@pytest.mark.parametrize("address", ["unknown-scheme://somewhere/photos", "nowhere/at/all"])
def test_no_such_folder(address):
    with pytest.raises(StoreRefused, match="cannot be"):
        Store(address).photographs()


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    store = Store(str(tmp_path / "new" / "folder"))
    assert store.names() == set()

    def broken_off(file):
        file.write(b"half")
        raise RuntimeError("the worker ends here")

    with pytest.raises(RuntimeError):
        store.save("part", broken_off)
    assert "part" not in store.names()
    store.save("part", lambda file: file.write(b"first"))
    store.save("part", lambda file: file.write(b"second"))
    assert store.load("part") == b"second" and store.names() == {"part"}
