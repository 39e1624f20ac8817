"""The command line of `python -m collection caption`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from collection.metadata.writer import Writer, add_metadata_arguments, metadata_writer
from collection.outputs import DEFAULT, FORMATS, Format
from collection.tally import EXIT_STATUS
from model.arguments import add_decoding_arguments, add_model_arguments, count_up_to, current_names
from model.names import Parser

_COUNT = count_up_to(1024)


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Format, Writer | None]:
    """What was asked for, the format of the output, and what writes metadata. Ends the process where it is no command
    line.
    """
    parser = _parser()
    parsed = parser.parse_args(current_names(arguments))
    if not parsed.paths and not parsed.lists:
        parser.error("which photographs? Name a PATH, or a list of paths with --from")
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
    return parsed, chosen(**{option: given[option] for option in given.keys() & chosen.options.keys()}), writer


def _parser() -> argparse.ArgumentParser:
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
    formats = "; ".join(f"{name}: {format.help}" for name, format in FORMATS.items())
    parser.add_argument("--format", choices=FORMATS, default=DEFAULT, help=f"{formats} (default {DEFAULT})")
    for format in FORMATS.values():
        for option, settings in format.options.items():
            parser.add_argument(_flag(option), **settings)
    parser.add_argument("--batch-size", type=_COUNT, default=16, metavar="N", help="captioned at once (default 16)")
    parser.add_argument("--workers", type=_COUNT, default=2, metavar="N", help="threads that decode (default 2)")
    parser.add_argument(
        "--json", action="store_true", help="the last line of standard error is a summary in JSON; no progress is shown"
    )
    add_metadata_arguments(parser)
    add_decoding_arguments(parser)
    add_model_arguments(parser)
    return parser


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")
