"""A JSON Schema filled with what is known of photographs: each property by its name and kind, and nothing made up.

Every value is checked against its part of the schema, and the whole against all of it, by a library whose regular
expressions take bounded time and which fetches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from service.adapters import languages, names
from service.adapters.known import Known
from service.errors import BadRequest

Schema = dict[str, Any]
Seen = frozenset[str]
"""References that were taken on the way: a schema that holds itself would never end."""

_OF_A_VALUE = (
    *("$schema", "type", "const", "enum", "minLength", "maxLength", "pattern", "minItems"),
    *("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
)
"""Keywords that judge a value without looking into it."""
_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000, size_limit=1 << 20)
_MOST_STEPS = 5000
_UNKNOWN: Any = object()


@dataclass(frozen=True)
class _Facts:
    """What an object is about: the photographs, one of their tags, or one of their captions."""

    texts: tuple[str, ...]
    """The best first."""
    number: float
    of_tag: bool = False
    lone: frozenset[str] = frozenset()
    """Kinds that the object has once: whatever the property is called, it is meant."""


def fill(schema: Schema, known: Known, param: str) -> Any:
    """A value that the schema accepts. Raises BadRequest, which names `param` as the schema's place in the request."""
    try:
        validator = _validator(schema)
        filling = _Filling(schema, known)
        value = filling.whole()
    except (ValueError, RecursionError, ArithmeticError) as error:  # numbers of JSON know no bounds
        message = getattr(error, "message", str(error)).partition("\n")[0]
        raise BadRequest("bad_schema", f"{param} cannot be used: {message}", param) from error
    if value is _UNKNOWN:
        asked = f"the property '{filling.missing}'" if filling.missing else "an answer"
        message = f"{param} asks for {asked}, and nothing that is known of a photograph fits."
        raise BadRequest("schema_not_filled", message, param)
    for wrong in validator.iter_errors(value):
        place = ".".join(map(str, wrong.instance_path)) or "the answer"
        raise BadRequest("schema_not_filled", f"{param} cannot be filled: '{place}': {wrong.message}", param)
    return value


def _validator(schema: Schema) -> jsonschema_rs.Validator:
    """Raises ValueError where it is no schema."""
    return jsonschema_rs.validator_for(schema, offline=True, pattern_options=_PATTERNS)


def _accepts(schema: Schema, value: Any) -> bool:
    try:
        return _validator({name: schema[name] for name in _OF_A_VALUE if name in schema}).is_valid(value)
    except ValueError:
        return False


