"""Captions photographs, one or 100,000: python -m collection caption PATH…"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from collection.job import Job
from collection.journal import Journal, JournalRefused, Record
from collection.metadata import MetadataRefused, require_library, write_described_copy
from collection.outputs import DEFAULT, FORMATS, Format, problem
from collection.walk import STANDARD_INPUT, find_photographs, read_list
from model.arguments import (
    add_decoding_arguments,
    add_model_arguments,
    count_up_to,
    current_names,
    decoding_options,
    model_settings,
)
from model.errors import LOADING_ERRORS, OptionRefused
from model.registry import load_captioner

INTERRUPTED = 130  # as a shell reports what Ctrl-C ended
_COUNT = count_up_to(1024)


class NothingToCaption(RuntimeError):
    """What was named holds no photographs."""


@dataclasses.dataclass
class Tally:
    """How far a run is."""

    total: int = 0
    captioned: int = 0
    failed: int = 0
    before: int = 0
    """Of these, how many an earlier run did."""

    def add(self, records: Iterable[Record]) -> None:
        for record in records:
            if problem(record):
                self.failed += 1
            else:
                self.captioned += 1

    @property
    def done(self) -> int:
        return self.captioned + self.failed

    @property
    def status(self) -> int:
        """0 if every photograph was captioned, 1 if one was not, 2 if none could be."""
        return 0 if not self.failed else 1 if self.captioned else 2


def main(arguments: Sequence[str] | None = None) -> int:
    """See Tally.status; 2 also where options, model or files forbid it, 130 after Ctrl-C."""
    parsed, tally = _parse(arguments), Tally()
    format = FORMATS[parsed.format]()
    try:
        return _run(parsed, format, tally)
    except KeyboardInterrupt:
        how = "; the same command goes on from there" if parsed.output or format.is_resumable_without_file else ""
        print(f"\nstopped after {tally.done:,} of {tally.total:,} photographs{how}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OptionRefused, JournalRefused, MetadataRefused, NothingToCaption, *LOADING_ERRORS) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m collection caption",
        description="Says what photographs show. With --output, the same command goes on where it was stopped.",
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="a photograph, a folder, a pattern, or - for paths on standard input"
    )
    parser.add_argument("--from", dest="lists", action="append", default=[], metavar="FILE", help="paths, one a line")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    formats = "; ".join(f"{name}: {format.help}" for name, format in FORMATS.items())
    parser.add_argument("--format", choices=FORMATS, default=DEFAULT, help=f"{formats} (default {DEFAULT})")
    parser.add_argument(
        "--write-metadata", type=Path, metavar="DIR", help="also copies into DIR with the caption as their description"
    )
    parser.add_argument("--batch-size", type=_COUNT, default=16, metavar="N", help="captioned at once (default 16)")
    parser.add_argument("--workers", type=_COUNT, default=2, metavar="N", help="threads that decode (default 2)")
    add_decoding_arguments(parser)
    add_model_arguments(parser)
    parsed = parser.parse_args(current_names(arguments))
    if not parsed.paths and not parsed.lists:
        parser.error("which photographs? Name a PATH, or a list of paths with --from")
    if parsed.output and not FORMATS[parsed.format].takes_file:
        parser.error(f"--format {parsed.format} goes into no file: leave --output out")
    return parsed


def _run(parsed: argparse.Namespace, format: Format, tally: Tally) -> int:
    options = decoding_options(parsed)
    if parsed.write_metadata:
        require_library()
    find = _finder(parsed, format)
    tally.total = sum(1 for _ in find())
    if not tally.total:
        raise NothingToCaption("there are no photographs to caption in what was named")
    job = Job(load_captioner(model_settings(parsed)), options, parsed.batch_size, parsed.workers)
    paths = find()
    if parsed.output:
        with Journal(parsed.output, _identity(job, parsed)) as journal:
            tally.add(journal.recover(paths, job.batch_size))
            tally.before = tally.done
            _write(_records(job, paths, parsed), tally, journal.append, show_progress=True)
            format.finish(journal)
    else:
        in_the_way = format.is_for_reading or (format.uses_standard_output and sys.stdout.isatty())
        _write(_records(job, paths, parsed), tally, format.write, show_progress=not in_the_way)
    if parsed.output or not format.is_for_reading:
        before = f" ({tally.before:,} of them before)" if tally.before else ""
        where = f" in {parsed.output}" if parsed.output else ""
        print(f"{tally.captioned:,} captioned, {tally.failed:,} failed{before}{where}", file=sys.stderr)
    return tally.status


def _finder(parsed: argparse.Namespace, format: Format) -> Callable[[], Iterator[str]]:
    """Finds the photographs anew at every call; standard input is read only now."""
    lists = [name for name in parsed.paths if name == STANDARD_INPUT] + parsed.lists
    names = [name for name in parsed.paths if name != STANDARD_INPUT]
    names += chain.from_iterable(map(read_list, lists))
    return lambda: (path for path in find_photographs(names, parsed.write_metadata) if not format.is_done(path))


def _identity(job: Job, parsed: argparse.Namespace) -> dict[str, Any]:
    """What decides over the records."""
    return {
        "backend": job.captioner.name,
        "digest": job.captioner.digest,
        "dtype": parsed.dtype,
        "prompt": parsed.prompt,
        "tta": parsed.tta,
        "image_size": parsed.image_size,
        "batch_size": job.batch_size,
        "write_metadata": str(parsed.write_metadata) if parsed.write_metadata else None,
        **dataclasses.asdict(job.options),
    }


def _records(job: Job, paths: Iterator[str], parsed: argparse.Namespace) -> Iterator[list[Record]]:
    """In batches, with the copies that --write-metadata asks for."""
    for records in job.run(paths):
        if parsed.write_metadata:
            records = [_with_copy(record, parsed.write_metadata) for record in records]
        yield records


def _write(
    batches: Iterator[list[Record]], tally: Tally, write: Callable[[list[Record]], None], show_progress: bool
) -> None:
    seconds = 0.2 if sys.stderr.isatty() else 30  # a log needs no more
    with tqdm(
        total=tally.total, initial=tally.done, unit=" photographs", disable=not show_progress, mininterval=seconds
    ) as progress:
        for records in batches:
            write(records)
            tally.add(records)
            progress.update(len(records))


def _with_copy(record: Record, folder: Path) -> Record:
    if "caption" not in record:
        return record
    try:
        return record | {"copy": str(write_described_copy(record["path"], record["caption"], folder))}
    except (MetadataRefused, OSError) as error:
        return record | {"copy_error": {"code": "no_copy", "message": str(error)}}
