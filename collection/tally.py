"""How far a run is, and what it came to: for people a sentence and a line of counts, for scripts JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from collection.journal import Record
from collection.outputs.base import problem

INTERRUPTED = 130  # as a shell reports what Ctrl-C ended
EXIT_STATUS = (
    "exit status: 0 every photograph was captioned; 1 some were not; 2 none was, or could be (options, model, files); "
    "130 stopped by Ctrl-C"
)
_FAILURES = ("error", "copy_error", "metadata_error")


@dataclass
class Tally:
    total: int = 0
    captioned: int = 0
    failed: int = 0
    before: int = 0
    """Of these, how many an earlier run did."""
    reused: int = 0
    """Of the captioned ones, how many an earlier run did."""
    low_confidence: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """The failed ones, by the code of the reason."""
    warnings: Counter[str] = field(default_factory=Counter)

    def add(self, records: Iterable[Record], is_earlier: bool = False) -> None:
        for record in records:
            if problem(record):
                self.failed += 1
                failure = next(record[name] for name in _FAILURES if record.get(name))
                self.refused[failure.get("code", "failed_before")] += 1
            else:
                self.captioned += 1
                self.reused += is_earlier
            self.before += is_earlier
            self.low_confidence += bool(record.get("low_confidence"))
            if "warning" in record:
                self.warnings[record["warning"]] += 1

    @property
    def done(self) -> int:
        return self.captioned + self.failed

    @property
    def status(self) -> int:
        """0 if every photograph was captioned, 1 if one was not, 2 if none could be."""
        return 0 if not self.failed else 1 if self.captioned else 2

    def outcomes(self) -> str:
        """What is remarkable, in a few words; "" for nothing."""
        counts = {"low confidence": self.low_confidence, **self.refused, **self.warnings}
        return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)

    def described(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "captioned": self.captioned - self.reused,
            "reused": self.reused,
            "failed": self.failed,
            "refused": dict(self.refused),
            "low_confidence": self.low_confidence,
            "warnings": dict(self.warnings),
        }
