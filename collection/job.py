"""Captions of any number of photographs, in their order, in bounded memory: decoding runs ahead of the model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from PIL import Image

from collection.journal import Record
from collection.walk import PhotographUnreadable, read_photograph
from model.answer import describe_captions
from model.captioner import Captioner, DecodingOptions, warn_of_ignored
from model.errors import ImageRefused
from model.images import decode_image, warning_of
from model.language_tags import choose_language, find_language
from model.style.captions import caption_images

Decoded = Image.Image | Record
"""An image, or {"error": {"code", "message"}}."""


@dataclass(frozen=True)
class Job:
    """How photographs become records."""

    captioner: Captioner
    options: DecodingOptions = DecodingOptions()
    batch_size: int = 16
    """Images captioned at once. As many again are decoded meanwhile: no more are in memory."""
    workers: int = 2
    """Threads that read and decode."""
    read: Callable[[str], bytes] = read_photograph
    """From path to file; raises PhotographUnreadable."""
    languages: Sequence[str] = ()
    """Tags of those that captions are given in besides; what the captioner does not have is left out."""

    def run(self, paths: Iterable[str]) -> Iterator[list[Record]]:
        """Batches of records in the order of `paths`: {"path", "caption", "captions", …} as the API answers, without
        the picture and the timings, or {"path", "error": {"code", "message"}} for a file that cannot be captioned.
        With several languages "languages" has, by tag, the others' answers but for the model.
        """
        for options in (self.options, *(replace(self.options, language=tag) for tag in self.languages)):
            warn_of_ignored(self.captioner, options)
        decoded = decode_ahead(paths, self.workers, self.batch_size, self.read)
        while batch := list(islice(decoded, self.batch_size)):
            yield self.describe(batch)

    def describe(self, batch: Sequence[tuple[str, Decoded]]) -> list[Record]:
        """Of a batch that is decoded."""
        images = [found for _, found in batch if isinstance(found, Image.Image)]
        answers = iter(self._answers(images) if images else ())
        return [
            {"path": path} | (next(answers) | warning_of(found) if isinstance(found, Image.Image) else found)
            for path, found in batch
        ]

    def _answers(self, images: list[Image.Image]) -> list[Record]:
        answers = self._say(images, self.options)
        for tag in self._others():
            for answer, other in zip(answers, self._say(images, replace(self.options, language=tag)), strict=True):
                del other["model"]
                answer.setdefault("languages", {})[tag] = other
        return answers

    def _say(self, images: list[Image.Image], options: DecodingOptions) -> list[Record]:
        return [describe_captions(found, self.captioner) for found in caption_images(self.captioner, images, options)]

    def _others(self) -> list[str]:
        if not self.languages:
            return []
        had = self.captioner.capabilities.languages
        found = dict.fromkeys(find_language([tag], had) for tag in self.languages)
        return [tag for tag in found if tag and tag != choose_language(self.options.language, had)]


def decode_ahead(
    paths: Iterable[str], workers: int, ahead: int, read: Callable[[str], bytes] = read_photograph
) -> Iterator[tuple[str, Decoded]]:
    """Each path with its image, or with the error of its record, in order.

    At most `ahead` images are decoded, or being decoded, that were not asked for yet.
    """
    with ThreadPoolExecutor(workers, "decode") as pool:
        pending: deque[tuple[str, Future[Decoded]]] = deque()
        try:
            for path in paths:
                if len(pending) == ahead:
                    first, future = pending.popleft()
                    yield first, future.result()
                pending.append((path, pool.submit(_decode, path, read)))
            while pending:
                first, future = pending.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _decode(path: str, read: Callable[[str], bytes]) -> Decoded:
    try:
        return decode_image(read(path))
    except (PhotographUnreadable, ImageRefused) as error:
        # Not the exception itself: its traceback holds the file's bytes for as long as it waits.
        code = error.refusal.value if isinstance(error, ImageRefused) else "unreadable"
        return {"error": {"code": code, "message": str(error)}}
