"""The service as a process of its own, on a real socket, for what measures it and for what tests it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).parent.parent
_CAPTIONER = "service.engine.captioner_process"


class Server:
    """One that is running; `log` is what it has printed."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
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

    def health(self) -> dict[str, Any]:
        """What /health answers, whatever its status."""
        answer: dict[str, Any] = requests.get(self.url + "/health", timeout=10).json()
        return answer

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
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            commands[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # ended in between
            continue
    found: set[int] = set()
    last = {pid}
    while last:
        last = {child for child, parent in parents.items() if parent in last}
        found |= last
    return {child: commands[child] for child in found if commands.get(child)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_server(
    folder: Path, command: tuple[str, ...] = ("app.py",), before: tuple[str, ...] = (), /, **environment: str
) -> Iterator[Server]:
    """A server process of its own, ended on leaving; `command` are the words after python, `before` those before."""
    port = free_port()
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*before, sys.executable, *command],
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
