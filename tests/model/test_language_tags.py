import re

import pytest

from model.captioner import Capabilities, Caption, DecodingOptions
from model.errors import OptionRefused
from model.language_tags import PATTERN, choose_language, find_language

HAD = ("en", "de", "zh", "pt-BR", "sr-Latn")


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de-AT-1996-x-own", "de"),
        ("zh-Hans-CN", "zh"),
        ("zh-TW", "zh"),
        ("pt-br", "pt-BR"),
        ("sr-latn-RS", "sr-Latn"),
        ("pt", "en"),  # lookup never makes a tag longer
        ("sr-Cyrl", "en"),
        ("d", "en"),
        ("deu", "en"),
        ("", "en"),
        ("*", "en"),
        ("x-de", "en"),
    ],
)
def test_the_nearest_language_is_chosen_and_else_the_first(wanted, chosen):
    assert choose_language(wanted, HAD) == chosen


def test_of_several_that_are_wanted_the_first_that_is_had():
    assert find_language(["fr-CA", "de-CH", "zh"], HAD) == "de"
    assert find_language(["fr", "ja"], HAD) is None and find_language([], HAD) is None


def test_what_introduces_nothing_goes_with_what_it_introduced():
    """Else "zh-a" would be looked up, which is no tag."""
    assert find_language(["zh-a-own"], ("zh-a", "zh")) == "zh"


@pytest.mark.parametrize("tag", ["en", "de-AT", "zh-Hans-CN", "sr-Latn-RS", "de-CH-1901", "es-419", "nb", "fil", "DE"])
def test_a_language_can_be_asked_for(tag):
    assert DecodingOptions.parse({"language": f" {tag} "}).language == tag
    assert re.search(PATTERN, tag)


@pytest.mark.parametrize(
    "tag",
    ["German", "d", "1", "de_AT", "de-", "-de", "de--AT", "de-abcdefghi", "x-own", "de,fr", "de AT", "déutsch", "dе",
     "de\nAT", "*", "../de", "de" + "-x" * 17, "a" * 100_000],
)  # fmt: skip
def test_what_is_no_tag_is_refused(tag):
    with pytest.raises(OptionRefused, match="language must be a language tag") as refused:
        DecodingOptions.parse({"language": tag})
    assert refused.value.name == "language" and len(str(refused.value)) < 100


def test_english_is_what_everybody_has():
    assert DecodingOptions().language == DecodingOptions.parse({"language": ""}).language == "en"
    assert Capabilities().languages == ("en",) and Caption("a dog", -1.0, ()).language == "en"
