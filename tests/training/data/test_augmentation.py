import numpy as np
import pytest
import torch
from PIL import Image

from tests.pictures import drawn
from training.data import augmentation
from training.data.augmentation import fixed_augmentation, random_augmentation, random_augmentations

SEEDS = range(300)


@pytest.fixture(scope="module")
def ramp():
    """Red grows from left to right, green from top to bottom."""
    values = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    return Image.fromarray(np.stack([values, values.T, np.full_like(values, 100)], axis=2))


def extents(image):
    """How much of the ramp is seen across (negative where mirrored) and down."""
    pixels, middle = np.asarray(image).astype(int), image.width // 2
    return pixels[middle, -1, 0] - pixels[middle, 0, 0], pixels[-1, middle, 1] - pixels[0, middle, 1]


def test_a_cropped_view_shows_most_of_the_photograph_and_depends_on_its_name_alone(ramp):
    mirrored = 0
    for number in range(40):
        seen = fixed_augmentation(ramp, "crop", f"{number}.jpg")
        assert seen.size == ramp.size and seen != ramp
        assert (
            seen == fixed_augmentation(ramp, "crop", f"{number}.jpg") != fixed_augmentation(ramp, "crop", "other.jpg")
        )
        across, down = extents(seen)
        assert 155 <= abs(across) <= 200 and 155 <= down <= 200
        mirrored += across < 0
    assert 10 < mirrored < 30


def test_a_random_view_depends_on_its_seed_alone_and_changes_window_and_light(ramp):
    seen = [random_augmentation(ramp, 160, seed) for seed in range(40)]
    assert all(image.size == (160, 160) for image in seen)
    assert random_augmentation(ramp, 160, 3) == seen[3] and len({image.tobytes() for image in seen}) == 40
    across = [extents(image)[0] for image in seen]
    assert 10 < sum(extent < 0 for extent in across) < 30
    light = [np.asarray(image)[:, :, 2].mean() for image in seen]  # blue is the same everywhere in the ramp
    assert min(light) < 90 and max(light) > 110


def test_a_random_view_shows_at_least_seven_tenths_of_each_side():
    """White marks in the corners of a window that every augmentation must hold, whatever its light."""
    for seed in range(40):
        image = Image.new("RGB", (200, 200))
        image.paste("white", (60, 60, 140, 140))
        pixels = np.asarray(random_augmentation(image, 200, seed))[:, :, 1] > 60
        columns, rows = pixels.any(axis=0).sum(), pixels.any(axis=1).sum()
        assert 78 <= columns <= 80 / 0.7 + 2 and 78 <= rows <= 80 / 0.7 + 2


def batch(*images):
    """(images, 3, height, width) in uint8."""
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)


def pictures(rows):
    """Arrays as PIL's, of what `random_augmentations` gives."""
    return rows.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("size", [288, 224, 100], ids=["larger", "as large", "smaller"])
def test_batches_show_what_pil_shows_by_the_same_seed(ramp, size):
    image = Image.blend(drawn(224, 224), ramp.resize((224, 224)), 0.5)
    found = pictures(random_augmentations(batch(*[image] * 12), size, range(12)))
    for seed, row in enumerate(found):
        difference = row - np.asarray(random_augmentation(image, size, seed), dtype=float)
        assert abs(difference).mean() < 2 and abs(difference).max() < 12
        assert abs(difference.mean()) < 2  # PIL rounds downwards, three times


def test_so_they_do_for_photographs_that_are_not_square(ramp):
    image = ramp.crop((0, 40, 200, 160))
    found = pictures(random_augmentations(batch(image, image), 96, [5, 6], least=0.9))
    for seed, row in zip((5, 6), found, strict=True):
        assert abs(row - np.asarray(random_augmentation(image, 96, seed, least=0.9))).mean() < 2


def test_a_row_depends_on_its_seed_alone(ramp):
    images = batch(ramp, drawn(200, 200), ramp, drawn(200, 200), ramp)
    found = random_augmentations(images, 160, [3, 1, 4, 1, 5])
    for row, seed in enumerate([3, 1, 4, 1, 5]):
        assert torch.equal(random_augmentations(images[[row]], 160, [seed])[0], found[row])
    assert torch.equal(random_augmentations(images.contiguous(), 160, [3, 1, 4, 1, 5]), found)
    assert torch.equal(found[1], found[3]) and not torch.equal(found[0], found[2])


def test_all_rows_at_once_are_the_same_as_one_by_one(ramp):
    """As on a GPU, where they may differ in the last bits."""
    images, seeds = batch(ramp, drawn(200, 200), ramp), [3, 1, 4]
    views = torch.tensor([augmentation._draw(seed, 0.7, (200, 200)) for seed in seeds])
    expected = random_augmentations(images, 160, seeds)
    assert torch.allclose(augmentation._augmented(images, 160, views), expected, atol=1e-2)


def test_rows_are_single_precision_in_channels_last_order(ramp):
    found = random_augmentations(batch(ramp, ramp), 64, [1, 2])
    assert found.shape == (2, 3, 64, 64) and found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert found.min() >= 0 and found.max() <= 255


def statistics(images):
    """Of many augmentations of the ramp: mean and spread of the window's left, top, width and height, in levels of
    the ramp, and of the light; the share mirrored.
    """
    seen = np.stack([np.asarray(image, dtype=float) for image in images])
    light = seen[:, :, :, 2].mean(axis=(1, 2))
    rows, columns = (seen[:, :, :, channel].mean(axis=axis) for channel, axis in ((0, 1), (1, 2)))
    mirrored = rows[:, 0] > rows[:, -1]
    rows[mirrored] = rows[mirrored, ::-1]
    numbers = [rows[:, 0], columns[:, 0], rows[:, -1] - rows[:, 0], columns[:, -1] - columns[:, 0], light]
    return np.array([[of.mean(), of.std()] for of in numbers]), mirrored.mean()


def test_batches_are_distributed_like_what_pil_gives_by_other_seeds(ramp):
    found, mirrored = statistics(pictures(random_augmentations(batch(ramp).expand(len(SEEDS), -1, -1, -1), 40, SEEDS)))
    expected, _ = statistics([random_augmentation(ramp, 40, seed + len(SEEDS)) for seed in SEEDS])
    assert np.allclose(found, expected, atol=4)
    assert 0.4 < mirrored < 0.6


def test_the_smallest_window_can_be_chosen(ramp):
    images = batch(ramp).expand(len(SEEDS), -1, -1, -1)
    (small, large) = (statistics(pictures(random_augmentations(images, 40, SEEDS, least)))[0] for least in (0.5, 0.95))
    assert small[2, 0] < 150 < 170 < large[2, 0] and small[3, 0] < 150 < 170 < large[3, 0]
