"""What an operator chooses of the model, each setting declared once: its environment variable (CAPTION_ and its name in
capitals), its flag on the command lines and its validation come from the field, and docs/backends.md is held to it.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from model.errors import BackendUnavailable, SettingRefused

Dtype = Literal["auto", "fp32", "bf16", "fp16", "int8"]
_SHIPPED = Path(__file__).resolve().parent.parent
_TRUTH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
RENAMED = {"look": ("tta", {"thorough": "true", "usual": "false"})}
"""Old names that still work, with a warning: the new name, and the new values of the old ones."""

log = logging.getLogger(__name__)


def _setting(default: Any, help: str, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"help": help, "choices": choices})


@dataclass(frozen=True)
class ModelSettings:
    """docs/backends.md says more; which back end goes by which of them stands beside its name, in model/registry.py."""

    backend: str = _setting("cnn-lstm", "which captioner: a name in model/registry.py")
    checkpoint: Path = _setting(_SHIPPED / "best_model.pth", "weights of cnn-lstm")
    vocabulary: Path = _setting(_SHIPPED / "vocab.pkl", "words of cnn-lstm")
    languages: Path = _setting(
        _SHIPPED / "languages", "folder of language packs of cnn-lstm; those of another encoder are left out"
    )
    device: str = _setting("auto", "cpu, cuda, or auto: cuda where there is one")
    weights: str = _setting(
        "",
        "weights of the other back ends: a folder, or a name on the Hugging Face Hub",
    )
    revision: str = _setting(
        "",
        "commit, tag or branch of a name on the Hub; known names have a pinned commit",
    )
    dtype: Dtype = _setting(
        "auto",
        "numbers: fp32, bf16, fp16, int8 (blip2); auto: for cnn-lstm bf16 on a processor with AMX, "
        "for the others half of fp32 on CUDA",
        choices=get_args(Dtype),
    )
    prompt: str = _setting(
        "",
        "text that a caption of blip or blip2 goes on from, or a question for blip2",
    )
    tta: bool = _setting(
        False,
        "test-time augmentation: a photograph is seen mirrored, too, for better captions in nearly twice the time",
    )
    second_look: bool = _setting(
        False,
        "captions of another back end are ranked by what the shipped cnn-lstm sees in the photograph, and photographs "
        "have tags",
    )
    image_size: int = _setting(
        0,
        "pixels a side that cnn-lstm is shown, a multiple of 32; 0: as in training (288 for the shipped weights); 224 "
        "is faster, and sees less",
    )

    def check(self) -> None:
        """Raises BackendUnavailable for a value that there is not."""
        for setting in dataclasses.fields(self):
            value, choices = getattr(self, setting.name), setting.metadata["choices"]
            if choices and value not in choices:
                raise BackendUnavailable(f"there is no {setting.name} '{value}'; choose one of {', '.join(choices)}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ModelSettings:
        """Raises SettingRefused, which names the variable."""
        given = {setting.name: environment.get(variable(setting.name), "") for setting in dataclasses.fields(cls)}
        for old, (new, values) in RENAMED.items():
            if text := environment.get(variable(old), "").strip():
                if text not in values:
                    raise SettingRefused(f"{variable(old)} is one of {', '.join(values)}, and is now {variable(new)}")
                log.warning("%s is now %s: %s", variable(old), variable(new), values[text])
                given[new] = given[new] or values[text]
        fields = {setting.name: setting for setting in dataclasses.fields(cls)}
        return cls(**{name: parse_setting(fields[name], text.strip()) for name, text in given.items() if text.strip()})


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"CAPTION_{name.upper()}"


def parse_setting(setting: dataclasses.Field[Any], text: str) -> Any:
    """A field's value from text, by the type of its default. Raises SettingRefused, which names the variable."""
    name, kind = variable(setting.name), str(setting.type)
    if kind == "bool":
        if text.lower() not in _TRUTH:
            raise SettingRefused(f"{name} must be true or false, not '{text}'")
        return _TRUTH[text.lower()]
    if kind == "int":
        least = 0 if setting.default == 0 else 1
        if not text.isdigit() or int(text) < least:
            raise SettingRefused(f"{name} must be a whole number of {least} or more, not '{text}'")
        return int(text)
    return Path(text).absolute() if kind.startswith("Path") else text
