"""Whatever bytes and parameters come: a photograph of bounded size or a refusal in words, nothing else."""

import io
import math

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from model.captioner import DecodingOptions
from model.errors import ImageRefused, OptionRefused
from model.images import FORMATS, LONGEST_SIDE, decode_image
from tests.hostile.corpus import picture
from tests.pictures import encoded

_SOUND = [encoded(picture(), format) for format in FORMATS]
_NAMES = ["method", "include_image", *DecodingOptions.__dataclass_fields__]
_VALUES = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["true", "beam", "sample", "greedy", "1e400", "-0", "１", " 3 ", "0x10", "null", "\x00"]),
)


@st.composite
def damaged(draw):
    """A sound file in which bytes were replaced, left out, doubled or put in."""
    data = bytearray(draw(st.sampled_from(_SOUND)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        data[start:end] = draw(st.one_of(st.binary(max_size=40), st.just(bytes(data[start:end]) * 2)))
    return bytes(data)


@settings(max_examples=400, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(damaged(), st.binary(max_size=2000)))
def test_bytes_become_a_bounded_photograph_or_a_refusal(data):
    try:
        image = decode_image(data)
    except ImageRefused as refused:
        assert str(refused).endswith(".") and len(str(refused)) < 300
    else:
        assert image.mode == "RGB" and min(image.size) >= 1 and max(image.size) <= LONGEST_SIDE
        Image.open(io.BytesIO(encoded(image, "PNG"))).verify()


@settings(max_examples=400, deadline=None, database=None)
@given(st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=6))
def test_texts_become_options_in_their_ranges_or_a_refusal(texts):
    try:
        options = DecodingOptions.parse(texts, also=("include_image",))
    except OptionRefused as refused:
        assert refused.name in texts and refused.name in str(refused)
    else:
        assert 1 <= options.beam_size <= 10 and 1 <= options.num_captions <= 10 and 1 <= options.max_words <= 50
        assert math.isfinite(options.temperature) and 0 < options.top_p <= 1


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=4), st.booleans())
def test_requests_with_any_parameters_are_answered_or_refused(server, texts, in_address):
    where = {"params" if in_address else "data": texts}
    answer = requests.post(server.url + "/predict", files={"image": _SOUND[0]}, timeout=60, **where)
    assert answer.status_code in (200, 400), (texts, answer.text)
    assert ("caption" if answer.status_code == 200 else "error") in answer.json()
