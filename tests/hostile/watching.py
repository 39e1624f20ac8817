"""What a server's processes do to the machine: kept by the kernel, not by the program under test."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Watched:
    """A server process with all of its children."""

    processes: tuple[psutil.Process, ...]

    @classmethod
    def of(cls, pid: int) -> Watched:
        parent = psutil.Process(pid)
        return cls((parent, *parent.children(recursive=True)))

    @property
    def pids(self) -> frozenset[int]:
        return frozenset(process.pid for process in self.processes)

    def bytes_written_to_disk(self) -> int:
        """To any file of any file system with a disk behind it (proc_pid_io(5), write_bytes); sockets, pipes and
        memory-backed files do not count.
        """
        return sum(process.io_counters().write_bytes for process in self.processes)

    def peak_memory(self) -> int:
        """Bytes: the processes' largest resident sizes so far, added up (proc_pid_status(5), VmHWM)."""
        return sum(_peak(process.pid) for process in self.processes)


def _peak(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
