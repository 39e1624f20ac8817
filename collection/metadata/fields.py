"""Which fields the captions and tags of a record are written to, in one table, and which of the values that a
photograph has already give way.

The fields are those that programs read. Descriptions: digiKam, Immich, Lightroom and PhotoPrism take dc:description,
what knows IPTC alone Caption/Abstract; content systems look for the alternative text, then for the caption. Tags:
digiKam and Immich take digiKam:TagsList, Lightroom lr:hierarchicalSubject, the others dc:subject.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, Protocol

from collection.journal import Record
from collection.metadata.xmp import DEFAULT, OURS, Container, Packet
from model.names import unknown

Policy = Literal["machine", "empty", "append", "always"]
POLICIES: dict[Policy, str] = {
    "machine": "where there is nothing, and in place of what this program wrote and nobody changed (the default)",
    "empty": "where there is nothing",
    "append": "after what is there",
    "always": "in place of whatever is there",
}


@dataclass(frozen=True)
class TextField:
    """An array of language alternatives."""

    name: str
    longest: int | None = None
    """Characters."""


@dataclass(frozen=True)
class KeywordField:
    name: str
    container: Container
    spelt: Callable[[str], str] = lambda tag: tag
    """A tag, whose parents stand before it with a / behind each, as the field has it."""


TEXTS = (
    TextField("dc:description"),
    TextField("Iptc4xmpCore:AltTextAccessibility", longest=250),  # as IPTC advises
    TextField("Iptc4xmpCore:ExtDescrAccessibility"),
)
KEYWORDS = (
    KeywordField("dc:subject", "Bag", lambda tag: tag.rpartition("/")[2]),
    KeywordField("digiKam:TagsList", "Seq"),
    KeywordField("lr:hierarchicalSubject", "Bag", lambda tag: tag.replace("|", "/").replace("/", "|")),
)
CAPTION_ABSTRACT = "IPTC:Caption-Abstract"
"""IPTC-IIM 2:120, for files that have a place for it; of the languages the default."""
CAPTION_ABSTRACT_BYTES = 2000

MODEL, DATE, DIGESTS, MARKED_KEYWORDS, REVIEWED = (
    f"{OURS}:{name}" for name in ("Model", "Date", "TextDigest", "Keywords", "ReviewedDigest")
)
"""The mark beside what a machine wrote: by which model, when, the SHA-256 of each text as it was written, so that one
which a person has changed since is known, and its keywords; and the SHA-256 of people's texts that were put here.
"""


@dataclass(frozen=True)
class Words:
    text: str
    is_machine: bool = True


@dataclass(frozen=True)
class Description:
    """What a record says."""

    texts: Mapping[str, Words]
    """By language, DEFAULT's first."""
    keywords: tuple[str, ...] = ()
    model: str = ""

    @classmethod
    def of(cls, record: Record) -> Description:
        """A person's caption (`reviewed`) is no machine's; those in other languages (`languages`) are."""
        tags = record.get("tags") or ()
        names = (tag["name"] if isinstance(tag, Mapping) else tag for tag in tags)
        model = record.get("model") or {}
        others = record.get("languages") or {}
        texts = {DEFAULT: Words(_clean(record["caption"]), not record.get("reviewed"))}
        for language, other in others.items():
            text = other.get("caption", "") if isinstance(other, Mapping) else other
            texts[language] = Words(_clean(text), not (isinstance(other, Mapping) and other.get("reviewed")))
        keywords = tuple(dict.fromkeys(filter(None, map(_clean, names))))
        return cls(texts, keywords, " ".join(filter(None, (model.get("name"), model.get("digest")))))


@dataclass(frozen=True)
class Rules:
    """How values are written, as the command line has them."""

    policy: Policy = "machine"
    prefix: str = ""
    """Before a machine's sentence; a person's is their own."""
    suffix: str = ""

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise ValueError(unknown("policy", self.policy, POLICIES))

    def worded(self, words: Words) -> str:
        return f"{self.prefix}{words.text}{self.suffix}" if words.is_machine else words.text


