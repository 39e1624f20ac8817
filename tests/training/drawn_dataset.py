"""A small dataset that is drawn: coloured shapes with captions by rule, in any of the layouts people have."""

import csv
import json
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = ("red", "green", "blue", "yellow", "white")
SHAPES = ("circle", "square")


def draw(number: int) -> tuple[Image.Image, list[str]]:
    colour, shape = COLOURS[number % 5], SHAPES[number // 5 % 2]
    image = Image.new("RGB", (64, 64), (40, 40, 40 + number % 50))
    pen = ImageDraw.Draw(image)
    (pen.ellipse if shape == "circle" else pen.rectangle)((12, 12, 52, 52), fill=colour)
    captions = [
        f"A {colour} {shape} .",
        f"There is a {colour} {shape} on a dark ground .",
        f"a {shape} that is {colour}",
    ]
    return image, captions


def split_of(number: int) -> str:
    return {0: "dev", 1: "test"}.get(number % 6, "train")


def write(folder: Path, layout: str, count: int) -> Path:
    images = folder / {"release": "Flicker8k_Dataset", "kaggle": "Images", "karpathy": "images"}[layout]
    images.mkdir(parents=True)
    entries = []
    for number in range(count):
        image, captions = draw(number)
        name = f"{number:04}.jpg"
        image.save(images / name)
        entries.append((name, split_of(number), captions))
    {"release": _release, "kaggle": _kaggle, "karpathy": _karpathy}[layout](folder, entries)
    return folder


def _release(folder, entries):
    text = folder / "Flickr8k_text"
    text.mkdir()
    lines = [f"{name}#{i}\t{caption}" for name, _, captions in entries for i, caption in enumerate(captions)]
    (text / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n")
    for split in ("train", "dev", "test"):
        names = [name for name, own, _ in entries if own == split]
        (text / f"Flickr_8k.{split}Images.txt").write_text("\n".join(names) + "\n")


def _kaggle(folder, entries):
    with (folder / "captions.txt").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "caption"])
        writer.writerows((name, caption) for name, _, captions in entries for caption in captions)


def _karpathy(folder, entries):
    images = [
        {
            "filename": name,
            "split": {"dev": "val"}.get(split, split),
            "sentences": [{"raw": caption, "tokens": caption.lower().split()} for caption in captions],
        }
        for name, split, captions in entries
    ]
    (folder / "dataset_flickr8k.json").write_text(json.dumps({"images": images}))
