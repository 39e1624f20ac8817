"""Schemas filled with what is known: each answer validates by another library than the one that fills, or is refused
with the property's name.
"""

import json
import time
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from service.adapters.filling import fill
from service.adapters.known import Known, known_of
from service.adapters.structured import asks_for_json, read_format, write
from service.errors import BadRequest

TEXT, OTHER = "a dog runs through the grass", "a brown dog is running"
KNOWN = Known(TEXT, (TEXT, OTHER), (("dog", 0.9), ("grass", 0.7), ("run", 0.5)), 0.43, False, "en")
STRING, NUMBER, BOOL = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
STRINGS = {"type": "array", "items": STRING}
PART = {"type": "number", "minimum": 0, "maximum": 1}


def obj(properties, required=None, **more):
    needed = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False, **more}


def listed(item, **more):
    return {"type": "array", "items": item, **more}


def filled(schema):
    value = fill(schema, KNOWN, "format")
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(value)
    json.dumps(value)
    return value


def refused(schema):
    with pytest.raises(BadRequest) as error:
        fill(schema, KNOWN, "format")
    assert error.value.param == "format" and len(str(error.value)) < 400
    return error.value


TAGS = ["dog", "grass", "run"]
SCORED = [{"name": name, "confidence": odds, "topicality": odds} for name, odds in KNOWN.tags]
RECURSIVE = obj({"text": STRING, "child": {"$ref": "#/$defs/Node"}}, ["text"])


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        *((obj({name: STRING}), {name: TEXT}) for name in ("caption", "description", "alt", "alt_text", "text")),
        *((obj({name: STRING}), {name: TEXT}) for name in ("summary", "Title", "photoDescription")),
        *((obj({name: STRING}), {name: TEXT}) for name in ("title", "altText", "Alt-Text", "image_description")),
        (obj({"result": STRING}), {"result": TEXT}),  # the only string there is
        (obj({"text": STRING, "title": STRING}), {"text": TEXT, "title": TEXT}),
        (obj({"tags": STRINGS}), {"tags": TAGS}),
        (obj({"things": STRINGS}), {"things": TAGS}),  # the only list there is
        (obj({"tags": STRINGS, "others": STRINGS}), {"tags": TAGS, "others": []}),
        (obj({"tags": listed(STRING, maxItems=2, uniqueItems=True)}), {"tags": TAGS[:2]}),
        (obj({"tags": listed({"enum": ["grass", "sky", "Dog"]})}), {"tags": ["Dog", "grass"]}),
        (obj({"captions": STRINGS}), {"captions": [TEXT, OTHER]}),
        (
            obj({"labels": listed(obj({"name": STRING, "confidence": PART, "topicality": PART}), default=[])}),
            {"labels": SCORED},
        ),
        (
            obj({"labels": listed(obj({"label": STRING, "nsfw": BOOL, "nsfw_confidence": PART}))}),
            {"labels": [{"label": name, "nsfw": False, "nsfw_confidence": 0} for name in TAGS]},
        ),
        (
            listed(obj({"thing": STRING, "percent": {"type": "integer", "minimum": 0, "maximum": 100}})),
            [{"thing": "dog", "percent": 90}, {"thing": "grass", "percent": 70}, {"thing": "run", "percent": 50}],
        ),
        (
            obj({"caption": obj({"text": STRING, "confidence": NUMBER})}),
            {"caption": {"text": TEXT, "confidence": 0.43}},
        ),
        (obj({"caption": obj({"value": STRING})}), {"caption": {"value": TEXT}}),
        (
            obj({"caption": {"$ref": "#/$defs/C"}}, **{"$defs": {"C": obj({"text": STRING, "confidence": PART})}}),
            {"caption": {"text": TEXT, "confidence": 0.43}},
        ),
        (obj({"caption": {"$ref": "#/$defs/a~1b%20c"}}, **{"$defs": {"a/b c": STRING}}), {"caption": TEXT}),
        (
            obj({"caption": {"allOf": [{"$ref": "#/$defs/S"}], "default": "x"}}, **{"$defs": {"S": STRING}}),
            {"caption": TEXT},
        ),
        (obj({"node": {"$ref": "#/$defs/Node"}}, **{"$defs": {"Node": RECURSIVE}}), {"node": {"text": TEXT}}),
        (
            {"allOf": [{"properties": {"caption": STRING}, "required": ["caption"]}, {"required": ["tags"]}]},
            {"caption": TEXT, "tags": TAGS},
        ),
        (
            obj({"caption": {"type": ["string", "null"]}, "place": {"type": ["string", "null"]}}),
            {"caption": TEXT, "place": None},
        ),
        (obj({"caption": STRING, "place": {"anyOf": [STRING, {"type": "null"}]}}), {"caption": TEXT, "place": None}),
        (obj({"caption": STRING, "place": STRING}, ["caption"]), {"caption": TEXT}),
        (obj({"caption": STRING, "place": STRING | {"default": "unknown"}}), {"caption": TEXT, "place": "unknown"}),
        (
            obj({"caption": STRING, "indoors": BOOL, "people": {"type": "integer"}}),
            {"caption": TEXT, "indoors": False, "people": 0},
        ),
        (obj({"caption": STRING, "boxes": listed(obj({"x": NUMBER, "y": NUMBER}))}), {"caption": TEXT, "boxes": []}),
        (
            obj({"caption": STRING, "exif": obj({"iso": {"type": ["integer", "null"]}})}),
            {"caption": TEXT, "exif": {"iso": None}},
        ),
        (obj({"caption": STRING, "faces": obj({"at": STRING})}, ["caption"]), {"caption": TEXT}),
        (obj({"alt": {"type": "string", "maxLength": 12}}), {"alt": "a dog runs"}),
        (obj({"alt": {"type": "string", "maxLength": 3}}), {"alt": "a"}),
        (obj({"caption": {"type": "string", "minLength": 20, "maxLength": 25}}), {"caption": OTHER}),
        (obj({"caption": {"type": "string", "pattern": "^a brown"}}), {"caption": OTHER}),
        (obj({"kind": {"const": "photo"}, "caption": STRING}), {"kind": "photo", "caption": TEXT}),
        (obj({"animal": {"enum": ["cat", "Dog", None]}, "caption": STRING}), {"animal": "Dog", "caption": TEXT}),
        (obj({"mood": {"enum": ["sad", "merry", None]}, "caption": STRING}), {"mood": None, "caption": TEXT}),
        (
            obj({"confidence": {"enum": ["LOW", "MEDIUM", "HIGH"]}, "caption": STRING}),
            {"confidence": "MEDIUM", "caption": TEXT},
        ),
        (
            obj({"confidence": PART, "score": {"type": "integer"}, "text": STRING}),
            {"confidence": 0.43, "score": 43, "text": TEXT},
        ),
        (obj({"overall_confidence": NUMBER, "text": STRING}), {"overall_confidence": 0.43, "text": TEXT}),
        (
            obj({"low_confidence": BOOL, "language": STRING, "text": STRING}),
            {"low_confidence": False, "language": "en", "text": TEXT},
        ),
        (
            obj(
                {
                    "x": {
                        "anyOf": [
                            obj({"k": {"const": 1}, "artist": STRING}),
                            obj({"k": {"const": 2}, "caption": STRING}),
                        ]
                    }
                }
            ),
            {"x": {"k": 2, "caption": TEXT}},
        ),
        (obj({"keywords": STRING, "caption": STRING}), {"keywords": ", ".join(TAGS), "caption": TEXT}),
        (
            obj({"at": {"anyOf": [obj({"x": NUMBER}), {"type": "null"}]}, "caption": STRING}),
            {"at": None, "caption": TEXT},
        ),
        (obj({"confidence": NUMBER | {"multipleOf": 0.25}, "caption": STRING}), {"confidence": 0.5, "caption": TEXT}),
        ({"type": "object", "additionalProperties": False}, {}),
        ({"type": "object", "additionalProperties": NUMBER}, {}),
        (STRING, TEXT),
        (STRINGS, TAGS),
        ({"type": "object"}, KNOWN.describe()),
        ({"type": "object", "required": ["caption"]}, {"caption": TEXT}),
        ({"type": "object", "properties": {"artist": STRING, "year": STRING}}, {}),
        ({"$schema": "http://json-schema.org/draft-07/schema#"} | obj({"caption": STRING}), {"caption": TEXT}),
        ({"title": "Photo", "description": "x"} | obj({"caption": STRING | {"title": "Caption"}}), {"caption": TEXT}),
    ],
)
def test_filled(schema, expected):
    assert filled(schema) == expected


