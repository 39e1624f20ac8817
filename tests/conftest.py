"""The real things that tests share: the shipped captioner, and a server process on a real socket."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Before PyTorch is imported, and for the processes that tests start: OpenMP's threads wait for one another without
# spinning, or files of tests side by side would take the cores from each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch

from benchmarks.server import Server, running_server
from model.registry import load_captioner
from model.settings import ModelSettings

# A job in the background of a shell ignores Ctrl-C, and so would the processes that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
SLOW = (
    "cluster/",
    "collection/test_command_line.py::test_killed",
    "collection/test_watch.py::test_a_folder",
    "collection/test_walk.py::test_no_more_than_two_batches_are_in_memory",
    "hostile/",
    "model/cnn_lstm/test_captioner.py::test_with_test_time_augmentation",
    "model/cnn_lstm/test_export.py",
    "model/huggingface/test_blip2.py",
    "model/test_command_line.py::test_as_a_person_calls_it",
    "service/test_access.py",
    "model/test_heic.py::test_time_and_memory",
    "service/test_backends.py",
    "service/test_hosts.py",
    "service/test_lifecycle.py",
    "service/test_observability.py",
    "service/test_overload.py",
    "test_benchmarks.py",
    "training/test_shapes.py::test_the_shipped_captioner_learns_them",
    "training/test_evaluate.py",
    "training/evaluation/test_metrics.py::test_meteor",
    "training/test_pictures.py",
    "training/test_ablation.py::test_every_variant",
    "training/test_average.py::test_the_command",
    "training/test_clipcap.py",
    "training/running/test_distributed.py",
    "training/test_finetune.py",
    "training/test_init.py",
    "training/test_recipe.py",
    "training/test_refusals.py",
    "training/test_resume.py",
    "training/test_train.py",
    "web/",
)
"""How the names of slow tests begin, besides those that ask for `server`."""
SHIPPED = ModelSettings(checkpoint=ROOT / "best_model.pth", vocabulary=ROOT / "vocab.pkl", device="cpu")


@pytest.hookimpl(wrapper=True)  # before xdist, which reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """`slow`: what takes more than ten seconds or starts a server, which `make quick` leaves out. A process runs the
    tests of whole files, for what they share; those of the one long training run are together, too.
    """
    for item in items:
        file = item.nodeid.partition("::")[0]
        shares_run = "uninterrupted" in getattr(item, "fixturenames", ()) and "clipcap" not in file
        item.add_marker(pytest.mark.xdist_group("one training run" if shares_run else file))
        if item.nodeid.removeprefix("tests/").startswith(SLOW) or "server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
    yield


@pytest.fixture(scope="session")
def captioner():
    """The shipped checkpoint and vocabulary."""
    return load_captioner(SHIPPED)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For networks so small that more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Bytes, also for processes that are started meanwhile: what is written beyond fails, as on a full disk."""
    usual, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (usual, hard))


def wait_until(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so in {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as running:
        running.wait_until_healthy()
        yield running
