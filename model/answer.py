"""The answer to one photograph as plain data: what the API returns and `python -m collection caption` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from PIL import Image

from model.captioner import Caption, Captioner, Stopwatch
from model.images import WARNINGS, jpeg_address, warning_of


def describe_model(captioner: Captioner) -> dict[str, str]:
    return {"name": captioner.name, "digest": f"sha256:{captioner.digest}", "device": captioner.device.type}


def describe_answer(
    image: Image.Image,
    captions: Sequence[Caption],
    captioner: Captioner,
    stopwatch: Stopwatch,
    *,
    include_image: bool = True,
) -> dict[str, Any]:
    """`captions` are of `image`, best first; `stopwatch` holds the stages so far."""
    return describe_captions(captions, captioner) | describe_moment(image, stopwatch, include_image=include_image)


def describe_captions(captions: Sequence[Caption], captioner: Captioner) -> dict[str, Any]:
    """The part of the answer that does not depend on the moment: neither the picture nor the timings."""
    return {
        "caption": captions[0].text,
        "captions": [_describe_caption(caption) for caption in captions],
        "language": captions[0].language,
        "confidence": _rounded(captions[0].confidence),
        "low_confidence": captions[0].low_confidence,
        "tags": [{"name": tag.name, "probability": round(tag.probability, 4)} for tag in captions[0].tags],
        "model": describe_model(captioner),
    }


def text_lines(path: str, answer: Mapping[str, Any]) -> Iterator[str]:
    """A line a caption, and one for each other language, for reading; none of an answer that has an error instead."""
    captions = answer.get("captions", [])
    for caption in captions:
        odds = f"  ({caption['mean_probability']:.0%} a word)" if len(captions) > 1 else ""
        doubt = "  (low confidence: look at it)" if answer["low_confidence"] else ""
        warning = f"  ({WARNINGS[answer['warning']]})" if "warning" in answer else ""
        yield f"{path}: {caption['text']}{odds}{doubt}{warning}\n"
    for tag, other in answer.get("languages", {}).items():
        yield f"{path} ({tag}): {other['caption']}\n"


def describe_moment(image: Image.Image, stopwatch: Stopwatch, *, include_image: bool) -> dict[str, Any]:
    """The other part: what is to be said of the file, the picture, where it is asked for, and the timings."""
    moment: dict[str, Any] = {**warning_of(image)}
    if include_image:
        with stopwatch.stage("image"):
            moment["image"] = jpeg_address(image)
    timing = {stage: round(value, 2) for stage, value in stopwatch.milliseconds.items()}
    return moment | {"timing_ms": timing | {"total": round(sum(stopwatch.milliseconds.values()), 2)}}


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)


def _describe_caption(caption: Caption) -> dict[str, Any]:
    words: list[dict[str, Any]] = []
    for word in caption.words:
        described: dict[str, Any] = {"text": word.text, "probability": round(word.probability, 4)}
        if word.support is not None:
            described["support"] = round(word.support, 4)
        if word.attention is not None:
            described["attention"] = [[round(weight, 4) for weight in row] for row in word.attention]
        words.append(described)
    return {
        "text": caption.text,
        "log_probability": round(caption.log_probability, 4),
        "mean_probability": round(caption.mean_probability, 4),
        "confidence": _rounded(caption.confidence),
        "words": words,
    }
