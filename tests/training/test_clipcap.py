"""The training command of ClipCap, on five photographs, with a CLIP and a GPT-2 of a few thousand weights."""

import json

import pytest

from model.images import decode_image
from model.registry import ModelSettings, load_captioner
from tests.model.small_clipcap import CAPTIONS, save_small_clip, save_small_gpt2, teach_captions
from tests.pictures import photograph
from training.clipcap import main

NAMES = ("camera", "chelsea", "astronaut", "coffee", "rocket")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five photographs, to learn and to choose by, a CLIP, a GPT-2 of random weights and one that knows its language.
    Each caption comes forty times, so that an epoch is more than a step.
    """
    folder = tmp_path_factory.mktemp("clipcap")
    save_small_clip(folder / "clip")
    save_small_gpt2(folder / "gpt2")
    teach_captions(save_small_gpt2(folder / "taught"))
    (folder / "data" / "images").mkdir(parents=True)
    entries = []
    for name, caption in zip(NAMES, CAPTIONS, strict=True):
        for split, times in (("train", 40), ("val", 1)):
            file = f"{name}-{split}.png"
            photograph(name).convert("RGB").resize((96, 64)).save(folder / "data" / "images" / file)
            entries.append({"filename": file, "split": split, "sentences": [{"raw": f"{caption} ."}] * times})
    (folder / "data" / "dataset_five.json").write_text(json.dumps({"images": entries}))
    return folder


def arguments(folder, output, **options):
    settings = {
        "data": folder / "data",
        "output": folder / output,
        "cache": folder / "cache",
        "clip": folder / "clip",
        "gpt2": folder / "gpt2",
        "learning-rate": 5e-3,
        "warmup-steps": 20,
        "batch-size": 10,
        "epochs": 10,
        "patience": 5,
    }
    options = {name.replace("_", "-"): value for name, value in options.items()}
    return [word for name, value in (settings | options).items() for word in (f"--{name}", str(value))]


@pytest.mark.parametrize(
    ("mapping", "options"),
    [("mlp", ["--fine-tune-gpt2"]), ("transformer", []), ("mlp", []), ("transformer", ["--fine-tune-gpt2"])],
)
def test_five_photographs_are_learnt_by_heart(folder, mapping, options):
    output = folder / f"{mapping}{len(options)}"
    gpt2 = folder / ("gpt2" if options else "taught")
    assert main([*arguments(folder, output, mapping=mapping, gpt2=gpt2), *options]) == 0
    history = json.loads((output / "record.json").read_text())["history"]
    assert history[-1]["loss"] < 0.1
    captioner = load_captioner(ModelSettings("clipcap", weights=str(output), device="cpu"))
    images = [decode_image((folder / "data" / "images" / f"{name}-val.png").read_bytes()) for name in NAMES]
    assert [captions[0].text for captions in captioner.caption(images)] == list(CAPTIONS)
