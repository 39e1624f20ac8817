"""What the doors of language models have in common: a conversation with photographs in it, options by other names, and
one answer made of the captions.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.captioner import DecodingOptions
from model.errors import OptionRefused
from model.images import warning_of
from model.language_tags import find_language
from service.adapters import languages
from service.adapters.known import known_of
from service.adapters.structured import Format, asks_for_json, write
from service.captioning import caption_all, check_count, current_host
from service.engine.supervisor import Captioned
from service.errors import BadRequest
from service.intake.base64 import read_photograph
from service.intake.options import parse_options
from service.intake.request import texts_of

ONLY_IMAGES = "This model only describes images, and there is none in the request."
_OPTIONS = {option.name: option for option in dataclasses.fields(DecodingOptions)}
_SAMPLED = ("temperature", "top_p", "seed")


@dataclass(frozen=True)
class Picture:
    text: object
    """In base64, or a data: address, unless the asker sent something else."""
    param: str
    """Its place in the request."""
    before: str = ""
    """The words right before it."""


@dataclass(frozen=True)
class Question:
    pictures: list[Picture]
    prompt: str
    """All that is said in words."""
    ignored: tuple[str, ...] = ()
    """What is asked for besides, and cannot be done."""


@dataclass(frozen=True)
class Answer:
    texts: list[str]
    """One a choice."""
    is_cut: bool
    """A limit of the asker's ended a caption."""
    words_in: int
    words_out: int
    milliseconds: Mapping[str, float]
    """By stage; of several photographs, which go through most of them together, the longest."""
    language: str
    warning: str | None
    """What was asked for and cannot be done."""


def ask(question: Question, options: DecodingOptions, wanted: Format, param: str, stop: Sequence[str] = ()) -> Answer:
    """`param` is where `wanted` stands in the request; JSON may be asked for in words, too.

    Raises what captioning does, and BadRequest for photographs that cannot be read and a schema that cannot be filled.
    """
    pictures = question.pictures
    if not pictures:
        raise BadRequest("no_image", ONLY_IMAGES)
    if wanted is None and asks_for_json(question.prompt):
        wanted = {}
    check_count(len(pictures))
    uploads = [read_photograph(picture.text, picture.param) for picture in pictures]
    captioned = caption_all(uploads, options, [picture.param for picture in pictures])
    answers = [one.answer for one in captioned]
    names = _names(pictures)
    texts = []
    for choice in range(options.num_captions):
        text = write(known_of(answers, names, choice), wanted, param)
        texts.append(text if wanted is not None else _before(text, stop))
    words = [len(answer["captions"][0]["words"]) for answer in answers]
    return Answer(
        texts,
        options.max_words < DecodingOptions.max_words and max(words) >= options.max_words and wanted is None,
        len(question.prompt.split()) + len(pictures),
        sum(len(text.split()) for text in texts),
        _longest(captioned),
        answers[0]["language"],
        _warning(captioned, (*question.ignored, *_not_had(options))),
    )


def _not_had(options: DecodingOptions) -> tuple[str, ...]:
    had = current_host().capabilities["languages"]
    is_wished = options.language != DecodingOptions.language
    return ("language",) if is_wished and not find_language([options.language], had) else ()


def options_of(
    body: Mapping[str, Any], names: Mapping[str, str], prompt: str = "", wanted: Format = None
) -> DecodingOptions:
    """`names` are the API's own for ours; ours are options, too. A language may be asked for in words as well, or by
    the format. Raises OptionRefused, BadRequest.

    Programs send a temperature of up to 1 unasked, and mean the model's usual answer by it: that is the beam's. More
    asks for variety: then words are sampled.
    """
    given = {name: body[name] for name in _OPTIONS if body.get(name) is not None}
    sampling = {name: _number(name, given.pop(name)) for name in _SAMPLED if name in given}
    if given.setdefault("method", "sample" if sampling.get("temperature", 0) > 1 else "beam") == "sample":
        given |= _within_bounds(sampling)
    renamed = {ours: (theirs, body[theirs]) for theirs, ours in names.items() if body.get(theirs) is not None}
    whole = {ours: _whole_number(theirs, value, ours) for ours, (theirs, value) in renamed.items()}
    given |= whole
    if given["method"] == "beam":  # it must hold as many as are asked for
        given.setdefault("beam_size", max(whole.get("num_captions", 1), DecodingOptions.beam_size))
    if language := languages.asked_in(prompt) or languages.asked_by(wanted):
        given.setdefault("language", language)
    return parse_options(texts_of(given))


