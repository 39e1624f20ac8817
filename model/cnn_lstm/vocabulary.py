"""Words to numbers and back, and the one tokenisation that the whole project uses.

Tokenisation: lower case; a word is a run of letters and digits, with inner hyphens and apostrophes kept
("t-shirt", "don't"); a possessive 's is a word of its own; all other punctuation is dropped.
Both "A man 's hat ." (as Flickr8k is distributed) and "A man's hat." become [a, man, 's, hat].
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from model.errors import VocabularyRefused
from model.files import atomic_write
from model.foreign import PICKLE, describe_content, describe_foreign

PAD, START, END, UNKNOWN = range(4)
SPECIAL_TOKENS = ("<pad>", "<start>", "<end>", "<unk>")
FORMAT = "image-captioner vocabulary 1"

_WORD = re.compile(r"[^\W_]+(?:(?:-|'(?!s\b))[^\W_]+)*|'s\b")


def tokenise(caption: str) -> list[str]:
    """The words of a caption, as the module's docstring defines them."""
    return _WORD.findall(caption.lower().replace("’", "'"))


def join_words(words: Iterable[str]) -> str:
    """The sentence that a person reads: the inverse of `tokenise` up to case and punctuation."""
    return " ".join(words).replace(" 's", "'s")


class Vocabulary:
    """A fixed list of words; the index of a word is its token. The first four are special."""

    def __init__(self, words: Sequence[str]) -> None:
        if tuple(words[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
            raise VocabularyRefused(f"a vocabulary begins with {', '.join(SPECIAL_TOKENS)}")
        self.words = tuple(words)
        self._token_of = {word: token for token, word in enumerate(self.words)}
        if len(self._token_of) != len(self.words):
            raise VocabularyRefused("a word occurs twice in the vocabulary")

    @classmethod
    def build(cls, captions: Iterable[str], min_count: int = 5) -> Vocabulary:
        """Words that occur at least `min_count` times, most frequent first, ties in alphabetical order."""
        return cls(SPECIAL_TOKENS).extended(captions, min_count)

    def extended(self, captions: Iterable[str], min_count: int = 5) -> Vocabulary:
        """These words with their tokens, and behind them the captions' others, chosen and ordered as by `build`."""
        counts = Counter(word for caption in captions for word in tokenise(caption))
        new = [word for word, count in counts.items() if count >= min_count and word not in self]
        return Vocabulary([*self.words, *sorted(new, key=lambda word: (-counts[word], word))])

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._token_of

    def encode(self, caption: str) -> list[int]:
        """Tokens of a caption between START and END; words outside the vocabulary become UNKNOWN."""
        return [START, *(self._token_of.get(word, UNKNOWN) for word in tokenise(caption)), END]

    def decode(self, tokens: Iterable[int]) -> list[str]:
        """Words of the tokens up to the first END, special tokens left out."""
        words = []
        for token in tokens:
            if token == END:
                break
            if token not in (PAD, START):
                words.append(self.words[token])
        return words

    @property
    def digest(self) -> str:
        """SHA-256 over the words in order: two vocabularies are the same exactly if this is."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """The file appears whole or not at all."""
        with atomic_write(path) as file:
            file.write_bytes(pickle.dumps({"format": FORMAT, "words": list(self.words)}, protocol=4))

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Reads what `save` wrote. No code in the file is executed: every global is refused.

        Raises VocabularyRefused for anything else, FileNotFoundError where there is no file.
        """
        if found := describe_foreign(path, PICKLE):
            raise VocabularyRefused(f"{path} is not a readable vocabulary: {found}")
        with path.open("rb") as file:
            try:
                content = _PlainUnpickler(file).load()
            except VocabularyRefused:
                raise
            except Exception as error:  # a damaged pickle raises whatever its opcodes lead to
                raise VocabularyRefused(f"{path} is not a readable vocabulary: {error}") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise VocabularyRefused(f"{path} is not a vocabulary file ('{FORMAT}'): {describe_content(content)}")
        words = content.get("words")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise VocabularyRefused(f"{path} holds no list of words")
        return cls(words)


class _PlainUnpickler(pickle.Unpickler):
    """Dictionaries, lists, strings and numbers need no global; anything that asks for one is refused."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        raise VocabularyRefused(
            f"the vocabulary file asks for {module}.{name}: it is another program's, or is to run code, and is not "
            "loaded; the one that belongs to a checkpoint was written with it"
        )
