"""Whether a photograph is told from what the model was never trained on."""

import pytest
import torch

from model.captioner import DecodingOptions
from model.familiarity import Familiarity
from tests.pictures import photograph


@pytest.fixture(scope="module")
def fitted():
    """On a cloud that is wide in five of forty directions."""
    torch.manual_seed(0)
    return Familiarity.fit(cloud(2000), cloud(1000))


def cloud(count):
    return torch.randn(count, 40) * torch.cat([torch.full((5,), 3.0), torch.full((35,), 0.1)]) + 7


def test_few_of_its_own_kind_are_unlike(fitted):
    own = cloud(1000).unsqueeze(1)
    assert 0.005 < fitted.is_unlike(own).float().mean() < 0.05
    assert fitted.distance(own).mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("direction", [0, 39])
def test_far_along_a_wide_or_a_narrow_direction_is_unlike(fitted, direction):
    """Ten standard deviations away, which along the narrow one is less than one along the wide."""
    far = torch.full((1, 1, 40), 7.0)
    far[0, 0, direction] += 100.0 if direction == 0 else 3.0
    assert fitted.is_unlike(far).tolist() == [True]
    assert fitted.is_unlike(torch.full((1, 1, 40), 7.0)).tolist() == [False]


def test_the_grid_is_averaged(fitted):
    grid = cloud(49).unsqueeze(0)
    assert torch.allclose(fitted.distance(grid), fitted.distance(grid.mean(dim=1, keepdim=True)), atol=1e-4)


def test_the_shipped_model_marks_what_it_never_saw(captioner):
    """A printed page, a text, a map of the sky, brick and a retina are no photographs of people and dogs outdoors."""
    names = ("page", "text", "hubble_deep_field", "brick", "retina")
    found = captioner.caption([photograph(name).convert("RGB") for name in names], DecodingOptions(method="greedy"))
    assert {name: captions[0].low_confidence for name, captions in zip(names, found, strict=True)} == dict.fromkeys(
        names, True
    )


def test_and_not_what_it_knows(captioner):
    [found] = captioner.caption([photograph("camera").convert("RGB")], DecodingOptions(method="greedy"))
    assert not found[0].low_confidence
