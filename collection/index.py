"""The index of a collection: RESULTS.sqlite, what search reads. Thrown away and made anew where the results have
changed; a decision of a person's is taken in by itself.

SQLite's FTS5 over captions, people's before machines', and tags.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any

from collection.journal import STAMP, Record
from collection.query import plain, spaced
from collection.results import CollectionRefused, journal_of, records
from collection.reviewed import People, digest_of, machines, subject_of
from collection.reviews import Decision, Reviews, path_text
from model.files import atomic_write

_SQLITE = b"SQLite format 3\0"
_APPLICATION_ID = 0x43415054  # "CAPT": an index is known by it
_VERSION = 4  # of the tables below
_BUSY_SECONDS = 10
_TABLES = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
CREATE TABLE source (state TEXT NOT NULL, decision INTEGER NOT NULL);
CREATE TABLE photographs (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL, digest TEXT NOT NULL, modified_ns INTEGER NOT NULL,
    machine_caption TEXT NOT NULL, model TEXT NOT NULL, tags TEXT NOT NULL,
    confidence REAL, low_confidence INTEGER NOT NULL, sureness REAL NOT NULL,
    caption TEXT NOT NULL, status TEXT NOT NULL, by TEXT NOT NULL, at TEXT NOT NULL, decision INTEGER NOT NULL,
    others TEXT NOT NULL
);
CREATE VIRTUAL TABLE captions USING fts5 (
    caption, tags, others, content = photographs, content_rowid = id, tokenize = "porter unicode61 remove_diacritics 2"
);
"""
_AFTERWARDS = """
CREATE INDEX by_path ON photographs (path);
CREATE INDEX by_digest ON photographs (digest);
CREATE INDEX by_status ON photographs (status, sureness);
CREATE INDEX by_sureness ON photographs (sureness);
CREATE INDEX by_confidence ON photographs (confidence);
CREATE INDEX by_time ON photographs (modified_ns DESC);
INSERT INTO captions (captions) VALUES ('rebuild');
"""
_UNKNOWN = 2.0  # sureness: after all that are known
_Row = tuple[Any, ...]
_PEOPLES = ("caption", "status", "by", "at", "decision")


def connect(file: Path) -> sqlite3.Connection:
    """To the index of the results, or that is given itself; to be read. Raises CollectionRefused, OSError."""
    if file.exists() and not file.is_file():
        raise CollectionRefused(f"{file} is not a file")
    with file.open("rb") as stream:
        # One reader makes the index, the others wait for it.
        fcntl.flock(stream, fcntl.LOCK_EX)
        if stream.read(len(_SQLITE)) == _SQLITE:
            index = file
            database = _open(index)
        else:
            index = file.with_name(file.name + ".sqlite")
            database = _made(index, file, stream)
        if _catch_up(index, database, Reviews.of(file)):
            return database
        database.close()
        if index == file:
            raise CollectionRefused(f"{file} has people's words that are gone; search the results themselves")
        index.unlink()
        return _made(index, file, stream)


def _made(index: Path, file: Path, stream: IO[bytes]) -> sqlite3.Connection:
    """The index, made where there is none of the results as they are now."""
    state = json.dumps([_state(stream.fileno()), _state(journal_of(file))])
    with suppress(OSError, CollectionRefused):  # none yet, or of another version
        database = _open(index)
        if database.execute("SELECT state FROM source").fetchone() == (state,):
            return database
        database.close()
    decision = Reviews.of(file).last()  # before they are read: what comes meanwhile is taken in twice
    try:
        with atomic_write(index) as temporary:
            temporary.unlink(missing_ok=True)  # of one that was killed
            with closing(sqlite3.connect(temporary)) as database, database:
                database.executescript(_TABLES)
                database.execute("INSERT INTO source VALUES (?, ?)", (state, decision))
                database.executemany(f"INSERT INTO photographs VALUES ({', '.join('?' * 16)})", _rows(file))
                database.executescript(_AFTERWARDS)
    except sqlite3.Error as error:
        raise CollectionRefused(f"the index {index} cannot be written: {error}") from error
    return _open(index)


