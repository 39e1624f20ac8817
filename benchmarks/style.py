"""Alt text, measured on captions of people and of the captioner: python -m benchmarks.style --data FLICKR8K

Every reference caption of the dataset is written as alt text, gender-neutral, and looked over by rules that are not
those that wrote it: what is left of gender, articles (by inflect, which has a list of sounds of its own), openings,
numbers, lengths, ends. With --captions, the captions.json of `python -m training.evaluate`, it counts of whom the
captioner says what, before and after, by what the photographs' references say. Writes style.json to --output.
"""

from __future__ import annotations

import json
import random
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import tyro

from benchmarks.measure import put_in, save
from model.style.alt_text import alt_text
from model.style.length import MOST_CHARACTERS, cut
from training.data.records import read_dataset

_MALE = frozenset(
    "man men boy boys guy guys gentleman gentlemen male males he him his himself father fathers dad dads daddy son "
    "sons brother brothers husband husbands uncle uncles nephew grandfather grandpa groom grooms groomsman groomsmen "
    "boyfriend cowboy cowboys fireman firemen policeman policemen fisherman fishermen businessman businessmen "
    "cameraman cameramen horseman horsemen batsman batsmen baseman basemen mailman workman workmen dude dudes lad "
    "lads schoolboy schoolboys mans mens swordsman stuntman crewmen guardsman waiter".split()
)
_FEMALE = frozenset(
    "woman women girl girls lady ladies gal gals female females she her hers herself mother mothers mom moms mommy "
    "momma mama daughter daughters sister sisters wife wives aunt aunts niece grandmother grandma granny bride brides "
    "bridesmaid bridesmaids girlfriend cowgirl cowgirls policewoman policewomen businesswoman waitress actress "
    "hostess stewardess ballerina schoolgirl schoolgirls showgirl showgirls womans womens lass".split()
)
_NEITHER = frozenset(
    "person people child children kid kids baby babies toddler toddlers teenager teenagers adult adults human humans "
    "someone somebody parent parents couple crowd player players rider riders skier surfer skateboarder snowboarder "
    "biker cyclist climber hiker swimmer runner dancer performer worker workers officer officers firefighter".split()
)
_THINGS = re.compile(r"\bcow(?:boy|girl) (?:hats?|boots?|shirts?|outfits?|gear|costumes?)\b", re.IGNORECASE)
_QUOTED = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)")
_WORD = re.compile(r"[^\W_]+(?:[-&][^\W_]+|'t\b)*")
_OPENING = re.compile(
    r"\bthere(?:'s| is| are| was| were)\b|^(?:an? |the |this )?(?:image|picture|photo(?:graph)?) of\b", re.I
)
GROUPS = ("male", "female", "both", "neither", "nobody")
"""Whose gender the words of a text tell: only men and boys, only women and girls, both, people without, no people."""


@dataclass(frozen=True)
class Config:
    data: Path
    """Folder that training reads; every caption of it is styled."""
    captions: Path | None = None
    output: Path = Path("docs/results")
    documents: tuple[Path, ...] = (Path("docs/service.md"), Path("MODEL_CARD.md"))
    """Get the figures in their places."""
    samples: int = 0
    """Changed captions that are printed, to be read."""


def measure(captions: Sequence[str]) -> dict[str, Any]:
    """Counts over captions of people."""
    neutral = [alt_text(caption) for caption in captions]
    kept = [alt_text(caption, gendered=True) for caption in captions]
    short = [cut(text) for text in neutral]
    articles = Counter(pair for text in short for pair in _articles(text))
    differ = {f"{article} {word}": count for (article, word), count in articles.items() if _inflects(word) != article}
    return {
        "captions": len(captions),
        "neutral_differs_from_gendered": sum(a != b for a, b in zip(neutral, kept, strict=True)),
        "words_differ_from_caption": sum(words(a) != words(b) for a, b in zip(captions, neutral, strict=True)),
        "gendered_before": sum(bool(gendered_words(caption)) for caption in captions),
        "gendered_after": sum(bool(gendered_words(text)) for text in short),
        "gendered_words_left": [_around(text) for text in short if gendered_words(text)],
        "cowboy_hats_and_the_like": sum(bool(_THINGS.search(text)) for text in short),
        "doubled_articles": sum(bool(re.search(r"\b(?:an?|the) (?:an?|the)\b(?!-)", text, re.I)) for text in short),
        "articles": sum(articles.values()),
        "articles_inflect_disagrees": differ,
        "openings": sum(bool(_OPENING.search(_QUOTED.sub("", text))) for text in short),
        "numbers_below_100_in_digits": sum(
            bool(re.search(r"(?<![\w#$.,:'\"])\d\d?(?![\w'\":])", text)) for text in short
        ),
        "without_capital_or_full_stop": sum(not (text[0] == text[0].upper() and text.endswith(".")) for text in short),
        "too_long_before_the_cut": sum(len(text) > MOST_CHARACTERS for text in neutral),
        "longest": max(map(len, short)),
        "cut_in_a_word": sum(words(b) != words(a)[: len(words(b))] for a, b in zip(neutral, short, strict=True)),
    }


