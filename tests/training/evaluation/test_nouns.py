"""What sentences name, and how much of it people name too."""

import pytest

from training.evaluation.groups import groups_of
from training.evaluation.metrics import human_scores, score
from training.evaluation.nouns import nouns, share_named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a black dog is running through the grass", {"dog", "grass"}),
        ("two ladies are standing next to a white horse", {"person", "horse"}),
        ("a cup of coffee on a wooden table", {"cup", "coffee", "table"}),
        ("a group of people in front of a building", {"person", "building"}),
        ("a plate with vegetables", {"plate", "vegetable"}),
        ("a couple of buses", {"bus"}),
        ("a couple on a bench", {"person", "bench"}),
        ("two hot dogs beside a teddy bear", {"hotdog", "toy"}),
        ("a giraffe with leaves", {"giraffe", "leaf"}),
        ("a girl in a tutu", {"person", "tutu"}),  # a word that the tagger does not know
        ("a <unk>", set()),
        ("running fast", set()),
        ("", set()),
    ],
)
def test_nouns_of_a_sentence(text, named):
    assert nouns(tuple(text.split())) == named
    assert nouns(text.split()) == named


@pytest.mark.parametrize(
    ("caption", "references", "share"),
    [
        ("a boy rides a bike", ["a girl on a bicycle", "a child with her bike"], 1.0),
        ("a dog on a sofa", ["dogs play", "a couch"], 0.5),
        ("a cat", ["a dog"], 0.0),
        ("running fast", ["running fast"], 0.0),
    ],
)
def test_share_of_nouns_that_people_name(caption, references, share):
    assert share_named(caption.split(), [text.split() for text in references]) == share


@pytest.mark.parametrize(
    ("references", "groups"),
    [
        (["a man eats a sandwich", "a woman with a salad", "lunch"], ["people", "food"]),
        (["a man", "a street", "a house"], ["other"]),
        (["a kitchen with an oven"], ["indoors"]),
        (["a hot dog", "two hot dogs"], ["food"]),
        (["a skateboarder on a truck", "a skateboard trick"], ["sports"]),
    ],
)
def test_groups_of_a_photograph(references, groups):
    assert groups_of([text.split() for text in references]) == groups


def test_people_are_scored_against_each_other():
    texts = [["a dog runs", "the dog runs", "a cat"], ["a man sits", "a man sits down", "men", "nobody"]]
    references = [[text.split() for text in own] for own in texts]
    found = human_scores(references)
    by_hand = [
        score([own[i] for own in references], [own[:i] + own[i + 1 :] for own in references]).corpus["B-1"]
        for i in range(3)
    ]
    assert found["others"] == 2 and found["scores"]["B-1"] == pytest.approx(sum(by_hand) / 3)
    assert human_scores([[["a", "dog"]], *references]) == {}
    nearly = human_scores([[["a", "dog"]], *references * 5])
    assert nearly["photographs"] == 10 and nearly["others"] == 2
