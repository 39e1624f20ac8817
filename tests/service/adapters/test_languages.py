import pytest

from service.adapters.filling import fill
from service.adapters.known import Known
from service.adapters.languages import asked_by, asked_in, is_named
from service.errors import BadRequest

TEXT = {"type": "string"}
GERMAN = Known("Ein Hund rennt.", ("Ein Hund rennt.",), (("Hund", 0.9),), 0.4, False, "de")


@pytest.mark.parametrize(
    ("prompt", "tag"),
    [
        ("Describe this image in German.", "de"),
        ("Describe the picture.\nAnswer in GERMAN, in one sentence.", "de"),
        ("Beschreibe das Bild auf Deutsch", "de"),
        ("Décris cette image en français.", "fr"),
        ("Popiš tento obrázek česky.", "cs"),
        ("Popiš obrázek v češtině", "cs"),
        ("请用中文描述这张图片", "zh"),
        ("Language: Chinese", "zh"),
        ("Translate from English into Czech", "cs"),
        ("Answer in English. No, answer in French!", "fr"),
        ("Write in German, not in English.", "de"),
        ("Describe this image in English", "en"),
        ("Is there a German shepherd, or a Czech flag?", None),
        ("Is there whisky in the picture, or the sky?", None),
        ("not in German, please", None),
        ("Describe this image", None),
        ("Germany, in Germanic woods", None),
        ("in Klingon", None),
        ("", None),
        ("in " * 200_000, None),
    ],
)
def test_a_language_is_asked_for_in_words(prompt, tag):
    assert asked_in(prompt) == tag


@pytest.mark.parametrize(
    ("part", "tag"),
    [
        ({"const": "de"}, "de"),
        ({"enum": ["de-AT"]}, "de-AT"),
        ({"const": "Deutsch"}, "de"),
        ({"type": "string", "enum": ["German"]}, "de"),
        ({"enum": ["de", "en"]}, None),
        ({"const": 3}, None),
        (TEXT, None),
        (True, None),
    ],
)
@pytest.mark.parametrize("name", ["language", "lang", "Sprache", "languageCode"])
def test_a_schema_has_a_language_that_can_only_be_one(name, part, tag):
    assert asked_by({"properties": {"text": TEXT, name: part}}) == tag


@pytest.mark.parametrize("schema", [None, {}, {"properties": None}, {"properties": []}, {"properties": {"x": {}}}, 3])
def test_and_most_schemas_have_none(schema):
    assert asked_by(schema) is None


def test_names_and_tags():
    assert all(is_named("de", name) for name in ("de", "DE", "de-DE", "German", "deutsch", "allemand", "德语"))
    assert not any(is_named("de", name) for name in ("en", "English", "Germanic", "", 3, None))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ({"enum": ["en", "de"]}, "de"),
        ({"enum": ["English", "German"]}, "German"),
        ({"const": "de-DE"}, "de-DE"),
        (TEXT, "de"),
    ],
)
def test_an_answer_says_its_own_language(part, value):
    schema = {"properties": {"beschreibung": TEXT, "language": part}, "required": ["beschreibung", "language"]}
    assert fill(schema, GERMAN, "format") == {"beschreibung": "Ein Hund rennt.", "language": value}


def test_and_no_other():
    """An answer that called a German caption French would be made up."""
    schema = {"properties": {"caption": TEXT, "language": {"const": "fr"}}, "required": ["caption", "language"]}
    with pytest.raises(BadRequest, match="language"):
        fill(schema, GERMAN, "format")
    schema["properties"]["language"] = {"enum": ["fr", None]}
    assert fill(schema | {"required": ["caption"]}, GERMAN, "format") == {"caption": "Ein Hund rennt."}


@pytest.mark.parametrize("name", ["Bildbeschreibung", "légende", "popisek", "描述"])
def test_properties_in_other_languages(name):
    schema = {"type": "object", "properties": {name: TEXT, "id": {"type": ["integer", "null"]}, "note": TEXT}}
    assert fill(schema, GERMAN, "format")[name] == "Ein Hund rennt."
