"""What a finished run left, so that the same run does only what is new: FILE, and FILE.journal beside it.

FILE.journal is JSON lines: what the run was and the digest of FILE, then the records as the machine made them, with the
photographs' stamps. In FILE people's words take the machine's place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from collection.journal import STAMP, JournalRefused, Record, RecordFile, record_line, without_stamp
from collection.reviewed import with_people
from collection.reviews import Reviews
from collection.stamps import Stamp, is_same, refreshed
from model.files import atomic_write, file_digest

Weights = dict[str, list[int]]
"""Of the model's files, by path: bytes, and the time of the last change in nanoseconds. Where they are the same, so is
the model, without its being loaded.
"""


@dataclass(frozen=True)
class Finished:
    file: Path
    run: dict[str, Any]
    """What decides over the records, by name."""
    weights: Weights
    digest: str
    """Of FILE as it was written."""
    records: RecordFile
    decision: int = 0
    """The last of people's that is in FILE."""
    touched: dict[str, Stamp | None] = field(default_factory=dict)
    """Photographs with another time and the same content, by path."""
    moved: dict[str, str] = field(default_factory=dict)
    """Where a photograph was that is at a path now."""
    held: set[str] = field(default_factory=set)
    """Paths of photographs whose records stay, whatever they are now."""
    met: set[str] = field(default_factory=set)
    """Paths that `earlier` was asked for and that have a record."""

    @classmethod
    def load(cls, file: Path) -> Finished | None:
        """None where there is no FILE yet. Raises JournalRefused where it is not known how FILE came about."""
        if not file.exists():
            return None
        anew = f"remove {file} to caption anew, or name another file"
        journal = _journal(file)
        if not journal.exists():
            if _part(file).exists():  # the run was killed when all but the journal was written
                return None
            raise JournalRefused(f"{file} is finished, and there is no {journal.name} to go on from; {anew}")
        try:
            with journal.open("rb") as stream:
                head = stream.readline()
            about = json.loads(head)
            run, weights, digest = dict(about["run"]), dict(about["weights"]), str(about["file"])
            decision = int(about.get("decision", 0))
        except (ValueError, KeyError, TypeError):
            raise JournalRefused(f"{journal} cannot be read; {anew}") from None
        return cls(file, run, weights, digest, RecordFile(journal, len(head)), decision)

    def earlier(self, path: str) -> Record | None:
        """The photograph's record; None where it has none, or where the photograph or its copy has changed since."""
        record = self.records.get(path)
        if record is None:
            return self._moved_here(path)
        self.met.add(path)
        if path in self.held:
            return record
        before = _stamp(record)
        now = refreshed(path, before)
        if not is_same(before, now) or _lacks_copy(record):
            return None
        if now != before:
            self.touched[path] = now
        return record

    def get(self, path: str) -> Record | None:
        """The photograph's record with its stamp of now."""
        record = self.records.get(self.moved.get(path, path))
        return record | {"path": path, STAMP: self.touched.get(path, _stamp(record))} if record else None

    def _moved_here(self, path: str) -> Record | None:
        """By its digest, that of a photograph which is no longer where it was; what was written for it went with it, or
        did not: such a one is new.
        """
        if not self._gone:
            return None
        now = refreshed(path, (0, 0, ""))
        before = self._gone.get(now[2]) if now and now[2] else None
        record = self.records.get(before) if before else None
        if before is None or record is None or "copy" in record or "sidecar" in record:
            return None
        self.met.add(before)
        self.moved[path], self.touched[path] = before, now
        return record | {"path": path}

    @cached_property
    def _gone(self) -> dict[str, str]:
        """Paths of photographs that are nowhere to be found, by digest."""
        found = {}
        for path in self.records:
            if not os.path.lexists(path) and (record := self.records.get(path)) and (stamp := _stamp(record)):
                found[stamp[2]] = path
        found.pop("", None)
        return found

    @property
    def gone(self) -> int:
        """Records of photographs that were not asked for."""
        return len(self.records) - len(self.met)

    @property
    def has_other_words(self) -> bool:
        """Whether people decided since. Raises ReviewsUnreadable."""
        return Reviews.of(self.file).last() != self.decision

    def refuse_edited(self) -> None:
        """Raises JournalRefused where FILE is not as it was written: what a person wrote is not written over. Where an
        update was broken off, `finish` sees to that, for it may have been after FILE and before its journal.
        """
        if not _part(self.file).exists() and file_digest(self.file) != self.digest:
            raise JournalRefused(
                f"{self.file} was changed after it was written, and is left as it is: name another file for the "
                "photographs that are new or have changed"
            )

    def refresh(self, weights: Weights) -> None:
        """Takes times that have changed into the journal, so that the next run need not read these photographs."""
        if self.touched or weights != self.weights:
            records = (record for path in self.records if (record := self.get(path)))
            with suppress(OSError):  # on a disk that cannot be written, the next run reads them again
                _write_journal(self.file, self.run, weights, self.digest, records, self.decision)


def finish(
    file: Path,
    run: Mapping[str, Any],
    weights: Weights,
    records: Callable[[], Iterator[Record]],
    write: Callable[[Iterable[Record], IO[bytes]], None],
    before: Finished | None = None,
) -> None:
    """Puts FILE in its place, made of the records by `write`, and FILE.journal beside it.

    Raises JournalRefused where FILE is neither there as it was `before` nor the same already; OSError.
    """
    decision = Reviews.of(file).last()
    with atomic_write(file) as temporary:
        with temporary.open("wb") as stream:
            write(map(without_stamp, with_people(file, records)), stream)
        digest = file_digest(temporary)
        if file.exists() and file_digest(file) not in (digest, before.digest if before else None):
            raise JournalRefused(
                f"{file} was written by someone else meanwhile, and is left as it is; the captions are in {file}.part"
            )
    _write_journal(file, run, weights, digest, records(), decision)


def _write_journal(
    file: Path, run: Mapping[str, Any], weights: Weights, digest: str, records: Iterable[Record], decision: int
) -> None:
    with atomic_write(_journal(file)) as temporary, temporary.open("wb") as stream:
        head = {"run": dict(run), "weights": weights, "file": digest, "decision": decision}
        stream.write(record_line(head).encode("ascii"))
        stream.writelines(record_line(record).encode("ascii") for record in records)


def _journal(file: Path) -> Path:
    return file.with_name(file.name + ".journal")


def _part(file: Path) -> Path:
    return file.with_name(file.name + ".part")


def is_current(record: Record) -> bool:
    """Whether the photograph, and the copy where one was made, are as they were when the record was."""
    before = _stamp(record)
    return is_same(before, refreshed(record["path"], before)) and not _lacks_copy(record)


def _lacks_copy(record: Record) -> bool:
    return any(not Path(record[name]).exists() for name in ("copy", "sidecar") if name in record)


def _stamp(record: Record) -> Stamp | None:
    stamp = record.get(STAMP)
    return (stamp[0], stamp[1], stamp[2]) if stamp else None
