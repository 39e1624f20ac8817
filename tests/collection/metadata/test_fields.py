"""Which values give way to which words, and how what a machine wrote is known again."""

import hashlib

import pytest

from collection.metadata.fields import Description, Rules, write
from collection.metadata.xmp import Packet

MODEL = {"name": "cnn_lstm", "digest": "sha256:1234", "device": "cpu"}
MACHINE = {"caption": "a dog runs", "tags": [{"name": "dog", "probability": 0.9}], "model": MODEL}
DESCRIPTION, ALT = "dc:description", "Iptc4xmpCore:AltTextAccessibility"


def written(record, packet=None, policy="machine", under=None, **rules):
    packet = packet or Packet()
    changes = write(packet, Description.of(record), Rules(policy, **rules), under=under)
    return packet, [change.field for change in changes]


def text(packet, name=DESCRIPTION):
    return packet.alternatives(name).get("x-default")


def test_a_machines_text_gives_way_to_the_next_and_a_persons_stays():
    packet, _ = written(MACHINE)
    assert packet.text("captioner:Model") == "cnn_lstm sha256:1234" and packet.text("captioner:Date")[:2] == "20"
    assert packet.items("captioner:TextDigest") == [hashlib.sha256(b"a dog runs").hexdigest()]
    packet, changed = written(MACHINE | {"caption": "a cat", "tags": [{"name": "cat"}]}, packet)
    assert len(changed) == 6 and text(packet) == text(packet, ALT) == "a cat"
    assert packet.items("dc:subject") == packet.items("captioner:Keywords") == ["cat"]

    packet.set_alternative(DESCRIPTION, "x-default", "our Minka")  # in another program
    packet.set_items("dc:subject", ["cat", "Minka"], "Bag")
    packet, changed = written(MACHINE | {"caption": "a dog", "tags": [{"name": "dog"}]}, packet)
    assert text(packet) == "our Minka" and text(packet, ALT) == "a dog" and DESCRIPTION not in changed
    assert packet.items("dc:subject") == ["Minka", "dog"]
    assert written(MACHINE, packet, "empty")[1] == []
    packet, _ = written(MACHINE, packet, "always")
    assert text(packet) == "a dog runs" and packet.items("dc:subject") == ["dog"]


def test_a_persons_caption_is_no_machines():
    person = MACHINE | {"caption": "our Minka", "machine_caption": "a cat", "reviewed": "edited", "tags": []}
    packet, _ = written(person, prefix="AI: ")
    assert text(packet) == "our Minka"  # theirs alone
    assert not packet.text("captioner:Model") and not packet.items("captioner:TextDigest")
    packet, _ = written(person | {"caption": "Minka and I"}, packet)  # corrected once more
    assert text(packet) == "Minka and I"

    packet, _ = written(MACHINE | {"tags": []})
    packet, changed = written(MACHINE | {"tags": [], "reviewed": "accepted"}, packet)  # the machine's words, accepted
    assert len(changed) == 3 and text(packet) == "a dog runs"
    assert not packet.items("captioner:TextDigest") and not packet.text("captioner:Model")

    packet, _ = written(MACHINE | {"tags": []})
    packet, _ = written(MACHINE | {"tags": [], "caption": "", "reviewed": "rejected"}, packet)
    assert not text(packet) and not text(packet, ALT)


def test_a_machines_other_languages_stand_beside_its_own_alone():
    languages = MACHINE | {"languages": {"de": "ein Hund", "zh": {"caption": "狗"}}}
    packet, _ = written(languages)
    assert packet.alternatives(ALT) == {"x-default": "a dog runs", "de": "ein Hund", "zh": "狗"}
    theirs = Packet()
    theirs.set_alternative(DESCRIPTION, "x-default", "our dog")
    assert written(languages, theirs)[0].alternatives(DESCRIPTION) == {"x-default": "our dog"}
    packet, _ = written(languages | {"languages": {"de": "ein Hund rennt"}}, packet)
    assert packet.alternatives(ALT) == {"x-default": "a dog runs", "de": "ein Hund rennt", "zh": "狗"}


def test_what_is_around_a_machines_sentence_and_how_long_it_may_be():
    packet, _ = written(MACHINE, prefix="AI: ", suffix=" (unchecked)")
    assert text(packet) == "AI: a dog runs (unchecked)"
    assert written(MACHINE, packet, prefix="AI: ")[0] and text(packet) == "AI: a dog runs"
    long = "many words " * 60
    packet, _ = written(MACHINE | {"caption": long})
    assert text(packet) == long.strip() and len(text(packet, ALT)) <= 250 and text(packet, ALT).endswith(" many…")
    packet, _ = written(MACHINE | {"caption": "a\0 dog\x1b runs\ud800", "tags": [{"name": "d\x07og"}]})
    assert text(packet) == "a dog runs?" and packet.items("dc:subject") == ["dog"]


def test_appended_once():
    packet = Packet()
    packet.set_alternative(DESCRIPTION, "x-default", "Minka.")
    packet.set_items("dc:subject", ["Dog", "us"], "Bag")
    for _ in range(2):
        packet, changed = written(MACHINE, packet, "append")
    assert changed == [] and text(packet) == "Minka. a dog runs" and packet.items("dc:subject") == ["Dog", "us"]
    assert written(MACHINE | {"caption": "a cat"}, packet)[0] and text(packet) == "Minka. a dog runs"


@pytest.mark.parametrize(("policy", "expected"), [("machine", None), ("empty", None), ("append", "Minka a dog runs")])
def test_a_sidecar_hides_nothing_that_a_person_wrote_into_the_photograph(policy, expected):
    photograph = Packet()
    photograph.set_alternative(DESCRIPTION, "x-default", "Minka")
    photograph.set_items("dc:subject", ["us"], "Bag")
    sidecar, _ = written(MACHINE, policy=policy, under=photograph)
    assert text(sidecar) == expected
    assert sidecar.items("dc:subject") == ([] if policy == "empty" else ["us", "dog"])
    of_machine, _ = written(MACHINE | {"caption": "a cat"})
    assert text(written(MACHINE, policy="machine", under=of_machine)[0]) == "a dog runs"
