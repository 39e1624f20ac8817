"""Finds photographs by the words of their captions and by their tags: python -m collection search RESULTS --where "dog"

RESULTS is what `python -m collection caption --output` wrote, as JSONL. Its full-text index (SQLite's FTS5) is made
once and stands beside it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from model.files import atomic_write
from model.names import Parser

LONGEST_QUERY = 200  # characters
_SQLITE = b"SQLite format 3\0"
_APPLICATION_ID = 0x43415054  # "CAPT": an index is known by it
_VERSION = 2  # of the tables below
_TABLES = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
CREATE TABLE source (size INTEGER NOT NULL, modified_ns INTEGER NOT NULL);
CREATE VIRTUAL TABLE captions USING fts5 (
    caption, tags, path UNINDEXED, tokenize = "porter unicode61 remove_diacritics 2"
);
"""
_FIND = (
    "SELECT rowid, path, caption FROM captions WHERE captions MATCH ? ORDER BY bm25(captions, 1.0, 0.25), rowid LIMIT ?"
)
_COUNT = "SELECT count(*) FROM captions WHERE captions MATCH ?"
_TERM = re.compile(r'"([^"]*)"|([^\s"]+)')


class CollectionRefused(RuntimeError):
    """The file is not a collection of captions that could be searched; the message says why."""


class QueryRefused(ValueError):
    """The words cannot be searched for; the message says why."""


@dataclass(frozen=True)
class Found:
    id: int
    """The line in the JSONL, counted from 1."""
    path: str
    caption: str


_FORMATS: dict[str, Callable[[Found], str]] = {
    "text": lambda found: f"{found.path}: {found.caption}",
    "jsonl": lambda found: json.dumps(asdict(found)),
}
"""A line of standard output, by the name that `--format` knows it by. The first is the default."""


@dataclass(frozen=True)
class Collection:
    """A finished JSONL, or its index alone."""

    file: Path

    def prepare(self) -> None:
        """Makes the index where there is none yet. Raises CollectionRefused, OSError."""
        self._connect().close()

    def search(self, query: str, limit: int) -> tuple[int, list[Found]]:
        """How many there are, and of these the best first, by BM25 (Robertson and Zaragoza 2009).

        All words must occur, in any of their forms (dog, dogs); "a red ball" together and in this order; snow* begins
        a word. Raises QueryRefused, CollectionRefused, OSError.
        """
        words = _expression(query)
        with closing(self._connect()) as database:
            try:
                (total,) = database.execute(_COUNT, (words,)).fetchone()
                rows = database.execute(_FIND, (words, limit)).fetchall()
            except sqlite3.OperationalError as error:  # more words than FTS5 takes
                raise QueryRefused(f"These words cannot be searched for: {error}.") from error
        return total, [Found(id, json.loads(path), caption) for id, path, caption in rows]

    def path(self, id: int) -> str | None:
        """Of the photograph with this id, or None. Raises CollectionRefused, OSError."""
        if not 0 < id < 2**63:  # what SQLite can count to
            return None
        with closing(self._connect()) as database:
            row = database.execute("SELECT path FROM captions WHERE rowid = ?", (id,)).fetchone()
        return json.loads(row[0]) if row else None

    def _connect(self) -> sqlite3.Connection:
        if self.file.exists() and not self.file.is_file():
            raise CollectionRefused(f"{self.file} is not a file")
        with self.file.open("rb") as stream:
            if stream.read(len(_SQLITE)) == _SQLITE:
                return _open(self.file)
            # One reader makes the index, the others wait for it.
            fcntl.flock(stream, fcntl.LOCK_EX)
            return _index(self.file, stream)


def _index(file: Path, stream: IO[bytes]) -> sqlite3.Connection:
    """Opens the index beside the file, made anew where the file has changed since."""
    index = file.with_name(file.name + ".sqlite")
    state = (os.fstat(stream.fileno()).st_size, os.fstat(stream.fileno()).st_mtime_ns)
    with suppress(OSError, CollectionRefused):  # none yet, or of another version
        database = _open(index)
        if database.execute("SELECT size, modified_ns FROM source").fetchone() == state:
            return database
        database.close()
    stream.seek(0)
    try:
        with atomic_write(index) as temporary:
            temporary.unlink(missing_ok=True)  # of one that was killed
            with closing(sqlite3.connect(temporary)) as database, database:
                database.executescript(_TABLES)
                database.execute("INSERT INTO source VALUES (?, ?)", state)
                database.executemany(
                    "INSERT INTO captions (rowid, path, caption, tags) VALUES (?, ?, ?, ?)", _rows(file, stream)
                )
    except sqlite3.Error as error:
        raise CollectionRefused(f"the index {index} cannot be written: {error}") from error
    return _open(index)


def _rows(file: Path, stream: IO[bytes]) -> Iterator[tuple[int, str, str, str]]:
    """A path is kept as JSON, for a name that is no UTF-8 is no text to SQLite."""
    for number, line in enumerate(stream, 1):
        try:
            record = json.loads(line)
            path, caption = record["path"], "" if "error" in record else record["caption"]
            if not (isinstance(path, str) and isinstance(caption, str)):
                raise TypeError
            tags = " ".join(tag["name"] for tag in record.get("tags", ()))
        except (ValueError, KeyError, TypeError):
            raise CollectionRefused(f"{file}, line {number} is not a photograph's record in JSON") from None
        if caption:
            yield number, json.dumps(path), _text(caption), _text(tags)


def _open(index: Path) -> sqlite3.Connection:
    """Only to be read. Raises CollectionRefused where it is not an index of ours, FileNotFoundError."""
    database = sqlite3.connect(index.resolve(strict=True).as_uri() + "?mode=ro", uri=True)
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


def _expression(query: str) -> str:
    """In FTS5's language, every word in quotes: none is taken for an operator of it."""
    if len(query) > LONGEST_QUERY:
        raise QueryRefused(f"At most {LONGEST_QUERY} characters can be searched for.")
    terms = []
    for phrase, word in _TERM.findall(_text(query)):
        if any(character.isalnum() for character in phrase + word):
            terms.append(f'"{phrase or word.rstrip("*")}"' + "*" * word.endswith("*"))
    if not terms:
        raise QueryRefused("Which words? A caption's, such as: dog grass.")
    return " ".join(terms)


def _text(text: str) -> str:
    """Without what SQLite cannot hold: halves of a character, and the null that ends a text."""
    return text.encode(errors="replace").decode().replace("\0", " ")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if something was found, 1 if nothing was, 2 if it could not be searched: as grep does."""
    parser = Parser(prog="python -m collection search", description="Finds photographs by the words of their captions.")
    parser.add_argument("results", type=Path, metavar="RESULTS", help="what `caption --output` wrote, as JSONL")
    parser.add_argument(
        "--where", required=True, metavar="WORDS", help='all must occur; "in quotes" together; snow* begins a word'
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="the best N (default 20)")
    parser.add_argument("--format", choices=_FORMATS, default=next(iter(_FORMATS)))
    parsed = parser.parse_args(arguments)
    if parsed.limit < 1:
        parser.error("--limit must be above 0")
    try:
        total, found = Collection(parsed.results).search(parsed.where, parsed.limit)
    except (QueryRefused, CollectionRefused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for one in found:
        sys.stdout.buffer.write(os.fsencode(_FORMATS[parsed.format](one)) + b"\n")
    print(f"{len(found):,} of {total:,} found", file=sys.stderr)
    return 0 if found else 1
