"""The command line of collections: python -m collection COMMAND …"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from model.names import unknown

COMMANDS = {
    "caption": "says what photographs show: files, folders, patterns, lists",
    "video": "says what videos show, moment by moment",
    "watch": "captions what is new in folders, and goes on doing so",
    "write": "writes captions into photographs, copies or XMP sidecars",
    "search": "finds photographs by their captions",
    "review": "has people accept, edit and reject captions",
    "export": "writes what people reviewed as a dataset to learn from",
    "features": "computes what duplicates and likeness are found by",
    "duplicates": "lists photographs that are nearly the same",
}
"""Each is the module of its name with a `main(arguments) -> int`, imported when it is asked for."""

_USAGE = "\n".join(
    [
        "usage: python -m collection COMMAND …     COMMAND --help tells its options",
        "",
        *(f"  {name:11}{help}" for name, help in COMMANDS.items()),
    ]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command's exit status; 0 and 2 as a rule: done, and could not be done."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(_USAGE, file=sys.stdout if given else sys.stderr)
        return 0 if given else 2
    if given[0] not in COMMANDS:
        print(f"error: {unknown('command', given[0], COMMANDS)}\n{_USAGE}", file=sys.stderr)
        return 2
    status: int = import_module(f"collection.{given[0]}").main(given[1:])
    return status


if __name__ == "__main__":
    sys.exit(main())