def _catch_up(index: Path, database: sqlite3.Connection, reviews: Reviews) -> bool:
    """Takes in the decisions since; False where decisions that were taken in are no more."""
    last, known = reviews.last(), database.execute("SELECT decision FROM source").fetchone()[0]
    if last <= known:
        return bool(last == known)
    try:
        with closing(sqlite3.connect(index, _BUSY_SECONDS)) as writing, writing:
            writing.execute("PRAGMA trusted_schema = OFF")
            for decision in reviews.since(known):
                _take_in(writing, reviews, decision)
            writing.execute("UPDATE source SET decision = ?", (last,))
    except sqlite3.Error as error:
        raise CollectionRefused(f"the index {index} cannot be written: {error}") from error
    return True


def _take_in(database: sqlite3.Connection, reviews: Reviews, decision: Decision) -> None:
    """Whatever the photographs that a decision is on have now."""
    found = database.execute(
        "SELECT id, path, digest, machine_caption, caption, tags, others FROM photographs WHERE path = ? "
        "OR (digest = ? AND digest <> '')",
        (path_text(decision.path), decision.digest),
    ).fetchall()
    for id, path, digest, machine_caption, caption, *rest in found:
        current = reviews.current(json.loads(path), digest, lambda one: has_digest(database, one))
        new = _peoples(current, machine_caption)
        change = "INSERT INTO captions (captions, rowid, caption, tags, others) VALUES ('delete', ?, ?, ?, ?)"
        database.execute(change, (id, caption, *rest))
        settings = ", ".join(f"{name} = ?" for name in _PEOPLES)
        database.execute(f"UPDATE photographs SET {settings} WHERE id = ?", (*new, id))
        change = "INSERT INTO captions (rowid, caption, tags, others) VALUES (?, ?, ?, ?)"
        database.execute(change, (id, new[0], *rest))


def has_digest(database: sqlite3.Connection, digest: str) -> bool:
    return database.execute("SELECT 1 FROM photographs WHERE digest = ? LIMIT 1", (digest,)).fetchone() is not None


def _peoples(decision: Decision | None, machine_caption: str) -> _Row:
    """The columns `_PEOPLES`."""
    if decision is None:
        return machine_caption, "", "", "", 0
    if not decision.holds_for(machine_caption):
        return machine_caption, "", "", "", decision.number
    return plain(decision.caption), decision.status, decision.by, decision.at, decision.number


def _rows(file: Path) -> Iterator[_Row]:
    people = People.of(file, lambda: map(digest_of, records(file)))
    for number, record in enumerate(map(machines, records(file)), 1):
        try:
            row = _row(number, record, people)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CollectionRefused(f"{file}, line {number} is not a photograph's record in JSON") from None
        if row[4] or row[11]:  # no caption and nothing that a person said
            yield row


def _row(number: int, record: Record, people: People) -> _Row:
    subject = subject_of(record)
    machine_caption = "" if "error" in record else plain(subject.machine_caption)
    last = people.last(subject.path, subject.digest)
    captions = record.get("captions") or [{}]
    confidence = record.get("confidence")
    stamp = record.get(STAMP)
    return (
        number,
        path_text(subject.path),
        subject.digest,
        int(stamp[1]) if stamp else 0,
        machine_caption,
        subject.model,
        plain(", ".join(tag["name"] for tag in record.get("tags", ()))),
        confidence if confidence is None else float(confidence),
        bool(record.get("low_confidence")),
        captions[0].get("mean_probability", _UNKNOWN) if confidence is None else confidence,
        *_peoples(last, machine_caption),
        plain(_others(machine_caption, record)),
    )


def _others(machine_caption: str, record: Record) -> str:
    """What is searched besides the caption: other languages', and what has words only once its signs are apart."""
    apart = spaced(machine_caption)
    texts = [other["caption"] for other in record.get("languages", {}).values()]
    return " · ".join([*([apart] if apart != machine_caption else []), *map(spaced, texts)])


def _state(file: Path | int) -> list[int]:
    with suppress(OSError):
        status = os.stat(file)  # noqa: PTH116
        return [status.st_size, status.st_mtime_ns]
    return []


def _open(index: Path) -> sqlite3.Connection:
    """Only to be read. Raises CollectionRefused where it is not an index of ours, FileNotFoundError."""
    database = sqlite3.connect(index.resolve(strict=True).as_uri() + "?mode=ro", _BUSY_SECONDS, uri=True)
    try:
        database.execute("PRAGMA trusted_schema = OFF")
        marks = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    except sqlite3.DatabaseError as error:
        database.close()
        raise CollectionRefused(f"{index} cannot be read: {error}") from error
    if marks != [_APPLICATION_ID, _VERSION]:
        database.close()
        raise CollectionRefused(f"{index} is not an index of captions, or of another version")
    return database
