"""What is written for captions of every kind that people and captioners write; of 40,000 more: benchmarks/style.py."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.style.alt_text import alt_text
from model.style.length import MOST_CHARACTERS, cut

SENTENCES = {
    "a dog runs through the grass": "A dog runs through the grass.",
    "a dog runs through the grass .": "A dog runs through the grass.",
    "A dog runs!": "A dog runs.",
    "two cats , a dog and a bird": "Two cats, a dog and a bird.",
    "the sun 's light falls on the rocks": "The sun's light falls on the rocks.",
    "the boys ' bikes lie on the lawn": "The children's bikes lie on the lawn.",
    "a sign ( in red ) hangs over the door": "A sign (in red) hangs over the door.",
    "A CAT ON A SOFA": "A cat on a sofa.",
    "a cat isn't awake ; it 's asleep": "A cat isn't awake; it's asleep.",
    "an asian market with a german shepherd": "An Asian market with a German shepherd.",
    "a boat passes the u.s. flag": "A boat passes the U.S. flag.",
    '"stop" says the sign': '"stop" says the sign.',
    "a visit to example.com": "A visit to example.com.",
}
OPENINGS = {
    "there is a cat on the sofa": "A cat on the sofa.",
    "there are two dogs in the snow .": "Two dogs in the snow.",
    "there 's a bird on a branch": "A bird on a branch.",
    "this is a black dog splashing in the water": "A black dog splashing in the water.",
    "an image of a cat": "A cat.",
    "a picture of a dog on a beach": "A dog on a beach.",
    "a blurry photo of two dogs": "Two dogs.",
    "a black and white photograph of a bridge": "A bridge.",
    "this picture shows a boat on a lake": "A boat on a lake.",
    "this is a picture of a horse": "A horse.",
    "an action shot of a skier": "A skier.",
    "a closeup of a dog": "A closeup of a dog.",
    "a closeup photo of a dog": "A closeup of a dog.",
    "close-up picture of a cat": "Close-up of a cat.",
    "in this photo, a bird sits on a branch": "A bird sits on a branch.",
    "a woman taking a picture of a dog": "A person taking a picture of a dog.",
    "a man holds a picture of a cat": "A person holds a picture of a cat.",
    "a wedding photo of a couple": "A couple.",
    "a dog jumps and there is a bird flying": "A dog jumps with a bird flying.",
    "a dog stands in snow ; there is a tree to the right": "A dog stands in snow with a tree to the right.",
    "a dog runs in a field where there are some cows": "A dog runs in a field with some cows.",
    "on a table there is a cake": "On a table, a cake.",
    "a tent stands because there is snow": "A tent stands because of snow.",
    "there is nobody on the beach": "Nobody on the beach.",
    "there is not much to see": "There is not much to see.",
    "the image shows two people in a park .": "Two people in a park.",
    "a kite flies . There is a tree": "A kite flies. A tree.",
}
NUMBERS_AND_ARTICLES = {
    "2 dogs play with 1 ball": "Two dogs play with one ball.",
    "a 8 year old horse": "An eight year old horse.",
    "a player with number 23": "A player with number twenty-three.",
    "the 3rd horse leads": "The third horse leads.",
    "a 4-wheeler in the mud": "A four-wheeler in the mud.",
    "a jersey with # 4": "A jersey with #4.",
    "a race in 1923 at 10:30": "A race in 1923 at 10:30.",
    "a orange ball": "An orange ball.",
    "an small dog": "A small dog.",
    "a hour by the sea": "An hour by the sea.",
    "an uniform": "A uniform.",
    "a umbrella and an unicycle": "An umbrella and a unicycle.",
    "an european car": "A European car.",
    "a suv and an tv": "An SUV and a TV.",
    "a the dog": "The dog.",
    "a x-ray on a U-turn sign": "An x-ray on a U-turn sign.",
    'a " ok " sign': 'An "ok" sign.',
    "a his dog": "Their dog.",
}
PEOPLE = {
    "a man in a red shirt": "A person in a red shirt.",
    "a woman with an umbrella": "A person with an umbrella.",
    "a boy in his boat": "A child in their boat.",
    "the girl holds her doll": "The child holds their doll.",
    "two men are standing on a roof": "Two people are standing on a roof.",
    "three women walk down the street": "Three people walk down the street.",
    "boys play soccer while girls watch": "Children play soccer while children watch.",
    "a group of men": "A group of people.",
    "a group of policeman": "A group of police officers.",
    "an old man and his dog": "An old person and their dog.",
    "a young lady reads": "A young person reads.",
    "a guy with a guitar": "A person with a guitar.",
    "two ladies and a gentleman": "Three people.",
    "an elderly gentleman 's hat": "An elderly person's hat.",
    "a woman 's hand": "A person's hand.",
    "the men 's tools": "The people's tools.",
    "the ladies ' hats": "The people's hats.",
    "a baby boy in a crib": "A baby in a crib.",
    "a teenage girl texts": "A teenager texts.",
    "two teenage boys skate": "Two teenagers skate.",
    "an adult male and a female child": "An adult and a child.",
    "a grown man cries": "An adult cries.",
    "a little girl jumps": "A little child jumps.",
    "a male runs": "A person runs.",
    "a female tennis player serves": "A tennis player serves.",
    "two males wrestle": "Two people wrestle.",
    "two male dancers": "Two dancers.",
    "a male and female dance": "Two people dance.",
    "male and female dancers": "Dancers.",
    "a male dog": "A dog.",
    "a woman snowboarder": "A snowboarder.",
    "a woman pole vaulter falls": "A pole vaulter falls.",
    "girl scouts march": "Scouts march.",
    "a girl models a dress": "A child models a dress.",
    "women model hats": "People model hats.",
    "a women 's basketball game": "A basketball game.",
    "a girls soccer team": "A soccer team.",
    "the men 's room": "The restroom.",
    "male and female dance": "Two people dance.",
    "a female": "A person.",
    "an all-male band": "A band.",
    "a band that is all-male": "A band that is all-male.",
}
SLIPS = {
    "two woman talk": "Two people talk.",
    "a girls jumps": "A child jumps.",
    "a girls necklace": "A child's necklace.",
    "the mans hat": "The person's hat.",
    "a young men swims": "A young person swims.",
}
TRADES_AND_KIN = {
    "a fireman and a policewoman": "A firefighter and a police officer.",
    "policemen on horses": "Police officers on horses.",
    "the cameraman films a waitress": "The camera operator films a server.",
    "a first baseman": "A first base player.",
    "two fishermen": "Two fishers.",
    "a cowboy on a bull": "A cowhand on a bull.",
    "a man in a cowboy hat": "A person in a cowboy hat.",
    "a mother and her son": "A parent and their child.",
    "a father and daughter": "A parent and child.",
    "his brother and sister": "Their siblings.",
    "a husband and wife": "Two spouses.",
    "a bride and groom": "Two newlyweds.",
    "a bride with her groom": "A newlywed with their spouse.",
    "a bride with three bridesmaids": "A newlywed with three wedding attendants.",
    "a grandmother knits": "A grandparent knits.",
    "her boyfriend": "Their partner.",
    "a businessman in a suit": "A businessperson in a suit.",
    "a schoolgirl": "A schoolchild.",
    "a woman grooms her dog": "A person grooms their dog.",
}
NO_PEOPLE = {
    "a snowman near a manhole": "A snowman near a manhole.",
    "a snow man": "A snowman.",
    "a man made lake": "An artificial lake.",
    "a man-made wall": "An artificial wall.",
    "a german doberman": "A German Doberman.",
    "a spider-man costume": "A spider-man costume.",
    "a human and a mannequin": "A human and a mannequin.",
    "a lady bug on a leaf": "A ladybug on a leaf.",
    'a shirt with " boys will be boys "': 'A shirt with "boys will be boys".',
    "a sign that says ' men at work '": "A sign that says 'men at work'.",
    "a Guy Fawkes mask": "A Guy Fawkes mask.",
}
PRONOUNS = {
    "he is skateboarding": "They are skateboarding.",
    "she has a hat and he has a cap": "They have a hat and they have a cap.",
    "a man smiles as he jumps and catches a ball": "A person smiles as they jump and catch a ball.",
    "a boy sits while he carefully ties his shoes": "A child sits while they carefully tie their shoes.",
    "a man looks at the map that he 's holding": "A person looks at the map that they're holding.",
    "a woman says she 's been there": "A person says they've been there.",
    "a man thinks he was right": "A person thinks they were right.",
    "a girl does what she does": "A child does what they do.",
    "a boy hopes he does n't fall": "A child hopes they don't fall.",
    "a woman with a dog next to her": "A person with a dog next to them.",
    "a man behind her holds her bag": "A person behind them holds their bag.",
    "a man watches her": "A person watches them.",
    "a woman swims with a fish beside her smiling": "A person swims with a fish beside them smiling.",
    "he helps her climb the wall": "They help them climb the wall.",
    "a girl rides hers": "A child rides theirs.",
    "a man paints a friend of his": "A person paints a friend of theirs.",
    "a boy looks at himself": "A child looks at themselves.",
    "a woman by herself in the woods": "A person by themselves in the woods.",
    "a person with his or her dog": "A person with their dog.",
    "he or she is late": "They are late.",
    "his and her towels": "Their towels.",
    "a woman in her brightly coloured coat": "A person in their brightly coloured coat.",
    "a man with his fishing rod": "A person with their fishing rod.",
    "her dog sleeps": "Their dog sleeps.",
}
ANIMALS = {
    "a dog with a stick in his mouth": "A dog with a stick in its mouth.",
    "a dog shakes himself as he leaves the water": "A dog shakes itself as it leaves the water.",
    "a cat licks her paw": "A cat licks its paw.",
    "a man plays with his dog as he runs": "A person plays with their dog as they run.",
    "a horse and its rider , he waves": "A horse and its rider, they wave.",
}
SEVERAL_PEOPLE = {
    "a man and a woman are sitting on a bench": "Two people are sitting on a bench.",
    "a man and woman sit": "Two people sit.",
    "a woman and a man in a red shirt": "A person and another person in a red shirt.",
    "a man and a woman in a boat": "Two people in a boat.",
    "a boy and a girl": "Two children.",
    "a young man and woman": "Two young people.",
    "an old man and a young woman": "An old person and a young person.",
    "an asian man and an asian woman": "Two Asian people.",
    "two men and a woman": "Three people.",
    "two boys and three girls": "Five children.",
    "the man and the woman": "The two people.",
    "the boy and girl are dancing": "The two children are dancing.",
    "men and women": "People.",
    "several men and women": "Several people.",
    "a man or a woman": "A person.",
    "a man and a boy": "A person and a child.",
    "a man , a woman and a dog": "Two people and a dog.",
    "a man , woman and child": "Two people and a child.",
    "a man , woman , and two boys": "Two people and two children.",
    "a teenage boy and girl": "Two teenagers.",
    "a business man and woman": "Two business people.",
    "his mother and father": "Their parents.",
    "a man kisses a woman": "A person kisses another person.",
    "a man in a hat talks to a woman in a coat": "A person in a hat talks to another person in a coat.",
    "one woman on another woman 's shoulders": "One person on another person's shoulders.",
    "a girl pushes a boy": "A child pushes another child.",
    "the man looks at the woman": "The person looks at the other person.",
    "a man helps the man": "A person helps the person.",
    "three men and a woman in a red dress": "Three people and another person in a red dress.",
    "a man and a woman holding a child": "A person and another person holding a child.",
    "a lady and a man with no shirt": "A person and another person with no shirt.",
}
CASES = (
    SENTENCES
    | OPENINGS
    | NUMBERS_AND_ARTICLES
    | PEOPLE
    | SLIPS
    | TRADES_AND_KIN
    | NO_PEOPLE
    | PRONOUNS
    | ANIMALS
    | SEVERAL_PEOPLE
)


@pytest.mark.parametrize(("caption", "told"), CASES.items(), ids=str)
def test_it_is_told(caption, told):
    assert alt_text(caption) == told


def test_what_is_told_is_told_the_same_again():
    assert [alt_text(told) for told in CASES.values()] == list(CASES.values())


@pytest.mark.parametrize(
    ("caption", "told"),
    [
        ("there are 2 men and a woman with her dog", "Two men and a woman with her dog."),
        ("a image of a boy , he smiles", "A boy, he smiles."),
        ("a asian lady 's hat", "An Asian lady's hat."),
    ],
)
def test_gender_can_be_kept(caption, told):
    assert alt_text(caption, gendered=True) == told


LONG = "a person in a black shirt walks beside another person in black pants and a flowery shirt"
ENDINGS = {
    " in front of a refreshment stand with others": " in front of a refreshment stand.",
    " in front of the very first of many stands": ".",
    " and a red and white hat with a feather": " and a red and white hat.",
    " while a red dog with a long tail barks": ".",
    " while a dog barks at the stand that sells": " while a dog barks at the stand.",
    " . They talk about a long and winding road": ".",
    ' that says " never stop , never ever look back "': ".",
}


@pytest.mark.parametrize(("ending", "kept"), ENDINGS.items())
def test_what_is_too_long_ends_with_a_phrase(ending, kept):
    whole = alt_text(LONG + ending)
    assert len(whole) > MOST_CHARACTERS and cut(whole) == alt_text(LONG + kept)


def test_without_a_phrase_it_ends_with_a_word():
    words = "very " * 40 + "red"
    told = cut(alt_text(words))
    assert MOST_CHARACTERS - 5 <= len(told) <= MOST_CHARACTERS and told.removesuffix(".").endswith("very")
    assert len(cut(alt_text("x" * 200))) == MOST_CHARACTERS


_WORDS = "a an the man woman girls his her he she himself 's ' \" , . and or there is are picture of 3 2nd who with dog"


@settings(deadline=None)
@given(st.text(max_size=300) | st.lists(st.sampled_from(_WORDS.split()), max_size=60).map(" ".join))
def test_whatever_comes_becomes_a_sentence_or_nothing(text):
    for gendered in (False, True):
        told = cut(alt_text(text, gendered))
        assert len(told) <= MOST_CHARACTERS and (told == "" or told.endswith("."))
