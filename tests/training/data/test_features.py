import numpy as np
import pytest
import torch
from PIL import Image

from model.cnn_lstm.encoder import Encoder, Preprocessing
from tests.training.drawn_dataset import write
from training.data import features
from training.data.augmentation import random_augmentation
from training.data.features import OnlineFeatures, TooManyRefused, compute_features
from training.data.records import DatasetRefused, read_dataset

SMALL = Preprocessing(image_size=32)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return Encoder().eval()


@pytest.fixture
def records(tmp_path):
    return read_dataset(write(tmp_path / "data", "release", 120))


def compute(records, encoder, folder, **options):
    return compute_features(records, encoder, SMALL, folder, mixed_precision=False, **options)


def test_rows_are_what_the_encoder_gives(records, encoder, tmp_path):
    found = compute(records[:5], encoder, tmp_path, last=4)
    assert found.array.shape == (5, 2, 2, 1024) and found.array.dtype == np.float16
    pixels = SMALL([Image.open(records[3].path)])
    with torch.inference_mode():
        expected = encoder.run_stages(pixels, last=4)
    assert torch.allclose(found.rows([3]), expected, atol=5e-3, rtol=5e-3)


def test_a_flipped_view_is_the_mirrored_photograph(encoder, tmp_path):
    image = Image.new("RGB", (32, 32))
    image.paste("red", (0, 0, 10, 32))
    (tmp_path / "data").mkdir()
    for name, picture in (("a.png", image), ("b.png", image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))):
        picture.save(tmp_path / "data" / name)
    (tmp_path / "data" / "captions.txt").write_text("image,caption\na.png,a\nb.png,b\n")
    records = read_dataset(tmp_path / "data")
    plain, flip = (
        compute(records, encoder, tmp_path, augmentation=augmentation).array for augmentation in ("plain", "flip")
    )
    assert np.array_equal(plain[0], flip[1]) and np.array_equal(plain[1], flip[0])
    assert not np.array_equal(plain[0], plain[1])


def test_they_are_computed_once(records, encoder, tmp_path, monkeypatch):
    first = compute(records[:4], encoder, tmp_path).array
    monkeypatch.setattr(features, "read_image", lambda record: pytest.fail("computed again"))
    assert np.array_equal(compute(records[:4], encoder, tmp_path).array, first)


def test_other_weights_are_other_features(records, encoder, tmp_path):
    first = compute(records[:4], encoder, tmp_path).array
    torch.manual_seed(1)
    assert not np.array_equal(compute(records[:4], Encoder().eval(), tmp_path).array, first)


def test_an_interrupted_computation_goes_on(records, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "_BATCH", 4)
    monkeypatch.setattr(features, "_SAVED_EVERY", 8)
    whole = compute(records[:20], encoder, tmp_path / "whole").array
    read, seen = features.read_image, []

    def interrupted(record):
        seen.append(record.name)
        if len(seen) == 14:
            raise KeyboardInterrupt
        return read(record)

    monkeypatch.setattr(features, "read_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compute(records[:20], encoder, tmp_path / "parts")
    seen.clear()
    monkeypatch.setattr(features, "read_image", lambda record: (seen.append(record.name), read(record))[1])
    assert np.array_equal(compute(records[:20], encoder, tmp_path / "parts").array, whole)
    assert len(seen) == 12  # the first eight were kept


def test_one_photograph_in_a_hundred_may_be_missing(records, encoder, tmp_path, capsys):
    records[7].path.unlink()
    found = compute(records, encoder, tmp_path, last=1)
    assert found.refused == {"0007.jpg": "there is no such file"}
    assert "0007.jpg: there is no such file" in capsys.readouterr().out
    assert not found.array[7].any() and found.array[8].any()


def test_more_than_that_stop_the_run(records, encoder, tmp_path):
    records[7].path.unlink()
    records[9].path.write_bytes(b"damaged")
    with pytest.raises(TooManyRefused, match=r"2 of the dataset's 120 .* 0007\.jpg, 0009\.jpg"):
        compute(records, encoder, tmp_path, last=1)


def test_the_share_is_of_the_whole_dataset(records, encoder, tmp_path):
    records[7].path.unlink()
    assert list(compute(records[:20], encoder, tmp_path, last=1, dataset_size=120).refused) == ["0007.jpg"]


def test_features_that_were_deleted_are_computed_again(records, encoder, tmp_path):
    first = np.array(compute(records[:4], encoder, tmp_path / "cache").array)
    next((tmp_path / "cache").glob("*.npy")).unlink()
    assert np.array_equal(compute(records[:4], encoder, tmp_path / "cache").array, first)


def test_what_was_refused_is_told_again(records, encoder, tmp_path, capsys):
    records[7].path.unlink()
    for _ in range(2):
        compute(records, encoder, tmp_path / "cache", last=1)
        assert "0007.jpg: there is no such file" in capsys.readouterr().out


def fresh(records, encoder, **options):
    return OnlineFeatures(records, encoder, SMALL, dataset_size=120, mixed_precision=False, **options)


def test_fresh_features_are_those_of_a_random_view(records, encoder):
    found = fresh(records[:20], encoder, last=4)
    first, second = found.rows([3, 7], [1, 2]), found.rows([3, 7], [3, 4])
    assert first.shape == (2, 1024, 2, 2) and first.dtype == torch.float32
    assert not torch.allclose(first, second, atol=5e-3)
    assert torch.equal(found.rows([3, 7], [1, 2]), first)
    seen = [random_augmentation(Image.open(records[row].path), 32, seed) for row, seed in ((3, 1), (7, 2))]
    with torch.inference_mode():
        assert torch.allclose(encoder.run_stages(SMALL(seen), last=4), first, atol=1e-4, rtol=1e-3)


def test_fresh_features_are_refused_like_kept_ones(records, encoder, capsys):
    records[7].path.unlink()
    found = fresh(records[:20], encoder, last=1)
    assert found.refused == {"0007.jpg": "there is no such file"}
    assert "0007.jpg: there is no such file" in capsys.readouterr().out
    records[3].path.write_bytes(b"damaged")
    with pytest.raises(DatasetRefused, match=r"0003\.jpg could be read before"):
        found.rows([2, 3], [0, 0])
    with pytest.raises(TooManyRefused):
        fresh(records[:20], encoder, last=1)
