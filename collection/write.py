"""Writes a collection's captions where other programs read them: python -m collection write RESULTS --in-place"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from tqdm import tqdm

from collection.finished import Finished
from collection.journal import STAMP, JournalRefused, Record
from collection.metadata.errors import MetadataRefused
from collection.metadata.writer import Writer, add_metadata_arguments, metadata_writer
from collection.outputs.base import problem, report_problems
from collection.results import CollectionRefused, records
from collection.reviewed import with_people
from collection.tally import INTERRUPTED, Tally
from model.names import Parser


def main(arguments: Sequence[str] | None = None) -> int:
    """See Tally.status; 2 also where the results or options forbid it, 130 after Ctrl-C: what is written stays, and the
    same command goes on.
    """
    results, writer = _parse(arguments)
    try:
        writer.place.require()
        tally = _write(results, writer)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    except (CollectionRefused, MetadataRefused, JournalRefused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    would = "would be " if writer.is_dry else ""
    print(f"{tally.captioned:,} photographs {would}described, {tally.failed:,} failed", file=sys.stderr)
    return tally.status


def _parse(arguments: Sequence[str] | None) -> tuple[Path, Writer]:
    parser = Parser(
        prog="python -m collection write",
        description="Writes captions of finished results, people's words first, where other programs read them.",
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="what `caption --output` wrote, as JSONL")
    parser.add_argument("--sidecar-name", choices=("stem", "full"), help="photo.xmp or photo.jpg.xmp (--xmp)")
    add_metadata_arguments(parser)
    parsed = parser.parse_args(arguments)
    writer = metadata_writer(parsed, parser)
    if writer is None:
        parser.error("where? --in-place, --xmp or --write-metadata DIR")
    return parsed.results, writer


def _write(results: Path, writer: Writer) -> Tally:
    """Raises CollectionRefused, JournalRefused, OSError."""
    described = list(_read(results))
    tally = Tally(len(described))
    stamps: dict[str, Record] = {}
    try:
        for record in tqdm(described, unit=" photographs", mininterval=0.2 if sys.stderr.isatty() else 30):
            written = writer(record, str(results.parent / record["path"]))
            report_problems([written])
            tally.add([written])
            if written.get(STAMP) != record.get(STAMP) and not problem(written):
                stamps[record["path"]] = written
    finally:
        _remember(results, stamps)
    return tally


def _remember(results: Path, stamps: dict[str, Record]) -> None:
    """That photographs written in place are those that were captioned, so that they are not captioned again."""
    if not stamps:
        return
    with suppress(JournalRefused):  # results without a journal: nothing is known of their photographs
        if finished := Finished.load(results):
            with closing(finished.records):
                finished.touched.update((path, tuple(record[STAMP])) for path, record in stamps.items())
                finished.refresh(finished.weights)


def _read(results: Path) -> Iterator[Record]:
    """Those with a caption, people's words first. Raises CollectionRefused, ReviewsUnreadable, OSError."""
    for record in with_people(results, lambda: records(results)):
        if "caption" in record:
            yield {name: value for name, value in record.items() if name not in ("copy_error", "metadata_error")}
