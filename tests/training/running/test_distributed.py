"""Two processes that train together do what one does."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from benchmarks.server import free_port
from model.cnn_lstm.captioner import Network
from model.cnn_lstm.checkpoint import Checkpoint
from model.cnn_lstm.decoder import Decoder, DecoderConfig
from model.cnn_lstm.encoder import Encoder
from model.cnn_lstm.vocabulary import Vocabulary
from tests.conftest import ROOT
from tests.training.processes import start, wait_for_the_middle_of_epoch, words, write_folder
from training.batches import TrainingData
from training.data.features import CachedFeatures
from training.data.records import Record
from training.engine import train_one_epoch
from training.objectives.captions import CrossEntropy, SelfCritical
from training.objectives.rewards import Reward
from training.running.distributed import Workers, workers_of_torchrun

CAPTIONS = [  # of unequal number and length: a mean of the processes' means would not be the mean over all words
    ("a red dog runs over the green grass", "a dog"),
    ("two men sit on a bench in the sun under a tree and talk to each other", "men sit"),
    ("a child jumps", "a child"),
    ("the snow is white", "snow"),
    ("a cat sleeps under a table in the sun", "a cat"),
    ("dogs", "a dog"),
    ("a man", "two men sit on a green bench"),
]


def learn(workers: Workers) -> dict[str, object]:
    """Two epochs by cross-entropy with the encoder's last stage, then one self-critically; seven photographs in
    batches of three, so that the last batch is too small to be shared.
    """
    torch.manual_seed(workers.rank)  # initial weights are those of the first process
    torch.set_num_threads(1)
    records = [Record(f"{n}.jpg", Path(f"{n}.jpg"), "train", texts) for n, texts in enumerate(CAPTIONS)]
    vocabulary = Vocabulary.build((text for texts in CAPTIONS for text in texts), 1)
    array = np.random.default_rng(0).normal(size=(7, 2, 2, 1024)).clip(0).astype(np.float16)
    data = TrainingData.of(records, vocabulary, [CachedFeatures(array, tuple(r.name for r in records), {})])
    config = DecoderConfig(len(vocabulary), embedding=16, hidden=32, dropout=0.0)
    network = Network(Encoder(), Decoder(config))
    network.encoder.freeze_all_but_last(1)
    learnt = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD([{"params": learnt, "lr": 0.1, "initial_lr": 0.1}])
    found: dict[str, object] = {}
    for number, objective in enumerate(
        (CrossEntropy(0.1), CrossEntropy(0.1), SelfCritical(Reward([t[1:] for t in data.captions])))
    ):
        shown = train_one_epoch(
            network,
            data,
            optimizer,
            objective,
            encoder_stages=1,
            batch_size=3,
            gradient_norm=5.0,
            seed=number,
            learning_rate_at=lambda share: 1.0 - share / 2,
            mixed_precision=False,
            workers=workers,
        )
        found[f"{number}"] = (shown, {name: t.clone() for name, t in network.state_dict().items()})
    return found


def learn_together(rank: int, port: int, folder: Path) -> None:
    settings = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in settings.items()}
    with workers_of_torchrun() as workers:
        assert workers == Workers(rank, 2)
        torch.save(learn(workers), folder / f"{rank}.pt")


def test_a_step_of_two_processes_is_the_step_of_one(tmp_path):
    port, spawn = free_port(), multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=learn_together, args=(rank, port, tmp_path)) for rank in range(2)]
    for process in processes:
        process.start()
    alone = learn(Workers())
    for process in processes:
        process.join()
        assert process.exitcode == 0
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for epoch in ("0", "1"):
        (loss, weights), (own_loss, own_weights) = first[epoch], alone[epoch]
        assert loss == pytest.approx(own_loss, rel=1e-5)
        assert all(torch.allclose(weights[name], own_weights[name], atol=1e-5) for name in weights)
    assert alone["1"][0] < alone["0"][0]
    changed = [name for name in first["1"][1] if not torch.equal(first["1"][1][name], first["2"][1][name])]
    assert any("layer4" in name for name in changed) and any("decoder" in name for name in changed)
    for epoch in first:
        assert first[epoch][0] == second[epoch][0]
        assert all(torch.equal(first[epoch][1][name], second[epoch][1][name]) for name in first[epoch][1])


def test_what_is_shared():
    batch = torch.arange(5)
    assert [Workers(rank, 2).part(batch).tolist() for rank in range(2)] == [[0, 2, 4], [1, 3]]
    assert [Workers(rank, 3).part(batch[:2]).tolist() for rank in range(3)] == [[0, 1]] * 3
    assert Workers().part(batch) is not None and Workers().part(batch).tolist() == batch.tolist()
    assert (
        Workers().total(torch.tensor([1, 2.5])).tolist() == [1, 2.5] and Workers().from_first(lambda: "here") == "here"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("distributed"), 24)
    yield folder
    shutil.rmtree(folder)


def recipe(folder, output):
    short = {"frozen__epochs": 2, "fine_tune__epochs": 1}
    return words(folder, output, **short, self_critical__epochs=0, dropout=0)  # the joint stage is that, and more


def start_two(folder, output):
    command = [Path(sys.executable).with_name("torchrun"), "--nproc-per-node", "2", "--master-port", str(free_port())]
    return start([*command, *recipe(folder, output)], stdout=subprocess.PIPE)


@pytest.fixture(scope="module")
def together(folder):
    process = start_two(folder, "two")
    output, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors.decode()
    return output.decode()


def history(folder, output):
    return json.loads((folder / output / "record.json").read_text())["history"]


def test_one_of_them_writes_and_tells(folder, together):
    assert together.count("finished: CIDEr") == 1 and together.count("epoch 3: ") == 1
    written = {path.name for path in (folder / "two").iterdir()}
    pieces = {f"stage-{name}.pth" for name in ("frozen", "fine_tune", "joint")}
    assert written == pieces | {"best_model.pth", "last.pth", "record.json", "tensorboard", "vocab.pkl"}
    assert len(list((folder / "two" / "tensorboard").iterdir())) == 1
    assert Checkpoint.load(folder / "two" / "best_model.pth").heads.detector is not None
    assert [record["stage"] for record in history(folder, "two")] == [*("frozen", "frozen", "fine_tune", "joint")]


def test_the_losses_are_those_of_one_process(folder, together):
    command = [sys.executable, *recipe(folder, "one"), "--joint.epochs", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, two = ([record["loss"] for record in history(folder, name)[:3]] for name in ("one", "two"))
    assert two == pytest.approx(one, rel=0.02)


def test_when_one_is_killed_all_end_and_the_same_command_goes_on(folder, together):
    process = start_two(folder, "killed")
    wait_for_the_middle_of_epoch(process, 2)
    worker = [child for child in psutil.Process(process.pid).children() if "training.train" in child.cmdline()][-1]
    worker.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode != 0 and len(history(folder, "killed")) == 1

    again = start_two(folder, "killed")
    output, errors = again.communicate(timeout=280)
    assert again.returncode == 0, errors.decode()
    assert output.decode().count("going on after epoch 1") == 1
    expected, found = (torch.load(folder / name / "last.pth", weights_only=True) for name in ("two", "killed"))
    for part in ("network", "best_weights"):
        assert all(torch.equal(found[part][name], tensor) for name, tensor in expected[part].items())
    for ours, theirs in zip(history(folder, "killed"), history(folder, "two"), strict=True):
        assert ours["dev"] == theirs["dev"]
