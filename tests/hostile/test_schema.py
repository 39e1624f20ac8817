"""Schemathesis makes requests, sound ones and others, from the service's own OpenAPI document: every answer is one that
the document promises, and none is a mistake of the service's.
"""

import base64

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import negative_data_rejection, positive_data_acceptance

from tests.hostile.corpus import picture
from tests.pictures import encoded

# A document cannot say which bytes are a photograph, nor that options must fit together (num_captions, beam_size).
# Of an option that comes twice the first counts, which is no violation here; test_refusals.py tries the ranges.
_NOT_TRIED = [positive_data_acceptance, negative_data_rejection]
_BEFORE_THE_SERVICE = (414, 431)  # the address or a header was too long to be read at all
_DOORS = 20  # or less would be tried than is open

_BYTES = [encoded(picture(), "JPEG"), b"", b"no photograph"]
_TEXTS = [base64.b64encode(data).decode() for data in _BYTES]
schemathesis.openapi.format("binary", st.sampled_from(_BYTES))
schemathesis.openapi.format("byte", st.sampled_from([*_TEXTS, f"data:image/jpeg;base64,{_TEXTS[0]}", "no base64!"]))


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_answers_are_those_of_the_document(server, mode):
    schema = schemathesis.openapi.from_url(server.url + "/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= _DOORS
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query):
            continue  # nothing can be wrong with a request without parameters

        has_choice = operation.body or operation.query or operation.path_parameters

        @settings(
            max_examples=12 if has_choice else 1, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(operation.as_strategy(generation_mode=mode))
        def answers_as_promised(case):
            answer = case.call(timeout=60)
            if answer.status_code not in _BEFORE_THE_SERVICE:
                case.validate_response(answer, excluded_checks=_NOT_TRIED)

        answers_as_promised()
