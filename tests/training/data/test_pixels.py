import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, no_file_larger_than, wait_until
from tests.pictures import drawn, encoded
from tests.training.drawn_dataset import write
from training.data import pixels
from training.data.pixels import TooManyRefused, compute_pixels
from training.data.records import read_dataset

# Every chunk is saved, and the one that ends the others takes its time.
SLOWLY = """
import sys, time
from pathlib import Path
from training.data import pixels
from training.data.records import read_dataset

pixels._CHUNK = pixels._SAVED_EVERY = 8
advance = pixels.KeptArray.advance
pixels.KeptArray.advance = lambda self, count: (advance(self, count), time.sleep(0.2))
pixels.compute_pixels(read_dataset(Path(sys.argv[1])), 24, Path(sys.argv[2]), processes=2)
"""


@pytest.fixture
def records(tmp_path):
    return read_dataset(write(tmp_path / "data", "release", 120))


def test_rows_are_whole_photographs_as_squares(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jpg").write_bytes(encoded(drawn(96, 64), "JPEG", exif=exif, quality=95))
    (tmp_path / "data" / "b.png").write_bytes(encoded(drawn(30, 30)))
    (tmp_path / "data" / "captions.txt").write_text("image,caption\na.jpg,a\nb.png,b\n")
    found = compute_pixels(read_dataset(tmp_path / "data"), 30, tmp_path / "cache")
    assert found.array.shape == (2, 30, 30, 3) and found.array.dtype == np.uint8
    assert found.names == ("a.jpg", "b.png") and found.refused == {}
    assert np.array_equal(found.array[1], np.asarray(drawn(30, 30)))
    upright = drawn(96, 64).transpose(Image.Transpose.ROTATE_270).resize((30, 30), Image.Resampling.BICUBIC)
    assert abs(found.array[0].astype(int) - np.asarray(upright)).mean() < 6


def test_several_processes_give_the_same(records, tmp_path, monkeypatch):
    records[7].path.unlink()
    alone = compute_pixels(records, 24, tmp_path / "alone", processes=1)
    monkeypatch.setattr(pixels, "_CHUNK", 16)
    shared = compute_pixels(records, 24, tmp_path / "shared", processes=2)
    assert np.array_equal(alone.array, shared.array) and alone.array[119].any()
    assert alone.refused == shared.refused == {"0007.jpg": "there is no such file"}


def test_photographs_are_decoded_once(records, tmp_path, monkeypatch):
    first = np.array(compute_pixels(records, 24, tmp_path).array)
    monkeypatch.setattr(pixels, "read_image", lambda record: pytest.fail("decoded again"))
    assert np.array_equal(compute_pixels(records, 24, tmp_path).array, first)


def test_others_are_decoded_anew(records, tmp_path):
    first = np.array(compute_pixels(records[:4], 24, tmp_path).array)
    drawn(64, 64).save(records[2].path)
    second = compute_pixels(records[:4], 24, tmp_path).array
    assert np.array_equal(first[3], second[3]) and not np.array_equal(first[2], second[2])
    assert compute_pixels(records[:4], 20, tmp_path).array.shape == (4, 20, 20, 3)


def test_an_interrupted_decoding_goes_on(records, tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "_CHUNK", 4)
    monkeypatch.setattr(pixels, "_SAVED_EVERY", 8)
    whole = compute_pixels(records[:20], 24, tmp_path / "whole", processes=1).array
    read, seen = pixels.read_image, []

    def interrupted(record):
        seen.append(record.name)
        if len(seen) == 14:
            raise KeyboardInterrupt
        return read(record)

    monkeypatch.setattr(pixels, "read_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compute_pixels(records[:20], 24, tmp_path / "parts", processes=1)
    seen.clear()
    monkeypatch.setattr(pixels, "read_image", lambda record: (seen.append(record.name), read(record))[1])
    assert np.array_equal(compute_pixels(records[:20], 24, tmp_path / "parts", processes=1).array, whole)
    assert len(seen) == 12  # the first eight were kept


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill"])
def test_a_process_that_is_ended_leaves_none_and_is_resumed(records, tmp_path, end):
    command = [sys.executable, "-c", SLOWLY, str(tmp_path / "data"), str(tmp_path / "cache")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_until(lambda: [*(tmp_path / "cache").glob("*.json")])
    if end == signal.SIGINT:
        os.killpg(process.pid, end)  # as a terminal does
    else:
        process.kill()
    _, told = process.communicate()
    assert process.returncode == -end or process.returncode == 1
    assert told.count("Traceback") <= 1  # of the one process that was asked to stop
    wait_until(lambda: not alive(process.pid))
    progress = next((tmp_path / "cache").glob("*.json")).read_text()
    assert '"done": 120' not in progress
    found = compute_pixels(records, 24, tmp_path / "cache", processes=1)
    assert np.array_equal(found.array, compute_pixels(records, 24, tmp_path / "whole", processes=1).array)


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_photograph_in_a_hundred_may_be_missing(records, tmp_path, capsys):
    records[7].path.unlink()
    for _ in range(2):  # and it is told again
        found = compute_pixels(records, 24, tmp_path / "cache")
        assert found.refused == {"0007.jpg": "there is no such file"}
        assert "0007.jpg: there is no such file" in capsys.readouterr().out
    assert not found.array[7].any() and found.array[8].any()


def test_more_than_that_stop_the_run(records, tmp_path):
    records[7].path.unlink()
    records[9].path.write_bytes(b"damaged")
    with pytest.raises(TooManyRefused, match=r"2 of the dataset's 120 .* 0007\.jpg, 0009\.jpg"):
        compute_pixels(records, 24, tmp_path / "cache")
    assert len(compute_pixels(records, 24, tmp_path / "cache", dataset_size=1000).refused) == 2


def test_a_full_disk_is_told_before_anything_is_decoded(records, tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "read_image", lambda record: pytest.fail("decoded"))
    with no_file_larger_than(100_000), pytest.raises(OSError) as error:
        compute_pixels(records, 24, tmp_path / "cache")
    assert error.value.errno == errno.EFBIG and error.value.filename.endswith(".npy")
    assert not [*(tmp_path / "cache").iterdir()]
