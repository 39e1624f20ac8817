"""The exported pair of graphs against the network that it was made of."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from model.captioner import DecodingOptions
from model.cnn_lstm.export import main
from model.cnn_lstm.onnx import OnnxCaptioner
from model.cnn_lstm.vocabulary import Vocabulary
from model.errors import BackendUnavailable, CheckpointMismatch
from model.files import file_digest
from model.registry import load_captioner
from model.settings import ModelSettings
from tests.conftest import SHIPPED
from tests.pictures import drawn, photograph

MODEL = ["--checkpoint", str(SHIPPED.checkpoint), "--vocabulary", str(SHIPPED.vocabulary)]
FILES = {"encoder.onnx", "decoder_step.onnx", "vocabulary.json", "second_look.json", "manifest.json"}


@pytest.fixture(scope="module")
def captioner():
    """The shipped one in single precision, as the graphs are, whatever the processor would choose."""
    return load_captioner(replace(SHIPPED, dtype="fp32"))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "new" / "captioner"
    assert main(["--format", "onnx", "--output", str(folder), *MODEL]) == 0
    assert [path.name for path in folder.parent.iterdir()] == ["captioner"]  # nothing temporary is left
    return folder


@pytest.fixture(scope="module")
def onnx_captioner(exported):
    captioner = load_captioner(ModelSettings(backend="onnx", weights=str(exported)))
    assert isinstance(captioner, OnnxCaptioner)
    return captioner


def fifty_pictures() -> list[Image.Image]:
    """Parts of photographs, turned, mirrored, dark or light, drawings and noise: whatever may come."""
    random = np.random.default_rng(7)
    pictures = [drawn(), drawn(5, 300), Image.fromarray(random.integers(0, 256, (90, 120, 3), np.uint8))]
    for name in ("chelsea", "astronaut", "coffee", "rocket"):
        whole = photograph(name)
        pictures.append(whole)
        for turn in range(11 if name != "rocket" else 10):
            width, height = random.integers(90, whole.width), random.integers(90, whole.height)
            left, top = random.integers(0, whole.width - width), random.integers(0, whole.height - height)
            part = whole.crop((left, top, left + width, top + height)).rotate(90 * (turn % 4), expand=True)
            light = float(random.uniform(0.4, 1.6))
            pictures.append(part.point(lambda value, light=light: min(int(value * light), 255)))
    assert len(pictures) == 50
    return pictures


def test_fifty_pictures_get_the_same_captions(captioner, onnx_captioner):
    pictures = fifty_pictures()
    texts = set()
    for start in range(0, len(pictures), 10):
        batch = pictures[start : start + 10]
        expected, found = captioner.caption(batch), onnx_captioner.caption(batch)
        for [theirs], [ours] in zip(expected, found, strict=True):
            assert ours.text == theirs.text
            assert ours.log_probability == pytest.approx(theirs.log_probability, abs=1e-2)
            assert ours.low_confidence == theirs.low_confidence
            assert [tag.name for tag in ours.tags] == [tag.name for tag in theirs.tags]
            assert [word.support for word in ours.words] == pytest.approx(
                [word.support for word in theirs.words], abs=0.02
            )
            texts.add(ours.text)
    assert len(texts) > 15  # they are different pictures


def test_every_way_of_decoding_and_any_batch(captioner, onnx_captioner):
    picture = photograph("coffee")
    for options in (
        DecodingOptions(method="greedy"),
        DecodingOptions(method="sample", num_captions=2, seed=3),
        DecodingOptions(beam_size=7, num_captions=2, attention=True),
    ):
        [expected], [found] = captioner.caption([picture], options), onnx_captioner.caption([picture], options)
        assert [caption.text for caption in found] == [caption.text for caption in expected]
        assert [word.text for word in found[0].words] == [word.text for word in expected[0].words]
    for ours, theirs in zip(found[0].words, expected[0].words, strict=True):
        assert np.allclose(ours.attention, theirs.attention, atol=1e-3)
    assert onnx_captioner.caption([]) == []


def test_it_says_what_it_is(exported, captioner):
    manifest = json.loads((exported / "manifest.json").read_text())
    assert {path.name for path in exported.iterdir()} == FILES
    assert manifest["source"]["sha256"] == captioner.digest == OnnxCaptioner.from_folder(exported).digest
    assert {name: file["sha256"] for name, file in manifest["files"].items()} == {
        name: file_digest(exported / name) for name in FILES - {"manifest.json"}
    }
    assert "non-commercial" in manifest["licence"]
    assert manifest["preprocessing"]["image_size"] == captioner.preprocessing.image_size
    words = json.loads((exported / "vocabulary.json").read_text())["words"]
    assert tuple(words) == captioner.vocabulary.words
    step = manifest["graphs"]["decoder_step.onnx"]
    assert step["inputs"]["tokens"] == ["images", "each"]
    assert step["outputs"]["log_probabilities"] == ["images", "each", len(words)]


@pytest.mark.parametrize("name", ["encoder.onnx", "vocabulary.json", "manifest.json"])
def test_a_changed_file_is_refused(exported, tmp_path, name):
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_bytes(b'{"format": ' + (tmp_path / name).read_bytes()[:100])
    with pytest.raises(CheckpointMismatch, match=name):
        OnnxCaptioner.from_folder(tmp_path)


def test_the_back_end_says_what_it_lacks():
    with pytest.raises(BackendUnavailable, match="model export"):
        load_captioner(ModelSettings(backend="onnx"))
    with pytest.raises(BackendUnavailable, match="fp32 alone"):
        load_captioner(ModelSettings(backend="onnx", weights="somewhere", dtype="bf16"))
    with pytest.raises(FileNotFoundError):
        load_captioner(ModelSettings(backend="onnx", weights="nowhere"))


def test_nothing_is_overwritten_and_a_failure_leaves_nothing(tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    assert main(["--output", str(mine), *MODEL]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    Vocabulary.build(["a dog"], 1).save(tmp_path / "vocab.pkl")
    assert main(["--output", str(tmp_path / "new"), *MODEL, "--vocabulary", str(tmp_path / "vocab.pkl")]) == 2
    error = capsys.readouterr().err
    assert "do not belong together" in error and error.count("\n") == 1
    assert {path.name for path in tmp_path.rglob("*")} == {"mine", "thesis.txt", "vocab.pkl"}