@dataclass(frozen=True)
class Change:
    field: str
    language: str
    """"" where the field has none."""
    before: str
    after: str

    def __str__(self) -> str:
        language = f" [{self.language}]" if self.language not in ("", DEFAULT) else ""
        before = self.before or "(nothing)"
        after = (self.after or "(nothing)") if self.after != self.before else "the same, as a person's words"
        return f"{self.field}{language}: {before} -> {after}"


class Caption(Protocol):
    """IPTC's place for a caption."""

    def get(self) -> str: ...
    def set(self, text: str) -> bool:
        """False where its encoding lacks the text's letters."""
        ...


def write(
    packet: Packet, description: Description, rules: Rules, iptc: Caption | None = None, under: Packet | None = None
) -> list[Change]:
    """What was changed in the packet, with the mark, and in the IPTC caption. Where the packet is a sidecar's, `under`
    is the photograph's own: programs that read a sidecar see its values in their place.
    """
    marks = _Marks(packet, description, under)
    told = _default(packet.alternatives(TEXTS[0].name))  # before it is written
    changes: list[Change] = []
    for field in TEXTS:
        beneath = under.alternatives(field.name) if under else {}
        if iptc and field is TEXTS[0]:
            beneath = {DEFAULT: iptc.get()}  # two places of one thing
        changes += _write_texts(packet, field, description, rules, marks, beneath)
    if iptc:
        changes += _write_caption(iptc, description, rules, marks, told)
    changes += _write_keywords(packet, description, rules, marks, under)
    if changes:
        marks.write(packet)
    return changes


class _Marks:
    """What the packet says of who wrote it, and what is to be said when all is written: fields share texts."""

    def __init__(self, packet: Packet, description: Description, under: Packet | None) -> None:
        self._model = description.model
        self._before = {name: packet.items(name) for name in (DIGESTS, REVIEWED)}
        self._beneath = {name: _items(under, name) for name in (DIGESTS, REVIEWED)}
        self._put: dict[str, list[str]] = {DIGESTS: [], REVIEWED: []}
        self._replaced: set[str] = set()
        self.keywords = list(dict.fromkeys(packet.items(MARKED_KEYWORDS) + _items(under, MARKED_KEYWORDS)))
        self._has_new = False

    def is_ours(self, text: str) -> bool:
        return any(_digest(text) in marks for marks in self._all())

    def _all(self) -> Iterator[Sequence[str]]:
        for known in (self._before, self._beneath, self._put):
            yield from known.values()

    def is_machine(self, text: str) -> bool:
        return _digest(text) in self._before[DIGESTS]

    def put(self, before: str, text: str, words: Words) -> None:
        self._replaced.add(_digest(before))
        if text:
            self._put[DIGESTS if words.is_machine else REVIEWED].append(_digest(text))
        self._has_new |= words.is_machine

    def put_keywords(self, keywords: Iterable[str]) -> None:
        self._has_new |= set(keywords) != set(self.keywords)
        self.keywords = list(keywords)

    def write(self, packet: Packet) -> None:
        for name, before in self._before.items():
            kept = [digest for digest in before if digest not in self._replaced]
            packet.set_items(name, list(dict.fromkeys(kept + self._put[name])), "Bag")
        packet.set_items(MARKED_KEYWORDS, self.keywords, "Bag")
        if not packet.items(DIGESTS) and not self.keywords:
            packet.set_text(MODEL, "")
            packet.set_text(DATE, "")
        elif self._has_new:
            packet.set_text(MODEL, self._model)
            packet.set_text(DATE, datetime.now(timezone.utc).isoformat(timespec="seconds"))


