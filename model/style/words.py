"""The words of gender-neutral captions: what stands for what, and what tells people, animals and things apart."""

from __future__ import annotations

# Each in the singular: plurals are inflected.
_NEUTRAL = """
person: man woman male female lady guy gentleman gal dude bloke
child: boy girl lad lass son daughter
parent: mother father mom mommy mum momma mama dad daddy papa
grandparent: grandmother grandfather grandma grandpa granny
grandchild: grandson granddaughter
stepparent: stepmother stepfather
sibling: brother sister
spouse: husband wife
partner: boyfriend girlfriend
relative: uncle aunt nephew niece
newlywed: bride groom bridegroom
wedding attendant: bridesmaid groomsman
schoolchild: schoolboy schoolgirl
firefighter: fireman
police officer: policeman policewoman
officer: patrolman
soldier: infantryman
service member: serviceman servicewoman
crew member: crewman
guard: guardsman
mail carrier: mailman postman
garbage collector: garbageman
worker: workman
repair worker: repairman handyman
camera operator: cameraman camerawoman
stunt performer: stuntman stuntwoman
performer: showgirl showman
ballet dancer: ballerina
lead singer: frontman
actor: actress
host: hostess
flight attendant: steward stewardess
server: waiter waitress
busser: busboy
bartender: barman barmaid
housekeeper: maid chambermaid
homemaker: housewife
door attendant: doorman
businessperson: businessman businesswoman
salesperson: salesman saleswoman
spokesperson: spokesman spokeswoman
chairperson: chairman chairwoman
sportsperson: sportsman sportswoman sportman sportwoman
fisher: fisherman fisherwoman
hunter: huntsman
sharpshooter: marksman
sword fighter: swordsman
rider: horseman horsewoman
cowhand: cowboy cowgirl
batter: batsman
base player: baseman
line player: lineman
line judge: linesman
defender: defenseman
rower: oarsman
sailor: yachtsman seaman
boat operator: boatman ferryman
artisan: craftsman craftswoman
spaceperson: spaceman
cave dweller: caveman
"""


def _by_word(lines: str) -> dict[str, str]:
    pairs = (line.split(": ") for line in lines.strip().splitlines())
    return {word: neutral for neutral, words in pairs for word in words.split()}


NEUTRAL = _by_word(_NEUTRAL)
"""Gendered noun to neutral one."""
GENERIC = frozenset(("person", "child"))
"""Neutral nouns that say nothing but how old somebody is."""
AGES = {word: word for word in "adolescent adult baby child infant kid newborn teenager toddler".split()} | {
    "teen": "teenager",
    "teenage": "teenager",
    "teenaged": "teenager",
    "grown": "adult",
}
"""Before a word for a person these are all that is left of both: "teenage girl", "baby boy"."""

PHRASES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("best", "man"): ("wedding", "attendant"),
    ("garbage", "man"): ("garbage", "collector"),
    ("police", "man"): ("police", "officer"),
    ("police", "woman"): ("police", "officer"),
    ("fire", "man"): ("firefighter",),
    ("camera", "man"): ("camera", "operator"),
    ("man", "made"): ("artificial",),
    ("man-made",): ("artificial",),
    ("manmade",): ("artificial",),
    ("snow", "man"): ("snowman",),
    ("spider", "man"): ("Spider-Man",),
    ("iron", "man"): ("Iron-Man",),
    ("lady", "bug"): ("ladybug",),
    ("men", "'s", "room"): ("restroom",),
    ("women", "'s", "room"): ("restroom",),
    ("ladies", "'", "room"): ("restroom",),
    ("mans",): ("man", "'s"),
    ("womans",): ("woman", "'s"),
    ("mens",): ("men", "'s"),
    ("womens",): ("women", "'s"),
    ("male", "and", "female"): (),
    ("female", "and", "male"): (),
    ("all-male",): (),
    ("all-female",): (),
}
"""What is no person, is written as two words, or lacks its apostrophe."""

COSTUMES = frozenset("attire boot boots costume costumes gear hat hats outfit outfits shirt shirts".split())
"""A cowboy hat is a kind of hat, whoever wears it."""
CLOTHES = frozenset(
    "apron cap coat costume dress hat helmet hoodie jacket jersey outfit robe sari shirt skirt suit sweater swimsuit "
    "t-shirt top uniform vest".split()
)
SPORTS = frozenset(
    "baseball basketball cricket football gymnastics hockey lacrosse polo rugby soccer softball tennis "
    "volleyball".split()
)
"""Of a team or a match it is said whose it is: "women's basketball", "a girls soccer team"."""

PEOPLE = frozenset(
    "acrobat actor adult artist athlete baby backpacker batter bicyclist biker bowler boxer camper catcher "
    "cheerleader child climber clown coach competitor cyclist dancer diver driver drummer entertainer fan fisher "
    "friend goalie golfer guard guitarist gymnast hiker infant instructor jockey jogger jumper kayaker kid model "
    "motorcyclist musician officer passenger pedestrian performer photographer pitcher player racer referee rider "
    "runner sailor scout shopper singer skateboarder skater skier snowboarder soldier speaker spectator student "
    "surfer swimmer teacher teammate teen teenager toddler tourist trainer vaulter vendor wakeboarder walker worker "
    "wrestler".split()
)
"""Who can follow "woman" or "girl" and says all that it does: "a woman snowboarder"."""
SOMEBODY = (
    PEOPLE | NEUTRAL.keys() | frozenset("couple crowd family group owner people person somebody someone team".split())
)
ANIMALS = frozenset(
    "animal beagle bear bee bird bug bull bulldog butterfly calf camel canine cat chicken chihuahua collie corgi cow "
    "crab dachshund dalmatian deer doberman dog dolphin donkey duck elephant fish fox giraffe goat goose greyhound "
    "hawk horse hound husky insect kitten lab labrador lamb lion mastiff monkey mutt owl parrot pelican penguin pig "
    "pinscher pitbull pony poodle pug pup puppy rabbit retriever rottweiler seagull seal sheep spaniel squirrel swan "
    "terrier tiger turtle whale zebra".split()
)

NAMES = {
    name.lower(): name
    for name in (
        "African American Americans Asian Asians Australian Brazilian British Canadian Chinese Dutch English European "
        "French German Hispanic Indian Irish Italian Japanese Korean Mexican Muslim Russian Spanish "
        "Christmas Easter Halloween Thanksgiving Santa Claus Olympic Olympics Labrador Doberman Boston Chicago Florida "
        "London Miami Oklahoma Paris Seattle Tokyo ATM ATV ATVs BMX CD DJ DVD LCD MP3 RV SUV SUVs TV TVs U.S. UFO USA"
    ).split()
}
"""As a sentence has them; the network's own words are all in lower case."""
