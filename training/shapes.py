"""A small dataset to try fine-tuning on: python -m training.shapes DIR

Draws pairs of shapes of different colours, each with one caption by rule, "a red circle above a blue square": of the
two, the upper or the left one comes first. "magenta", "pentagon" and "triangle" are not among the shipped model's
words. The same command draws the same pictures.
"""

from __future__ import annotations

import csv
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from PIL import Image, ImageDraw

COLOURS = {"red": "#d62020", "blue": "#2440d8", "yellow": "#f2d21b", "magenta": "#e31ce3", "green": "#1f9e3a"}
CORNERS = {"circle": 0, "triangle": 3, "square": 4, "pentagon": 5}
_SIDE = 224  # pixels
_SHAPE = (56, 84)  # across, at least and at most
_SMOOTH = 4  # drawn so many times larger


@dataclass(frozen=True)
class Config:
    folder: tyro.conf.Positional[Path]
    """Where captions.csv and images/ go."""
    count: int = 500
    seed: int = 1


def draw(
    random: random.Random, colours: Sequence[str] = tuple(COLOURS), shapes: Sequence[str] = tuple(CORNERS)
) -> tuple[Image.Image, str]:
    """A picture and its caption."""
    image = Image.new("RGB", (_SIDE * _SMOOTH,) * 2, _grey(random))
    things = [(colour, random.choice(shapes)) for colour in random.sample(colours, 2)]
    relation = random.choice(("above", "left of"))
    for (colour, shape), along in zip(things, (0.27, 0.73), strict=True):
        across = 0.5 + random.uniform(-0.2, 0.2)
        along += random.uniform(-0.04, 0.04)
        centre = (across, along) if relation == "above" else (along, across)
        _draw_shape(image, shape, COLOURS[colour], centre, random.uniform(*_SHAPE) / 2)
    first, second = (f"a {colour} {shape}" for colour, shape in things)
    return image.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), f"{first} {relation} {second}"


def _grey(random: random.Random) -> tuple[int, int, int]:
    return (random.randint(200, 255),) * 3


def _draw_shape(image: Image.Image, shape: str, colour: str, centre: tuple[float, float], radius: float) -> None:
    """A circle, or a regular polygon that stands on a side; `centre` in shares of the side, `radius` in pixels."""
    x, y = (share * _SIDE * _SMOOTH for share in centre)
    radius *= _SMOOTH
    pen = ImageDraw.Draw(image)
    if corners := CORNERS[shape]:
        start = math.pi / 2 - math.pi / corners
        angles = [start + 2 * math.pi * corner / corners for corner in range(corners)]
        pen.polygon([(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles], fill=colour)
    else:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def write(config: Config) -> None:
    """Raises OSError."""
    draws = random.Random(config.seed)
    images = config.folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    with (config.folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "caption"))
        for number in range(config.count):
            image, caption = draw(draws)
            path = f"images/{number:04}.png"
            image.save(config.folder / path)
            rows.writerow((path, caption))


def main(arguments: Sequence[str] | None = None) -> int:
    config = tyro.cli(Config, args=arguments, description=__doc__)
    try:
        write(config)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written: {config.count} pictures and their captions to {config.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
