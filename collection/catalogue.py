"""A finished collection, to be searched and reviewed: its photographs by number, by path, by words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from collection.index import connect, has_digest
from collection.likeness import Features, FeaturesRefused
from collection.query import MANY, Query, QueryRefused
from collection.reviews import Action, Decision, Reviews, Status, Subject, path_text, version_of

_COLUMNS = (
    "id, path, digest, machine_caption, model, tags, confidence, low_confidence, caption, status, by, at, decision"
)


@dataclass(frozen=True)
class Photograph:
    """One, as the results and people have it."""

    id: int
    """The line in the results, counted from 1. It is another after a run that changed them."""
    path: str
    digest: str
    """SHA-256 of the file; "" where it is not known."""
    machine_caption: str
    model: str
    tags: tuple[str, ...]
    confidence: float | None
    low_confidence: bool
    caption: str
    """A person's, where there is one."""
    status: Status
    by: str
    at: str
    version: str
    """Of all that a person decides by: another wherever that is another."""

    @property
    def subject(self) -> Subject:
        return Subject(self.path, self.digest, self.machine_caption, self.model)


@dataclass(frozen=True)
class Collection:
    """Results, or their index alone. Every method raises CollectionRefused, ReviewsUnreadable, OSError."""

    file: Path

    def prepare(self) -> None:
        """Makes the index where there is none yet."""
        connect(self.file).close()

    def place(self, path: str) -> Path:
        """Where a photograph is: a relative path is from here, as it was given, or from the results' folder."""
        given = Path(path)
        return given if given.exists() else self.file.parent / given

    def search(self, query: str, limit: int, order: str = "best", offset: int = 0) -> tuple[int, list[Photograph]]:
        """How many there are, and of these so many in this order: see Query.parse and ORDERS. Raises QueryRefused."""
        wanted = Query.parse(query)
        with closing(connect(self.file)) as database:
            try:
                total, found = _found(database, wanted, order, limit, offset)
            except sqlite3.OperationalError as error:  # more words than FTS5 takes
                raise QueryRefused(f"These words cannot be searched for: {error}.") from error
            return total, _photographs(database, found)

    def photograph(self, id: int) -> Photograph | None:
        """By its number."""
        if not 0 < id < 2**63:  # what SQLite can count to
            return None
        with closing(connect(self.file)) as database:
            return next(iter(_photographs(database, [id])), None)

    def at(self, path: str) -> Photograph | None:
        """By its path in the results."""
        with closing(connect(self.file)) as database:
            row = database.execute("SELECT id FROM photographs WHERE path = ?", (path_text(path),)).fetchone()
            return _photographs(database, row)[0] if row else None

    def similar(self, photograph: Photograph, most: int) -> list[tuple[Photograph, float]]:
        """Those most like it, with the cosine of their features. Raises FeaturesRefused where it has none yet."""
        features = Features.of(self.file)
        row = features.row(photograph.digest) if photograph.digest else None
        if row is None:
            raise FeaturesRefused("this photograph has no features yet: python -m collection features RESULTS")
        near = dict(features.nearest(row, most))
        with closing(connect(self.file)) as database:
            found = database.execute(
                "SELECT id FROM photographs WHERE digest IN (SELECT value FROM json_each(?)) GROUP BY digest",
                (json.dumps(list(near)),),
            )
            photographs = _photographs(database, [id for (id,) in found])
        pairs = [(one, round(near[one.digest], 4)) for one in photographs]
        return sorted(pairs, key=lambda pair: -pair[1])

    def decide(
        self, photograph: Photograph, action: Action, by: str, caption: str = "", version: str = ""
    ) -> Photograph:
        """What is there after a person's decision: see Reviews.decide. Raises Stale, ReviewRefused."""
        with closing(connect(self.file)) as database:
            Reviews.of(self.file).decide(
                photograph.subject, action, by, version, lambda one: has_digest(database, one), caption
            )
        return self.photograph(photograph.id) or photograph

    def history(self, photograph: Photograph) -> list[Decision]:
        """The newest first."""
        with closing(connect(self.file)) as database:
            return Reviews.of(self.file).history(
                photograph.path, photograph.digest, lambda one: has_digest(database, one)
            )


def _found(database: sqlite3.Connection, wanted: Query, order: str, limit: int, offset: int) -> tuple[int, list[int]]:
    (total,) = database.execute(wanted.count, (wanted.words,) if wanted.words else wanted.values).fetchone()
    find = wanted.find(order, are_many=total > MANY)
    if wanted.words and wanted.conditions:  # looked through once, for counting takes as long as finding
        ids = [id for (id,) in database.execute(find, wanted.all_values)]
        return len(ids), ids[offset : offset + limit]
    rows = database.execute(f"{find} LIMIT ? OFFSET ?", (*wanted.all_values, limit, offset))
    return total, [id for (id,) in rows]


def _photographs(database: sqlite3.Connection, ids: Sequence[int]) -> list[Photograph]:
    """In the order of the numbers; those that there are."""
    wanted = f"SELECT {_COLUMNS} FROM photographs WHERE id IN (SELECT value FROM json_each(?))"
    rows = {row[0]: row for row in database.execute(wanted, (json.dumps(ids),))}
    return [_photograph(*rows[id]) for id in ids if id in rows]


def _photograph(
    id: int,
    path: str,
    digest: str,
    machine_caption: str,
    model: str,
    tags: str,
    confidence: float | None,
    low_confidence: int,
    caption: str,
    status: Status,
    by: str,
    at: str,
    decision: int,
) -> Photograph:
    subject = Subject(json.loads(path), digest, machine_caption, model)
    return Photograph(
        id,
        *subject,
        tuple(filter(None, tags.split(", "))),
        confidence,
        bool(low_confidence),
        caption,
        status,
        by,
        at,
        version_of(subject, decision),
    )
