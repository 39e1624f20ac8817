import numpy as np
import pytest
from PIL import Image

from training.data.augmentation import fixed_augmentation, random_augmentation


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
    assert all(augmentation.size == (160, 160) for augmentation in seen)
    assert random_augmentation(ramp, 160, 3) == seen[3] and len({augmentation.tobytes() for augmentation in seen}) == 40
    across = [extents(augmentation)[0] for augmentation in seen]
    assert 10 < sum(extent < 0 for extent in across) < 30
    light = [
        np.asarray(augmentation)[:, :, 2].mean() for augmentation in seen
    ]  # blue is the same everywhere in the ramp
    assert min(light) < 90 and max(light) > 110


def test_a_random_view_shows_at_least_seven_tenths_of_each_side():
    """White marks in the corners of a window that every augmentation must hold, whatever its light."""
    for seed in range(40):
        image = Image.new("RGB", (200, 200))
        image.paste("white", (60, 60, 140, 140))
        pixels = np.asarray(random_augmentation(image, 200, seed))[:, :, 1] > 60
        columns, rows = pixels.any(axis=0).sum(), pixels.any(axis=1).sum()
        assert 78 <= columns <= 80 / 0.7 + 2 and 78 <= rows <= 80 / 0.7 + 2
