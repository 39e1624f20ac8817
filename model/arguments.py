"""What every command line asks of the model and of decoding, in one place."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence

from model.captioner import DecodingOptions
from model.registry import BACKENDS
from model.settings import RENAMED, ModelSettings


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """One a field of ModelSettings."""
    group = parser.add_argument_group("model")
    for setting in dataclasses.fields(ModelSettings):
        flag, help = "--" + setting.name.replace("_", "-"), setting.metadata["help"]
        if setting.type == "bool":
            group.add_argument(flag, action="store_true", help=help)
            continue
        group.add_argument(
            flag,
            default=setting.default,
            type=type(setting.default),
            choices=list(BACKENDS) if setting.name == "backend" else setting.metadata["choices"] or None,
            help=help + (f" (default {setting.default})" if setting.default else ""),
        )


def current_names(arguments: Sequence[str] | None) -> list[str]:
    """The arguments, sys.argv's for None, with flags of old names by their new ones; each is warned of once."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for old, (new, values) in RENAMED.items():
        flag = f"--{old}"
        for at in [at for at, text in enumerate(given) if text.partition("=")[0] == flag][::-1]:
            _, equals, value = given[at].partition("=")
            end = at + 1 if equals else at + 2
            value = value if equals else "".join(given[at + 1 : end])
            if value in values:
                print(
                    f"warning: {flag} {value} is now {'--' if values[value] == 'true' else '--no-'}{new}",
                    file=sys.stderr,
                )
                given[at:end] = [f"--{new}"] if values[value] == "true" else []
    return given


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


def add_decoding_arguments(parser: argparse.ArgumentParser, *, several_languages: bool = False) -> None:
    """One a field of DecodingOptions."""
    group = parser.add_argument_group("how captions are chosen")
    for option in dataclasses.fields(DecodingOptions):
        flag = "--" + option.name.replace("_", "-")
        if option.name == "language" and several_languages:
            more = "; with commas, or given several times, of several: the first is the caption's"
            group.add_argument(
                flag, action="append", help=f"{option.metadata['help']} (default {option.default}){more}"
            )
        elif option.type == "bool":
            group.add_argument(flag, action="store_const", const="true", help=option.metadata["help"])
        else:
            group.add_argument(flag, help=f"{option.metadata['help']} (default {option.default})")


def other_languages(parsed: argparse.Namespace) -> tuple[str, ...]:
    """Those that are asked for besides the options' own. Raises OptionRefused."""
    return tuple(DecodingOptions(language=tag).language for tag in _languages(parsed)[1:])


def _languages(parsed: argparse.Namespace) -> list[str]:
    """Once each, the empty ones for the default."""
    given = [tag.strip() for text in parsed.language or [""] for tag in text.split(",")]
    return list(dict.fromkeys(tag or DecodingOptions.language for tag in given))


def decoding_options(parsed: argparse.Namespace) -> DecodingOptions:
    """Raises OptionRefused."""
    given = {field.name: getattr(parsed, field.name) for field in dataclasses.fields(DecodingOptions)}
    if isinstance(parsed.language, list):
        given["language"] = _languages(parsed)[0]
    return DecodingOptions.parse({name: text for name, text in given.items() if text is not None})
