"""What people said of a collection's photographs: RESULTS.reviews.sqlite beside the results, a row a decision.

Rows are only ever added, so that the history is whole: who decided what, when, and what the machine had said. SQLite
in WAL mode: one writes at a time, whoever reads sees whole decisions, and what was acknowledged survives a kill.
A photograph is known by the digest of its content, so that a moved one keeps its words; where that is not known, or
the content has changed, by its path.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, NamedTuple

from collection.written import ReviewRefused, checked_text

LONGEST_CAPTION = 1000  # characters
LONGEST_NAME = 80
BUSY_SECONDS = 10
"""So long a writer waits for another."""
_APPLICATION_ID = 0x43415052  # "CAPR"
_VERSION = 1
_TABLES = f"""
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, before INTEGER NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL,
    action TEXT NOT NULL, status TEXT NOT NULL, caption TEXT NOT NULL, by TEXT NOT NULL, at TEXT NOT NULL,
    machine_caption TEXT NOT NULL, model TEXT NOT NULL
);
CREATE INDEX by_path ON decisions (path, number);
CREATE INDEX by_digest ON decisions (digest, number);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""

Action = Literal["accept", "edit", "reject", "undo"]
ACTIONS: tuple[Action, ...] = ("accept", "edit", "reject", "undo")
Status = Literal["", "accepted", "edited", "rejected"]
"""What people said of a caption last; "" where nobody did."""


class ReviewsUnreadable(OSError):
    """The file is not one of reviews, or cannot be read or written just now."""


class Subject(NamedTuple):
    """What is decided on."""

    path: str
    """As the results have it."""
    digest: str
    """SHA-256 of the photograph's file, in hexadecimal; "" where it is not known."""
    machine_caption: str
    model: str
    """Digest of the model that said it."""


@dataclass(frozen=True)
class Decision:
    """One, and what holds of the photograph since."""

    number: int
    before: int
    """The number of what held before, to which an undo returns; 0 for none."""
    path: str
    digest: str
    action: Action
    status: Status
    caption: str
    """The person's; "" where there is none."""
    by: str
    at: str
    """UTC, as ISO 8601 has it."""
    machine_caption: str
    model: str

    def holds_for(self, machine_caption: str) -> bool:
        """Whether it says something of a photograph of which the machine says this: what was rejected were words."""
        return bool(self.status) and (self.status != "rejected" or self.machine_caption == machine_caption)


class Stale(ReviewRefused):
    """Somebody else decided meanwhile, or the machine says something else now."""

    def __init__(self, current: Decision | None) -> None:
        super().__init__(
            f"{current.by} decided on this photograph meanwhile."
            if current
            else "This is another caption or photograph by now."
        )
        self.current = current


_COLUMNS = ", ".join(field.name for field in fields(Decision))
_LAST = f"SELECT {_COLUMNS} FROM decisions WHERE {{}} = ? ORDER BY number DESC LIMIT 1"


