"""A long run's results on their way: what is written so far survives a kill, and the same run resumes from there.

Beside FILE stand FILE.part, one JSON record a line in the order of the photographs, and FILE.part.json, which
describes the run that it is the part of. When all is done FILE takes their place, and FILE.journal, by which the next
run knows what is done (collection/finished.py).
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from model.files import atomic_write

Record = dict[str, Any]
STAMP = "stamp"
"""The key under which a record has the photograph's stamp until it goes out (collection/stamps.py)."""


class JournalRefused(RuntimeError):
    """The run cannot begin, or resume, here; the message says why and what to do."""


def record_line(record: Record) -> str:
    """ASCII whatever the path, so that names which are no UTF-8 survive as well."""
    return json.dumps(record) + "\n"


def without_stamp(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != STAMP}


_NOT_YET = {"language": "en"}
"""Options that runs of before 1.0 do not name, as they were."""


def describe_changes(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In words, what a run was begun with and is otherwise now; "" where all is the same. An option that there was not
    yet was as it is by default.
    """
    begun = {name: value for name, value in _NOT_YET.items() if name in now} | dict(begun)
    changed = sorted(name for name in begun.keys() | now.keys() if begun.get(name) != now.get(name))
    return ", ".join(f"{name} {begun.get(name)} (now {now.get(name)})" for name in changed)


class RecordFile:
    """Records of a file of lines, by their photographs' paths, up to the first line that was not written whole."""

    def __init__(self, file: Path, first: int = 0) -> None:
        """From that place on, in bytes."""
        self._places: dict[str, int] = {}
        with file.open("rb") as lines:
            self.end = lines.seek(first)
            for line in lines:
                record = _parse(line)
                if record is None or "path" not in record:
                    break
                self._places[record["path"]] = self.end
                self.end += len(line)
        self._stream = file.open("rb")

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        """The paths."""
        return iter(self._places)

    def get(self, path: str) -> Record | None:
        if path not in self._places:
            return None
        self._stream.seek(self._places[path])
        record: Record = json.loads(self._stream.readline())
        return record

    def close(self) -> None:
        self._stream.close()


class Journal:
    """Open from `with` to its end; one run at a time.

    `run` holds what decides over the records, by name. Raises JournalRefused where another run holds it, and where its
    part was begun by another `run`; OSError.
    """

    def __init__(self, file: Path, run: Mapping[str, Any]) -> None:
        self.file = file
        self.part = file.with_name(file.name + ".part")
        self._description = file.with_name(file.name + ".part.json")
        self._stream = self.part.open("a+b")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._agree(dict(run))
        except BlockingIOError:
            self._stream.close()
            raise JournalRefused(f"another run is writing {self.part}") from None
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()

    def _agree(self, run: Mapping[str, Any]) -> None:
        if not self.part.stat().st_size:
            with atomic_write(self._description) as temporary:
                temporary.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
            return
        try:
            begun = json.loads(self._description.read_bytes())
            changed = describe_changes(begun, run)
        except (OSError, ValueError, AttributeError):
            raise JournalRefused(f"{self._description} cannot be read; {self._anew}") from None
        if changed:
            raise JournalRefused(f"{self.part} was begun with {changed}; go on with that, or {self._anew}")

    @property
    def _anew(self) -> str:
        return f"remove {self.part} to begin anew"

    def recover(self, paths: Iterator[str], batch_size: int) -> Iterator[Record]:
        """The records of the whole batches that are written, with their paths taken from `paths`.

        What follows them is cut off: a line that was half written, and a batch that was not whole, for a photograph's
        figures differ in their last digits with those that it was computed together with.
        Raises JournalRefused where `paths` are not those that the records are of.
        """
        self._stream.seek(0)
        end = 0
        while True:
            lines = list(islice(self._stream, batch_size))
            records = [record for record in map(_parse, lines) if record is not None]
            if len(records) < batch_size:
                break
            for record in records:
                path = next(paths, None)
                if path != record.get("path"):
                    found = "there is no further photograph" if path is None else f"{path} comes"
                    raise JournalRefused(
                        f"the photographs are not those of {self.part}: {found} where {record.get('path')} came; "
                        + self._anew
                    )
                yield record
            end += sum(map(len, lines))
        self._cut(end)

    def records(self) -> RecordFile:
        """All that are written, by path; a line that was half written is cut off."""
        records = RecordFile(self.part)
        self._cut(records.end)
        return records

    def __iter__(self) -> Iterator[Record]:
        """In the order in which they were written."""
        with self.part.open("rb") as stream:
            yield from map(json.loads, stream)

    def _cut(self, end: int) -> None:
        self._stream.seek(end)
        self._stream.truncate()

    def append(self, records: Sequence[Record]) -> None:
        self._stream.write("".join(map(record_line, records)).encode("ascii"))
        self._stream.flush()

    def remove(self) -> None:
        self.part.unlink()
        self._description.unlink()


def _parse(line: bytes) -> Record | None:
    """None for a line that was not written whole."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and line.endswith(b"\n") else None
