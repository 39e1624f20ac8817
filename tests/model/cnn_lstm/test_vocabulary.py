import pickle

import pytest

from model.cnn_lstm.vocabulary import END, SPECIAL_TOKENS, START, UNKNOWN, Vocabulary
from model.errors import VocabularyRefused
from model.languages import ENGLISH, tokenise


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A Dog runs .", ["a", "dog", "runs"]),
        ("A man 's hat", ["a", "man", "'s", "hat"]),
        ("a man's hat.", ["a", "man", "'s", "hat"]),
        ("a man’s hat", ["a", "man", "'s", "hat"]),
        ('A "red" t-shirt , two dogs ; one', ["a", "red", "t-shirt", "two", "dogs", "one"]),
        ("they don't merry-go-round", ["they", "don't", "merry-go-round"]),
        ("number 8 , café - bar", ["number", "8", "café", "bar"]),
        ("dogs' toys", ["dogs", "toys"]),
        (" .,;!? ", []),
    ],
)
def test_tokenisation(caption, words):
    assert tokenise(caption) == words


def test_joined_words_tokenise_to_themselves():
    words = ["a", "man", "'s", "t-shirt"]
    assert ENGLISH.join(words) == "a man's t-shirt"
    assert tokenise(ENGLISH.join(words)) == words


def test_build_keeps_frequent_words_most_frequent_first():
    vocabulary = Vocabulary.build(["a dog", "a dog", "a cat"], min_count=2)
    assert vocabulary.words == (*SPECIAL_TOKENS, "a", "dog")
    assert "cat" not in vocabulary


def test_an_extended_vocabulary_keeps_the_old_words_where_they_are():
    old = Vocabulary.build(["b dog", "b"], min_count=1)
    extended = old.extended(["a cat", "b cat", "a b bird"], min_count=2)
    assert extended.words == (*old.words, "a", "cat")
    assert extended.encode("b cat")[1:-1] == [old.encode("b")[1], len(old) + 1]


def test_order_of_captions_does_not_matter():
    captions = ["b a", "c a", "b c"]
    assert Vocabulary.build(captions, 1).words == Vocabulary.build(captions[::-1], 1).words


def test_encode_and_decode():
    vocabulary = Vocabulary.build(["a dog runs"], min_count=1)
    tokens = vocabulary.encode("A dog flies .")
    assert tokens[0] == START and tokens[-1] == END and tokens[3] == UNKNOWN
    assert vocabulary.decode(tokens) == ["a", "dog", "<unk>"]
    assert vocabulary.decode([START, *vocabulary.encode("a dog")[1:], 5, 5]) == ["a", "dog"]


def test_saved_and_loaded(tmp_path):
    vocabulary = Vocabulary.build(["a dog runs"], min_count=1)
    vocabulary.save(tmp_path / "vocab.pkl")
    loaded = Vocabulary.load(tmp_path / "vocab.pkl")
    assert loaded.words == vocabulary.words
    assert loaded.digest == vocabulary.digest


def test_digest_tells_order_apart():
    assert Vocabulary([*SPECIAL_TOKENS, "a", "b"]).digest != Vocabulary([*SPECIAL_TOKENS, "b", "a"]).digest


class Exploit:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_pickle_with_code_is_refused_and_not_executed(tmp_path, capsys):
    file = tmp_path / "vocab.pkl"
    file.write_bytes(pickle.dumps({"format": "image-captioner vocabulary 1", "words": Exploit()}))
    with pytest.raises(VocabularyRefused, match="print"):
        Vocabulary.load(file)
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickle.dumps(["a", "list"]),
        pickle.dumps({"format": "image-captioner vocabulary 1", "words": [1, 2]}),
        pickle.dumps({"format": "image-captioner vocabulary 1", "words": ["a", "b", "c", "d"]}),
        pickle.dumps({"format": "image-captioner vocabulary 1", "words": [*SPECIAL_TOKENS, "a", "a"]}),
    ],
)
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "vocab.pkl").write_bytes(content)
    with pytest.raises(VocabularyRefused):
        Vocabulary.load(tmp_path / "vocab.pkl")