class _Filling:
    def __init__(self, root: Schema, known: Known) -> None:
        self._root, self._known, self._steps = root, known, 0
        self.missing = ""
        """The property that is required and that nothing fits, where one was found last."""

    def whole(self) -> Any:
        facts = _Facts(tuple(dict.fromkeys((self._known.text, *self._known.captions))), self._known.confidence)
        found = self._value(self._root, "", replace(facts, lone=self._lone(self._root)), frozenset())
        return self._nothing(self._root, frozenset()) if found is _UNKNOWN and not self.missing else found

    def _value(self, given: Any, name: str, facts: _Facts, seen: Seen) -> Any:
        """What fits the property `name`, or _UNKNOWN."""
        schema, seen = self._resolved(given, seen)
        if schema is None:
            return _UNKNOWN
        if languages.is_language(name) and schema.keys() & {"const", "enum"} and not facts.of_tag:
            choices = [schema["const"]] if "const" in schema else schema["enum"]
            said = self._known.language
            return next((one for one in choices if languages.is_named(said, one)), _UNKNOWN)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._choice(schema["enum"], name, facts)
        for branch in _branches(schema):
            if (found := self._value(branch, name, facts, seen)) is not _UNKNOWN:
                return found
        for kind in _kinds(schema):
            if (found := self._of_kind(kind, schema, name, facts, seen)) is not _UNKNOWN:
                return found
        return _UNKNOWN

    def _nothing(self, given: Any, seen: Seen) -> Any:
        """The default, or what says that there is nothing, where the schema takes that; else _UNKNOWN. An object of
        nothings comes last.
        """
        schema, seen = self._resolved(given, seen)
        if schema is None:
            return _UNKNOWN
        branches = [self._resolved(branch, seen) for branch in _branches(schema)] or [(schema, seen)]
        simple = [branch for branch, _ in branches if branch is not None and not _branches(branch)]
        defaults = [part["default"] for part in (schema, *simple) if "default" in part]
        for value in (*defaults, None, False, 0, []):
            if any(_accepts(branch, value) for branch in simple):
                return value
        for branch, seen_there in branches:
            if branch is None:
                continue
            if _branches(branch):
                found = self._nothing(branch, seen_there)
            elif "object" in _kinds(branch) and "enum" not in branch:
                found = self._object(branch, seen_there, lambda part, name: _UNKNOWN)[0]
            else:
                found = _UNKNOWN
            if found is not _UNKNOWN:
                return found
        return _UNKNOWN

    def _of_kind(self, kind: str, schema: Schema, name: str, facts: _Facts, seen: Seen) -> Any:
        words = names.words_of(name)
        match kind:
            case "string":
                return self._text(schema, words, facts)
            case "number" | "integer":
                return _number(schema, words, facts, whole=kind == "integer")
            case "boolean" if words == ["low", "confidence"] and not facts.of_tag:
                return self._known.low_confidence
            case "array":
                return self._list(schema, words, facts, seen)
            case "object" if not name and _is_open(schema):
                return self._known.describe() if not facts.of_tag else _UNKNOWN
            case "object":
                inside = replace(facts, lone=self._lone(schema)) if names.is_caption(words) else facts
                found, is_known = self._object(schema, seen, lambda part, name: self._value(part, name, inside, seen))
                return found if is_known else _UNKNOWN
        return _UNKNOWN

    def _object(self, schema: Schema, seen: Seen, value_of: Callable[[Any, str], Any]) -> tuple[Any, bool]:
        """Its parts that are known, and nothing for those that it must have besides, or _UNKNOWN where that cannot be;
        and whether any is known.
        """
        parts, required = schema.get("properties", {}), schema.get("required", ())
        others = schema.get("additionalProperties", {})
        found, is_known = {}, False
        for name in dict.fromkeys((*parts, *required)):
            part, self.missing = parts.get(name, others), ""
            value = value_of(part, name)
            is_known |= value is not _UNKNOWN
            if value is _UNKNOWN and name in required:
                within = self.missing
                value = self._nothing(part, seen)
                if value is _UNKNOWN:
                    self.missing = ".".join(filter(None, (name, within or self.missing)))
                    return _UNKNOWN, is_known
            if value is not _UNKNOWN:
                found[name] = value
        self.missing = ""
        return found, is_known

    def _text(self, schema: Schema, words: list[str], facts: _Facts) -> Any:
        name = " ".join(words)
        if languages.is_language(name) and not facts.of_tag:
            return self._known.language if _accepts(schema, self._known.language) else _UNKNOWN
        if name in names.LISTS and not facts.of_tag:
            tags = ", ".join(tag for tag, _ in self._known.tags)
            return tags if tags and _accepts(schema, tags) else _UNKNOWN
        fits = name in names.TEXTS_OF_A_TAG if facts.of_tag else names.is_caption(words)
        if not fits and "string" not in facts.lone:
            return _UNKNOWN
        most = schema.get("maxLength")
        cut = [_cut(text, int(most)) for text in facts.texts] if most is not None else []
        return next((text for text in (*facts.texts, *cut) if _accepts(schema, text)), _UNKNOWN)

    def _list(self, schema: Schema, words: list[str], facts: _Facts, seen: Seen) -> Any:
        name, items = " ".join(words), schema.get("items", {"type": "string"})
        if facts.of_tag:
            return _UNKNOWN
        if name in names.CAPTIONS:
            about = [_Facts((text,), self._known.confidence) for text in self._known.captions]
        elif name in names.LISTS or "array" in facts.lone:
            about = [_Facts((tag,), odds, of_tag=True) for tag, odds in self._known.tags]
        else:
            return _UNKNOWN
        lone = self._lone(items)
        found: list[Any] = []
        for one in about:
            value = self._value(items, "", replace(one, lone=lone), seen)
            if value is not _UNKNOWN and value not in found:
                found.append(value)
        found = found[: int(schema.get("maxItems", len(found)))]
        return found if found and _accepts(schema, found) else _UNKNOWN

    def _choice(self, choices: list[Any], name: str, facts: _Facts) -> Any:
        """One of an enumeration: what it must be, or what is known to be so."""
        if len(choices) == 1:
            return choices[0]
        words = " ".join(names.words_of(name))
        by_text = {str(choice).lower(): choice for choice in choices}
        if words.split()[-1:] == ["confidence"] and {"low", "high"} <= by_text.keys():
            said = [names.LEVELS[min(int(facts.number * len(names.LEVELS)), len(names.LEVELS) - 1)], "low"]
        elif facts.of_tag:
            said = list(facts.texts)
        else:
            said = [*(tag for tag, _ in self._known.tags), *re.findall(r"\w+", self._known.text)]
        return next((by_text[one.lower()] for one in said if one.lower() in by_text), _UNKNOWN)

    def _lone(self, given: Any) -> frozenset[str]:
        """Kinds of which there is one in it, lists not looked into."""
        kinds = list(self._leaves(given, frozenset()))
        return frozenset(kind for kind in ("string", "number", "array") if kinds.count(kind) == 1)

    def _leaves(self, given: Any, seen: Seen) -> Iterator[str]:
        schema, seen = self._resolved(given, seen)
        if schema is None or schema.keys() & {"enum", "const"}:
            return
        for part in (*_branches(schema), *schema.get("properties", {}).values()):
            yield from self._leaves(part, seen)
        for kind in schema.keys() & {"type"} and _kinds(schema):
            if kind in ("string", "number", "integer", "array"):
                yield "number" if kind == "integer" else kind

    def _resolved(self, given: Any, seen: Seen) -> tuple[Schema | None, Seen]:
        """With the schema that it refers to, and all of allOf, in it; None where nothing is allowed or known."""
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise ValueError("it is too large")
        if not isinstance(given, dict):
            return ({} if given is True else None), seen
        schema = dict(given)
        while (reference := schema.pop("$ref", None)) is not None:
            target = None if reference in seen else self._target(reference)
            if not isinstance(target, dict):
                return None, seen
            schema, seen = target | schema, seen | {reference}
        for part in schema.pop("allOf", ()):
            more, seen = self._resolved(part, seen)
            if more is None:
                return None, seen
            properties = schema.get("properties", {}) | more.get("properties", {})
            required = [*schema.get("required", ()), *more.get("required", ())]
            schema |= more | ({"properties": properties, "required": required} if properties else {})
        return schema, seen

    def _target(self, reference: str) -> Any:
        """By JSON Pointer (RFC 6901) in the schema itself; None where it points elsewhere."""
        found: Any = self._root if reference.startswith("#") else None
        for step in filter(None, unquote(reference[1:]).split("/")):
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(key)] if key.isdigit() and int(key) < len(found) else None
            else:
                found = found.get(key) if isinstance(found, dict) else None
        return found


