import pytest
from PIL import Image

from model.captioner import Caption, DecodingOptions, Tag
from model.cnn_lstm.checkpoint import Checkpoint
from model.languages import LANGUAGES
from model.style.captions import caption_images
from model.tag_names import names_in, tags_in
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def shipped():
    return set(Checkpoint.load(ROOT / "best_model.pth").heads.second_look.ngrams.tags)


@pytest.mark.parametrize("language", [tag for tag in LANGUAGES if tag != "en"])
def test_every_tag_of_the_shipped_checkpoint_has_a_name_and_no_other(shipped, language):
    names = names_in(language)
    assert names.keys() == shipped
    assert all(name and name == name.strip() for name in names.values())
    assert len(set(names.values())) > 0.9 * len(names)  # the others are one thing by two names: gray, grey


def test_names_by_language():
    tags = (Tag("dog", 0.9), Tag("gray", 0.5), Tag("grey", 0.4), Tag("axolotl", 0.1))
    assert tags_in("de", tags) == (Tag("Hund", 0.9), Tag("grau", 0.5), Tag("axolotl", 0.1))
    assert tags_in("zh", tags)[0] == Tag("狗", 0.9)
    for language in ("en", "tlh", "../de", ""):
        assert tags_in(language, tags) == tags


@pytest.mark.parametrize(
    ("language", "options", "names"),
    [
        ("de", DecodingOptions(language="de"), ["Mann", "Hund"]),
        ("de", DecodingOptions(language="de", style="alt"), ["Mann", "Hund"]),  # gender is a matter of English here
        ("en", DecodingOptions(style="alt"), ["person", "dog"]),
        ("en", DecodingOptions(), ["man", "dog"]),
    ],
)
def test_a_captions_tags_are_in_its_language(language, options, names):
    class Captioner:
        def caption(self, images, options, stopwatch):
            tags = (Tag("man", 0.9), Tag("dog", 0.8))
            return [[Caption("ein Mann", -1.0, (), tags=tags, language=language)] for _ in images]

    [[caption]] = caption_images(Captioner(), [Image.new("RGB", (8, 8))], options)
    assert [tag.name for tag in caption.tags] == names