@pytest.mark.parametrize(
    ("schema", "code", "words"),
    [
        (obj({"caption": STRING, "artist": STRING}), "schema_not_filled", "'artist'"),
        (obj({"caption": STRING, "mood": {"enum": ["sad", "merry"]}}), "schema_not_filled", "'mood'"),
        (obj({"caption": STRING, "place": obj({"city": STRING})}), "schema_not_filled", "'place.city'"),
        (obj({"caption": STRING | {"minLength": 100}}), "schema_not_filled", "'caption'"),
        (obj({"caption": STRING | {"pattern": "^[A-Z]"}}), "schema_not_filled", "'caption'"),
        (obj({"tags": listed(STRING, minItems=10)}), "schema_not_filled", "'tags'"),
        (obj({"caption": STRING, "size": {"type": "integer", "minimum": 5}}), "schema_not_filled", "'size'"),
        (obj({"caption": STRING}, minProperties=3), "schema_not_filled", "cannot be filled"),
        ({"not": {}}, "schema_not_filled", "cannot be filled"),
        ({"$ref": "#"}, "schema_not_filled", "an answer"),
        ({"type": "strin"}, "bad_schema", "strin"),
        ({"$ref": "#/$defs/nowhere"}, "bad_schema", "does not exist"),
        ({"$ref": "https://example.org/schema.json"}, "bad_schema", "example.org"),
        ({"$ref": "file:///etc/passwd"}, "bad_schema", "passwd"),
        ({"$schema": "https://example.org/mine"}, "bad_schema", "meta-schema"),
        (obj({"caption": STRING | {"pattern": "("}}), "bad_schema", "regex"),
        (obj({"caption": STRING | {"pattern": "(a{1,1000}){1,1000}"}}), "bad_schema", "regex"),
        (obj({f"p{n}": BOOL for n in range(5000)}), "bad_schema", "too large"),
    ],
    ids=range(18),
)
def test_refused(schema, code, words):
    error = refused(schema)
    assert error.code == code and words in str(error)


