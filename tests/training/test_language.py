"""Training of a language pack over the encoder of a finished checkpoint."""

import subprocess
import sys

import pytest
import torch

from model.captioner import DecodingOptions
from model.cnn_lstm.captioner import CnnLstmCaptioner
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.language_pack import LanguagePack, encoder_digest
from model.images import decode_image
from model.settings import ModelSettings
from tests.conftest import ROOT
from tests.training.drawn_dataset import COLOURS, SHAPES, split_of
from tests.training.processes import flags

GERMAN = dict(
    zip((*COLOURS, *SHAPES), ("roter", "grüner", "blauer", "gelber", "weißer", "Kreis", "Würfel"), strict=True)
)


@pytest.fixture(scope="module")
def captions(shared_folder, tmp_path_factory):
    """Of all photographs but one, in German, beside no split."""
    english = (shared_folder / "data" / "Flickr8k_text" / "Flickr8k.token.txt").read_text().splitlines()
    lines = []
    for line in english:
        key, _, text = line.partition("\t")
        if text.startswith("A ") and not key.startswith("0002"):
            _, colour, shape, _ = text.split()
            lines += [f"{key}\tEin {GERMAN[colour]} {GERMAN[shape]}.", f"{key[:-1]}9\tMan sieht, ein {GERMAN[shape]}"]
    file = tmp_path_factory.mktemp("german") / "Flickr8k.token.de.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def train(folder, captions, output, **options):
    settings = {
        "data": folder / "data",
        "captions": captions,
        "config": ROOT / "configs" / "language.yaml",
        "language": "de",
        "encoder": folder / "whole" / "best_model.pth",
        "cache": folder / "cache",
        "output": folder / output,
        "min-count": 1,
    }
    command = [sys.executable, "-m", "training.train", *flags(settings, **options)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def german(shared_folder, uninterrupted, captions):
    done = train(shared_folder, captions, "german", frozen__epochs=2)
    assert done.returncode == 0, done.stderr
    return shared_folder / "german" / "de.pth"


def test_a_pack_is_trained_that_the_captioner_speaks(german, folder):
    checkpoint, pack = Checkpoint.load(folder / "whole" / "best_model.pth"), LanguagePack.load(german)
    assert pack.encoder_digest == encoder_digest(checkpoint.encoder)
    assert pack.training["settings"]["encoder"].startswith("best_model.pth (sha256 ")
    assert "grüner" in pack.vocabulary.words
    assert {"kreis": "Kreis", "würfel": "Würfel"}.items() <= pack.vocabulary.written.items()
    photographs = sum(split_of(number) == "train" for number in range(72))
    assert pack.training["photographs"] == photographs - 1
    settings = ModelSettings(
        checkpoint=folder / "whole" / "best_model.pth",
        vocabulary=folder / "whole" / "vocab.pkl",
        languages=german.parent,
    )
    captioner = CnnLstmCaptioner.load(settings, torch.device("cpu"))
    image = decode_image((folder / "data" / "Flicker8k_Dataset" / "0000.jpg").read_bytes())
    [[found]] = captioner.caption([image], DecodingOptions(language="de"))
    assert found.language == "de"
    assert set(found.text.lower().split()) <= set(pack.vocabulary.words)


def test_what_the_encoder_gives_is_computed_once_for_all_languages(german, folder, captions):
    kept = {file.name for file in (folder / "cache").iterdir()}
    fewer = captions.with_name("fewer.de.txt")
    fewer.write_text("".join(captions.read_text(encoding="utf-8").splitlines(keepends=True)[20:]), encoding="utf-8")
    done = train(folder, fewer, "fewer", frozen__epochs=1, init=german)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in (folder / "cache").iterdir()} == kept


def test_an_encoder_that_is_to_stay_is_not_tuned(folder, captions):
    done = train(folder, captions, "tuned", fine_tune__epochs=1, fine_tune__encoder_stages=1)
    assert done.returncode == 2
    assert "--encoder stays as it is" in done.stderr
