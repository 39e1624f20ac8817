"""Whether a photograph is told from what the model was never trained on."""

import pytest
import torch
from PIL import Image, ImageDraw

from model.captioner import DecodingOptions
from model.cnn_lstm.out_of_distribution import OutOfDistributionDetector, summarise
from model.confidence import LOW_CONFIDENCE
from tests.pictures import photograph


@pytest.fixture(scope="module")
def fitted():
    """On a cloud that is wide in five of forty directions."""
    torch.manual_seed(0)
    return OutOfDistributionDetector.fit(cloud(2000), cloud(1000))


def cloud(count):
    """Summaries: forty channels around 7, and cells that differ by about 1."""
    channels = torch.randn(count, 40) * torch.cat([torch.full((5,), 3.0), torch.full((35,), 0.1)]) + 7
    return torch.cat([channels, 1 + 0.1 * torch.randn(count, 1)], dim=1)


def centre(**changes):
    summary = torch.cat([torch.full((1, 40), 7.0), torch.ones(1, 1)], dim=1)
    for channel, value in changes.items():
        summary[0, int(channel.strip("_"))] = value
    return summary


def test_few_of_its_own_kind_are_unlike(fitted):
    own = cloud(1000)
    assert 0.005 < fitted.is_unlike(own).float().mean() < 0.06
    assert fitted.distance(own).mean() == pytest.approx(1, abs=0.1)
    assert fitted.is_unlike(centre()).tolist() == [False]


def test_far_along_a_wide_or_a_narrow_direction_is_unlike(fitted):
    """Thirty standard deviations away, which along the narrow one is one along the wide."""
    assert fitted.is_unlike(centre(_0=97.0)).tolist() == [True]
    assert fitted.is_unlike(centre(_39=10.0)).tolist() == [True]
    assert fitted.is_unlike(centre(_0=10.0)).tolist() == [False]


def test_cells_that_are_all_alike_are_unlike(fitted):
    assert fitted.is_unlike(centre(_40=0.1)).tolist() == [True]


def test_a_summary_is_the_mean_over_the_grid_and_how_much_it_differs():
    grid = torch.tensor([[[1.0, 5.0], [3.0, 5.0]]])
    assert torch.allclose(summarise(grid), torch.tensor([[2.0, 5.0, 2**0.5 / 2]]))


def test_the_shipped_model_marks_what_it_never_saw(captioner):
    """A printed page, a text, a map, brick, and empty walls are no photographs of people and dogs outdoors."""
    pictures = {name: photograph(name).convert("RGB") for name in ("page", "text", "brick", "coins")}
    pictures |= {f"{colour} wall": Image.new("RGB", (300, 200), colour) for colour in ("white", "grey", "beige")}
    pictures["map"] = drawn_map()
    found = captioner.caption(list(pictures.values()), DecodingOptions(method="greedy"))
    marked = {name: captions[0].low_confidence for name, captions in zip(pictures, found, strict=True)}
    assert marked == dict.fromkeys(pictures, True)


def drawn_map():
    """Streets between blocks, a river and a park."""
    image = Image.new("RGB", (400, 400), (240, 236, 226))
    pen = ImageDraw.Draw(image)
    pen.line([(0, 300), (150, 260), (250, 330), (400, 280)], fill=(150, 190, 220), width=30)
    pen.rectangle((230, 60, 340, 150), fill=(190, 220, 170))
    for place in range(20, 400, 55):
        pen.line([(place, 0), (place + 30, 400)], fill="white", width=9)
        pen.line([(0, place), (400, place - 20)], fill="white", width=9)
    return image


def test_and_not_what_it_knows(captioner):
    [found] = captioner.caption([photograph("astronaut")])
    assert not found[0].low_confidence and found[0].confidence >= LOW_CONFIDENCE
