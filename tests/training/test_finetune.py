"""BLIP fine-tuned at toy size: five photographs by heart, LoRA, going on after a stop."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file

from model.captioner import DecodingOptions
from model.registry import load_captioner
from model.settings import ModelSettings
from tests.conftest import no_file_larger_than
from tests.tiny_backends import LEARNT, photographs, save_blip, write_dataset
from tests.training.data.test_mixture import inverted
from training.evaluate import main as evaluate
from training.finetune import Config, FineTuning, main

pytestmark = pytest.mark.usefixtures("one_thread")
GREEDY = DecodingOptions(method="greedy")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return save_blip(tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("five") / "data")


def config(start, data, output, **settings):
    base = Config(data=data, output=output, weights=str(start), batch_size=5, learning_rate=3e-3, device="cpu")
    return dataclasses.replace(base, **settings)


def captions(folder, prompt="", options=GREEDY):
    blip = load_captioner(ModelSettings(backend="blip", weights=str(folder), device="cpu", prompt=prompt))
    return [ranked[0].text for ranked in blip.caption(photographs(), options)]


@pytest.fixture(scope="module")
def by_heart(start, data, tmp_path_factory):
    output = tmp_path_factory.mktemp("by_heart")
    flags = ["--batch-size", "5", "--epochs", "200", "--learning-rate", "3e-3", "--device", "cpu"]
    assert main(["--data", str(data), "--output", str(output), "--weights", str(start), *flags]) == 0
    return output


def test_five_photographs_by_heart(by_heart):
    """So is greedy decoding a beam of one, for a model that is sure."""
    history = json.loads((by_heart / "finetuning.json").read_text())["history"]
    assert len(history) == 200 and history[-1]["loss"] < 0.02 < 1 < history[0]["loss"]
    assert captions(by_heart) == list(LEARNT.values()) == captions(by_heart, options=DecodingOptions(beam_size=1))


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # pycocoevalcap leaves its Java process's pipes open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_evaluation_scores_it_as_any_other(by_heart, data, tmp_path):
    flags = ["--backend", "blip", "--weights", str(by_heart), "--device", "cpu", "--output", str(tmp_path)]
    assert evaluate(["--data", str(data), "--split", "train", *flags]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["model"]["name"] == "blip" and scores["photographs"] == 5 and scores["images_per_second"] > 0
    assert scores["scores"]["B-4"] == pytest.approx(1.0)


def test_goes_on_after_a_stop_to_the_very_same_weights(start, data, tmp_path):
    settings = {"epochs": 3, "batch_size": 2, "save_every_minutes": 0.0}
    whole = FineTuning(config(start, data, tmp_path / "whole", **settings))
    whole.run()

    stopped = FineTuning(config(start, data, tmp_path / "stopped", **settings))
    take = stopped._step

    def stop_at_the_fifth(batch):
        if stopped.step == 4:  # in the middle of the second epoch
            raise KeyboardInterrupt
        take(batch)

    stopped._step = stop_at_the_fifth
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    again = FineTuning(config(start, data, tmp_path / "stopped", **settings))
    assert again.step == 4 and len(again.history) == 1
    again.run()

    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "stopped"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert [r["loss"] for r in whole.history] == [r["loss"] for r in again.history]


def test_it_rehearses_other_photographs(start, data, tmp_path):
    others = [inverted(tmp_path / name, 12) for name in ("one", "two")]
    flags = ["--weights", str(start), "--device", "cpu", "--output", str(tmp_path / "run"), "--epochs", "1"]
    words = ["--data", str(data), "--rehearse", *map(str, others), *flags]
    assert main(words) == 0
    record = json.loads((tmp_path / "run" / "finetuning.json").read_text())
    assert [name.split()[0] for name in record["settings"]["rehearse"].split(" + ")] == ["one", "two"]
    assert main(["--data", str(data), *flags]) == 2  # is another run
    tuning = FineTuning(config(start, data, tmp_path / "again", rehearse=tuple(others)))
    assert len(tuning.train_records) == 5 + 5


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft asks for it
def test_lora_learns_little_and_is_merged(by_heart, tmp_path):
    """What one photograph was called, another is called now."""
    renamed = dict(zip(LEARNT, [*list(LEARNT.values())[1:], LEARNT["chelsea"]], strict=True))
    data, output = write_dataset(tmp_path / "data", renamed), tmp_path / "run"
    tuning = FineTuning(config(by_heart, data, output, lora_rank=8, epochs=100, learning_rate=1e-2))
    assert all("lora" in name for name in tuning.learnt)
    assert any("vision_model" in name for name in tuning.learnt)
    tuning.run()
    before, after = load_file(by_heart / "model.safetensors"), load_file(output / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.endswith(("query.weight", "value.weight", "qkv.weight")) for name in changed)
    assert tuning.history[-1]["loss"] < tuning.history[0]["loss"] / 10
    assert captions(output) == list(renamed.values())


def test_a_frozen_encoder_and_a_prompt(start, data, tmp_path):
    tuning = FineTuning(config(start, data, tmp_path, freeze_encoder=True, prompt="a cat sees", epochs=60))
    tuning.run()
    before, after = load_file(start / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("vision_model"))
    learnt = list(LEARNT.values())
    assert sum(text in learnt for text in captions(tmp_path, prompt="a cat sees")) >= 3


def test_the_best_epoch_on_dev_is_kept(start, data, tmp_path):
    with_dev = write_dataset(tmp_path / "data")
    file = with_dev / "dataset_five.json"
    content = json.loads(file.read_text())
    content["images"][0]["split"] = content["images"][1]["split"] = "val"
    file.write_text(json.dumps(content))
    tuning = FineTuning(config(start, with_dev, tmp_path / "run", epochs=60))  # long enough to be by heart
    tuning.run()
    losses = [record["dev_loss"] for record in tuning.history]
    kept = json.loads((tmp_path / "run" / "finetuning.json").read_text())["history"]
    assert losses.index(min(losses)) == len(kept) - 1 < len(losses) - 1  # what is not shown is forgotten in the end


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_a_full_disk_is_told_and_with_room_the_same_command_goes_on(start, data, tmp_path, capsys, size):
    flags = ["--weights", str(start), "--device", "cpu", "--output", str(tmp_path), "--epochs", "1"]
    words = ["--data", str(data), *flags]
    with no_file_larger_than(size):
        assert main(words) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and str(tmp_path) in error and list(tmp_path.iterdir()) == []
    assert main(words) == 0
    assert (tmp_path / "model.safetensors").is_file()


def test_what_cannot_be_done_is_said_in_one_line(start, data, tmp_path, capsys):
    FineTuning(config(start, data, tmp_path / "run", epochs=1)).run()
    flags = ["--weights", str(start), "--device", "cpu", "--output", str(tmp_path / "run")]
    assert main(["--data", str(data), *flags, "--seed", "2"]) == 2
    assert "other settings" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "run"), *flags]) == 2
    assert main(["--data", str(data), "--weights", str(tmp_path / "nowhere")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 2 and "nowhere" in error


def test_a_damaged_photograph_is_told(start, tmp_path, capsys):
    data = write_dataset(tmp_path / "data")
    (data / "images" / "coffee.png").write_bytes(b"damaged")
    arguments = ["--data", str(data), "--weights", str(start), "--device", "cpu", "--output", str(tmp_path / "run")]
    assert main([*arguments, "--epochs", "1"]) == 1
    assert "coffee.png" in capsys.readouterr().err