def _within_bounds(sampling: Mapping[str, float]) -> dict[str, float]:
    """Other models' ranges are wider than ours."""
    found: dict[str, float] = {}
    for name, value in sampling.items():
        low, high = (_OPTIONS[name].metadata[bound] for bound in ("minimum", "maximum"))
        found[name] = int(value) % (high + 1) if name == "seed" else max(low, min(value, high))
    return found


def _whole_number(theirs: str, value: object, ours: str) -> int:
    """How many words at most (below 0: as many as usual, and never more than that), or how many captions."""
    number, bounds = _number(theirs, value), _OPTIONS[ours].metadata
    if ours == "max_words":
        number = min(number if number >= 0 else DecodingOptions.max_words, DecodingOptions.max_words)
    if number != int(number) or not bounds["minimum"] <= number <= bounds["maximum"]:
        at_most = "" if ours == "max_words" else f" and at most {bounds['maximum']}"
        raise OptionRefused(theirs, f"{theirs} must be a whole number of at least {bounds['minimum']}{at_most}.")
    return int(number)


def check_model(body: Mapping[str, Any], param: str = "model") -> None:
    """With `Settings.strict_model` the name must be one of `model_names`. Raises BadRequest."""
    given = body.get(param)
    if given is not None and not isinstance(given, str):
        raise BadRequest("bad_parameter", f"{param} must be a text.", param)
    if given and current_host().settings.strict_model and given.removesuffix(":latest") not in model_names():
        message = f"There is no model of this name here; there is {', '.join(model_names())}."
        raise BadRequest("model_not_found", message, param)


def model_names() -> list[str]:
    """The model's own, and those that the operator lists it under besides. Raises NotReady."""
    others = (name.strip() for name in current_host().settings.model_aliases.split(","))
    return list(dict.fromkeys([current_host().model["name"], *filter(None, others)]))


def stops_of(value: object, param: str) -> list[str]:
    """Raises BadRequest."""
    found = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise BadRequest("bad_parameter", f"{param} must be a text, or a list of texts.", param)
    return [one for one in found if one]


def pieces(text: str) -> Iterator[str]:
    """Word by word, with the blanks after them, as a language model would give it."""
    return (found[0] for found in re.finditer(r"\s*\S+\s*", text))


def nanoseconds(milliseconds: float) -> int:
    return round(milliseconds * 1e6)


def _names(pictures: Sequence[Picture]) -> list[str]:
    """`hall: ` before a frame of several is its name, where each of them has one; before a lone one it is a prompt."""
    names = [picture.before.strip() for picture in pictures]
    if len(names) > 1 and all(re.fullmatch("[^\n]{1,100}:", name) for name in names):
        return [name[:-1].rstrip() for name in names]
    return [""] * len(names)


def _before(text: str, stop: Sequence[str]) -> str:
    return text[: min((at for one in stop if (at := text.find(one)) >= 0), default=len(text))]


def _longest(captioned: Sequence[Captioned]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in captioned:
        for stage, spent in one.stopwatch.milliseconds.items():
            found[stage] = max(spent, found.get(stage, 0.0))
    return found


def _warning(captioned: Sequence[Captioned], ignored: Sequence[str]) -> str | None:
    told = [warning for one in captioned for warning in warning_of(one.image).values()]
    if ignored:
        told.append(f"not heeded: {', '.join(ignored)}")
    return "; ".join(dict.fromkeys(told)) or None


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) == float("inf"):
        raise OptionRefused(name, f"{name} must be a number.")
    return value
