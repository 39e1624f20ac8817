"""Review in a terminal: a caption at a time, a key a decision."""

from __future__ import annotations

import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from collection.catalogue import Collection, Photograph
from collection.reviews import Action, Stale
from collection.written import ReviewRefused

_KEYS = {"a": "accept", "e": "edit", "r": "reject", "u": "undo", "j": "next", "k": "previous", "q": "quit"}
_HELP = ", ".join(f"{key} {name}" for key, name in _KEYS.items())
_AT_ONCE = 200
_END = ("", "\x04")  # the end of the input, Ctrl-D


@dataclass
class Terminal:
    """One review; it reads keys from a terminal, or lines that begin with one from elsewhere."""

    collection: Collection
    by: str
    where: str
    order: str
    decided: int = 0
    last: str = ""
    """The path of what was decided last, which undo takes back where there is nothing to undo here."""

    def __call__(self) -> int:
        """0. What is decided is kept at once: it can be left at any time."""
        total, photographs = self.collection.search(self.where, _AT_ONCE, self.order)
        print(f"{total:,} to review. {_HELP}, ? these keys")
        at = 0
        while photographs:
            photographs[at] = self.collection.at(photographs[at].path) or photographs[at]
            self._show(photographs[at], at, total)
            key = _KEYS.get(self._key())
            if key == "quit":
                break
            if key == "undo" and not photographs[at].status and self.last:
                at = next(number for number, one in enumerate(photographs) if one.path == self.last)
                photographs[at] = self.collection.at(self.last) or photographs[at]
            if key == "accept" or key == "edit" or key == "reject" or key == "undo":
                moves = self._decide(photographs[at], cast(Action, key)) and key != "undo"
            else:
                moves = key == "next"
                at -= key == "previous" and at > 0
                if key is None:
                    print(f"{_HELP}, ? these keys")
            at += moves
            if at == len(photographs):
                passed = sum(1 for one in photographs if not self._is_reviewed(one))
                more = self.collection.search(self.where, _AT_ONCE, self.order, passed)[1]
                known = {one.path for one in photographs}
                photographs += [one for one in more if one.path not in known]
                if at == len(photographs):
                    break
        print(f"{self.decided:,} decided")
        return 0

    def _is_reviewed(self, photograph: Photograph) -> bool:
        now = self.collection.at(photograph.path)
        return bool(now and now.status)

    def _show(self, photograph: Photograph, at: int, total: int) -> None:
        sure = "" if photograph.confidence is None else f"  ({photograph.confidence:.0%} confident)"
        path = photograph.path.encode(errors="replace").decode()
        print(f"\n{at + 1}/{total} {path}{sure}\n  {photograph.caption or photograph.machine_caption}")
        if photograph.status:
            print(f"  {photograph.status} by {photograph.by}; the machine said: {photograph.machine_caption}")
        if photograph.tags:
            print(f"  shows: {', '.join(photograph.tags)}")

    def _decide(self, photograph: Photograph, action: Action) -> bool:
        caption = ""
        if action == "edit":
            caption = _line("  caption: ", photograph.caption or photograph.machine_caption)
            if not caption.strip():
                return False
        try:
            self.collection.decide(photograph, action, self.by, caption, photograph.version)
        except Stale as error:
            theirs = error.current.caption if error.current else photograph.machine_caption
            print(f"  {error} Now: “{theirs}”" + (f"; yours was: “{caption}”" if caption else ""))
            return False
        except ReviewRefused as error:
            print(f"  {error}")
            return False
        self.decided += 1
        self.last = photograph.path
        return True

    def _key(self) -> str:
        """A letter; q at the end of the input."""
        sys.stdout.write("> ")
        sys.stdout.flush()
        if not sys.stdin.isatty():
            line = sys.stdin.readline()
            return line.strip()[:1].lower() if line else "q"
        try:
            with _raw():
                key = sys.stdin.read(1)
        except KeyboardInterrupt:
            key = "q"
        print(key if key.isprintable() else "")
        return "q" if key in _END else key.lower()


@contextmanager
def _raw() -> Iterator[None]:
    """Keys come at once, without Enter."""
    usual = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, usual)


def _line(prompt: str, begun: str) -> str:
    """A line that the person types on from what is there; "" where it is given up."""
    try:
        if sys.stdin.isatty():
            import readline

            readline.set_startup_hook(lambda: readline.insert_text(begun))
            try:
                return input(prompt)
            finally:
                readline.set_startup_hook()
        return input(prompt)
    except (EOFError, KeyboardInterrupt):
        return ""
