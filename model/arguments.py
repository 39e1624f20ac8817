"""What every command line asks of the model and of decoding, in one place."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import get_args

from model.captioner import DecodingOptions
from model.registry import BACKENDS
from model.settings import Dtype, Look, ModelSettings


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """One a field of ModelSettings."""
    group = parser.add_argument_group("model")
    choices = {"backend": list(BACKENDS), "dtype": get_args(Dtype), "look": get_args(Look)}
    for setting in dataclasses.fields(ModelSettings):
        group.add_argument(
            "--" + setting.name.replace("_", "-"),
            default=setting.default,
            type=type(setting.default),
            choices=choices.get(setting.name),
            help=setting.metadata["help"] + (f" (default {setting.default})" if setting.default else ""),
        )


def model_settings(parsed: argparse.Namespace) -> ModelSettings:
    return ModelSettings(
        **{setting.name: getattr(parsed, setting.name) for setting in dataclasses.fields(ModelSettings)}
    )


def count_up_to(most: int) -> Callable[[str], int]:
    """An argument's type: a whole number from 1 to `most`."""

    def count(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1 to {most}")
        return int(text)

    return count


def add_decoding_arguments(parser: argparse.ArgumentParser) -> None:
    """One a field of DecodingOptions."""
    group = parser.add_argument_group("how captions are chosen")
    for option in dataclasses.fields(DecodingOptions):
        flag = "--" + option.name.replace("_", "-")
        if option.type == "bool":
            group.add_argument(flag, action="store_const", const="true", help=option.metadata["help"])
        else:
            group.add_argument(flag, help=f"{option.metadata['help']} (default {option.default})")


def decoding_options(parsed: argparse.Namespace) -> DecodingOptions:
    """Raises OptionRefused."""
    given = {field.name: getattr(parsed, field.name) for field in dataclasses.fields(DecodingOptions)}
    return DecodingOptions.parse({name: text for name, text in given.items() if text is not None})
