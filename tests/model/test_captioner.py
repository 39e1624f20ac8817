import math

import pytest

from model.captioner import DecodingOptions, Stopwatch, parse_bool
from model.errors import OptionRefused


def test_defaults():
    options = DecodingOptions()
    assert (options.method, options.beam_size, options.num_captions, options.attention) == ("beam", 10, 1, False)


def test_parse():
    options = DecodingOptions.parse(
        {
            "method": "sample",
            "num_captions": " 2 ",
            "temperature": "0.5",
            "seed": "7",
            "attention": "true",
            "style": "alt",
        }
    )
    assert options == DecodingOptions("sample", num_captions=2, temperature=0.5, seed=7, attention=True, style="alt")
    assert DecodingOptions.parse({"beam_size": ""}) == DecodingOptions()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("method", "magic", "beam, greedy, sample"),
        ("beam_size", "0", "between 1 and 10"),
        ("beam_size", "11", "between 1 and 10"),
        ("beam_size", "3.5", "whole number between 1 and 10"),
        ("beam_size", "three", "whole number between 1 and 10"),
        ("num_captions", "-1", "between 1 and 10"),
        ("max_words", "51", "between 1 and 50"),
        ("max_words", "9" * 5000, "between 1 and 50"),
        ("seed", "9" * 400, "between 0 and 2147483647"),
        ("temperature", "0", "between 0.05 and 5"),
        ("temperature", "nan", "between 0.05 and 5"),
        ("temperature", "inf", "between 0.05 and 5"),
        ("temperature", "warm", "number between 0.05 and 5"),
        ("top_p", "1.1", "between 0.01 and 1"),
        ("length_penalty", "-1", "between 0 and 2"),
        ("seed", "-1", "between 0 and 2147483647"),
        ("attention", "maybe", "true or false"),
        ("style", "prose", "caption, alt"),
        ("gendered", "perhaps", "true or false"),
    ],
)
def test_what_is_out_of_range_is_named_with_its_range(name, text, words):
    with pytest.raises(OptionRefused, match=words) as refused:
        DecodingOptions.parse({name: text})
    assert refused.value.name == name and name in str(refused.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("beamsize", "did you mean beam_size"),
        ("beam", "did you mean beam_size"),
        ("Beam-Size", "did you mean beam_size"),
        ("max_tokens", "did you mean max_words"),
        ("temp", "did you mean temperature"),
        ("num_caption", "did you mean num_captions"),
        ("zzz", "there are attention, beam_size"),
        ("", "there are attention, beam_size"),
        ("x" * 100_000, "there are attention, beam_size"),
    ],
)
def test_a_name_that_is_no_option_is_refused_with_the_nearest(name, words):
    with pytest.raises(OptionRefused, match=words) as refused:
        DecodingOptions.parse({"beam_size": "2", name: ""}, also=("include_image",))
    assert refused.value.name == name and len(str(refused.value)) < 500
    assert DecodingOptions.parse({"include_image": "1"}, also=("include_image",)) == DecodingOptions()


def test_a_beam_gives_no_more_captions_than_it_holds():
    with pytest.raises(OptionRefused, match=r"at most beam_size \(3\)"):
        DecodingOptions(beam_size=3, num_captions=4)


def test_greedy_gives_one_caption():
    with pytest.raises(OptionRefused, match="num_captions"):
        DecodingOptions(method="greedy", num_captions=2)


@pytest.mark.parametrize(("text", "value"), [("True", True), ("1", True), ("off", False), ("no", False)])
def test_truth(text, value):
    assert parse_bool("flag", text) is value


def test_stopwatch_adds_up():
    stopwatch = Stopwatch()
    for _ in range(2):
        with stopwatch.stage("work"):
            math.factorial(1000)
    with pytest.raises(ZeroDivisionError), stopwatch.stage("failure"):
        _ = 1 / 0
    assert set(stopwatch.milliseconds) == {"work", "failure"} and stopwatch.milliseconds["work"] > 0


def test_a_beam_holds_no_more_captions_than_its_size():
    with pytest.raises(OptionRefused, match=r"at most beam_size \(3\)"):
        DecodingOptions.parse({"beam_size": "3", "num_captions": "4"})
