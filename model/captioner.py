"""The contracts of the house: what every captioner takes and gives. Knows no network and no web."""

from __future__ import annotations

import dataclasses
import logging
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from PIL import Image

from model.errors import OptionRefused
from model.language_tags import LONGEST, PATTERN, find_language
from model.names import unknown

if TYPE_CHECKING:
    import numpy as np
    import torch  # a process that only speaks to a captioner elsewhere does without: it takes seconds and memory
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

Method = Literal["beam", "greedy", "sample"]
Style = Literal["caption", "alt"]


def _option(default: Any, help: str, **bounds: Any) -> Any:
    """A field of DecodingOptions with the range that is checked, documented and offered on the page.

    `methods` and `styles` name those it means something to, where not to all.
    """
    return field(default=default, metadata={"help": help, **bounds})


@dataclass(frozen=True)
class DecodingOptions:
    """How a sentence is chosen, and told. The fields' metadata holds their ranges, for whoever validates or documents
    them. `style` and `gendered` are heeded by model.style.captions, for every back end.

    Raises OptionRefused where a value is out of its range.
    """

    method: Method = _option("beam", "how words are chosen", choices=("beam", "greedy", "sample"))
    beam_size: int = _option(10, "hypotheses kept at every word (beam)", minimum=1, maximum=10, methods=("beam",))
    num_captions: int = _option(
        1,
        "captions returned, best first; with beam at most the beam size",
        minimum=1,
        maximum=10,
        methods=("beam", "sample"),
    )
    max_words: int = _option(20, "words in a caption at most", minimum=1, maximum=50)
    length_penalty: float = _option(
        1.0,
        "log-probability is divided by length to this power (beam): above 0 favours longer captions",
        minimum=0,
        maximum=2,
        methods=("beam",),
    )
    no_repeat_ngram_size: int = _option(
        2, "no run of this many words comes twice in a caption; 0 permits it", minimum=0, maximum=10
    )
    temperature: float = _option(
        1.0, "below 1 safer, above 1 more varied (sample)", minimum=0.05, maximum=5, methods=("sample",)
    )
    top_p: float = _option(
        0.9,
        "only the likeliest words with this total probability (sample)",
        minimum=0.01,
        maximum=1,
        methods=("sample",),
    )
    seed: int | None = _option(
        None, "makes sampling repeatable (sample)", minimum=0, maximum=2**31 - 1, methods=("sample",)
    )
    rerank: bool = _option(
        True, "captions are ranked by what the picture shows, not by the likelihood of their words alone"
    )
    guidance: float = _option(
        0.2,
        "how much what the picture shows leads the choice of every word; 0 leaves it to the decoder",
        minimum=0,
        maximum=2,
    )
    attention: bool = _option(False, "also give the attention grid of every word")
    language: str = _option(
        "en",
        "of the captions, as a BCP 47 tag; one that the model does not have becomes English",
        pattern=PATTERN,
        longest=LONGEST,
        form="a language tag (BCP 47), such as de or pt-BR",
    )
    style: Style = _option(
        "caption",
        "caption: in the model's own words; alt: alt text to publish, of at most 125 characters",
        choices=("caption", "alt"),
    )
    gendered: bool = _option(
        False,
        "keep words that tell people's gender (alt); captions in other languages than English always do",
        styles=("alt",),
    )

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):
            self._check(option.name, getattr(self, option.name), option.metadata)
        if self.method == "greedy" and self.num_captions > 1:
            raise OptionRefused("num_captions", "num_captions must be 1 with method greedy.")
        if self.method == "beam" and self.num_captions > self.beam_size:
            raise OptionRefused("num_captions", f"num_captions must be at most beam_size ({self.beam_size}).")

    @staticmethod
    def _check(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
        if "choices" in metadata and value not in metadata["choices"]:
            raise OptionRefused(name, f"{name} must be one of {', '.join(metadata['choices'])}.")
        if "minimum" in metadata and value is not None:
            low, high = metadata["minimum"], metadata["maximum"]
            if not low <= value <= high:  # nor is it where value is not a number
                raise OptionRefused(name, f"{name} must be between {low} and {high}.")
        if "pattern" in metadata and not (
            len(value) <= metadata["longest"] and re.fullmatch(metadata["pattern"], value)
        ):
            raise OptionRefused(name, f"{name} must be {metadata['form']}.")

    @classmethod
    def parse(cls, texts: Mapping[str, str], also: Collection[str] = ()) -> DecodingOptions:
        """Options from text, as a form or an address carries them, where names in `also` may stand beside.

        Raises OptionRefused, also for a name that is no option.
        """
        values: dict[str, Any] = {}
        known = {option.name for option in dataclasses.fields(cls)} | set(also)
        for name in texts:
            if name not in known:
                raise OptionRefused(name, unknown("option", name, known))
        for option in dataclasses.fields(cls):
            text = texts.get(option.name, "").strip()
            if text:
                values[option.name] = _parse(option.name, text, str(option.type), option.metadata)
        return cls(**values)


_TRUTH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def parse_bool(name: str, text: str) -> bool:
    """Raises OptionRefused."""
    if text.strip().lower() not in _TRUTH:
        raise OptionRefused(name, f"{name} must be true or false.")
    return _TRUTH[text.strip().lower()]


def _parse(name: str, text: str, kind: str, metadata: Mapping[str, Any]) -> Any:
    if kind == "bool":
        return parse_bool(name, text)
    if kind == "str" or "choices" in metadata:
        return text
    try:
        return float(text) if kind == "float" else int(text)
    except ValueError:
        word = "a number" if kind == "float" else "a whole number"
        raise OptionRefused(
            name, f"{name} must be {word} between {metadata['minimum']} and {metadata['maximum']}."
        ) from None


@dataclass(frozen=True)
class Word:
    """A word of a caption, what the model thought of it and where it looked."""

    text: str
    probability: float
    """The author's own; after a second look, how often people use a word of which the author is as sure."""
    attention: tuple[tuple[float, ...], ...] | None = None
    """Weights over the grid, row by row from the top left; they sum to one. None where not asked for or not had."""
    support: float | None = None
    """How likely the picture shows what the word names, by a second look; None for words that name nothing, and where
    there is no second look.
    """


@dataclass(frozen=True)
class Tag:
    """What a picture shows."""

    name: str
    """A noun in the singular, a verb, an adjective or a colour."""
    probability: float
    """That somebody who describes the picture names it."""


def to_grid(weights: torch.Tensor) -> tuple[tuple[float, ...], ...]:
    """Weights (cells) to rows of a square grid, as `Word.attention` has them."""
    side = math.isqrt(len(weights))
    return tuple(tuple(row) for row in weights.view(side, side).tolist())


@dataclass(frozen=True)
class Caption:
    """A finished sentence."""

    text: str
    log_probability: float
    """Natural logarithm, over all words and the end of the sentence."""
    words: tuple[Word, ...]
    """The model's own, whatever the style of `text`."""
    low_confidence: bool = False
    """Somebody should look: the confidence is low, or, without one, the photograph is unlike those of training."""
    tags: tuple[Tag, ...] = ()
    """Of the photograph, likeliest first."""
    confidence: float | None = None
    """How likely some description of the photograph by people has at least half of what this one names, by a second
    look; None where there is none.
    """
    language: str = "en"
    """Of the text, as a BCP 47 tag: English where what was asked for is not had."""

    @property
    def mean_probability(self) -> float:
        """Geometric mean over the words and the end: comparable between captions of different lengths."""
        return math.exp(self.log_probability / (len(self.words) + 1))


@dataclass
class Stopwatch:
    """Milliseconds by stage, added up over the calls in which it is given."""

    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = perf_counter()
        try:
            yield
        finally:
            self.milliseconds[name] = self.milliseconds.get(name, 0.0) + (perf_counter() - start) * 1000


@dataclass(frozen=True)
class Capabilities:
    """What a back end can do: callers ask this, never its name."""

    attention: bool = False
    """A word comes with the weights of where the model looked."""
    low_confidence: bool = False
    """What somebody should look at is marked."""
    second_look: bool = False
    """Captions are ranked by what the picture shows, words have their support, and pictures have tags."""
    prompt: bool = False
    """Captions go on from the operator's text, or answer it."""
    languages: tuple[str, ...] = ("en",)
    """Of the captions, as BCP 47 tags; the first is given where what is asked for is none of them."""
    features: bool = False
    """It is one that `GivesFeatures`."""
    batch_size: int = 32
    """Images that are worth giving at once."""
    licence: str = "that of the weights that the operator chose"
    """Of the weights."""


class Captioner(Protocol):
    """Upright RGB images to ranked captions."""

    name: str
    """The back end's name in the registry."""
    capabilities: Capabilities
    digest: str
    """SHA-256 of the weights: which model answered."""
    device: torch.device

    def caption(
        self,
        images: Sequence[Image.Image],
        options: DecodingOptions = DecodingOptions(),
        stopwatch: Stopwatch | None = None,
    ) -> list[list[Caption]]:
        """For each photograph its captions, best first: `options.num_captions`, fewer only where no more exist."""
        ...


@runtime_checkable
class GivesFeatures(Protocol):
    """A captioner that tells what images look like, by which like ones are found."""

    def features(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """The encoder's, pooled over the picture: (images, channels)."""
        ...


def warn_of_ignored(captioner: Captioner, options: DecodingOptions) -> None:
    """Logs, once for each back end, an option that is asked for and that it cannot heed."""
    if options.attention and not captioner.capabilities.attention:
        _warn_once(captioner.name, "attention")
    is_wished = options.language != DecodingOptions.language
    if is_wished and not find_language([options.language], captioner.capabilities.languages):
        _warn_once(captioner.name, "language, where it is none of its own")


@cache
def _warn_once(name: str, option: str) -> None:
    log.warning("the back end %s ignores the option %s", name, option)
