"""The real things that tests share: the shipped captioner, and a server process on a real socket."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Before PyTorch is imported, and for the processes that tests start: OpenMP's threads wait for one another without
# spinning, or files of tests side by side would take the cores from each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import requests
import torch

from model.registry import load_captioner
from model.settings import ModelSettings

# A job in the background of a shell ignores Ctrl-C, and so would the processes that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
SHIPPED = ModelSettings(checkpoint=ROOT / "best_model.pth", vocabulary=ROOT / "vocab.pkl", device="cpu")
_CAPTIONER = "service.engine.captioner_process"


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


class Server:
    def __init__(self, process: subprocess.Popen, port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log
        self.url = f"http://127.0.0.1:{port}"

    def wait_until_healthy(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if requests.get(self.url + "/health", timeout=5).ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.2)
        raise AssertionError(f"not healthy in {seconds} s:\n{self.log.read_text()}")

    def health(self) -> dict:
        return requests.get(self.url + "/health", timeout=10).json()

    @property
    def worker(self) -> int:
        """gunicorn's process that answers."""
        return next(pid for pid, command in descendants(self.process.pid).items() if _CAPTIONER not in command)

    @property
    def captioner(self) -> int | None:
        """The process that holds the model; None while there is none."""
        found = [pid for pid, command in descendants(self.process.pid).items() if _CAPTIONER in command]
        return max(found, default=None)


def descendants(pid: int) -> dict[int, str]:
    """Command lines of a process's children, and theirs, that have not ended."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            commands[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # ended in between
            continue
    found, last = set(), {pid}
    while last:
        last = {child for child, parent in parents.items() if parent in last}
        found |= last
    return {child: commands[child] for child in found if commands.get(child)}


def wait_until(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so in {seconds} s"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_server(folder: Path, command: tuple[str, ...] = ("app.py",), **environment: str) -> Iterator[Server]:
    """A server process of its own, ended on leaving; `command` are the words after python."""
    port = free_port()
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | {"PORT": str(port)} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that a test can kill it with its workers
        )
        try:
            yield Server(process, port, log)
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as running:
        running.wait_until_healthy()
        yield running
