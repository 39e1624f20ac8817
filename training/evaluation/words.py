"""Which words name something, and by which lemma: parts of speech by the Hanover Tagger (Wartena 2019), as in
training/evaluation/nouns.py, lemmas by lemminflect, whose dictionary knows what a form comes from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from lemminflect import getLemma

from training.evaluation.nouns import NAMES_NOTHING, tagger

_KINDS = {"N": "noun", "V": "verb", "J": "adjective"}
_POS = {"noun": "NOUN", "verb": "VERB", "adjective": "ADJ"}
_COLOURS = frozenset(
    "beige black blond blonde blue brown gold golden gray green grey orange pink purple red silver tan white yellow "
    "colorful colored multicolored".split()
)
_HELPERS = frozenset(
    "be have do can will would could must may shall should get go use make let keep seem try appear say".split()
)
_NAMES_NOTHING = NAMES_NOTHING | frozenset(
    "other several many few multiple various same different full next more own single opposite sized shaped life "
    "upside object item ready haired shot view line".split()
)
_LEMMAS = {"people": "person", "leaves": "leaf"} | {
    pair: pair for pair in "sunglasses glasses shorts pants jeans stairs trunks headphones rapids railing".split()
}
"""Of what the dictionary has another first meaning for, or no singular that people use."""
_READ = 20_000  # captions: enough for every word that is common


def lemmas(captions: Sequence[Sequence[str]]) -> dict[str, tuple[str, str]]:
    """Of every word among the captions that names something: its lemma, and what it is (noun, verb, adjective, colour)
    as it is mostly used.
    """
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for words in captions[:: max(1, len(captions) // _READ)]:
        for word, _, tag in tagger().tag_sent(list(words)):
            seen[word][_kind(word, tag)] += 1
    kinds = {word: uses.most_common(1)[0][0] for word, uses in seen.items()}
    found = {word: (_lemma(word, kind), kind) for word, kind in kinds.items() if kind}
    return {
        word: (lemma, kind)
        for word, (lemma, kind) in found.items()
        if lemma not in _NAMES_NOTHING and not (kind == "verb" and lemma in _HELPERS)
    }


def _kind(word: str, tag: str) -> str:
    """Of a word with that tag of the British National Corpus; nothing for a word that names nothing."""
    if word in _COLOURS:
        return "colour"
    if tag == "UNC" and word.isalpha() and len(word) > 2:  # what the tagger does not know is a noun in captions
        return "noun"
    return _KINDS.get(tag[1] if tag.startswith("AJ") else tag[0], "")


def _lemma(word: str, kind: str) -> str:
    if kind == "colour":
        return word
    return _LEMMAS.get(word) or getLemma(word, _POS[kind])[0]
