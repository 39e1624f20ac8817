import numpy as np
import pytest
import torch
from PIL import Image

from model.cnn_lstm.encoder import Encoder, Preprocessing
from tests.training.drawn_dataset import write
from training.data import features, pixels
from training.data.augmentation import random_augmentation, random_augmentations
from training.data.features import OnlineFeatures, TooManyRefused, compute_features
from training.data.records import read_dataset

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
    with torch.inference_mode():
        expected = encoder.run_stages(SMALL([Image.open(records[3].path)]), last=4)
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
    monkeypatch.setattr(pixels, "_SAVED_EVERY", 8)
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


def fresh(records, encoder, folder, **options):
    return OnlineFeatures(records, encoder, SMALL, folder, dataset_size=120, mixed_precision=False, **options)


def stored(record, side=32):
    """The whole photograph as a square, (1, 3, side, side)."""
    image = Image.open(record.path).resize((side, side), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).unsqueeze(0)


def normalised(seen):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (SMALL.mean, SMALL.std))
    return (seen / 255 - mean) / std


def test_fresh_features_are_those_of_a_random_view(records, encoder, tmp_path):
    found = fresh(records[:20], encoder, tmp_path, last=4)
    first, second = found.rows([3, 7], [1, 2]), found.rows([3, 7], [3, 4])
    assert first.shape == (2, 1024, 2, 2) and first.dtype == torch.float32
    assert first.is_contiguous(memory_format=torch.channels_last) and not first.is_inference()
    assert not torch.allclose(first, second, atol=5e-3)
    assert torch.equal(found.rows([3, 7], [1, 2]), first)
    seen = [random_augmentations(stored(records[row]), 32, [seed]) for row, seed in ((3, 1), (7, 2))]
    with torch.inference_mode():
        expected = encoder.run_stages(normalised(torch.cat(seen)), last=4)
    assert torch.allclose(expected, first, atol=1e-4, rtol=1e-3)


def test_without_frozen_stages_they_are_the_pixels(records, encoder, tmp_path):
    found = fresh(records[:20], encoder, tmp_path, last=0, stored=48, least=0.9).rows([3, 7], [1, 2])
    seen = [random_augmentations(stored(records[row], 48), 32, [seed], 0.9) for row, seed in ((3, 1), (7, 2))]
    assert torch.allclose(found, normalised(torch.cat(seen)), atol=1e-5)
    by_pil = SMALL([random_augmentation(Image.open(records[3].path), 32, 1, least=0.9)])
    assert (found[0] - by_pil[0]).abs().mean() < 4 / 255 / 0.225
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_what_a_row_shows_does_not_depend_on_the_others(records, encoder, tmp_path):
    found = fresh(records[:40], encoder, tmp_path, last=0)
    rows, seeds = [*range(39, -1, -1)], [*range(40)]
    together = found.rows(rows, seeds)
    assert len(together) == 40 and torch.equal(together[17:18], found.rows(rows[17:18], seeds[17:18]))


def test_photographs_may_lie_on_the_device(records, encoder, tmp_path, monkeypatch):
    expected = fresh(records[:20], encoder, tmp_path, last=1).rows([3, 7], [1, 2])
    monkeypatch.setattr(features, "_fits", lambda size, device: size == 20 * 32 * 32 * 3)
    assert torch.equal(fresh(records[:20], encoder, tmp_path, last=1).rows([3, 7], [1, 2]), expected)


def test_photographs_are_decoded_once(records, encoder, tmp_path, monkeypatch):
    expected = fresh(records[:20], encoder, tmp_path / "cache", last=0).rows([3, 7], [1, 2])
    monkeypatch.setattr(pixels, "read_image", lambda record: pytest.fail("decoded again"))
    assert torch.equal(fresh(records[:20], encoder, tmp_path / "cache", last=0).rows([3, 7], [1, 2]), expected)


def test_fresh_features_are_refused_like_kept_ones(records, encoder, tmp_path, capsys):
    records[7].path.unlink()
    found = fresh(records[:20], encoder, tmp_path / "cache", last=1)
    assert found.refused == {"0007.jpg": "there is no such file"}
    assert "0007.jpg: there is no such file" in capsys.readouterr().out
    records[3].path.write_bytes(b"damaged")
    with pytest.raises(TooManyRefused):
        fresh(records[:20], encoder, tmp_path / "cache", last=1)
