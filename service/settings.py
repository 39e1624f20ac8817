"""What an operator can set, read once from the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.settings import ModelSettings

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
    collection: Path | None = None
    """Results of `python -m collection caption --output`, JSONL, or their index: then the page can search them."""
    device: str = "auto"
    """cpu, cuda, or auto: cuda where there is one."""
    weights: str = ""
    """Weights of the other back ends: a folder, or a name on the Hugging Face Hub; empty: the back end's own choice."""
    revision: str = ""
    """Commit, tag or branch of a name on the Hub; known names have a pinned commit."""
    dtype: str = "auto"
    """Numbers of the network: fp32, bf16, fp16, int8 (blip2). auto: cnn-lstm takes bf16 on a processor with
    AMX, the others half of fp32 on CUDA; all else is fp32."""
    prompt: str = ""
    """Text that a caption of blip or blip2 goes on from, or a question for blip2."""
    look: str = "usual"
    """How cnn-lstm is shown a photograph: usual, or thorough: mirrored beside it, too, for better captions in nearly
    twice the time."""
    image_size: int = 0
    """Pixels a side that cnn-lstm is shown, a multiple of 32; 0: as in training (288 for the shipped weights); 224 is
    faster, and sees less."""
    max_upload_bytes: int = 16 * 1024 * 1024
    """A larger photograph is refused with 413."""
    client_timeout_seconds: int = 60
    """A request that is not read whole by then is given up, so that a slow client does not hold a thread."""
    max_batch: int = 8
    """Photographs that the captioner takes together at most."""
    max_wait_milliseconds: int = 10
    """So long a batch waits at most for photographs that are being decoded; where there are none it does not wait."""
    max_queue: int = 128
    """Photographs that are under way at once at most; one more is answered 503 at once. There are as many threads."""
    deadline_seconds: int = 30
    """A photograph that is not captioned so long after it arrived is answered 504."""
    hung_after_seconds: int = 120
    """A captioner that takes longer over one batch is taken for hung, and replaced."""
    max_images_upload_bytes: int = 64 * 1024 * 1024
    """More than this in one request for several photographs is refused with 413."""
    workers: int = 1
    """Processes of gunicorn, each with a captioner of its own: on a CPU one already uses all cores."""
    api_key: str = field(default="", repr=False)
    """Where set, captions and metrics are given only to who sends it, as a bearer token or as X-API-Key."""
    cors_origins: str = ""
    """Sites whose pages may ask, with commas between: https://example.org, or * for all."""
    rate_limit: str = ""
    """Requests for captions from one address, such as 60/minute or 5/second; counted in each worker by itself."""
    trusted_proxies: int = 0
    """Proxies in front of the service that add to X-Forwarded-For and -Proto; 0: the headers are not believed."""
    log_format: str = "json"
    """Lines of the log: json, or text for reading in a terminal."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Raises SettingRefused."""
        values: dict[str, str | int | Path] = {}
        for setting in dataclasses.fields(cls):
            variable = f"CAPTION_{setting.name.upper()}"
            text = environment.get(variable, "").strip()
            if not text:
                continue
            if setting.type == "int":
                least = 0 if setting.default == 0 else 1
                if not text.isdigit() or int(text) < least:
                    raise SettingRefused(f"{variable} must be a whole number of {least} or more, not '{text}'")
                values[setting.name] = int(text)
            else:
                values[setting.name] = Path(text).absolute() if str(setting.type).startswith("Path") else text
        return cls(**values)  # type: ignore[arg-type]  # each value was made from its field's type

    @property
    def model(self) -> ModelSettings:
        from model.settings import ModelSettings

        return ModelSettings(
            **{setting.name: getattr(self, setting.name) for setting in dataclasses.fields(ModelSettings)}
        )
