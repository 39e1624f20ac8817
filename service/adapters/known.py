"""What is known of the photographs of a request, for doors that are asked for more than a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Tag = tuple[str, float]
"""A name and its probability."""

# What a caption has besides the words that name or describe something.
_FUNCTION_WORDS = frozenset(
    """a an the this that these those and or but nor so as if than then there here some any each every both all no not
    of in on at by to from with without into onto over under up down out off near through across along behind beside
    between above below around against about while is are was were be been being am has have had having do does did
    it its he him his she her hers they them their theirs who whom whose which what where when one two three four five
    's very""".split()
)


@dataclass(frozen=True)
class Known:
    text: str
    """A line for each photograph."""
    captions: tuple[str, ...]
    """Of one photograph all that were asked for, the best first; of several the best of each."""
    tags: tuple[Tag, ...]
    """The likeliest first."""
    confidence: float
    """In the text, 0 to 1."""
    low_confidence: bool
    language: str

    def describe(self) -> dict[str, Any]:
        """As an object, for who asks for JSON and gives no schema."""
        labels = [{"name": name, "confidence": odds, "topicality": odds} for name, odds in self.tags]
        return {
            "caption": self.text,
            "tags": [name for name, _ in self.tags],
            "labels": labels,
            "confidence": self.confidence,
            "language": self.language,
        }


def known_of(answers: Sequence[Mapping[str, Any]], names: Sequence[str], choice: int) -> Known:
    """Of one photograph or several; `names` are given to none or to all. `choice` is the caption's place in the
    ranking, and where a photograph has fewer it is its last.
    """
    chosen = [answer["captions"][min(choice, len(answer["captions"]) - 1)] for answer in answers]
    lines = [f"{name}: {one['text']}" if name else one["text"] for name, one in zip(names, chosen, strict=True)]
    everything = [one["text"] for one in answers[0]["captions"]] if len(answers) == 1 else lines
    odds: dict[str, float] = {}
    for answer in answers:
        for name, probability in _tags_of(answer):
            odds[name] = max(probability, odds.get(name, 0.0))
    return Known(
        "\n".join(lines),
        tuple(everything),
        tuple(sorted(odds.items(), key=lambda tag: -tag[1])),
        min(_confidence(one) for one in chosen),
        any(answer["low_confidence"] for answer in answers),
        answers[0]["language"],
    )


def _confidence(caption: Mapping[str, Any]) -> float:
    """Where the model has none, how sure it was of the words."""
    found: float | None = caption.get("confidence")
    return caption["mean_probability"] if found is None else found


def _tags_of(answer: Mapping[str, Any]) -> list[Tag]:
    """The model's own; where it has none, the words of its best caption that name or describe something in English."""
    if answer.get("tags") or answer["language"] != "en":
        return [(tag["name"], tag["probability"]) for tag in answer["tags"]]
    words = answer["captions"][0]["words"]
    return [(word["text"], word["probability"]) for word in words if word["text"].lower() not in _FUNCTION_WORDS]
