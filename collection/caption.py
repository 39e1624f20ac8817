"""Captions photographs, one or 100,000: python -m collection caption PATH…"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from time import perf_counter

from collection.arguments import parse_caption
from collection.collisions import OutputsCollide
from collection.journal import JournalRefused
from collection.metadata.errors import MetadataRefused
from collection.run import NothingToCaption, Run
from collection.tally import INTERRUPTED
from model.errors import LOADING_ERRORS, OptionRefused

REFUSED = (OptionRefused, JournalRefused, MetadataRefused, NothingToCaption, OutputsCollide, *LOADING_ERRORS)


def main(arguments: Sequence[str] | None = None) -> int:
    """See Tally.status; 2 also where options, model or files forbid it, 130 after Ctrl-C."""
    asked = parse_caption(arguments)
    parsed, run, started = asked.parsed, Run(asked), perf_counter()
    status, error = _status(run)
    if parsed.json:
        summary = {"status": status, **run.tally.described(), "seconds": round(perf_counter() - started, 1)}
        output = {"output": str(parsed.output) if parsed.output else None, "error": error}
        print(json.dumps(summary | output), file=sys.stderr)
    elif error:
        print(error, file=sys.stderr)
    return status


def _status(run: Run) -> tuple[int, str | None]:
    """The exit status, and what is to be said of a run that did not come to its end."""
    try:
        if run.writer:
            run.writer.place.require()
        return run(), None
    except KeyboardInterrupt:
        goes_on = run.parsed.output or run.format.is_resumable_without_file
        how = "; the same command goes on from there" if goes_on else ""
        return INTERRUPTED, f"\nstopped after {run.tally.done:,} of {run.tally.total:,} photographs{how}"
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1, None
    except REFUSED as error:
        return 2, f"error: {error}"
