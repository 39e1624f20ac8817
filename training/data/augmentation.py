"""How a training photograph is shown."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Literal

import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor
from torch.nn import functional

FixedAugmentation = Literal["plain", "flip", "crop"]
"""Always the same of a photograph, so that its features can be kept."""
Augmentation = Literal["plain", "flip", "crop", "random"]

LEAST = 0.7
"""The smallest window's share of a side, in a random augmentation."""
_GREY = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601's luma, which PIL goes by

_DRAWN = 8  # numbers for one photograph: its window, and three factors of light

_Window = tuple[float, float, float, float, bool]
"""Left, top, width and height in pixels; whether mirrored."""


def fixed_augmentation(image: Image.Image, augmentation: FixedAugmentation, name: str) -> Image.Image:
    """As it is, mirrored, or a crop: a window of 80 to 100 % of each side, mirrored or not, that only depends on the
    photograph's name.
    """
    if augmentation == "plain":
        return image
    if augmentation == "flip":
        return ImageOps.mirror(image)
    return _through(image, _draw_window(random.Random(name), 0.8, image.size), image.size)


def random_augmentation(image: Image.Image, side: int, seed: int, least: float = LEAST) -> Image.Image:
    """A window of `least` (70 %) to 100 % of each side, mirrored or not, as a square of `side` pixels, with brightness,
    contrast and saturation between 0.8 and 1.2 times what they were. Hue stays: captions name colours.

    The slow reference, by PIL, for `random_augmentations`, which training uses.
    """
    draw = random.Random(seed)
    image = _through(image, _draw_window(draw, least, image.size), (side, side))
    changes = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for change, factor in zip(changes, _draw_light(draw), strict=True):
        image = change(image).enhance(factor)
    return image


def random_augmentations(pixels: Tensor, size: int, seeds: Sequence[int], least: float = LEAST) -> Tensor:
    """`random_augmentation` of many photographs, on whichever device they are: (batch, 3, height, width) in uint8 to
    (batch, 3, size, size) in single precision, 0 to 255, in channels-last memory order.

    Row i depends on its photograph and on `seeds[i]` alone, on a CPU to the last bit, and shows what PIL shows by that
    seed: the same window through the same bicubic kernel, antialiased where it shrinks, in the same light. PIL rounds
    to whole numbers after the resizing, and downwards after each change of light, a level and a half in the mean; here
    nothing is rounded.
    """
    before = (pixels.shape[3], pixels.shape[2])
    drawn = torch.tensor([_draw(seed, least, before) for seed in seeds]).view(len(pixels), _DRAWN)
    drawn = drawn.to(pixels.device, non_blocking=True)
    shape = (len(pixels), 3, size, size)
    seen = torch.empty(shape, device=pixels.device, memory_format=torch.channels_last)
    # On a CPU one by one: what a photograph needs stays in the caches, and no sum depends on those beside it.
    at_once = 1 if pixels.device.type == "cpu" else max(1, len(pixels))
    for images, views, target in zip(pixels.split(at_once), drawn.split(at_once), seen.split(at_once), strict=True):
        target.copy_(_augmented(images, size, views))
    return seen


def _augmented(pixels: Tensor, size: int, views: Tensor) -> Tensor:
    """By numbers that `_draw` gives, (batch, _DRAWN): (batch, 3, size, size), in an order of memory of its own."""
    left, top, width, height, mirrored, *light = views.unbind(1)
    down = _taps(top, height, pixels.shape[2], size)
    across = _taps(left, width, pixels.shape[3], size, mirrored)
    return _lit(_resampled(pixels, across, down), *light).permute(0, 2, 3, 1)


def _draw(seed: int, least: float, size: tuple[int, int]) -> tuple[float, ...]:
    """The window, and the factors of brightness, contrast and saturation."""
    draw = random.Random(seed)
    return *_draw_window(draw, least, size), *_draw_light(draw)


