"""A long run's results on their way: what is written so far survives a kill, and the same run resumes from there.

Beside FILE stand FILE.part, one JSON record a line in the order of the photographs, and FILE.part.json, which
describes the run that it is the part of. When all is done FILE takes their place.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from model.files import atomic_write

Record = dict[str, Any]


class JournalRefused(RuntimeError):
    """The run cannot begin, or resume, here; the message says why and what to do."""


def record_line(record: Record) -> str:
    """ASCII whatever the path, so that names which are no UTF-8 survive as well."""
    return json.dumps(record) + "\n"


def describe_changes(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In words, what a run was begun with and is otherwise now; "" where all is the same."""
    changed = sorted(name for name in begun.keys() | now.keys() if begun.get(name) != now.get(name))
    return ", ".join(f"{name} {begun.get(name)} (now {now.get(name)})" for name in changed)


class Journal:
    """Open from `with` to its end; one run at a time.

    `run` holds what decides over the records, by name. Raises JournalRefused where FILE is there already, where another
    run holds it, and where its part was begun by another `run`; OSError.
    """

    def __init__(self, file: Path, run: Mapping[str, Any]) -> None:
        self.file = file
        self.part = file.with_name(file.name + ".part")
        self._description = file.with_name(file.name + ".part.json")
        if file.exists():
            raise JournalRefused(f"{file} is finished; remove it to caption anew, or name another file")
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
        self._stream.seek(end)
        self._stream.truncate()

    def append(self, records: Sequence[Record]) -> None:
        self._stream.write("".join(map(record_line, records)).encode("ascii"))
        self._stream.flush()

    def finish(self, write: Callable[[Path], None] | None = None) -> None:
        """Puts FILE in its place: the records themselves, or what `write` makes of them at the path it is given."""
        if write is None:
            self.part.replace(self.file)
        else:
            with atomic_write(self.file) as temporary:
                write(temporary)
            self.part.unlink()
        self._description.unlink()

    def records(self) -> Iterator[Record]:
        with self.part.open("rb") as stream:
            for line in stream:
                yield json.loads(line)


def _parse(line: bytes) -> Record | None:
    """None for a line that was not written whole."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and line.endswith(b"\n") else None