def test_schemas_that_want_time_or_depth_get_neither():
    began = time.monotonic()
    refused(obj({"caption": STRING | {"pattern": "^(?!x)([a-z ]+)+[0-9]$"}}))
    refused(reduce(lambda inner, _: obj({"a": inner}), range(2000), STRING))
    doubling = {f"d{n}": obj({part: {"$ref": f"#/$defs/d{n + 1}"} for part in "ab"}) for n in range(40)} | {
        "d40": STRING
    }
    refused({"$ref": "#/$defs/d0", "$defs": doubling})
    refused({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}})
    assert time.monotonic() - began < 20


NAMES = ["caption", "tags", "labels", "confidence", "artist", "x", "altText", "language"]
LEAVES = st.sampled_from(
    [
        *(STRING, NUMBER, BOOL, PART, {"type": "integer"}, {"type": "null"}, {"type": ["string", "null"]}, {}, True),
        *({"enum": ["dog", "cat"]}, {"const": 5}, STRING | {"maxLength": 9}, STRING | {"minLength": 40}, {"$ref": "#"}),
    ]
)


def _objects(inner):
    properties = st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    return properties.flatmap(
        lambda found: st.builds(
            lambda needed, closed: {"type": "object", "properties": found, "required": needed} | closed,
            st.lists(st.sampled_from([*found, "artist"]), unique=True, max_size=3),
            st.sampled_from([{}, {"additionalProperties": False}]),
        )
    )


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        _objects(inner),
        st.builds(listed, inner),
        st.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner),
        st.builds(lambda one, other: {"allOf": [one, other]}, inner, inner),
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(SCHEMAS)
def test_any_schema_is_filled_so_that_it_validates_or_refused(schema):
    if not isinstance(schema, dict):
        return
    try:
        filled(schema)
    except RecursionError:  # of the library that checks: one inside itself
        return
    except BadRequest as error:
        assert error.code in ("schema_not_filled", "bad_schema") and error.param == "format"