@dataclass(frozen=True)
class Reviews:
    """Those in a file, which the first decision makes."""

    file: Path

    @classmethod
    def of(cls, results: Path) -> Reviews:
        """Beside the results, whose index may be named in their place."""
        return cls(results.with_name(results.name.removesuffix(".sqlite") + ".reviews.sqlite"))

    def last(self) -> int:
        """The number of the last decision of all; 0 for none. Raises ReviewsUnreadable, as all that follow."""
        with self._reading() as database:
            return int(database.execute("SELECT max(number) FROM decisions").fetchone()[0] or 0) if database else 0

    def since(self, number: int) -> Iterator[Decision]:
        """Decisions after that one, in their order."""
        with self._reading() as database:
            if database:
                sql = f"SELECT {_COLUMNS} FROM decisions WHERE number > ? ORDER BY number"
                yield from (_decision(row) for row in database.execute(sql, (number,)))

    def current(self, path: str, digest: str, is_present: Callable[[str], bool]) -> Decision | None:
        """The last decision on a photograph; `is_present` says whether the collection has one with this digest."""
        with self._reading() as database:
            return _current(database, path, digest, is_present) if database else None

    def history(self, path: str, digest: str, is_present: Callable[[str], bool]) -> list[Decision]:
        """Of a photograph, the newest first."""
        with self._reading() as database:
            last = _current(database, path, digest, is_present) if database else None
            if database is None or last is None:
                return []
            key = ("digest", last.digest) if last.digest else ("path", path_text(last.path))
            sql = f"SELECT {_COLUMNS} FROM decisions WHERE {key[0]} = ? ORDER BY number DESC"
            return [_decision(row) for row in database.execute(sql, key[1:])]

    def decide(
        self,
        subject: Subject,
        action: Action,
        by: str,
        version: str,
        is_present: Callable[[str], bool],
        caption: str = "",
    ) -> Decision:
        """Adds a decision; when it returns, it is on the disk. `version` is that of what the person saw, "" for
        whatever is there. `caption` is the person's words, of an edit.

        Raises Stale, ReviewRefused, ReviewsUnreadable.
        """
        by = checked_text(by, "name", LONGEST_NAME)
        if action == "edit":
            caption = checked_text(caption, "caption", LONGEST_CAPTION)
        with self._writing() as database:
            last = _current(database, subject.path, subject.digest, is_present)
            if version and version != version_of(subject, last.number if last else 0):
                raise Stale(last)
            before, status, words = _outcome(database, subject, last, action, caption)
            at = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
            values = (before, path_text(subject.path), subject.digest, action, status, words, by, at, *subject[2:])
            sql = f"INSERT INTO decisions ({_COLUMNS.partition(', ')[2]}) VALUES ({', '.join('?' * len(values))})"
            number = database.execute(sql, values).lastrowid
            return _decision(database.execute(_LAST.format("number"), (number,)).fetchone())

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """None where there is no file: reading makes none."""
        if not self.file.exists():
            yield None
            return
        with self._told(), closing(self._open("ro")) as database:
            yield database

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other writer is beside of."""
        if not self.file.exists():
            self._make()
        with self._told(), closing(self._open("rw")) as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ReviewsUnreadable(f"{self.file} cannot be read or written: {error}") from error

    def _open(self, mode: str) -> sqlite3.Connection:
        address = self.file.absolute().as_uri()
        try:
            connection = sqlite3.connect(f"{address}?mode={mode}", timeout=BUSY_SECONDS, isolation_level=None, uri=True)
            return self._checked(connection)
        except sqlite3.OperationalError:
            if mode != "ro" or self.file.with_name(self.file.name + "-wal").exists():
                raise
            # In a folder that cannot be written SQLite cannot make the files that readers in WAL mode share.
            return self._checked(sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True))

    def _checked(self, database: sqlite3.Connection) -> sqlite3.Connection:
        try:
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA synchronous = FULL")  # an acknowledged decision outlives a power cut, too
            marks = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
            if marks != [_APPLICATION_ID, _VERSION]:
                raise ReviewsUnreadable(f"{self.file} does not hold reviews, or those of another version")
        except BaseException:
            database.close()
            raise
        return database

    def _make(self) -> None:
        """The file, whole or not at all, where there is none."""
        with tempfile.TemporaryDirectory(prefix=f"{self.file.name}.", dir=self.file.parent) as folder:
            new = Path(folder) / self.file.name
            with closing(sqlite3.connect(new)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.executescript(_TABLES)
            with suppress(FileExistsError):  # another was faster
                os.link(new, self.file)


def _outcome(
    database: sqlite3.Connection, subject: Subject, last: Decision | None, action: Action, caption: str
) -> tuple[int, Status, str]:
    """What an undo of the decision would return to, and what holds with it."""
    held = last if last and last.holds_for(subject.machine_caption) else None
    match action:
        case "undo":
            if last is None or not last.status:
                raise ReviewRefused("There is nothing to undo.")
            row = database.execute(_LAST.format("number"), (last.before,)).fetchone()
            earlier = _decision(row) if row else None
            return (earlier.before, earlier.status, earlier.caption) if earlier else (0, "", "")
        case "reject":
            status: Status = "rejected"
            words = ""
        case "accept":
            words = held.caption if held and held.caption else subject.machine_caption
            if not words:
                raise ReviewRefused("There is no caption to accept.")
            status = "accepted" if words == subject.machine_caption else "edited"
        case "edit":
            words = caption
            status = "accepted" if words == subject.machine_caption else "edited"
    return (last.number if last and last.status else 0), status, words


def _current(
    database: sqlite3.Connection, path: str, digest: str, is_present: Callable[[str], bool]
) -> Decision | None:
    row = database.execute(_LAST.format("digest"), (digest,)).fetchone() if digest else None
    if row:
        return _decision(row)
    row = database.execute(_LAST.format("path"), (path_text(path),)).fetchone()
    found = _decision(row) if row else None
    return found if found and stays_at_path(found, digest, is_present) else None


def stays_at_path(decision: Decision, digest: str, is_present: Callable[[str], bool]) -> bool:
    """Whether a decision on a path holds for the photograph that is there now, of this digest: it does where that is
    the same with other content, and not where the one that was decided on is elsewhere in the collection.
    """
    return not (digest and decision.digest and digest != decision.digest and is_present(decision.digest))


def version_of(subject: Subject, decision: int) -> str:
    """Another wherever something that a person decides by is another; `decision` is the last one's number, or 0."""
    seen = [subject.path, subject.digest, subject.machine_caption, decision]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]


def path_text(path: str) -> str:
    """A path as SQLite can hold it, and json.loads gives it back: a name that is no UTF-8 is no text to SQLite."""
    return json.dumps(path, ensure_ascii=False).encode(errors="backslashreplace").decode()


def _decision(row: tuple[int, int, str, str, Action, Status, str, str, str, str, str]) -> Decision:
    return Decision(row[0], row[1], json.loads(row[2]), *row[3:])
