"""Captions a collection with many workers: python -m cluster.caption --input FOLDER --output FOLDER --actors 8"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from time import perf_counter

from cluster.formats import FORMATS
from cluster.job import JobRefused, Plan, Task, run, tasks_left
from cluster.store import StoreRefused
from collection.tally import INTERRUPTED
from model.arguments import (
    add_decoding_arguments,
    add_model_arguments,
    count_up_to,
    current_names,
    decoding_options,
    model_settings,
    other_languages,
)
from model.errors import LOADING_ERRORS, OptionRefused
from model.names import Parser

_COUNT = count_up_to(100_000)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every photograph was captioned, 1 if one was not or a part is missing, 2 if nothing could be begun,
    130 after Ctrl-C.
    """
    try:
        plan = _plan(_parser().parse_args(current_names(arguments)))
        tasks, left = tasks_left(plan)
    except (OptionRefused, StoreRefused, JobRefused, *LOADING_ERRORS) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        return _run(plan, tasks, left)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from there", file=sys.stderr)
        return INTERRUPTED


def _run(plan: Plan, tasks: Sequence[Task], left: Sequence[Task]) -> int:
    photographs = sum(len(task.photographs) for task in tasks)
    print(
        f"{photographs:,} photographs in {len(tasks):,} parts, {len(tasks) - len(left):,} of them written before",
        flush=True,
    )
    written = captioned = failed = 0
    start = perf_counter()
    for done in run(plan, left):
        written, captioned, failed = written + 1, captioned + done.photographs - done.failed, failed + done.failed
        seconds = perf_counter() - start
        print(
            f"part {done.part}: {done.photographs} photographs, {done.failed} failed, by process {done.process} on "
            f"{done.host}; {written:,} of {len(left):,} parts, {(captioned + failed) / seconds:.1f} photographs/s",
            flush=True,
        )
    print(f"{captioned:,} captioned, {failed:,} failed in {perf_counter() - start:.0f} s")
    if written < len(left):
        print(f"{len(left) - written:,} parts are missing; the same command tries them again", file=sys.stderr)
    return 1 if failed or written < len(left) else 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m cluster.caption",
        description="Says what the photographs of a collection show. The same command goes on where it was stopped.",
    )
    parser.add_argument("--input", required=True, metavar="FOLDER", help="local, s3://bucket/… or gs://bucket/…")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="the same; new, empty, or of the same job")
    parser.add_argument("--format", choices=FORMATS, default=Plan.format, help=f"default {Plan.format}")
    parser.add_argument("--cluster", default=Plan.cluster, metavar="ADDRESS", help="of a Ray cluster (default local)")
    _add_number(parser, "--actors", Plan.actors, "workers, each with a captioner of its own")
    _add_number(parser, "--cpus", Plan.cpus, "cores of each worker")
    parser.add_argument("--gpus", type=float, default=Plan.gpus, metavar="N", help="GPUs of each worker (default 0)")
    _add_number(parser, "--batch-size", Plan.batch_size, "photographs captioned at once")
    _add_number(parser, "--part-batches", Plan.part_batches, "batches in a file of the output")
    add_decoding_arguments(parser, several_languages=True)
    add_model_arguments(parser)
    return parser


def _add_number(parser: argparse.ArgumentParser, flag: str, default: int, help: str) -> None:
    parser.add_argument(flag, type=_COUNT, default=default, metavar="N", help=f"{help} (default {default})")


def _plan(parsed: argparse.Namespace) -> Plan:
    """Raises OptionRefused."""
    model = model_settings(parsed)  # the workers need not be in this folder
    model = dataclasses.replace(model, checkpoint=model.checkpoint.absolute(), vocabulary=model.vocabulary.absolute())
    given = {
        field.name: getattr(parsed, field.name)
        for field in dataclasses.fields(Plan)
        if field.name not in ("model", "options", "languages")
    }
    return Plan(**given, model=model, options=decoding_options(parsed), languages=other_languages(parsed))


if __name__ == "__main__":
    sys.exit(main())