ANSWER = {
    "language": "en",
    "captions": [
        {"text": "a dog on the grass", "mean_probability": 0.5, "words": [
            {"text": "a", "probability": 0.9}, {"text": "dog", "probability": 0.6}, {"text": "on", "probability": 0.8},
            {"text": "the", "probability": 0.7}, {"text": "grass", "probability": 0.4},
        ]},
        {"text": "a cat", "mean_probability": 0.2, "words": []},
    ],
    "low_confidence": False,
}  # fmt: skip


def test_what_is_known_of_an_answer():
    known = known_of([ANSWER], [""], 0)
    assert known.text == "a dog on the grass" and known.captions == ("a dog on the grass", "a cat")
    assert known.tags == (("dog", 0.6), ("grass", 0.4)) and known.confidence == 0.5  # no tags: its content words
    second = known_of([ANSWER], [""], 1)
    assert (second.text, second.confidence) == ("a cat", 0.2) and known_of([ANSWER], [""], 7) == second
    calibrated = ANSWER | {"captions": [caption | {"confidence": 0.7} for caption in ANSWER["captions"]]}
    assert known_of([calibrated], [""], 0).confidence == 0.7
    unknown = ANSWER | {"captions": [caption | {"confidence": None} for caption in ANSWER["captions"]]}
    assert known_of([unknown], [""], 0).confidence == 0.5
    tagged = ANSWER | {"tags": [{"name": "puppy", "probability": 0.8}], "language": "de"}
    known = known_of([tagged, ANSWER], ["door", "hall"], 0)
    assert known.text == "door: a dog on the grass\nhall: a dog on the grass" and known.language == "de"
    assert known.tags[0] == ("puppy", 0.8) and {"dog", "grass"} < dict(known.tags).keys() and known.confidence == 0.5
    assert known_of([ANSWER | {"tags": []}], [""], 0).tags == (("dog", 0.6), ("grass", 0.4))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, None),
        ("", None),
        ({"type": "text"}, None),
        ("json", {}),
        ({"type": "json_object"}, {}),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, {}),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": STRINGS, "strict": True}}, STRINGS),
        ({"type": "json_schema", "name": "x", "schema": STRINGS}, STRINGS),  # Responses
        ({"type": "json_object", "schema": STRINGS}, STRINGS),  # llama.cpp
        ({"type": "json_object", "value": STRINGS}, STRINGS),  # huggingface_hub
        (STRINGS, STRINGS),  # Ollama
    ],
)
def test_the_ways_to_ask_for_a_format(given, wanted):
    assert read_format(given, "format") == wanted
    assert isinstance(write(KNOWN, wanted, "format"), str)


@pytest.mark.parametrize(
    "given", ["yaml", 5, [], {"type": "grammar"}, {"type": "json_schema", "json_schema": {"schema": 5}}]
)
def test_formats_that_there_are_not(given):
    with pytest.raises(BadRequest, match="format"):
        read_format(given, "format")


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ('You must respond in valid JSON with the key "tags".', True),
        ("Return JSON only", True),
        ("answer as json", True),
        ("What is in this picture?", False),
        ("Do not use JSON.", False),
        ("Plain text, no JSON please", False),
        ("Describe Jason's photo", False),
    ],
)
def test_json_asked_for_in_words(prompt, wanted):
    assert asks_for_json(prompt) == wanted
