"""Pictures that no captioner of photographs can describe, drawn: each caption of them should be doubted."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_SIZES = ((640, 480), (480, 640), (800, 600), (512, 512))
_WORDS = (
    "the of and report invoice total amount date name address page figure table section results method value price "
    "order number item description quantity paid due network image model data test"
).split()
Colour = tuple[int, int, int]


def plain(draw: Random) -> Image.Image:
    return Image.new("RGB", draw.choice(_SIZES), _colour(draw))


def gradient(draw: Random) -> Image.Image:
    width, height = draw.choice(_SIZES)
    first, last = np.array(_colour(draw)), np.array(_colour(draw))
    along = np.linspace(0, 1, width)[None, :, None] if draw.random() < 0.5 else np.linspace(0, 1, height)[:, None, None]
    return Image.fromarray((np.ones((height, width, 1)) * (first + (last - first) * along)).astype(np.uint8))


def noise(draw: Random) -> Image.Image:
    (width, height), grain = draw.choice(_SIZES), draw.choice((1, 2, 4, 8, 16))
    size = (height // grain, width // grain, 3)
    pixels = np.random.default_rng(draw.getrandbits(32)).integers(0, 256, size, dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)


def text(draw: Random) -> Image.Image:
    dark = draw.random() < 0.3
    picture = Image.new("RGB", draw.choice(_SIZES), _colour(draw, 0, 40) if dark else _colour(draw, 235, 255))
    pen, size = ImageDraw.Draw(picture), draw.choice((12, 16, 22, 30, 48))
    for top in range(20, picture.height - size, round(size * 1.5)):
        ink = _colour(draw, 180, 255) if dark else _colour(draw, 0, 60)
        _write(pen, draw, (20, top), draw.randint(2, max(3, picture.width // (size * 4))), ink, size)
    return picture


def screenshot(draw: Random) -> Image.Image:
    picture = Image.new("RGB", draw.choice(_SIZES), _colour(draw, 225, 255))
    pen, (width, height) = ImageDraw.Draw(picture), picture.size
    pen.rectangle((0, 0, width, 36), fill=_colour(draw, 30, 200))
    pen.rectangle((0, 36, width // 5, height), fill=_colour(draw, 200, 245))
    for top in range(50, height - 20, 28):
        _write(pen, draw, (10, top), 1, _colour(draw, 0, 90), 14)
    for _ in range(draw.randint(3, 9)):
        left, top = draw.randint(width // 5, width - 120), draw.randint(50, height - 60)
        box = (left, top, left + draw.randint(60, 260), top + draw.randint(24, 120))
        pen.rounded_rectangle(box, 6, fill=_colour(draw, 180, 255), outline=_colour(draw, 100, 200))
        _write(pen, draw, (left + 8, top + 6), 3, _colour(draw, 0, 90), 14)
    return picture


def chart(draw: Random) -> Image.Image:
    picture = Image.new("RGB", draw.choice(_SIZES), "white")
    pen, (width, height) = ImageDraw.Draw(picture), picture.size
    bottom, step = height - 40, (width - 100) // 8
    for number in range(8):
        left = 80 + number * step
        pen.rectangle((left, draw.randint(40, bottom - 20), left + step - 10, bottom), fill=_colour(draw))
        _write(pen, draw, (10, 20 + number * (bottom // 8)), 1, (0, 0, 0), 14)
    pen.line((60, 20, 60, bottom, width - 20, bottom), fill="black", width=2)
    return picture


def drawing(draw: Random) -> Image.Image:
    picture = Image.new("RGB", draw.choice(_SIZES), _colour(draw, 200, 255))
    pen, (width, height) = ImageDraw.Draw(picture), picture.size
    for _ in range(draw.randint(3, 25)):
        left, top, size = draw.randint(0, width), draw.randint(0, height), draw.randint(20, 200)
        points = [(draw.randint(0, width), draw.randint(0, height)) for _ in range(draw.randint(3, 6))]
        kind, colour, box = draw.randrange(5), _colour(draw), (left, top, left + size, top + size)
        if kind == 0:
            pen.ellipse(box, fill=colour, outline=_colour(draw))
        elif kind == 1:
            pen.rectangle(box, fill=colour)
        elif kind == 2:
            pen.polygon(points, fill=colour)
        elif kind == 3:
            pen.line(points, fill=colour, width=draw.randint(1, 12))
        else:
            pen.arc(box, 0, draw.randint(90, 360), fill=colour, width=draw.randint(1, 9))
    return picture


def stick_figure(draw: Random) -> Image.Image:
    picture = Image.new("RGB", draw.choice(_SIZES), "white")
    pen, x, y = ImageDraw.Draw(picture), picture.width // 2, picture.height // 2
    ink, wide = _colour(draw, 0, 80), draw.randint(2, 6)
    head = draw.randint(40, 90)
    pen.ellipse((x - head, y - 60 - 2 * head, x + head, y - 60), outline=ink, width=wide)
    pen.line((x, y - 60, x, y + 80), fill=ink, width=wide)
    for shoulder, drop in ((y - 40, draw.randint(-40, 80)), (y + 80, 100)):
        for side in (-1, 1):
            pen.line((x, shoulder, x + side * draw.randint(30, 110), shoulder + drop), fill=ink, width=wide)
    return picture


KINDS: dict[str, Callable[[Random], Image.Image]] = {
    "plain colours": plain,
    "gradients": gradient,
    "noise": noise,
    "text": text,
    "screenshots": screenshot,
    "charts": chart,
    "drawings": drawing,
    "stick figures": stick_figure,
}


def drawn(kind: str, count: int) -> list[Image.Image]:
    """The same ones every time."""
    return [KINDS[kind](Random(f"{kind} {number}")) for number in range(count)]


def _write(pen: ImageDraw.ImageDraw, draw: Random, at: tuple[int, int], words: int, ink: Colour, size: int) -> None:
    pen.text(at, " ".join(draw.choices(_WORDS, k=words)), fill=ink, font=ImageFont.load_default(size))


def _colour(draw: Random, low: int = 0, high: int = 255) -> Colour:
    return draw.randint(low, high), draw.randint(low, high), draw.randint(low, high)
