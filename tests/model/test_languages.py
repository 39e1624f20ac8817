import pytest

from model.languages import ENGLISH, LANGUAGES, language_of


@pytest.mark.parametrize(
    ("code", "caption", "words", "read"),
    [
        ("de", "Ein Mädchen im T-Shirt.", ["ein", "mädchen", "im", "t-shirt"], "ein mädchen im t-shirt"),
        ("de", "Stra\u00dfe, Ma\u0308dchen", ["straße", "mädchen"], "straße mädchen"),  # NFD becomes NFC
        ("fr", "L'homme qu'on voit, aujourd'hui", ["l'", "homme", "qu'", "on", "voit", "aujourd'hui"],
         "l'homme qu'on voit aujourd'hui"),
        ("fr", "quelqu’un s’arrête près d’un arc-en-ciel",
         ["quelqu'un", "s'", "arrête", "près", "d'", "un", "arc-en-ciel"], "quelqu'un s'arrête près d'un arc-en-ciel"),
        ("cs", "Dívka běží, pes štěká.", ["dívka", "běží", "pes", "štěká"], "dívka běží pes štěká"),
        ("zh", "两只狗，在打闹。", ["两", "只", "狗", "在", "打", "闹"], "两只狗在打闹"),
        ("zh", "穿T恤的 2 个人", ["穿", "t", "恤", "的", "2", "个", "人"], "穿t恤的2个人"),
        ("zh", "在 New York 的街上", ["在", "new", "york", "的", "街", "上"], "在new york的街上"),
        ("en", "人 and a dog's ball", ["人", "and", "a", "dog", "'s", "ball"], "人and a dog's ball"),
        ("sv", "En flicka hoppar!", ["en", "flicka", "hoppar"], "en flicka hoppar"),
    ],
)  # fmt: skip
def test_a_caption_becomes_words_and_the_words_a_sentence(code, caption, words, read):
    language = language_of(code)
    assert language.tokenise(caption) == words
    assert language.join(words) == read
    assert language.tokenise(read) == words


def test_words_are_written_as_people_mostly_write_them_inside_a_sentence():
    captions = [
        "Ein Hund rennt",
        "der Hund im Gras",
        "der hund schläft",
        "Rote Wellen",
        "ein roter Ball",
        "DER GRASHALM",
    ]
    written = LANGUAGES["de"].written([*captions, "rote Schuhe", "eine rote Katze"])
    assert written == {
        "hund": "Hund", "gras": "Gras", "wellen": "Wellen", "ball": "Ball", "schuhe": "Schuhe", "katze": "Katze",
    }  # fmt: skip


def test_english_comes_first_and_a_language_that_is_not_listed_has_its_own_code():
    assert next(iter(LANGUAGES.values())) is ENGLISH
    assert language_of("sv").code == "sv"


@pytest.mark.parametrize(
    ("code", "text", "sentence"),
    [
        ("de", "ein Hund im Gras", "Ein Hund im Gras."),
        ("fr", "à la plage", "À la plage."),
        ("zh", "两只狗在打闹", "两只狗在打闹。"),
        ("de", "ein Hund läuft auf der Wiese", "Ein Hund läuft auf."),
        ("zh", "一个穿着蓝色衣服的人在雪地里滑雪玩耍啊", "一个穿着蓝色衣服的人在雪地里滑雪玩耍。"),
        ("de", "", ""),
    ],
)
def test_a_sentence_to_publish_has_a_capital_a_full_stop_and_a_length(code, text, sentence):
    assert language_of(code).sentence(text, 19) == sentence
