"""Several processes that train one network: torchrun --nproc-per-node 2 -m training.train …

Each takes its part of every batch, and DistributedDataParallel averages the gradients, so that a step is the one that
a single process would take. The first process evaluates and writes; all must see the same folders. Without torchrun
there is one process, for which all of this does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")
_TIMEOUT = timedelta(days=1)  # so long may the others wait while the first computes features


@dataclass(frozen=True)
class Workers:
    """The processes of a training, as one of them sees them."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def device(self, device: torch.device) -> torch.device:
        """Each process of a machine has a GPU of its own."""
        if device.type == "cuda" and self.count > 1:
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        return device

    def part(self, batch: Tensor) -> Tensor:
        """This process's rows of a batch. A batch that is too small to be shared is for each of them, in full."""
        return batch[self.rank :: self.count] if len(batch) >= self.count else batch

    def parallel(self, module: nn.Module) -> nn.Module:
        """The module, whose gradients become the mean over the processes; weights are those of the first."""
        if self.count == 1:
            return module
        return DistributedDataParallel(module, broadcast_buffers=False)

    def total(self, numbers: Tensor) -> Tensor:
        """The sum over the processes of each number, for which all wait for all, but nobody for a GPU."""
        if self.count > 1:
            dist.all_reduce(numbers)
        return numbers

    def from_first(self, function: Callable[[], T]) -> T:
        """What it gives in the first process, where alone it is called."""
        if self.count == 1:
            return function()
        found = [function() if self.first else None]
        dist.broadcast_object_list(found, src=0)
        return cast(T, found[0])

    @contextmanager
    def first_ahead(self) -> Iterator[None]:
        """The first process goes through the block before the others, which find what it left on the disk."""
        if not self.first:
            self._wait()
        yield
        if self.first:
            self._wait()

    def _wait(self) -> None:
        """For all others to come here."""
        self.total(torch.zeros(()))


@contextmanager
def workers_of_torchrun() -> Iterator[Workers]:
    """The processes that torchrun started, connected; a single one where it did not start this."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Workers()
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_TIMEOUT)
    try:
        yield Workers(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
