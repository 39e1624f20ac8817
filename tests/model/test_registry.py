"""Back ends are imported when they are chosen, and what they lack is told."""

import argparse
import subprocess
import sys

import pytest
import torch

from model.__main__ import main
from model.arguments import add_model_arguments, model_settings
from model.captioner import Capabilities, Caption, DecodingOptions
from model.errors import BackendUnavailable
from model.registry import BACKENDS, Backend, load_captioner, users_of
from model.settings import ModelSettings
from tests.conftest import ROOT
from tests.pictures import drawn

LOADS_CNN_LSTM = """
import sys
from model.registry import BackendUnavailable, ModelSettings, load_captioner
assert load_captioner(ModelSettings(device="cpu")).name == "cnn-lstm"
foreign = {"transformers", "tokenizers", "huggingface_hub", "safetensors", "peft", "accelerate", "bitsandbytes"}
assert not foreign & set(sys.modules), foreign & set(sys.modules)
sys.modules["transformers"] = None  # as if it were not installed
for backend in ("blip", "blip2", "clipcap"):
    try:
        load_captioner(ModelSettings(backend=backend, device="cpu"))
    except BackendUnavailable as error:
        assert f"'{backend}' needs packages" in str(error), error
        assert "transformers" in str(error) and "pip install -r requirements/backends.txt" in str(error), error
    else:
        raise AssertionError(backend)
"""


def test_the_default_needs_none_of_the_others_packages():
    subprocess.run([sys.executable, "-c", LOADS_CNN_LSTM], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backend": "nothing"}, "there is no back end 'nothing'; choose one of cnn-lstm, blip, blip2, clipcap"),
        ({"dtype": "fp8"}, "there is no dtype 'fp8'"),
        ({"device": "tpu"}, "there is no device 'tpu'"),
        ({"backend": "blip", "tta": True}, "tta is for cnn-lstm alone, not for blip"),
        ({"backend": "blip", "image_size": 224}, "image_size is for cnn-lstm alone"),
        ({"prompt": "a photo of"}, "prompt is for blip, blip2 alone, not for cnn-lstm"),
        ({"image_size": 225}, "image_size is a multiple of 32 from 64 to 512"),
        ({"image_size": 1024}, "image_size is a multiple of 32 from 64 to 512"),
    ],
)
def test_choices_that_there_are_not(settings, words):
    with pytest.raises(BackendUnavailable, match=words):
        load_captioner(ModelSettings(**settings))


def test_every_setting_is_an_argument():
    parser = argparse.ArgumentParser()
    add_model_arguments(parser)
    assert model_settings(parser.parse_args([])) == ModelSettings()
    words = ["--backend", "blip2", "--weights", "a/b", "--revision", "abc", "--dtype", "bf16", "--prompt", "a photo of"]
    asked = ModelSettings(backend="blip2", weights="a/b", revision="abc", dtype="bf16", prompt="a photo of")
    assert model_settings(parser.parse_args(words)) == asked
    assert model_settings(parser.parse_args(["--tta"])) == ModelSettings(tta=True)
    assert model_settings(parser.parse_args(["--image-size", "224"])) == ModelSettings(image_size=224)


class Dry:
    """All that a back end needs."""

    name, digest, device = "dry", "0" * 64, torch.device("cpu")
    capabilities = Capabilities(prompt=True)

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt

    @classmethod
    def load(cls, settings: ModelSettings, device: torch.device) -> "Dry":
        return cls(settings.prompt)

    def caption(self, images, options=DecodingOptions(), stopwatch=None):
        return [[Caption(f"{self.prompt} of {image.width} pixels", -1.0, ())] for image in images]


def test_a_new_back_end_is_a_class_and_a_line(monkeypatch, tmp_path, capsys, caplog):
    monkeypatch.setitem(BACKENDS, "dry", Backend("tests.model.test_registry:Dry", ("prompt",)))
    drawn(12, 8).save(tmp_path / "a.png")
    assert main([str(tmp_path / "a.png"), "--backend", "dry", "--prompt", "a picture"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a.png'}: a picture of 12 pixels\n"
    assert main([str(tmp_path / "a.png"), "--backend", "dry", "--tta"]) == 2
    assert capsys.readouterr().err == "error: tta is for cnn-lstm alone, not for dry\n"
    assert main([str(tmp_path / "a.png"), "--backend", "dry", "--attention"]) == 0
    assert "the back end dry ignores the option attention" in caplog.text
    assert users_of("prompt") == ["blip", "blip2", "dry"]
