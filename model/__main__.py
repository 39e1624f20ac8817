"""The command line: python -m model COMMAND …"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "caption": "says what photographs show: files, folders, patterns, lists",
    "search": "finds photographs by their captions",
    "export": "writes the model for other runtimes",
}
"""Each is the module of its name with a `main(arguments) -> int`, imported when it is asked for."""

_USAGE = "\n".join(
    [
        "usage: python -m model COMMAND …     COMMAND --help tells its options",
        "       python -m model PHOTOGRAPH …  is: python -m model caption --format text PHOTOGRAPH …",
        "",
        *(f"  {name:9}{help}" for name, help in COMMANDS.items()),
    ]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command's exit status; 0 and 2 as a rule: done, and could not be done."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(_USAGE, file=sys.stdout if given else sys.stderr)
        return 0 if given else 2
    if given[0] not in COMMANDS:
        given = ["caption", "--format", "text", *given]
    status: int = import_module(f"model.{given[0]}").main(given[1:])
    return status


if __name__ == "__main__":
    sys.exit(main())
