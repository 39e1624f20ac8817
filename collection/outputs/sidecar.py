"""A text beside each photograph, where other programs look for it: photo.txt beside photo.jpg."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from collection.collisions import Output, beside
from collection.journal import STAMP, Record, record_line
from collection.outputs.base import Format, problem, report_problems, report_warnings, texts_by_language
from collection.stamps import Stamp, is_same, refreshed
from model.files import atomic_write, file_digest

NOTES = ".captions.jsonl"
"""In a folder of photographs: of which photograph, as it was then, each text is, and what the text was. So a text that
is another's or a person's is known, and a photograph that has changed.
"""
_STEM, _FULL = "stem", "full"
_Note = dict[str, Any]
"""photograph, sidecar: names; stamp; text: SHA-256 of what was written, None where nothing was; problem; is_persons:
the text is a person's, which no machine's takes the place of.
"""


class Sidecar(Format):
    """One that someone else wrote, or changed, is left as it is."""

    help = "a .txt beside each photograph"
    uses_standard_output = False
    is_resumable_without_file = True
    has_own_files = True
    advice = "--sidecar-name full writes photo.jpg.txt beside photo.jpg"
    options: ClassVar = {
        "sidecar_name": {
            "choices": (_STEM, _FULL),
            "help": "photo.txt (stem, the default) or photo.jpg.txt (full); with --xmp photo.xmp or photo.jpg.xmp, by "
            "default the one that is there, else full",
        }
    }

    knows_people = False
    """Records that no person has reviewed are so now: they take the place of what somebody has undone."""

    def __init__(self, sidecar_name: str = _STEM) -> None:
        self._is_full = sidecar_name == _FULL
        self._folder: Path | None = None
        self._notes: dict[str, list[_Note]] = {}

    def output(self, path: str) -> Output:
        text = self._text(path)
        # Where one photograph is a.jpg and another A.jpg, so may be their texts' names; but a.jpg and A.png are told
        # apart on every disk, and a.txt and A.txt are not.
        return Output(text, beside(text, as_spelt=self._is_full), self._owner(path, text))

    def _text(self, path: str) -> Path:
        photograph = Path(path)
        is_full = self._is_full or not photograph.name
        return Path(f"{path}.txt") if is_full else photograph.with_suffix(".txt")

    def _owner(self, path: str, text: Path) -> str | None:
        """Another photograph, whose caption it is."""
        others = [note for note in self._of(text) if note not in self._own(path, text) and note["text"]]
        digest = _digest(text) if others else None
        return next((str(text.with_name(note["photograph"])) for note in others if note["text"] == digest), None)

    def earlier(self, path: str) -> Record | None:
        text = self._text(path)
        digest, own = _digest(text), self._own(path, text)
        if own and (digest is None or _is_ours(digest, own)):
            return self._earlier_of_ours(path, text, own[-1], digest)
        return {"path": path, "caption": ""} if digest is not None else None

    def _earlier_of_ours(self, path: str, text: Path, last: _Note, digest: str | None) -> Record | None:
        before: Stamp | None = tuple(last[STAMP]) if last[STAMP] else None
        now = refreshed(path, before)
        if not is_same(before, now) or (last["text"] != digest and not last["problem"]):
            return None
        if now != before:
            with suppress(OSError):  # then it is read again the next time
                self._note(text, last | {STAMP: now})
        return {"path": path} | ({"error": {"message": last["problem"]}} if last["problem"] else {"caption": ""})

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            text = self._text(record["path"])
            digest, own = _digest(text), self._own(record["path"], text)
            is_persons = "reviewed" in record
            kept = {note["text"] for note in own if note.get("is_persons")}
            replaceable = own if is_persons or self.knows_people else [one for one in own if one["text"] not in kept]
            may_write = "caption" in record and (digest is None or _is_ours(digest, replaceable))
            said = "".join(f"{one}\n" for one in texts_by_language(record).values())
            content = said.encode() if may_write and record["caption"] else None
            # Before the text: one that is killed in between is found to be without it, or with an older one of ours.
            self._note(
                text,
                {
                    "photograph": Path(record["path"]).name,
                    "sidecar": text.name,
                    STAMP: record.get(STAMP),
                    "text": hashlib.sha256(content).hexdigest() if content else None,
                    "problem": problem(record),
                }
                | ({"is_persons": True} if is_persons else {}),
            )
            if content:
                with atomic_write(text) as temporary:
                    temporary.write_bytes(content)
            elif may_write and digest:  # what somebody rejected
                text.unlink()
        report_problems(records)
        report_warnings(records)

    def _own(self, path: str, text: Path) -> list[_Note]:
        """Those on a photograph that is gone, too: it may have been this one under another name."""
        own = Path(path).name
        return [
            note
            for note in self._of(text)
            if note["photograph"] == own or not os.path.lexists(text.with_name(note["photograph"]))
        ]

    def _of(self, text: Path) -> list[_Note]:
        """The notes on a text, the newest last."""
        if text.parent != self._folder:
            self._folder, self._notes = text.parent, _read(text.parent / NOTES)
        return self._notes.setdefault(text.name, [])

    def _note(self, text: Path, note: _Note) -> None:
        self._of(text).append(note)
        with (text.parent / NOTES).open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
            was_cut = file.read() not in (b"", b"\n")  # by a kill
            file.write((was_cut * "\n" + record_line(note)).encode("ascii"))


def _is_ours(digest: str, own: Sequence[_Note]) -> bool:
    """Whether the text is as it was written here once."""
    return any(note["text"] == digest for note in own)


def _read(file: Path) -> dict[str, list[_Note]]:
    """By the text's name. What is no note, as a line that was half written, is passed over."""
    notes: dict[str, list[_Note]] = defaultdict(list)
    with suppress(OSError), file.open("rb") as lines:
        for line in lines:
            with suppress(ValueError):
                note = json.loads(line)
                if isinstance(note, dict) and note.keys() >= {"photograph", "sidecar", STAMP, "text", "problem"}:
                    notes[note["sidecar"]].append(note)
    return notes


def _digest(text: Path) -> str | None:
    """None where there is no text."""
    try:
        return file_digest(text)
    except FileNotFoundError:
        return None