def _branches(schema: Schema) -> list[Any]:
    """The alternatives, each with what holds for all of them."""
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf")}
    branches: Iterable[Any] = schema.get("anyOf") or schema.get("oneOf") or ()
    return [rest | branch if isinstance(branch, dict) else branch for branch in branches]


def _kinds(schema: Schema) -> list[str]:
    if "type" in schema:
        return schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if schema.keys() & {"properties", "required"}:
        return ["object"]
    return ["array"] if "items" in schema else [] if _branches(schema) else ["array", "number", "string"]


def _is_open(schema: Schema) -> bool:
    """Whether it says no more than that it is an object."""
    rest = schema.keys() - {"type", "title", "description", "$schema"}
    return not rest or (rest == {"additionalProperties"} and schema["additionalProperties"] is True)


def _number(schema: Schema, words: list[str], facts: _Facts, *, whole: bool) -> Any:
    named = names.NUMBERS.intersection(words)
    if facts.of_tag:
        fits = " ".join(words) in names.NUMBERS_OF_A_TAG or ("number" in facts.lone and not named)
    else:
        fits = bool(named) and names.OF_THE_WHOLE.issuperset(words)
    if not fits:
        return _UNKNOWN
    value = facts.number * max(schema.get("maximum", 100 if whole else 1), 1)  # up to 100 it is a percentage
    step = schema.get("multipleOf", 1 if whole else 0)
    near = [round((round(value / step) + aside) * step, 9) for aside in (0, -1, 1)] if step else [value]
    exact = [one for one in near if not step or (one / step).is_integer()]  # of 0.1 not 0.6, as numbers are kept
    return next((one for one in (round(one) if whole else one for one in exact) if _accepts(schema, one)), _UNKNOWN)


def _cut(text: str, most: int) -> str:
    """Its first words, at most so many characters; of a first word that is longer as much as there is room for."""
    if len(text) <= most:
        return text
    return text[: most + 1].rpartition(" ")[0] or text[:most]
