"""Words to numbers and back. How a caption becomes words is the language's: model/languages.py."""

from __future__ import annotations

import hashlib
import pickle
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from model.errors import VocabularyRefused
from model.files import atomic_write
from model.foreign import PICKLE, describe_content, describe_foreign
from model.languages import ENGLISH, Language, language_of

PAD, START, END, UNKNOWN = range(4)
SPECIAL_TOKENS = ("<pad>", "<start>", "<end>", "<unk>")
FORMAT = "image-captioner vocabulary 1"


class Vocabulary:
    """A fixed list of words of a language; the index of a word is its token. The first four are special."""

    def __init__(
        self, words: Sequence[str], language: Language = ENGLISH, written: Mapping[str, str] | None = None
    ) -> None:
        """`written` has the words that are not written in small letters inside a sentence."""
        if tuple(words[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
            raise VocabularyRefused(f"a vocabulary begins with {', '.join(SPECIAL_TOKENS)}")
        self.words, self.language, self.written = tuple(words), language, dict(written or {})
        self._token_of = {word: token for token, word in enumerate(self.words)}
        if len(self._token_of) != len(self.words):
            raise VocabularyRefused("a word occurs twice in the vocabulary")

    @classmethod
    def build(cls, captions: Iterable[str], min_count: int = 5, language: Language = ENGLISH) -> Vocabulary:
        """Words that occur at least `min_count` times, most frequent first, ties in alphabetical order."""
        return cls(SPECIAL_TOKENS, language).extended(captions, min_count)

    def extended(self, captions: Iterable[str], min_count: int = 5) -> Vocabulary:
        """These words with their tokens, and behind them the captions' others, chosen and ordered as by `build`."""
        captions = list(captions)
        counts = Counter(word for caption in captions for word in self.language.tokenise(caption))
        new = [word for word, count in counts.items() if count >= min_count and word not in self]
        words = [*self.words, *sorted(new, key=lambda word: (-counts[word], word))]
        written = {} if self.language is ENGLISH else self.language.written(captions) | self.written
        return Vocabulary(words, self.language, {word: written[word] for word in words if word in written})

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._token_of

    def encode(self, caption: str) -> list[int]:
        """Tokens of a caption between START and END; words outside the vocabulary become UNKNOWN."""
        return [START, *(self._token_of.get(word, UNKNOWN) for word in self.language.tokenise(caption)), END]

    def decode(self, tokens: Iterable[int]) -> list[str]:
        """Words of the tokens up to the first END, special tokens left out."""
        words = []
        for token in tokens:
            if token == END:
                break
            if token not in (PAD, START):
                words.append(self.words[token])
        return words

    def write(self, words: Iterable[str]) -> list[str]:
        """Words of the vocabulary as a person writes them inside a sentence."""
        return [self.written.get(word, word) for word in words]

    @property
    def digest(self) -> str:
        """SHA-256 over the words in order: two vocabularies are the same exactly if this is."""
        return hashlib.sha256("\n".join(self.words).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """The file appears whole or not at all."""
        with atomic_write(path) as file:
            file.write_bytes(pickle.dumps(self.state(), protocol=4))

    def state(self) -> dict[str, Any]:
        """Plain data."""
        content: dict[str, Any] = {"format": FORMAT, "words": list(self.words)}
        return (
            content if self.language is ENGLISH else content | {"language": self.language.code, "written": self.written}
        )

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
        return cls.from_state(content, str(path))

    @classmethod
    def from_state(cls, content: Any, name: str) -> Vocabulary:
        """Of what `state` gave; `name` is for messages. Raises VocabularyRefused for anything else."""
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise VocabularyRefused(f"{name} is not a vocabulary file ('{FORMAT}'): {describe_content(content)}")
        words, language, written = (content.get(key) for key in ("words", "language", "written"))
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise VocabularyRefused(f"{name} holds no list of words")
        if not isinstance(language or "", str) or not isinstance(written or {}, dict):
            raise VocabularyRefused(f"{name} names no language")
        return cls(words, language_of(language or ENGLISH.code), {str(k): str(v) for k, v in (written or {}).items()})


class _PlainUnpickler(pickle.Unpickler):
    """Dictionaries, lists, strings and numbers need no global; anything that asks for one is refused."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        raise VocabularyRefused(
            f"the vocabulary file asks for {module}.{name}: it is another program's, or is to run code, and is not "
            "loaded; the one that belongs to a checkpoint was written with it"
        )
