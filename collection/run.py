"""A run of `collection caption`: what is left to do is found out first, and nothing is loaded where nothing is."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import chain
from typing import Any

from tqdm import tqdm

from collection.arguments import Asked
from collection.collisions import refuse_collisions
from collection.finished import Finished, Weights, finish, is_current
from collection.job import Job
from collection.journal import STAMP, Journal, JournalRefused, Record, RecordFile, describe_changes
from collection.outputs import problem
from collection.reviewed import People
from collection.stamps import StampedReader
from collection.tally import Tally
from collection.walk import STANDARD_INPUT, find_photographs, read_list
from model.arguments import decoding_options, model_settings, other_languages
from model.registry import load_captioner, model_files


class NothingToCaption(RuntimeError):
    """What was named holds no photographs."""


class Run:
    """Good for one; the tally says how far it came where it is broken off."""

    def __init__(self, asked: Asked) -> None:
        self.parsed, self.format, self.writer = asked.parsed, asked.new_format(), asked.writer
        self.tally = Tally()
        self.reader = StampedReader()

    def __call__(self) -> int:
        """The exit status. Raises OptionRefused, JournalRefused, NothingToCaption, OutputsCollide, LOADING_ERRORS."""
        self.options, self.languages = decoding_options(self.parsed), other_languages(self.parsed)
        self.format.add_languages(self.languages)
        self.find = self._finder()
        self._refuse_collisions()
        if not self.parsed.output:
            self._write_out()
        elif (finished := Finished.load(self.parsed.output)) is None:
            self._write_file()
        else:
            with closing(finished.records):
                self._update_file(finished)
        return self.tally.status

    def _finder(self) -> Callable[[], Iterator[str]]:
        """Finds the photographs anew at every call; standard input is read only now."""
        lists = [name for name in self.parsed.paths if name == STANDARD_INPUT] + self.parsed.lists
        names = [name for name in self.parsed.paths if name != STANDARD_INPUT]
        names += chain.from_iterable(map(read_list, lists))
        return partial(find_photographs, names, self.parsed.write_metadata)

    def _refuse_collisions(self) -> None:
        if self.format.has_own_files:
            refuse_collisions(self.find, self.format.output, self.format.advice)
        if self.writer and self.writer.place.has_own_files:
            refuse_collisions(self.find, self.writer.place.output, self.writer.place.advice)

    def _write_out(self) -> None:
        """To standard output, or beside the photographs."""
        paths = self.find()
        if self.format.is_resumable_without_file:
            left = self._look(self._earlier)
            if not left:
                return self._tell_nothing_to_do()
            paths = iter(left)
        else:
            self._count()
        in_the_way = self.format.is_for_reading or (self.format.uses_standard_output and sys.stdout.isatty())
        write = self.format.write if not self.parsed.dry_run else lambda records: None
        self._caption(self._job(), paths, write, show_progress=not in_the_way)
        if not self.format.is_for_reading:
            self._tell()
        return None

    def _write_file(self) -> None:
        """Where there is none yet; a run that was broken off goes on."""
        self._count()
        job, paths = self._job(), self.find()
        run = self._identity(job.captioner.digest)
        with Journal(self.parsed.output, run) as journal:
            self.tally.add(journal.recover(paths, job.batch_size), is_earlier=True)
            self._caption(job, paths, journal.append)
            finish(self.parsed.output, run, self._weights(), lambda: iter(journal), self.format.write_file)
            journal.remove()
        self._tell(f" in {self.parsed.output}")

    def _update_file(self, finished: Finished) -> None:
        """Captions what is new or has changed, and leaves out what is gone."""
        run, weights = finished.run, self._weights()
        self._refuse_other(finished, self._identity(run.get("digest")))
        left = self._look(finished.earlier)
        is_new = bool(left or finished.gone or finished.moved or finished.has_other_words)
        if is_new:
            finished.refuse_edited()
        job = self._job() if left or weights != finished.weights else None
        if job:
            self._refuse_other(finished, self._identity(job.captioner.digest))
        if not is_new:
            finished.refresh(weights)
            return self._tell_nothing_to_do()
        with Journal(self.parsed.output, run | {"update_of": finished.digest}) as journal:
            todo = self._not_in(journal, left)
            if job:
                self._caption(job, iter(todo), journal.append)
            with closing(journal.records()) as new:
                records = partial(_merged, list(self.find()), new, frozenset(left), finished)
                finish(self.parsed.output, run, weights, records, self.format.write_file, finished)
            journal.remove()
        gone = f"; {finished.gone:,} gone" if finished.gone else ""
        self._tell(f" in {self.parsed.output}{gone}")
        return None

    def _not_in(self, journal: Journal, left: Iterable[str]) -> list[str]:
        """Those of the paths that a run which was broken off did not do; the others are added up."""
        todo = []
        with closing(journal.records()) as done:
            for path in left:
                if (record := done.get(path)) and is_current(record):
                    self.tally.add([record], is_earlier=True)
                else:
                    todo.append(path)
        return todo

    def _count(self) -> None:
        self.tally.total = sum(1 for _ in self.find())
        if not self.tally.total:
            raise NothingToCaption("there are no photographs to caption in what was named")

    def _look(self, earlier: Callable[[str], Record | None]) -> list[str]:
        """The paths of the photographs that are not done; the others are added up."""
        self._count()
        left = []
        for path in self.find():
            if record := earlier(path):
                self.tally.add([record], is_earlier=True)
            else:
                left.append(path)
        return left

    def _earlier(self, path: str) -> Record | None:
        record = self.format.earlier(path)
        writes_files = self.writer and self.writer.place.has_own_files
        written = self.writer.place.output(path) if self.writer and writes_files else None
        return None if record and written and not problem(record) and not written.path.exists() else record

    def _job(self) -> Job:
        captioner = load_captioner(model_settings(self.parsed))
        size, workers = self.parsed.batch_size, self.parsed.workers
        return Job(captioner, self.options, size, workers, self.reader.read, self.languages)

    def _weights(self) -> Weights:
        found = ((str(path.absolute()), path.stat()) for path in model_files(model_settings(self.parsed)))
        return {path: [status.st_size, status.st_mtime_ns] for path, status in found}

    def _identity(self, digest: str | None) -> dict[str, Any]:
        """What decides over the records."""
        return {
            "backend": self.parsed.backend,
            "digest": digest,
            "dtype": self.parsed.dtype,
            "prompt": self.parsed.prompt,
            "tta": self.parsed.tta,
            "image_size": self.parsed.image_size,
            "batch_size": self.parsed.batch_size,
            **(self.writer.identity() if self.writer else {}),
            **dataclasses.asdict(self.options),
            **({"languages": list(self.languages)} if self.languages else {}),
        }

    def _refuse_other(self, finished: Finished, run: dict[str, Any]) -> None:
        """Raises JournalRefused where FILE is that of another run."""
        if changed := describe_changes(finished.run, run):
            raise JournalRefused(
                f"{finished.file} was made with {changed}; go on with that, name another file, or remove it"
            )

    def _caption(
        self, job: Job, paths: Iterator[str], write: Callable[[list[Record]], None], show_progress: bool = True
    ) -> None:
        """The records have their photographs' stamps, and what became of their metadata."""
        seconds = 0.2 if sys.stderr.isatty() else 30  # a log needs no more
        tally, people = self.tally, People.of(self.parsed.output, tuple) if self.parsed.output else None
        with tqdm(
            total=tally.total,
            initial=tally.done,
            unit=" photographs",
            disable=not show_progress or self.parsed.json,
            mininterval=seconds,
            postfix=tally.outcomes(),
        ) as progress:
            for batch in job.run(paths):
                records = [record | {STAMP: self.reader.take(record["path"])} for record in batch]
                if self.writer:
                    said = people.put_into if people else dict
                    records = [self.writer(record, said=said(record)) for record in records]
                write(records)
                tally.add(records)
                progress.set_postfix_str(tally.outcomes(), refresh=False)
                progress.update(len(records))

    def _tell(self, where: str = "") -> None:
        tally = self.tally
        before = f" ({tally.before:,} of them before)" if tally.before else ""
        self._say(f"{tally.captioned:,} captioned, {tally.failed:,} failed{before}{where}")

    def _tell_nothing_to_do(self) -> None:
        tally = self.tally
        failed = f", {tally.failed:,} of them failed" if tally.failed else ""
        self._say(f"nothing to do: {tally.done:,} of {tally.total:,} done{failed}")

    def _say(self, summary: str) -> None:
        if not self.parsed.json:
            outcomes = self.tally.outcomes()
            print(summary + (f"\nof these: {outcomes}" if outcomes else ""), file=sys.stderr)


def _merged(paths: Iterable[str], new: RecordFile, wanted: Collection[str], finished: Finished) -> Iterator[Record]:
    """Of the photographs in their order, those that were wanted from the new records."""
    for path in paths:
        if record := new.get(path) if path in wanted else finished.get(path):
            yield record