def words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def gendered_words(text: str) -> list[str]:
    """Those that are neither quoted nor part of a thing's name."""
    said = words(_THINGS.sub("", _QUOTED.sub("", text)))
    return [word for word in said if word in _MALE or word in _FEMALE]


def _around(text: str) -> str:
    """The first gendered word of a text with those beside it."""
    said = words(text)
    at = said.index(gendered_words(text)[0])
    return " ".join(said[max(0, at - 1) : at + 2])


def group_of(texts: Sequence[str]) -> str:
    """One of GROUPS; of several references, what at least two of them (or the only one) say."""
    least = min(2, len(texts))
    said = Counter(kind for text in texts for kind in _kinds(text))
    male, female = said["male"] >= least, said["female"] >= least
    if male or female:
        return "both" if male and female else "male" if male else "female"
    return "neither" if said.total() >= least else "nobody"


def _kinds(text: str) -> Iterator[str]:
    said = set(gendered_words(text))
    yield from (kind for kind, those in (("male", _MALE), ("female", _FEMALE)) if said & those)
    if not said and _NEITHER & set(words(text)):
        yield "neither"


def by_group(photographs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each group of references what the caption says, before and after: {group: {photographs, before, after}}."""
    rows: dict[str, dict[str, Any]] = {}
    for group in GROUPS:
        own = [photograph["caption"] for photograph in photographs if group_of(photograph["references"]) == group]
        said = {"before": Counter(map(_said, own)), "after": Counter(_said(cut(alt_text(text))) for text in own)}
        rows[group] = {"photographs": len(own)} | {
            when: {kind: counts[kind] for kind in GROUPS} for when, counts in said.items()
        }
    return rows


def _said(caption: str) -> str:
    return group_of([caption])


def _articles(text: str) -> Iterator[tuple[str, str]]:
    said = re.findall(r"[\w'&-]+|[^\w\s]", text.replace('"', ""))
    for article, word in pairwise(said):
        if article.lower() in ("a", "an") and word[0].isalnum():
            yield article.lower(), word


@cache
def _inflects(word: str) -> str:
    return str(_engine().a(word)).split()[0]


@cache
def _engine() -> Any:
    import inflect  # takes seconds

    return inflect.engine()


def describe_references(record: dict[str, Any]) -> str:
    found = record["references"]
    left = ", ".join(found["gendered_words_left"]) or "none"
    differ = sum(found["articles_inflect_disagrees"].values())
    which = ", ".join(found["articles_inflect_disagrees"]) or "nowhere"
    told, others = f"{found['gendered_before']:,}", f"{found['neutral_differs_from_gendered']:,}"
    text = (
        f"Of {found['captions']:,} captions that people wrote of {record['dataset']}'s photographs {told} tell "
        f"somebody's gender; as alt text {others} are others than with `gendered=true`. Gendered words left: {left}. "
        f"Doubled articles: {found['doubled_articles']}. Of {found['articles']:,} times *a* or *an* inflect would have "
        f"the other {differ} times ({which}). Too long, and cut: {found['too_long_before_the_cut']}. By "
        "`python -m benchmarks.style --data FLICKR8K`."
    )
    return textwrap.fill(text, 120, break_on_hyphens=False) + "\n"


def describe_groups(groups: dict[str, Any]) -> str:
    names = ("men, boys", "women, girls", "both", "people, no gender", "nobody")
    lines = ["| references tell of | photographs | " + " | ".join(names) + " |", "|---|---:|" + "---:|" * len(names)]
    for name, group in zip(names, GROUPS, strict=True):
        row = groups[group]
        cells = [f"{row['before'][kind]} → {row['after'][kind]}" for kind in GROUPS]
        lines.append(f"| {name} | {row['photographs']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    captions = [caption for record in read_dataset(config.data) for caption in record.captions]
    record: dict[str, Any] = {"dataset": config.data.resolve().name, "references": measure(captions)}
    texts = {"references": describe_references(record)}
    if config.captions:
        record["groups"] = by_group(json.loads(config.captions.read_text()))
        texts["groups"] = describe_groups(record["groups"])
    save(config.output, "style", record)
    for document in config.documents:
        document.write_text(put_in(document.read_text(), texts))
    print("\n".join([json.dumps(record["references"], indent=1), *texts.values()]))
    changed = [caption for caption in captions if alt_text(caption) != alt_text(caption, gendered=True)]
    for caption in random.Random(0).sample(changed, min(config.samples, len(changed))):
        print(f"{caption}\n    {cut(alt_text(caption))}")


if __name__ == "__main__":
    main()
