"""Which of a beam's captions becomes the alt text, and that every other option is heeded as before."""

import subprocess
import sys
from dataclasses import replace

import pytest

from model.captioner import Caption, DecodingOptions, Stopwatch, Tag, Word
from model.style.captions import alt_texts, caption_images
from tests.conftest import ROOT

LONG = (
    "a man in a black shirt and jeans walks beside another man in blue jeans and a flowery shirt in front of a stand "
)


def caption(text, score=-1.0):
    return Caption(text, score, tuple(Word(word, 0.5) for word in text.split()))


def test_the_best_that_fits_comes_first():
    ranked = [caption(LONG + "with a red roof"), caption("two men walk", -2.0), caption("a man walks", -3.0)]
    first, second, third = alt_texts(ranked, 3)
    assert [first.text, second.text] == ["Two people walk.", "A person walks."]
    assert third.text.endswith("in front of a stand.") and len(third.text) <= 125  # cut, so it is the last
    assert (first.log_probability, [word.text for word in first.words]) == (-2.0, ["two", "men", "walk"])


def test_it_is_cut_only_where_none_fits():
    [only] = alt_texts([caption(LONG + "with a red roof"), caption(LONG + "with a blue roof")], 1)
    assert only.text.endswith("in front of a stand.") and len(only.text) <= 125


def test_what_becomes_the_same_is_told_once():
    ranked = [caption("a man sits", -1.0), caption("a woman sits", -2.0), caption("a boy sits", -3.0)]
    assert [one.text for one in alt_texts(ranked, 3)] == ["A person sits.", "A child sits."]
    assert [one.text for one in alt_texts(ranked, 3, gendered=True)] == ["A man sits.", "A woman sits.", "A boy sits."]


def test_tags_are_neutral_too():
    tags = (Tag("man", 0.9), Tag("dog", 0.8), Tag("woman", 0.7), Tag("girl", 0.6))
    ranked = [replace(caption("a man"), tags=tags)]
    [neutral], [gendered] = alt_texts(ranked, 1), alt_texts(ranked, 1, gendered=True)
    assert neutral.tags == (Tag("person", 0.9), Tag("dog", 0.8), Tag("child", 0.6)) and gendered.tags == tags


class Beam:
    """Has as many captions as it is asked for."""

    def caption(self, images, options=DecodingOptions(), stopwatch=None):
        self.options = options
        texts = [LONG + "with a red roof", "a dog sits", "a dog waits"]
        return [[caption(text) for text in texts[: options.num_captions]]]


@pytest.mark.parametrize(
    ("options", "asked", "told"),
    [
        (DecodingOptions(style="alt", beam_size=3), 3, "A dog sits."),
        (DecodingOptions(style="alt", beam_size=1), 1, "A person in a black shirt"),
        (DecodingOptions(style="alt", method="greedy"), 1, "A person in a black shirt"),
        (DecodingOptions(style="alt", method="sample", num_captions=2), 2, "A dog sits."),
        (DecodingOptions(beam_size=5), 1, LONG + "with a red roof"),
    ],
)
def test_a_beam_gives_all_that_it_holds(options, asked, told):
    beam, stopwatch = Beam(), Stopwatch()
    [found] = caption_images(beam, [object()], options, stopwatch)
    assert beam.options == replace(options, num_captions=asked) and len(found) <= options.num_captions
    assert found[0].text.startswith(told)
    assert ("style" in stopwatch.milliseconds) == (options.style == "alt")


def test_nothing_is_loaded_for_it_before_it_is_asked_for():
    code = "import sys, model.style.captions, model.registry; sys.exit('lemminflect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
