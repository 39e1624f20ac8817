"""Captions photographs, one or 100,000: python -m collection caption PATH…"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from collection.arguments import parse
from collection.collisions import OutputsCollide
from collection.journal import JournalRefused
from collection.metadata import MetadataRefused, require_library
from collection.run import NothingToCaption, Run
from model.errors import LOADING_ERRORS, OptionRefused

INTERRUPTED = 130  # as a shell reports what Ctrl-C ended
_REFUSED = (OptionRefused, JournalRefused, MetadataRefused, NothingToCaption, OutputsCollide, *LOADING_ERRORS)


def main(arguments: Sequence[str] | None = None) -> int:
    """See Tally.status; 2 also where options, model or files forbid it, 130 after Ctrl-C."""
    parsed, format = parse(arguments)
    run = Run(parsed, format)
    try:
        if parsed.write_metadata:
            require_library()
        return run()
    except KeyboardInterrupt:
        how = "; the same command goes on from there" if parsed.output or format.is_resumable_without_file else ""
        print(f"\nstopped after {run.tally.done:,} of {run.tally.total:,} photographs{how}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _REFUSED as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