def _write_texts(
    packet: Packet,
    field: TextField,
    description: Description,
    rules: Rules,
    marks: _Marks,
    beneath: Mapping[str, str],
) -> Iterator[Change]:
    """Other languages only beside a default of ours: a machine's German must not hide a person's English."""
    for language, words in description.texts.items():
        there = packet.alternatives(field.name)
        if language != DEFAULT and rules.policy != "always" and not marks.is_ours(there.get(DEFAULT, "")):
            continue
        own = _default(there) if language == DEFAULT else there.get(language, "")
        text = _shortened(rules.worded(words), field.longest)
        after = _chosen(own, beneath.get(language, ""), text, rules.policy, marks)
        if after is None and own == text and marks.is_machine(text) and not words.is_machine:
            after = text  # a person says so, too
        if after is not None:
            packet.set_alternative(field.name, language, after)
            marks.put(own if after == text else "", text, words)
            yield Change(field.name, language, own, after)


def _write_caption(
    iptc: Caption, description: Description, rules: Rules, marks: _Marks, beneath: str
) -> Iterator[Change]:
    words = description.texts[DEFAULT]
    own, text = iptc.get(), _shortened_bytes(rules.worded(words))
    chosen = _chosen(own, beneath, text, rules.policy, marks)
    after = own if chosen is None else _shortened_bytes(chosen)
    if after != own and iptc.set(after):
        marks.put(own if after == text else "", text, words)
        yield Change(CAPTION_ABSTRACT, "", own, after)


def _write_keywords(
    packet: Packet, description: Description, rules: Rules, marks: _Marks, under: Packet | None
) -> list[Change]:
    changes = []
    ours: set[str] = set()
    for field in KEYWORDS:
        own = packet.items(field.name)
        before = own or _items(under, field.name)
        tags = {field.spelt(tag): tag for tag in description.keywords}
        known = {field.spelt(tag) for tag in marks.keywords}
        after = _chosen_keywords(before, list(tags), known, rules.policy)
        people = {word for word in before if word not in known}
        ours |= {tag for word, tag in tags.items() if word in after and word not in people}
        ours |= {tag for tag in marks.keywords if field.spelt(tag) in after}
        if after != before:
            packet.set_items(field.name, after, field.container)
            changes.append(Change(field.name, "", ", ".join(own), ", ".join(after)))
    if changes:
        marks.put_keywords(sorted(ours))
    return changes


def _items(packet: Packet | None, name: str) -> list[str]:
    return packet.items(name) if packet else []


def _default(alternatives: Mapping[str, str]) -> str:
    """What is shown where nobody's language is known."""
    return alternatives.get(DEFAULT) or next(iter(alternatives.values()), "")


def _chosen(own: str, beneath: str, text: str, policy: Policy, marks: _Marks) -> str | None:
    """The value to write; None where what there is stays: in the field itself, or in another that it would hide."""
    before = own or beneath
    if not text:  # somebody rejected the machine's, and has none
        return "" if own and policy in ("machine", "always") and marks.is_ours(own) else None
    if own == text:
        return None
    if not before or before == text or policy == "always":
        return text
    if policy == "append":
        return None if text in before else f"{before.rstrip()} {text}"
    return text if policy == "machine" and marks.is_ours(before) else None


def _chosen_keywords(before: Sequence[str], tags: Sequence[str], ours: set[str], policy: Policy) -> list[str]:
    if policy == "always":
        return list(tags) or list(before)
    if policy == "empty" and before:
        return list(before)
    kept = [word for word in before if policy != "machine" or word not in ours or word in tags]
    there = {word.casefold() for word in kept}
    return kept + [tag for tag in tags if tag.casefold() not in there]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _clean(text: Any) -> str:
    """Without what XML cannot hold: control characters, and halves of a character."""
    whole = str(text).encode(errors="replace").decode()
    return "".join(c for c in whole if c in "\t\n" or (c >= " " and c not in "\x7f\ufffe\uffff")).strip()


def _shortened(text: str, longest: int | None) -> str:
    """At a word's end."""
    if longest is None or len(text) <= longest:
        return text
    cut = text[: longest - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:") + "…"


def _shortened_bytes(text: str) -> str:
    return text.encode()[:CAPTION_ABSTRACT_BYTES].decode(errors="ignore")
