"""The training command of ClipCap, on five photographs, with a CLIP and a GPT-2 of a few thousand weights."""

import json
import shutil
import signal
import sys

import pytest
import torch

from model.huggingface.clipcap.captioner import FILE, ImageEncoder, load_gpt2
from model.huggingface.clipcap.checkpoint import ClipCapCheckpoint
from model.images import decode_image
from model.registry import load_captioner
from model.settings import ModelSettings
from tests.conftest import no_file_larger_than
from tests.model.huggingface.small_clipcap import CAPTIONS, save_small_clip, save_small_gpt2, teach_captions
from tests.pictures import photograph
from tests.training.processes import flags, start, wait_for_the_middle_of_epoch
from training.clipcap import main
from training.data.clipcap import Embeddings, compute_embeddings
from training.data.records import in_split, read_dataset

pytestmark = pytest.mark.usefixtures("one_thread")
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
    return flags(settings, **options)


@pytest.mark.parametrize(("mapping", "options"), [("mlp", ["--fine-tune-gpt2"]), ("transformer", [])])
def test_five_photographs_are_learnt_by_heart(folder, mapping, options):
    output = folder / f"{mapping}{len(options)}"
    gpt2 = folder / ("gpt2" if options else "taught")
    assert main([*arguments(folder, output, mapping=mapping, gpt2=gpt2), *options]) == 0
    history = json.loads((output / "record.json").read_text())["history"]
    assert history[-1]["loss"] < 0.1
    captioner = load_captioner(ModelSettings("clipcap", weights=str(output), device="cpu"))
    images = [decode_image((folder / "data" / "images" / f"{name}-val.png").read_bytes()) for name in NAMES]
    assert [captions[0].text for captions in captioner.caption(images)] == list(CAPTIONS)


def course(output):
    """The run's records without what depends on the clock."""
    history = json.loads((output / "record.json").read_text())["history"]
    return [{k: v for k, v in record.items() if k not in ("seconds", "captions_per_second")} for record in history]


def short(folder, output, **options):
    return arguments(folder, output, epochs=3, warmup_steps=5, batch_size=2, **options)


@pytest.fixture(scope="module")
def uninterrupted(folder):
    assert main(short(folder, "whole")) == 0
    return folder / "whole"


def test_killed_in_mid_epoch_it_goes_on_to_the_same_weights(folder, uninterrupted, capsys):
    output = folder / "killed"
    process = start([sys.executable, "-m", "training.clipcap", *short(folder, output)])
    wait_for_the_middle_of_epoch(process, 2)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    assert len(course(output)) == 1

    assert main(short(folder, output)) == 0
    assert "going on after epoch 1" in capsys.readouterr().out
    expected, found = (torch.load(run / "last.pth", weights_only=True) for run in (uninterrupted, output))
    assert expected["weights"].keys() == found["weights"].keys()
    for name, tensor in expected["weights"].items():
        assert torch.allclose(tensor, found["weights"][name], atol=1e-6), name
    losses = [[record["loss"] for record in course(run)] for run in (uninterrupted, output)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_full_disk_is_told_and_with_room_the_same_command_goes_on(folder, uninterrupted, capsys):
    output = folder / "full"
    with no_file_larger_than(100_000):
        assert main(short(folder, output)) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and error.endswith(f"'{output / 'clipcap.safetensors'}'")
    assert main(short(folder, output)) == 0
    assert len(course(output)) == 3


def test_a_finished_run_is_not_begun_again(folder, uninterrupted, capsys):
    before = (uninterrupted / "last.pth").read_bytes()
    assert main(short(folder, "whole")) == 0
    assert "finished: CIDEr" in capsys.readouterr().out and (uninterrupted / "last.pth").read_bytes() == before


def test_a_frozen_gpt2_is_named_and_not_kept(folder, uninterrupted):
    checkpoint = ClipCapCheckpoint.load(uninterrupted / FILE)
    assert not checkpoint.holds_gpt2 and checkpoint.gpt2.name == "gpt2" and len(checkpoint.gpt2.digest) == 64
    assert checkpoint.training["photographs"] == 5 and "CIDEr" in checkpoint.scores
    assert str(folder) not in json.dumps(checkpoint.training)
    before, after = (load_gpt2(run / "gpt2")[0].state_dict() for run in (folder, uninterrupted))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_embeddings_are_computed_once(folder, uninterrupted, capsys):
    """A part that is there is not computed again either: its numbers, which are not CLIP's, stay."""
    records = in_split(read_dataset(folder / "data"), "train")
    encoder = ImageEncoder(folder / "clip")
    whole = compute_embeddings(records, encoder, folder / "cache", dataset_size=10)
    assert torch.allclose(whole.rows, encoder([decode_image(r.path.read_bytes()) for r in records]), atol=1e-5)
    cache = shutil.copytree(folder / "cache", folder / "partial")
    for file in cache.iterdir():
        Embeddings(torch.ones(2, encoder.size)).save(file)
    rest = compute_embeddings(records, encoder, cache, dataset_size=10)
    assert torch.equal(rest.rows[:2], torch.ones(2, encoder.size)) and torch.allclose(rest.rows[2:], whole.rows[2:])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": "nowhere"}, "nowhere"),
        ({"gpt2": "nowhere"}, "there is no folder nowhere, nor can the Hub have that name"),
        ({"mapping": "transformer"}, "holds a run with other settings (mapping): choose another --output"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder, uninterrupted, capsys, options, words):
    assert main(short(folder, "whole", **options)) == 2
    assert words in capsys.readouterr().err


def test_damaged_photographs_stop_the_run(folder, capsys):
    data = shutil.copytree(folder / "data", folder / "damaged")
    (data / "images" / "coffee-train.png").write_bytes(b"damaged")
    assert main(short(folder, "stopped", data=data)) == 1
    assert "1 of the dataset's 10 photographs are missing or damaged" in capsys.readouterr().err
