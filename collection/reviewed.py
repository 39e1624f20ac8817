"""Records with people's words in them: what every output of a collection gets, whichever its format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from collection.journal import STAMP, Record
from collection.reviews import Decision, Reviews, Subject, stays_at_path

_OWN = ("reviewed", "reviewed_by", "reviewed_at", "machine_caption")


@dataclass(frozen=True)
class People:
    """The last decision on each photograph of a collection, by its content and by its path."""

    by_digest: dict[str, Decision]
    by_path: dict[str, Decision]
    is_present: Callable[[str], bool]
    """Whether the collection has a photograph with this digest."""

    @classmethod
    def of(cls, results: Path, digests: Callable[[], Iterable[str]]) -> People:
        """Those beside the results, whose photographs have these digests. Raises ReviewsUnreadable."""
        by_digest, by_path = {}, {}
        for decision in Reviews.of(results).since(0):
            by_path[decision.path] = decision
            if decision.digest:
                by_digest[decision.digest] = decision
        present = frozenset(digests()) if by_path else frozenset()
        return cls(by_digest, by_path, present.__contains__)

    def __bool__(self) -> bool:
        return bool(self.by_path)

    def last(self, path: str, digest: str) -> Decision | None:
        """What somebody decided last, whether or not it still holds."""
        if found := self.by_digest.get(digest):
            return found
        found = self.by_path.get(path)
        return found if found and stays_at_path(found, digest, self.is_present) else None

    def put_into(self, record: Record) -> Record:
        """The record with a person's caption in the place of the machine's, which stands beside it."""
        record = machines(record)
        subject = subject_of(record)
        decision = self.last(subject.path, subject.digest)
        if decision is None or not decision.holds_for(subject.machine_caption):
            return record
        return record | {
            "caption": decision.caption,
            "reviewed": decision.status,
            "reviewed_by": decision.by,
            "reviewed_at": decision.at,
            "machine_caption": subject.machine_caption,
        }


def machines(record: Record) -> Record:
    """The record as the machine made it."""
    if "reviewed" not in record:
        return record
    own = {name: value for name, value in record.items() if name not in _OWN}
    if record["machine_caption"]:
        return own | {"caption": record["machine_caption"]}
    return {name: value for name, value in own.items() if name != "caption"}


def digest_of(record: Record) -> str:
    stamp = record.get(STAMP)
    return str(stamp[2]) if stamp else ""


def subject_of(record: Record) -> Subject:
    """Of a machine's record."""
    model = str(record.get("model", {}).get("digest", ""))
    return Subject(record["path"], digest_of(record), record.get("caption", ""), model)


def with_people(results: Path, records: Callable[[], Iterator[Record]]) -> Iterator[Record]:
    """Records, with their stamps, as they go out. Raises ReviewsUnreadable."""
    people = People.of(results, lambda: map(digest_of, records()))
    return map(people.put_into, records()) if people else records()
