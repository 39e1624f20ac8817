"""The command lines of `python -m collection caption` and `watch`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from collection.metadata.writer import Writer, add_metadata_arguments, metadata_writer
from collection.outputs import DEFAULT, FORMATS, Format
from collection.tally import EXIT_STATUS
from model.arguments import add_decoding_arguments, add_model_arguments, count_up_to, current_names
from model.names import Parser

_COUNT = count_up_to(1024)


@dataclass(frozen=True)
class Asked:
    parsed: argparse.Namespace
    new_format: Callable[[], Format]
    writer: Writer | None
    """Of metadata."""


def parse_caption(arguments: Sequence[str] | None) -> Asked:
    """Ends the process where it is no command line, as `parse_watch` does."""
    parser = Parser(
        prog="python -m collection caption",
        description="Says what photographs show. With --output, the same command goes on where it was stopped.",
        epilog=EXIT_STATUS,
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="a photograph, a folder, a pattern, or - for paths on standard input"
    )
    parser.add_argument("--from", dest="lists", action="append", default=[], metavar="FILE", help="paths, one a line")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument(
        "--json", action="store_true", help="the last line of standard error is a summary in JSON; no progress is shown"
    )
    _add_arguments(parser)
    parsed = parser.parse_args(current_names(arguments))
    if not parsed.paths and not parsed.lists:
        parser.error("which photographs? Name a PATH, or a list of paths with --from")
    return _asked(parsed, parser)


def parse_watch(arguments: Sequence[str] | None) -> Asked:
    parser = Parser(
        prog="python -m collection watch",
        description="Captions what is new and what changes in folders, until Ctrl-C or SIGTERM.",
        epilog="exit status: 0 it was ended; 2 it could not be begun (options, model, files)",
    )
    parser.add_argument("paths", nargs="+", metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--settle", type=_COUNT, default=2, metavar="SECONDS", help="written is what is the same so long"
    )
    parser.add_argument("--poll", action="store_true", help="for network file systems, which tell of no changes")
    _add_arguments(parser)
    parser.set_defaults(json=False, lists=[])
    parsed = parser.parse_args(current_names(arguments))
    for folder in parsed.paths:
        if not os.path.isdir(folder):  # noqa: PTH112  # is_dir() raises for a name that is too long
            parser.error(f"{folder} is no folder")
    return _asked(parsed, parser)


def _asked(parsed: argparse.Namespace, parser: argparse.ArgumentParser) -> Asked:
    chosen = FORMATS[parsed.format]
    if parsed.output and not chosen.takes_file:
        parser.error(f"--format {parsed.format} goes into no file: leave --output out")
    given = {
        option: value
        for format in FORMATS.values()
        for option in format.options
        if (value := getattr(parsed, option)) is not None
    }
    writer = metadata_writer(parsed, parser)
    if parsed.dry_run and parsed.output:
        parser.error("--dry-run writes nothing: leave --output out")
    for option in given.keys() - chosen.options.keys():
        if not (parsed.xmp and option == "sidecar_name"):
            parser.error(f"{_flag(option)} means nothing to --format {parsed.format}: leave it out")
    options = {option: given[option] for option in given.keys() & chosen.options.keys()}
    return Asked(parsed, partial(chosen, **options), writer)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    formats = "; ".join(f"{name}: {format.help}" for name, format in FORMATS.items())
    parser.add_argument("--format", choices=FORMATS, default=DEFAULT, help=f"{formats} (default {DEFAULT})")
    for format in FORMATS.values():
        for option, settings in format.options.items():
            parser.add_argument(_flag(option), **settings)
    parser.add_argument("--batch-size", type=_COUNT, default=16, metavar="N", help="captioned at once (default 16)")
    parser.add_argument("--workers", type=_COUNT, default=2, metavar="N", help="threads that decode (default 2)")
    add_metadata_arguments(parser)
    add_decoding_arguments(parser, several_languages=True)
    add_model_arguments(parser)


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")
