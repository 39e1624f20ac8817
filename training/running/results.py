"""What a training run writes, into one folder. Of several processes that train together, only the first writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from model.errors import CheckpointMismatch
from model.files import atomic_write, load_tensors, save_tensors
from model.foreign import describe_content


class Results:
    def __init__(
        self,
        folder: Path,
        *,
        best: str = "best_model.pth",
        state: str = "last.pth",
        record: bool = True,
        tensorboard: bool = True,
        writes: bool = True,
    ) -> None:
        """Names of files; without `record` there is no record.json, without `tensorboard` no log for TensorBoard."""
        self.folder, self.writes = folder, writes
        self.best_file, self.state_file = folder / best, folder / state
        self._has_record, self._has_board = writes and record, writes and tensorboard
        self._board: SummaryWriter | None = None

    def load_state(self) -> dict[str, Any] | None:
        """What `save_state` left. Raises CheckpointMismatch."""
        if not self.state_file.is_file():
            return None
        content = load_tensors(self.state_file)
        if not isinstance(content, dict) or "settings" not in content:
            raise CheckpointMismatch(f"{self.state_file} is not the state of a training: {describe_content(content)}")
        return content

    def save_state(self, content: dict[str, Any]) -> None:
        if self.writes:
            save_tensors(content, self.state_file)

    def remove_state(self) -> None:
        """Nothing goes on from here any more."""
        self.state_file.unlink()
        for piece in self.folder.glob("stage-*.pth"):
            piece.unlink()

    def write_record(self, record: dict[str, Any]) -> None:
        if self._has_record:
            with atomic_write(self.folder / "record.json") as file:
                file.write_text(json.dumps(record, indent=1) + "\n")

    def show(self, epochs: Sequence[dict[str, Any]]) -> None:
        """In TensorBoard. The first call replaces what an earlier run left, for a kill may have lost its end."""
        if self._has_board:
            self._board = self._board or SummaryWriter(str(self.folder / "tensorboard"), purge_step=0)
            for epoch in epochs:
                name = shown(epoch)
                self._board.add_scalar(f"train/{name}", epoch[name], epoch["epoch"])
                self._board.add_scalar("train/images_per_second", epoch["images_per_second"], epoch["epoch"])
                for name, value in epoch["dev"].items():
                    self._board.add_scalar(f"dev/{name}", value, epoch["epoch"])
            self._board.flush()

    def log(self, text: str) -> None:
        if self.writes:
            print(text, flush=True)

    def close(self) -> None:
        if self._board:
            self._board.close()


def shown(epoch: Mapping[str, Any]) -> str:
    """The name of the number that the epoch's objective shows."""
    return next((name for name in ("reward", "distance") if name in epoch), "loss")
