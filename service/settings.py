"""What an operator can set, read once from the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model.registry import ModelSettings

ROOT = Path(__file__).resolve().parent.parent


class SettingRefused(ValueError):
    """An environment variable holds what cannot be used; the message names it."""


@dataclass(frozen=True)
class Settings:
    """Every field is read from the variable CAPTION_ and its name in capitals."""

    backend: str = "cnn-lstm"
    """Which captioner answers: a name in model.registry.BACKENDS."""
    checkpoint: Path = ROOT / "best_model.pth"
    """Weights of the cnn-lstm back end."""
    vocabulary: Path = ROOT / "vocab.pkl"
    """Words of the cnn-lstm back end."""
    device: str = "auto"
    """cpu, cuda, or auto: cuda where there is one."""
    max_upload_bytes: int = 16 * 1024 * 1024
    """A larger photograph is refused with 413."""
    client_timeout_seconds: int = 60
    """A request that is not read whole by then is given up, so that a slow client does not hold a thread."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises SettingRefused."""
        values: dict[str, str | int | Path] = {}
        for field in dataclasses.fields(cls):
            variable = f"CAPTION_{field.name.upper()}"
            text = environment.get(variable, "").strip()
            if not text:
                continue
            if field.type == "int":
                if not text.isdigit() or int(text) == 0:
                    raise SettingRefused(f"{variable} must be a whole number above 0, not '{text}'")
                values[field.name] = int(text)
            else:
                values[field.name] = Path(text) if field.type == "Path" else text
        return cls(**values)  # type: ignore[arg-type]  # each value was made from its field's type

    @property
    def model(self) -> ModelSettings:
        return ModelSettings(self.backend, self.checkpoint, self.vocabulary, self.device)
