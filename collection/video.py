"""Captions of videos: python -m collection video film.mp4 --format webvtt

A video is a row of moments (collection/moments.py), which are captioned as photographs are, and a row that sums up.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from collection.job import Job
from collection.journal import Journal, JournalRefused, Record, record_line
from collection.moments import GAP, Moment, Video, VideoRefused, require_library
from collection.outputs.webvtt import webvtt
from collection.tally import EXIT_STATUS, INTERRUPTED, Tally
from model.arguments import (
    add_decoding_arguments,
    add_model_arguments,
    count_up_to,
    current_names,
    decoding_options,
    model_settings,
)
from model.errors import LOADING_ERRORS, OptionRefused
from model.files import atomic_write
from model.folders import files_below
from model.images import TRUNCATED, WARNINGS
from model.names import Parser
from model.registry import load_captioner

EXTENSIONS = frozenset(".mp4 .mov .m4v .mkv .webm .avi .mpg .mpeg .ts .mts .m2ts .3gp .ogv .wmv .flv".split())
_TAGS = 10  # in the row that sums up
_REFUSED = (OptionRefused, JournalRefused, VideoRefused, *LOADING_ERRORS)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every video was captioned, 1 if one was not, 2 if none was or could be, 130 after Ctrl-C."""
    parsed = _parse(arguments)
    tally = Tally()
    try:
        require_library()
        return _run(parsed, tally)
    except KeyboardInterrupt:
        how = "; the same command goes on from there" if parsed.output or parsed.format == "webvtt" else ""
        print(f"\nstopped after {tally.done:,} of {tally.total:,} videos{how}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _REFUSED as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m collection video",
        description="Says what videos show, moment by moment.",
        epilog=EXIT_STATUS.replace("photograph", "video"),
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a video, or a folder of videos")
    parser.add_argument(
        "--format",
        choices=("jsonl", "webvtt"),
        default="jsonl",
        help="jsonl: a record a moment, and one that sums up (default); webvtt: film.vtt beside film.mp4",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="of JSONL (default: standard output)")
    parser.add_argument("--gap", type=float, default=GAP, metavar="SECONDS", help="a moment's at most (default 10)")
    parser.add_argument("--batch-size", type=count_up_to(1024), default=16, metavar="N", help="captioned at once")
    add_decoding_arguments(parser)
    add_model_arguments(parser)
    parsed: argparse.Namespace = parser.parse_args(current_names(arguments))
    if parsed.output and parsed.format == "webvtt":
        parser.error("--format webvtt goes beside the videos: leave --output out")
    if parsed.output and parsed.output.exists():
        parser.error(f"{parsed.output} is there already: remove it, or name another file")
    if not 1 <= parsed.gap <= 3600:
        parser.error("--gap must be from 1 to 3600 seconds")
    return parsed


def _run(parsed: argparse.Namespace, tally: Tally) -> int:
    """Raises _REFUSED."""
    paths = list(_videos(parsed.paths))
    tally.total = len(paths)
    if not paths:
        raise VideoRefused("there are no videos in what was named")
    if parsed.format == "webvtt":
        paths = [path for path in paths if not Path(path).with_suffix(".vtt").exists()]
        tally.total = len(paths)
        if not paths:
            print("nothing to do: each has its .vtt", file=sys.stderr)
            return 0
    job = Job(load_captioner(model_settings(parsed)), decoding_options(parsed), parsed.batch_size)
    if parsed.output:
        _into_file(parsed, paths, job, tally)
    else:
        for rows in _captioned(paths, job, parsed.gap, tally):
            _write(rows, parsed.format)
    counts = tally.outcomes()
    summary = f"{tally.captioned:,} videos captioned, {tally.failed:,} failed"
    print(summary + (f"; {counts}" if counts else ""), file=sys.stderr)
    return tally.status


def _videos(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if os.path.isdir(name):  # noqa: PTH112  # is_dir() raises for a name that is too long
            yield from files_below(name, lambda file: Path(file).suffix.lower() in EXTENSIONS)
        else:
            yield name


def _into_file(parsed: argparse.Namespace, paths: list[str], job: Job, tally: Tally) -> None:
    """A run that was broken off goes on with the video that it was at."""
    identity = {"digest": job.captioner.digest, "gap": parsed.gap, **dataclasses.asdict(job.options)}
    with Journal(parsed.output, identity) as journal:
        journal.records().close()  # what was half written is cut off
        done = {str(rows[-1]["path"]): rows for rows in _whole(journal)}
        tally.add((done[path][-1] for path in paths if path in done), is_earlier=True)
        for rows in _captioned([path for path in paths if path not in done], job, parsed.gap, tally):
            journal.append(rows)
        by_path = {str(rows[-1]["path"]): rows for rows in _whole(journal)}
        with atomic_write(parsed.output) as temporary, temporary.open("w", encoding="ascii") as file:
            file.writelines(record_line(row) for path in paths for row in by_path[path])
        journal.remove()


def _whole(records: Iterable[Record]) -> Iterator[list[Record]]:
    """The rows of each video whose last, which sums up, is there."""
    rows: list[Record] = []
    for record in records:
        rows = [*rows, record] if rows and rows[-1]["path"] == record["path"] else [record]
        if "start" not in record:
            yield rows[-1 - record.get("moments", 0) :]
            rows = []


def _captioned(paths: Sequence[str], job: Job, gap: float, tally: Tally) -> Iterator[list[Record]]:
    """Of each video its moments and the row that sums up, or one that says what is wrong."""
    seconds = 0.2 if sys.stderr.isatty() else 30
    with tqdm(total=tally.total, initial=tally.done, unit=" videos", mininterval=seconds) as progress:
        for path in paths:
            rows = caption_video(path, job, gap, lambda at: progress.set_postfix_str(f"at {at:.0f} s"))
            last = rows[-1]
            tally.add([last])
            if "error" in last:
                tqdm.write(f"{path}: {last['error']['message']}", file=sys.stderr)
            elif "warning" in last:
                tqdm.write(f"{path}: {WARNINGS[TRUNCATED]}; captioned is what could be read", file=sys.stderr)
            progress.update()
            yield rows


def caption_video(path: str, job: Job, gap: float = GAP, tell: Any = lambda seconds: None) -> list[Record]:
    """A record a moment, {"path", "start", "end", "caption", …} in seconds, then one that sums up, {"path", "moments",
    "duration", "caption", "tags", …}; or {"path", "error"} alone.
    """
    video, rows = Video(path, gap), list[Record]()
    moments = video.moments()
    try:
        while batch := list(islice(moments, job.batch_size)):
            rows += _described(batch, path, job)
            tell(batch[-1].start)
    except VideoRefused as error:
        return [{"path": path, "error": {"code": "not_a_video", "message": str(error)}}]
    end = max(video.duration, rows[-1]["start"])
    for row, following in zip(rows, [*(later["start"] for later in rows[1:]), end], strict=True):
        row["end"] = round(following, 3)
    return [*rows, _summed_up(path, rows, end) | ({} if video.is_whole else {"warning": TRUNCATED})]


def _described(batch: Sequence[Moment], path: str, job: Job) -> list[Record]:
    records = job.describe([(path, moment.image) for moment in batch])
    return [
        {"path": path, "start": round(moment.start, 3), "end": 0.0} | record
        for moment, record in zip(batch, records, strict=True)
    ]


def _summed_up(path: str, rows: Sequence[Record], end: float) -> Record:
    """The caption that has most in common with those of all the other moments, by how long they are, and the tags."""
    lengths = [max(row["end"] - row["start"], 0.001) for row in rows]
    words = [frozenset(str(row["caption"]).lower().rstrip(".").split()) for row in rows]
    shared = [
        sum(length * len(own & other) / len(own | other or {""}) for other, length in zip(words, lengths, strict=True))
        for own in words
    ]
    best = rows[max(range(len(rows)), key=shared.__getitem__)]
    tags: Counter[str] = Counter()
    for row, length in zip(rows, lengths, strict=True):
        tags.update({tag["name"]: tag["probability"] * length / sum(lengths) for tag in row.get("tags", ())})
    own = ("caption", "confidence", "low_confidence", "model", "language")
    return {
        "path": path,
        "moments": len(rows),
        "duration": round(end, 3),
        **{name: best[name] for name in own if name in best},
        "tags": [{"name": name, "probability": round(share, 4)} for name, share in tags.most_common(_TAGS)],
    }


def _write(rows: Sequence[Record], format: str) -> None:
    if format == "jsonl":
        sys.stdout.writelines(map(record_line, rows))
        sys.stdout.flush()
    elif "error" not in rows[-1]:
        with atomic_write(Path(rows[-1]["path"]).with_suffix(".vtt")) as temporary:
            temporary.write_text("".join(webvtt(rows[:-1], rows[-1].get("language", "en"))), encoding="utf-8")
