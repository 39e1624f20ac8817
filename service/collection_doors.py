"""The collection's doors, as the service's description has them."""

from __future__ import annotations

from collections.abc import Sequence

from collection.query import LONGEST_QUERY, ORDERS
from collection.reviews import ACTIONS, LONGEST_CAPTION, LONGEST_NAME
from service.door import Door, json_of
from service.schemas import Schema, error_of, exactly, list_of, reference
from service.search import LAST_OFFSET, MOST_RESULTS, RESULTS

_TEXT: Schema = {"type": "string"}
_OR_NULL: Schema = {"type": ["string", "null"]}
_ID: Schema = {"type": "integer", "minimum": 0, "description": "of a result"}
_PHOTOGRAPH: dict[str, Schema] = {
    "id": {"type": "integer"},
    "path": _TEXT,
    "caption": _TEXT | {"description": "a person's, where there is one; empty where it was rejected"},
    "thumbnail": _OR_NULL | {"description": "address; null where the photograph is gone"},
    "confidence": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "tags": list_of(_TEXT),
    "reviewed": {"enum": ["accepted", "edited", "rejected", None], "description": "what people said of it"},
    "reviewed_by": _OR_NULL,
    "machine_caption": _TEXT,
    "version": _TEXT | {"description": "to be sent with a decision"},
}
_DECISION = exactly(
    {
        "action": {"enum": list(ACTIONS)},
        "caption": _TEXT | {"description": "that has held since"},
        "by": _TEXT,
        "at": _TEXT | {"description": "UTC, as ISO 8601 has it"},
        "machine_caption": _TEXT | {"description": "what the machine had said"},
        "model": _TEXT | {"description": "its digest"},
    }
)
SCHEMAS: dict[str, Schema] = {
    "Photograph": exactly(_PHOTOGRAPH),
    "Found": exactly(
        {
            "query": _TEXT,
            "total": {"type": "integer", "minimum": 0, "description": "photographs that match"},
            "results": list_of(reference("Photograph"), description="in the order that was asked for"),
        }
    ),
    "Similar": exactly(
        {
            "total": {"type": "integer", "minimum": 0},
            "results": list_of(
                exactly(_PHOTOGRAPH | {"similarity": {"type": "number", "description": "cosine of the features"}}),
                description="the likest first",
            ),
        }
    ),
    "ReviewedPhotograph": exactly(
        _PHOTOGRAPH | {"history": list_of(_DECISION, description="people's decisions, the newest first")}
    ),
    "Review": exactly(
        {
            "action": {"enum": list(ACTIONS)},
            "by": _TEXT | {"minLength": 1, "maxLength": LONGEST_NAME, "description": "who decides, by a free name"},
            "version": _TEXT | {"minLength": 1, "description": "of the photograph as the person saw it"},
            "caption": _TEXT | {"maxLength": LONGEST_CAPTION, "description": "of an edit"},
        },
        optional=("caption",),
    ),
}


def _failure(codes: Sequence[str]) -> Schema:
    """With 409 come both texts."""
    if "conflict" not in codes:
        return error_of(codes)
    return exactly(
        {
            "error": {"type": "object", "properties": {"code": {"const": "conflict"}}, "required": ["code", "message"]},
            "yours": _TEXT | {"description": "the caption that was sent"},
            "current": reference("Photograph"),
        }
    )


_SEARCH = (
    Door(
        "/collection/search",
        "collection.search",
        "Search the collection",
        'Photographs whose captions have all of the words; "in quotes" together; `tag:dog`, `reviewed:no` (or yes, '
        "accepted, edited, rejected) and `confidence<0.5` filter, alone as well.",
        json_of("Found"),
        failures=("bad_parameter", "service_unavailable"),
        parameters={
            "q": {"type": "string", "minLength": 1, "maxLength": LONGEST_QUERY, "description": "words and filters"},
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST_RESULTS, "default": RESULTS}
            | {"description": "results at most"},
            "offset": {"type": "integer", "minimum": 0, "maximum": LAST_OFFSET, "default": 0}
            | {"description": "results that are passed over"},
            "order": {"enum": list(ORDERS), "default": next(iter(ORDERS)), "description": "which come first"},
        },
        curl='curl "{url}?q=dog+grass"',
    ),
    Door(
        "/collection/{id}/thumbnail",
        "collection.thumbnail",
        "A photograph of the collection, made small",
        "As a JPEG.",
        {"image/jpeg": {"type": "string", "format": "binary"}},
        failures=("not_found", "service_unavailable"),
        parameters={"id": _ID},
        curl="curl -o photo.jpg {url}",
    ),
)
_SIMILAR = Door(
    "/collection/{id}/similar",
    "collection.similar",
    "Photographs like one of the collection",
    "By the encoder's features, where `python -m collection features` has computed them; else 404.",
    json_of("Similar"),
    failures=("bad_parameter", "not_found", "service_unavailable"),
    parameters={
        "id": _ID,
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST_RESULTS, "default": RESULTS}
        | {"description": "results at most"},
    },
)
SEARCH_DOORS = (*_SEARCH, _SIMILAR)
REVIEW_DOORS = (
    Door(
        "/collection/{id}",
        "reviews.history",
        "A photograph of the collection, and what people decided",
        "With the history of all decisions.",
        json_of("ReviewedPhotograph"),
        failures=("not_found", "service_unavailable"),
        parameters={"id": _ID},
    ),
    Door(
        "/collection/{id}/review",
        "reviews.review",
        "Accept, edit or reject a caption, or undo that",
        "A person's caption stands in the place of the machine's from then on. 409, with both texts, where the "
        "photograph has another version by now.",
        json_of("Photograph"),
        method="post",
        failures=(
            *("bad_json", "bad_parameter", "bad_request", "unsupported_media_type", "too_large", "cross_site"),
            *("not_found", "conflict", "service_unavailable"),
        ),
        body={"application/json": {"schema": reference("Review")}},
        parameters={"id": _ID},
        describe_failure=_failure,
        curl='curl --json \'{{"action": "accept", "by": "Ada", "version": "…"}}\' {url}',
    ),
)
