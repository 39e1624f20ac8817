"""What every command line asks of the model and of decoding, in one place."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from model.captioner import DecodingOptions
from model.registry import BACKENDS, ModelSettings


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """--backend, --checkpoint, --vocabulary, --device."""
    group = parser.add_argument_group("model")
    model = ModelSettings()
    group.add_argument("--backend", default=model.backend, choices=list(BACKENDS), help=f"default {model.backend}")
    group.add_argument("--checkpoint", default=model.checkpoint, type=Path, help=f"default {model.checkpoint}")
    group.add_argument("--vocabulary", default=model.vocabulary, type=Path, help=f"default {model.vocabulary}")
    group.add_argument("--device", default=model.device, help="cpu, cuda or auto (default)")


def model_settings(parsed: argparse.Namespace) -> ModelSettings:
    return ModelSettings(parsed.backend, parsed.checkpoint, parsed.vocabulary, parsed.device)


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