def _draw_window(draw: random.Random, least: float, size: tuple[int, int]) -> _Window:
    """Of at least that share of each side of a picture of that size, and mirrored half of the time."""
    width, height = (draw.uniform(least, 1) * side for side in size)
    left, top = draw.uniform(0, size[0] - width), draw.uniform(0, size[1] - height)
    return left, top, width, height, draw.random() < 0.5


def _draw_light(draw: random.Random) -> tuple[float, ...]:
    """The factors of brightness, contrast and saturation."""
    return tuple(draw.uniform(0.8, 1.2) for _ in range(3))


def _through(image: Image.Image, window: _Window, size: tuple[int, int]) -> Image.Image:
    """What the window shows, resized."""
    left, top, width, height, mirrored = window
    image = image.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
    return ImageOps.mirror(image) if mirrored else image


def _taps(
    start: Tensor, length: Tensor, before: int, after: int, mirrored: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What each of `after` pixels takes of which of `before` in a row or column, for windows that begin at `start` and
    are `length` pixels long, (batch) each: places and weights, (batch, after, taps) each.

    PIL's bicubic kernel (Keys 1981, a = -1/2), stretched where the window shrinks, of which the picture's border cuts
    off what lies outside; the weights' sum is 1.
    """
    places = torch.arange(after, device=start.device) + 0.5
    if mirrored is not None:
        places = torch.where(mirrored.unsqueeze(1) > 0, after - places, places)
    scale = (length / after).unsqueeze(1)
    centres = (start.unsqueeze(1) + places * scale).unsqueeze(2)
    stretched = scale.clamp(min=1).unsqueeze(2)
    taps = torch.arange(math.ceil(4 * max(1, before / after)), device=start.device)
    sources = (centres - 2 * stretched + 0.5).floor() + taps
    x = ((sources + 0.5 - centres) / stretched).abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    inside = (x < 2) & (sources >= 0) & (sources < before)
    weights = torch.where(x < 1, near, far) * inside
    return sources.clamp(0, before - 1).long(), weights / weights.sum(2, keepdim=True)


def _weighted(lines: Tensor, sources: Tensor, weights: Tensor) -> Tensor:
    """(batch, before, values) to (batch, after, values): weighted sums of lines, by what `_taps` gives."""
    of_image = torch.arange(len(lines), device=lines.device).view(-1, 1, 1) * lines.shape[1]
    sums: Tensor = functional.embedding_bag(
        (sources + of_image).flatten(0, 1),
        lines.flatten(0, 1),
        mode="sum",
        per_sample_weights=weights.flatten(0, 1),
    )
    return sums.view(*sources.shape[:2], -1)


def _resampled(pixels: Tensor, across: tuple[Tensor, Tensor], down: tuple[Tensor, Tensor]) -> Tensor:
    """(batch, 3, height, width) to (batch, width, 3, height), in 0 to 255, by what `_taps` gives."""
    batch, _, _, width = pixels.shape
    rows = _weighted(pixels.permute(0, 2, 3, 1).float().flatten(2), *down)
    columns = rows.view(batch, -1, width, 3).permute(0, 2, 3, 1)
    shown = _weighted(columns.flatten(2), *across)
    return shown.view(batch, shown.shape[1], 3, -1).clamp_(0, 255)


def _lit(pixels: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """(batch, width, 3, height) in that light, factors (batch) each, by the definitions of PIL's ImageEnhance: away
    from black, from the mean grey, and from each pixel's grey, cut off at 0 and 255 each time. In place.
    """
    brightness, contrast, saturation = (of[:, None, None, None] for of in (brightness, contrast, saturation))
    pixels.mul_(brightness).clamp_(0, 255)
    middle = _grey(pixels).mean((1, 2, 3), keepdim=True)
    pixels.mul_(contrast).add_(middle * (1 - contrast)).clamp_(0, 255)
    own = _grey(pixels)
    return pixels.mul_(saturation).add_(own.mul_(1 - saturation)).clamp_(0, 255)


def _grey(pixels: Tensor) -> Tensor:
    """(batch, width, 3, height) to (batch, width, 1, height)."""
    red, green, blue = pixels.split(1, 2)
    return torch.add(red * _GREY[0], green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])
