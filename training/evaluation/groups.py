"""What a photograph shows, by the nouns that people use of it: a caption is scored among its like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from training.evaluation.nouns import PERSON, nouns

GROUPS: dict[str, frozenset[str]] = {
    "people": frozenset({PERSON}),
    "animals": frozenset(
        "animal bear bird bull calf cat cattle chicken cow deer dog donkey duck elephant fish giraffe goat goose "
        "greyhound horse kitten lamb lion monkey poodle puppy retriever seagull sheep terrier zebra".split()
    ),
    "food": frozenset(
        "apple banana bread breakfast broccoli burger cake carrot cheese coffee cookie dessert dinner donut doughnut "
        "egg food fruit hotdog lunch meal meat orange pasta pizza plate rice salad sandwich sauce soup strawberry "
        "vegetable".split()
    ),
    "indoors": frozenset(
        "bath bathroom bathtub bed bedroom cabinet counter couch desk fireplace fridge kitchen lamp laptop microwave "
        "mirror office oven refrigerator room shower sink sofa stove table television toilet tv".split()
    ),
    "vehicles": frozenset(
        "airplane bicycle bike boat bus car jet kayak motorbike motorcycle plane scooter ship subway taxi tractor "
        "train truck van vehicle".split()
    ),
    "sports": frozenset(
        "ball baseball basketball bat football frisbee game golf hockey match pitcher player racket ski skateboard "
        "skateboarder skater skier snowboard snowboarder soccer sport surfboard surfer team tennis volleyball".split()
    ),
}
OTHER = "other"


def groups_of(references: Sequence[Sequence[str]]) -> list[str]:
    """The groups of a photograph of which at least two of its references (or its only one) name something; OTHER where
    there are none.
    """
    found: Counter[str] = Counter()
    for reference in references:
        named = nouns(reference)
        found.update(group for group, words in GROUPS.items() if words & named)
    least = min(2, len(references))
    return [group for group in GROUPS if found[group] >= least] or [OTHER]
