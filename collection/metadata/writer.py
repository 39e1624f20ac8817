"""What the command line says of metadata, and what becomes of a record by it."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from collection.journal import Record
from collection.metadata.errors import MetadataRefused
from collection.metadata.fields import POLICIES, Change, Description, Rules
from collection.metadata.places import Copies, InPlace, Place, Sidecars


@dataclass(frozen=True)
class Writer:
    place: Place
    rules: Rules = Rules()
    is_dry: bool = False
    """What would change is printed, and nothing written."""

    def __call__(self, record: Record, path: str | None = None, said: Record | None = None) -> Record:
        """The record with what came of it. `path` is where its photograph is, where that is not the record's; `said`
        the record with people's words, where they have any.
        """
        said = said or record
        if "caption" not in said:
            return record
        path = path or record["path"]
        try:
            added, changes = self.place.write(path, Description.of(said), self.rules, is_dry=self.is_dry)
        except (MetadataRefused, OSError) as error:
            return record | {self.place.error: {"code": "no_metadata", "message": str(error)}}
        if self.is_dry:
            _print(path, changes)
        return record | added

    def identity(self) -> dict[str, Any]:
        """What decides over the records: two runs with the same are one."""
        folder = str(self.place.folder) if isinstance(self.place, Copies) else None
        return {
            "write_metadata": folder,
            "metadata": None if folder else repr(self.place),
            "rules": repr(self.rules) if self.rules != Rules() else None,
        }


def add_metadata_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("captions in metadata, where other programs read them")
    places = group.add_mutually_exclusive_group()
    places.add_argument("--write-metadata", type=Path, metavar="DIR", help="in copies of the photographs, below DIR")
    places.add_argument("--in-place", action="store_true", help="in the photographs themselves")
    places.add_argument("--xmp", action="store_true", help="in XMP sidecars beside the photographs")
    policies = "; ".join(f"{name}: {help}" for name, help in POLICIES.items())
    group.add_argument("--if", dest="policy", choices=POLICIES, help=f"which values are written. {policies}")
    group.add_argument("--prefix", metavar="TEXT", help="before a machine's sentence")
    group.add_argument("--suffix", metavar="TEXT", help="after it")
    group.add_argument("--dry-run", action="store_true", help="print what would change, and write nothing")


def metadata_writer(parsed: argparse.Namespace, parser: argparse.ArgumentParser) -> Writer | None:
    """None where no metadata is to be written. Ends the process where the options do not belong together."""
    if parsed.write_metadata:
        place: Place = Copies(parsed.write_metadata)
    elif parsed.in_place:
        place = InPlace()
    elif parsed.xmp:
        place = Sidecars(parsed.sidecar_name)
    else:
        for option in ("policy", "prefix", "suffix", "dry_run"):
            if getattr(parsed, option):
                flag = "--if" if option == "policy" else "--" + option.replace("_", "-")
                parser.error(f"{flag} says how metadata is written; where? --in-place, --xmp or --write-metadata DIR")
        return None
    given = {name: value for name in ("policy", "prefix", "suffix") if (value := getattr(parsed, name)) is not None}
    return Writer(place, Rules(**given), parsed.dry_run)


def _print(path: str, changes: list[Change]) -> None:
    for change in changes:
        line = f"{path}: {change}".replace("\n", " ")
        with tqdm.external_write_mode(sys.stdout):
            sys.stdout.buffer.write(os.fsencode(line.encode(errors="surrogateescape")) + b"\n")
            sys.stdout.flush()
