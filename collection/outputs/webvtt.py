"""WebVTT (W3C) of a video's captions, for a <track kind="descriptions">, that is read out to who cannot see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from collection.journal import Record

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "})


def webvtt(moments: Sequence[Record], language: str = "en") -> Iterator[str]:
    """The lines of a file, with their ends. Moments that follow one another with one caption are one cue."""
    yield f"WEBVTT\nKind: descriptions\nLanguage: {language}\n"
    said = (moment for moment in moments if moment.get("caption"))
    for caption, group in groupby(said, lambda moment: str(moment["caption"])):
        cue = list(group)
        start, end = cue[0]["start"], max(cue[-1]["end"], cue[0]["start"] + 0.001)
        yield f"\n{_time(start)} --> {_time(end)}\n{caption.translate(_ESCAPES)}\n"


def _time(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
