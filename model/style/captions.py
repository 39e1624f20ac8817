"""Captions in the style that is asked for: the one way from any back end to any door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from model.captioner import Caption, Captioner, DecodingOptions, Stopwatch
from model.languages import ENGLISH, language_of
from model.style.words import NEUTRAL
from model.tag_names import renamed, tags_in


def caption_images(
    captioner: Captioner,
    images: Sequence[Image.Image],
    options: DecodingOptions = DecodingOptions(),
    stopwatch: Stopwatch | None = None,
) -> list[list[Caption]]:
    """See `Captioner.caption`; tags are in the captions' language. For alt text a beam gives all that it holds: one of
    them may be short enough.
    """
    if options.style == "caption":
        return [_with_names(found) for found in captioner.caption(images, options, stopwatch)]
    stopwatch = stopwatch or Stopwatch()
    searched = replace(options, num_captions=options.beam_size) if options.method == "beam" else options
    ranked = captioner.caption(images, searched, stopwatch)
    with stopwatch.stage("style"):
        return [_with_names(alt_texts(found, options.num_captions, options.gendered)) for found in ranked]


def _with_names(captions: Sequence[Caption]) -> list[Caption]:
    return [replace(caption, tags=tags_in(caption.language, caption.tags)) for caption in captions]


def alt_texts(ranked: Sequence[Caption], count: int, gendered: bool = False) -> list[Caption]:
    """At most `count` of the captions as alt text, no two alike: in their order, but those that had to be cut last.
    Other languages than English get a capital and a full stop alone: `gendered` is for English.
    """
    from model.style.alt_text import alt_text
    from model.style.length import MOST_CHARACTERS, cut  # a process that writes no alt text does without

    told = [
        replace(
            caption,
            text=alt_text(caption.text, gendered)
            if caption.language == ENGLISH.code
            else language_of(caption.language).sentence(caption.text, MOST_CHARACTERS),
            tags=caption.tags if gendered or caption.language != ENGLISH.code else renamed(caption.tags, NEUTRAL),
        )
        for caption in ranked
    ]
    told.sort(key=lambda caption: len(caption.text) > MOST_CHARACTERS)
    different: dict[str, Caption] = {}
    for caption in told:
        text = cut(caption.text)
        different.setdefault(text, replace(caption, text=text))
    return list(different.values())[:count]
